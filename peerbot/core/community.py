"""A community: which circles it has, who looks after them, and the gateway that reads along."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from peerbot.clock import epoch_seconds
from peerbot.core.inviting import Community, make_invite
from peerbot.core.joining import join_circle, look_up
from peerbot.core.node import Circle, Node
from peerbot.core.people import set_profile
from peerbot.errors import UserError
from peerbot.protocol.keys import new_recovery_code
from peerbot.protocol.roster.ops import Role
from peerbot.protocol.roster.rights import LEADERS

FORUM = "forum"
MODERATORS = "moderators"
GATEWAY_NAME = "Gateway"
READS_ALONG = "history"
"""What an invite says of a gateway that serves no chat app: it keeps the history for newcomers."""
_HOUR = 3600
_SUITED = {Role.MEMBER, Role.ORGANISER, Role.GATEWAY}


def cafe_slug(town: str) -> str:
    return f"cafe-{town}"


def slugs(towns: Iterable[str]) -> list[str]:
    """The circles a community begins with."""
    return [FORUM, *(cafe_slug(town) for town in towns), MODERATORS]


def shared_slugs(towns: Iterable[str]) -> list[str]:
    """Those the gateway reads: never the moderators'."""
    return [slug for slug in slugs(towns) if slug != MODERATORS]


async def ensure_name(node: Node, circle: Circle, name: str) -> None:
    """Say how I am called, unless I have said so already."""
    await node.sync(circle)
    if circle.follower.state.me.member not in await node.vault.names(circle.cid):
        await set_profile(node, circle, name)


async def admit_gateway(owner: Node, gateway: Node, wanted: Sequence[str], community: Community) -> None:
    """Let the gateway join these circles by an ordinary invite of its role. Can be called again after a crash."""
    there = {slug for _, slug, ready in await gateway.vault.circles() if ready}
    missing = [owner.circle(slug) for slug in wanted if slug not in there]
    if missing:
        expires = epoch_seconds(owner.clock.now()) + _HOUR
        invite = await make_invite(owner, missing, community, role=Role.GATEWAY, uses=1, expires=expires)
        if invite.link is None:
            raise UserError("invite-unknown")
        invitation = await look_up(gateway, invite.link)
        for noted in invitation.note.circles:
            # Nobody keeps this code: a lost gateway is replaced by a new one.
            await join_circle(gateway, invitation, noted, new_recovery_code())
    for slug in wanted:
        await ensure_name(gateway, gateway.circle(slug), GATEWAY_NAME)
    for row in await owner.vault.invites():
        if row.role == Role.GATEWAY:
            await owner.vault.drop_invite(row.id)


def invitable(node: Node, role: Role, wanted: Sequence[str]) -> list[Circle]:
    """The circles an invite of this role leads to: those wanted, else all that suit it and that I may invite to.

    Raises UserError("no-such-circle", "gateway-moderators", "invite-none").
    """
    if role is Role.GATEWAY and MODERATORS in wanted:
        raise UserError("gateway-moderators")
    if wanted:
        return [node.circle(slug) for slug in dict.fromkeys(wanted)]
    found = [c for c in node.circles if _may_invite(c, role) and not (c.slug == MODERATORS and role in _SUITED)]
    if not found:
        raise UserError("invite-none")
    return found


def _may_invite(circle: Circle, role: Role) -> bool:
    state = circle.follower.state
    if state.member is None or state.removed or state.member.role not in LEADERS:
        return False
    return state.member.role is Role.OWNER or role is Role.MEMBER


def read_along(circles: Iterable[Circle], chat_apps: str) -> str:
    """What an invite says about gateways: nothing where none is in these circles."""
    members = (m for c in circles for m in c.follower.state.rules.members_active())
    if not any(m.role is Role.GATEWAY for m in members):
        return ""
    return chat_apps or READS_ALONG

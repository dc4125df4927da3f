"""Invites: making and taking back, and joining by one."""

from __future__ import annotations

from collections.abc import Sequence

from peerbot.clock import epoch_seconds
from peerbot.core import community, inviting, joining, recovery
from peerbot.core.desk import answers, asks
from peerbot.core.desk.base import Desk, circles_named, refresh
from peerbot.core.text import clean_line
from peerbot.errors import UserError
from peerbot.protocol.invite import InviteLink, format_link, parse_link
from peerbot.protocol.keys import spell
from peerbot.protocol.roster.ops import Role
from peerbot.protocol.wire import Malformed


async def invite(desk: Desk, ask: asks.Invite) -> answers.InviteList:
    role = Role(ask.role)
    circles = community.invitable(desk.node, role, ask.circles)
    about = inviting.Community(
        ask.name, ask.operator, ask.contact, ask.language, community.read_along(circles, ask.gateways)
    )
    made = await inviting.make_invite(desk.node, circles, about, role=role, uses=ask.uses, expires=ask.expires)
    return answers.InviteList(invites=[_invite_line(made)])


async def invites(desk: Desk, _: asks.Invites) -> answers.InviteList:
    stale = await refresh(desk, circles_named(desk, None))
    return answers.InviteList(invites=[_invite_line(i) for i in await inviting.list_invites(desk.node)], stale=stale)


def _invite_line(shown: inviting.ShownInvite) -> answers.InviteLine:
    link = format_link(shown.link) if shown.link is not None else ""
    code = spell(shown.link.token.reveal()) if shown.link is not None else ""
    role = int(shown.role)
    return answers.InviteLine(shown.id, link, code, role, shown.uses, shown.expires, shown.circles, shown.revoked)


async def revoke(desk: Desk, ask: asks.Revoke) -> answers.Done:
    return answers.Done(count=await inviting.revoke_invite(desk.node, ask.invite.strip().lower()))


def read_link(text: str, relay_url: str | None = None) -> InviteLink:
    """A link, or a spoken code with the relay's address. Raises UserError("invite-malformed")."""
    try:
        return parse_link(text, relay_url)
    except Malformed:
        raise UserError("invite-malformed") from None


async def look_up(desk: Desk, ask: asks.LookUp) -> answers.Invited:
    invitation = await joining.look_up(desk.node, read_link(ask.link))
    lines = []
    for noted in invitation.note.circles:
        here = any(c.cid == noted.cid for c in desk.node.circles)
        circle = await joining.joined_already(desk.node, noted) if here else None
        names = await desk.node.vault.names(noted.cid) if circle is not None else {}
        name = names.get(circle.follower.state.me.member, "") if circle is not None else ""
        lines.append(answers.InvitedTo(clean_line(noted.slug), noted.role, circle is not None, clean_line(name)))
    return invited(invitation, lines)


def invited(invitation: joining.Invitation, circles: Sequence[answers.InvitedTo]) -> answers.Invited:
    """An invitation as people may see it."""
    note = invitation.note
    words = (note.community, note.operator, note.contact, note.language, note.gateways)
    name, operator, contact, language, gateways = (clean_line(word) for word in words)
    return answers.Invited(
        community=name, operator=operator, contact=contact, language=language, gateways=gateways, circles=circles
    )


async def join(desk: Desk, ask: asks.Join) -> answers.Done:
    invitation = await joining.look_up(desk.node, read_link(ask.link))
    noted = next((n for n in invitation.note.circles if clean_line(n.slug) == ask.circle), None)
    if noted is None:
        raise UserError("no-such-circle", circle=ask.circle)
    code = await recovery.begin_code(desk.node.vault)
    now = epoch_seconds(desk.node.clock.now())
    await desk.node.vault.set_setting(f"consent:{noted.cid.hex()}", f"{ask.consent}:{now}")
    circle = await joining.join_circle(desk.node, invitation, noted, code)
    return answers.Done(text=circle.slug)


async def pending_code(desk: Desk, ask: asks.PendingCode) -> answers.Code:
    if ask.given:
        code = await recovery.reuse_code(desk.node, ask.given)
    elif ask.make:
        code = await recovery.begin_code(desk.node.vault)
    else:
        found = await recovery.pending_code(desk.node.vault)
        return answers.Code(code=spell(found.reveal()) if found is not None else "")
    return answers.Code(code=spell(code.reveal()))


async def settle_code(desk: Desk, _: asks.SettleCode) -> answers.Done:
    await recovery.settle_code(desk.node)
    return answers.Done()

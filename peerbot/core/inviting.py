"""Making, listing and revoking invites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from peerbot.clock import epoch_seconds
from peerbot.core.node import Circle, Node
from peerbot.core.ports import InviteRow
from peerbot.errors import UserError
from peerbot.protocol.invite import InviteLink, Note, NotedCircle, seal_note
from peerbot.protocol.keys import invite_id, invite_key, new_token, rendezvous
from peerbot.protocol.primitives import sha256
from peerbot.protocol.roster.ops import AddInvite, RevokeInvite, Role
from peerbot.protocol.secret import InviteToken


@dataclass(frozen=True, slots=True)
class Community:
    """What an invite tells a newcomer about who runs this. `gateways` names the chat apps that read along, if any."""

    name: str
    operator: str
    contact: str
    language: str
    gateways: str = ""


@dataclass(frozen=True, slots=True)
class ShownInvite:
    """An invite as people see it. `link` is None for those made on another device; `uses` are those left."""

    id: str
    link: InviteLink | None
    role: Role
    uses: int
    expires: int
    circles: tuple[str, ...]
    revoked: bool


async def make_invite(
    node: Node,
    circles: Sequence[Circle],
    community: Community,
    *,
    role: Role = Role.MEMBER,
    uses: int = 1,
    expires: int,
) -> ShownInvite:
    """One invite for several circles. It is stored before it is sent; works once every circle has taken it.

    `expires` in seconds since 1970. Raises Refused("E10") where I may not invite, UserError("two-relays"), RelayError.
    """
    token = new_token()
    urls = {circle.follower.state.rules.relay_url for circle in circles}
    if len(urls) != 1:
        raise UserError("two-relays")
    row = InviteRow(_row_id(token), token, role, uses, expires, [circle.cid for circle in circles])
    await node.vault.put_invite(row)
    for circle in circles:
        key = invite_key(token, circle.cid)
        op = AddInvite(invite_id(key.public), key.public, role, uses, expires, 0)
        await node.sync(circle)
        async with node.holding(circle):
            await circle.outbox.append_entry((op,), None)
    noted = [NotedCircle(circle.cid, circle.slug, role) for circle in circles]
    note = Note(community.name, community.operator, community.contact, community.language, community.gateways, noted)
    place, sealed = seal_note(token, note)
    await circles[0].follower.relay.put_note(place, sealed, expires)
    return ShownInvite(
        row.id.hex()[:8], InviteLink(urls.pop(), token), role, uses, expires, tuple(c.slug for c in circles), False
    )


def _row_id(token: InviteToken) -> bytes:
    return sha256(b"invite-row" + token.reveal())[:16]


async def list_invites(node: Node) -> list[ShownInvite]:
    """The invites made on this device that may still be used, then those others made, one line per circle."""
    shown: list[ShownInvite] = []
    mine: set[bytes] = set()
    now = epoch_seconds(node.clock.now())
    for row in await node.vault.invites():
        found = []
        for circle in node.circles:
            if circle.cid not in row.circles:
                continue
            op_id = invite_id(invite_key(row.token, circle.cid).public)
            mine.add(op_id)
            if (invite := circle.follower.state.rules.invites.get(op_id)) is not None:
                found.append((circle, invite))
        if not found:
            continue
        circle, invite = found[0]
        link = InviteLink(circle.follower.state.rules.relay_url, row.token)
        slugs = tuple(c.slug for c, _ in found)
        shown.append(
            ShownInvite(row.id.hex()[:8], link, Role(row.role), invite.uses, row.expires, slugs, invite.revoked)
        )
    for circle in node.circles:
        for invite in circle.follower.state.rules.invites.values():
            if invite.id in mine or invite.revoked or invite.uses < 1 or invite.expires < now:
                continue
            role = Role(invite.role)
            shown.append(
                ShownInvite(invite.id.hex()[:8], None, role, invite.uses, invite.expires, (circle.slug,), False)
            )
    return shown


async def revoke_invite(node: Node, prefix: str) -> int:
    """Revoke by the id `list_invites` shows; returns in how many circles. Raises UserError("no-such-invite")."""
    ops: list[tuple[Circle, bytes]] = []
    row = next((r for r in await node.vault.invites() if prefix and r.id.hex().startswith(prefix)), None)
    for circle in node.circles:
        known = circle.follower.state.rules.invites
        if row is not None and circle.cid in row.circles:
            ops.append((circle, invite_id(invite_key(row.token, circle.cid).public)))
        elif row is None and prefix:
            ops += [(circle, i) for i in known if len(prefix) >= 8 and i.hex().startswith(prefix)]
    if not ops:
        raise UserError("no-such-invite", invite=prefix)
    for circle, op_id in ops:
        await node.sync(circle)
        invite = circle.follower.state.rules.invites.get(op_id)
        if invite is None or invite.revoked:
            continue
        async with node.holding(circle):
            await circle.outbox.append_entry((RevokeInvite(op_id),), None)
    if row is not None:
        place, _ = rendezvous(row.token)
        await ops[0][0].follower.relay.drop_note(place)
        await node.vault.drop_invite(row.id)
    return len(ops)

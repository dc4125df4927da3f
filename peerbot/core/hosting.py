"""Members a gateway hosts: admitted by the token they typed, written for, and let go."""

from __future__ import annotations

from peerbot.clock import epoch_seconds
from peerbot.core.joining import check_invite
from peerbot.core.node import Circle, Node
from peerbot.core.threads import check_open
from peerbot.errors import UserError
from peerbot.protocol import labels
from peerbot.protocol.bodies import Post, Profile, Ref
from peerbot.protocol.keys import invite_id, invite_key
from peerbot.protocol.roster.checks import hosted_join
from peerbot.protocol.roster.ops import AddMember, Leave
from peerbot.protocol.roster.rights import HOSTABLE
from peerbot.protocol.secret import InviteToken


async def admit_hosted(node: Node, circle: Circle, token: InviteToken, member: bytes) -> None:
    """Add a hosted member by the invite they typed. The caller has stored `member` (16 random bytes) with the chat it
    belongs to first, so that a crash costs nothing: a second call finds the member there.

    Raises UserError: "invite-revoked", "invite-expired", "invite-used-up", "invite-approval", "invite-role" (an invite
    for moderators is for a device of one's own); RelayError.
    """
    await node.sync(circle)
    rules = circle.follower.state.rules
    if member in rules.members:
        return
    key = invite_key(token, circle.cid)
    invite = invite_id(key.public)
    check_invite(rules, invite, epoch_seconds(node.clock.now()))
    if rules.invites[invite].role not in HOSTABLE:
        raise UserError("invite-role")
    host = circle.follower.state.me.member
    signature = key.sign(labels.SIG_HOSTED_JOIN, hosted_join(circle.cid, member, host))
    async with node.holding(circle):
        await circle.outbox.append_entry((AddMember(member, 1, host, invite, signature),), None)


async def name_hosted(node: Node, circle: Circle, member: bytes, pseudonym: str, town: str = "") -> None:
    """Say how a hosted member is called. Raises RelayError where it waits to be sent."""
    async with node.holding(circle):
        await circle.outbox.post(member, [Profile(pseudonym, town)])
        await circle.outbox.pump()


async def write_for(
    node: Node, circle: Circle, member: bytes, thread: bytes, text: str, door: str, answers: Ref | None = None
) -> None:
    """Store a hosted member's words for a thread; `threads.send` sends them.

    Raises UserError("not-hosted", "paused", "locked", "removed", "too-long", "outbox-full"), PeerbotError("alarm-…").
    """
    async with node.holding(circle):
        check_hosted(circle, member)
        check_open(circle, thread)
        await circle.outbox.post(member, [Post(thread, text, door, answers)])


async def let_go(node: Node, circle: Circle, member: bytes) -> None:
    """A hosted member leaves. Can be called again. Raises RelayError."""
    await node.sync(circle)
    found = circle.follower.state.rules.members.get(member)
    if found is None or not found.active:
        return
    check_hosted(circle, member)
    async with node.holding(circle):
        await circle.outbox.append_entry((Leave(member),), None)


def check_hosted(circle: Circle, member: bytes) -> None:
    """Raises UserError("not-hosted") where this gateway doesn't speak for the member any more."""
    state = circle.follower.state
    found = state.rules.members.get(member)
    if found is None or not found.active or found.host != state.me.member:
        raise UserError("not-hosted")

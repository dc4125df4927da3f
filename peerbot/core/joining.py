"""Joining by invite: needs nobody else online, and can be taken up again after a crash at any point."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from peerbot.clock import epoch_seconds
from peerbot.core.chainwork import chain, check_receipt, fold_control
from peerbot.core.follow import BATCH
from peerbot.core.founding import Enrolment, enrol, recovery_op
from peerbot.core.node import Circle, Node
from peerbot.core.ports import CircleRelay, Credential, NewCircle, Relay, StoredCircle
from peerbot.core.state import RECENT_HEADS, CircleState, restore
from peerbot.errors import Conflict, Fork, PeerbotError, Refused, RelayError, UserError
from peerbot.protocol.epochs import Built, build_entry
from peerbot.protocol.invite import InviteLink, Note, NotedCircle, open_note
from peerbot.protocol.keys import device_id, invite_id, invite_key, rendezvous
from peerbot.protocol.log import Kind, open_receipt
from peerbot.protocol.primitives import SealingKey, SigningKey
from peerbot.protocol.roster.checks import admit
from peerbot.protocol.roster.entry import By, Reason, Signer, parse_entry
from peerbot.protocol.roster.state import Roster
from peerbot.protocol.secret import InviteToken, RecoveryCode
from peerbot.protocol.wire import Malformed

MOST_TRIES = 50
MOST_RECORDS = 20_000_000


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invite whose note has been read: what to tell the person before they say yes."""

    link: InviteLink
    note: Note


async def look_up(node: Node, link: InviteLink) -> Invitation:
    """Read the sealed note of an invite. Raises UserError("invite-unknown"), RelayError."""
    return await read_note(node.relay(link.relay_url, None), link)


async def read_note(relay: Relay, link: InviteLink) -> Invitation:
    """The same for somebody who has no vault yet."""
    place, _ = rendezvous(link.token)
    raw = await relay.note(place)
    if raw is None:
        raise UserError("invite-unknown")
    try:
        return Invitation(link, open_note(link.token, raw))
    except Malformed:
        raise RelayError("relay-garbage") from None


async def join_circle(node: Node, invitation: Invitation, noted: NotedCircle, code: RecoveryCode) -> Circle:
    """Join one circle of an invite, or finish a join that was cut off.

    Raises UserError: "invite-revoked", "invite-expired", "invite-used-up", "invite-approval", "slug-taken"; RelayError.
    """
    known = {cid: ready for cid, _, ready in await node.vault.circles()}
    if known.get(noted.cid):
        return await joined_already(node, noted)
    if noted.cid not in known:
        await _prepare(node, invitation, noted)
    stored = await node.vault.circle(noted.cid)
    if not await _stands(node, stored):
        try:
            await _append_join(node, stored, invitation.link.token, code)
        except UserError:
            await node.vault.drop_circle(noted.cid)
            raise
    await node.vault.mark_ready(noted.cid)
    circle = await node.open(noted.cid)
    await node.sync(circle)
    return circle


async def joined_already(node: Node, noted: NotedCircle) -> Circle:
    """The circle, unless I was removed from it: a removed device can't come back, and a vault has one device for each.

    Raises UserError("join-removed").
    """
    circle = next(c for c in node.circles if c.cid == noted.cid)
    try:
        await node.sync(circle)
    except RelayError as error:
        if error.code == "relay-denied":
            raise UserError("join-removed", circle=noted.slug) from None
        if circle.follower.state.roster is None:
            raise
    if circle.follower.state.removed:
        raise UserError("join-removed", circle=noted.slug)
    return circle


async def _prepare(node: Node, invitation: Invitation, noted: NotedCircle) -> None:
    if any(slug == noted.slug for _, slug, _ in await node.vault.circles()):
        raise UserError("slug-taken", circle=noted.slug)
    me = enrol()
    public = invite_key(invitation.link.token, noted.cid).public
    _, add = me.ops(noted.cid, invite_id(public))
    new: NewCircle = me.stored(noted.cid, noted.slug, invitation.link.relay_url, add, ready=False)
    await node.vault.add_circle(new, None)


async def _stands(node: Node, stored: StoredCircle) -> bool:
    """Whether the join of an earlier try stands in the log: then my device can sign in."""
    key = SigningKey(stored.signing)
    credential = Credential(stored.cid, By.DEVICE, device_id(key.public), key)
    try:
        await node.relay(stored.relay_url, None).circle(credential).read(0, 1)
    except RelayError as error:
        if error.code == "relay-denied":
            return False
        raise
    return True


async def _append_join(node: Node, stored: StoredCircle, token: InviteToken, code: RecoveryCode) -> None:
    key = invite_key(token, stored.cid)
    signer = Signer(By.INVITE, invite_id(key.public))
    relay = node.relay(stored.relay_url, None).circle(Credential(stored.cid, By.INVITE, signer.id, key))
    for attempt in range(MOST_TRIES):
        try:
            state = await read_roster(relay, restore(stored))
        except RelayError as error:
            if error.code == "relay-denied":
                raise UserError("invite-revoked") from None
            raise
        now = epoch_seconds(node.clock.now())
        check_invite(state.rules, signer.id, now)
        built = _join_entry(stored, state, signer, key, code, now)
        try:
            receipt = await relay.append(Kind.ENTRY, built.wire, envelopes=built.envelopes)
        except Conflict:
            await node.clock.sleep(random.uniform(0, 0.05 * attempt))  # noqa: S311 - spreads load, hides nothing
            continue
        open_receipt(receipt, state.rules.relay_key, stored.cid)
        return
    raise RelayError("relay-busy", seconds=1)


def check_invite(roster: Roster, invite: bytes, now: int) -> None:
    """Say in words what E18 would say by number. `now` in seconds since 1970."""
    found = roster.invites.get(invite)
    if found is None or found.revoked:
        raise UserError("invite-revoked")
    if found.uses < 1:
        raise UserError("invite-used-up")
    if found.expires < max(now, roster.time):
        raise UserError("invite-expired")
    if found.approve:
        raise UserError("invite-approval")


def _join_entry(
    stored: StoredCircle, state: CircleState, signer: Signer, key: SigningKey, code: RecoveryCode, now: int
) -> Built:
    me = Enrolment(stored.member, SigningKey(stored.signing), SealingKey(stored.sealing[0].seed), stored.chain)
    ops = (*me.ops(stored.cid, signer.id), recovery_op(code, stored.cid, stored.member))
    built = build_entry(state.rules, signer, key, ops, log=(state.p, state.head), ts=now, rotate=Reason.JOIN)
    try:
        admit(state.rules, parse_entry(built.wire), state.p + 1, state.heads.get)
    except Refused as refused:
        raise UserError("invite-refused", check=refused.code) from None
    return built


async def read_roster(relay: CircleRelay, state: CircleState) -> CircleState:
    """The roster and the log head as an invite may see them: entries in full, of the rest the digests. Kept nowhere."""
    while True:
        page = await relay.read(state.p, BATCH)
        if not page.records:
            if state.roster is None:
                raise RelayError("relay-garbage")
            return state
        heads = chain(state, page.records)
        control = fold_control(state, page.records, heads)
        if control.stop == "fork":
            raise Fork("fork")
        if control.stop:
            raise PeerbotError("upgrade")
        check_receipt(state, page, heads, control.newest)
        last = page.records[-1].p
        state = replace(
            state,
            p=last,
            head=heads[last],
            roster=control.newest,
            heads=dict(sorted({**state.heads, **heads}.items())[-RECENT_HEADS:]),
            requests=state.requests | set(control.requests),
        )
        if last > MOST_RECORDS:
            # Only a relay that makes them up has so many; nobody waits for ever.
            raise RelayError("relay-garbage")
        if last >= page.head and state.roster is not None:
            return state

"""Checks E04 to E19 on a parsed entry, and S02 to S05 on a SUBKEY, in the order of docs/protocol.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from peerbot.errors import Fork, Refused, UpgradeNeeded
from peerbot.protocol import labels, subkey, wire
from peerbot.protocol.keys import device_id
from peerbot.protocol.primitives import CryptoFailure, check_signing_key, verify
from peerbot.protocol.roster.apply import apply_entry, apply_subkey, blank
from peerbot.protocol.roster.entry import Approval, By, Entry, Signer, circle_id, devices_added, parse_entry
from peerbot.protocol.roster.ops import (
    AddDevice,
    AddInvite,
    AddMember,
    Checkpoint,
    Leave,
    Op,
    RemoveDevice,
    RemoveMember,
    Role,
    SetPolicy,
    SetRecovery,
    SetRelay,
    SetRole,
    encode_op,
)
from peerbot.protocol.roster.rights import LEADERS, check_rights
from peerbot.protocol.roster.state import Roster, recipients, recipients_digest
from peerbot.protocol.wire import ZERO16, ZERO32

HeadAt = Callable[[int], bytes | None]
"""L at a log position, or None where it isn't known."""

_PROMOTED: Final = frozenset({Role.MODERATOR, Role.OWNER, Role.GATEWAY})


@dataclass(frozen=True, slots=True)
class Case:
    """An entry to be judged: the roster before it, what it would become, and the log around it."""

    before: Roster
    entry: Entry
    p: int
    head_at: HeadAt


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case that passed its authority checks, with the roster it leads to."""

    case: Case
    after: Roster


def admit(before: Roster, entry: Entry, p: int, head_at: HeadAt) -> Roster:
    """The roster after `entry`. Raises Refused with the check's number, or Fork, or UpgradeNeeded."""
    upgrade_wanted(before)
    case = Case(before, entry, p, head_at)
    for check in BEFORE:
        check(case)
    outcome = Outcome(case, apply_entry(before, entry, p))
    for rule in AFTER:
        rule(outcome)
    return outcome.after


def found(raw: bytes, cid: bytes) -> Roster:
    """The roster a genesis makes; E01 to E04, E07, E08 and E19 apply, and its ops have one shape."""
    entry = parse_entry(raw)
    if not entry.genesis or circle_id(entry.core_bytes) != cid:
        raise Refused("E04")
    _genesis_shape(entry)
    case = Case(blank(cid), entry, 1, lambda _: None)
    e08_signatures(case)
    e19_keys(Outcome(case, case.before))
    return apply_entry(case.before, entry, 1)


def _genesis_shape(entry: Entry) -> None:
    """E02, E07: the founder, one device that signs, the owner's role, the rules and the relay; maybe a recovery key."""
    ops = entry.core.ops
    kinds = [type(op) for op in ops]
    if kinds[:5] != [AddMember, AddDevice, SetRole, SetPolicy, SetRelay] or kinds[5:] not in ([], [SetRecovery]):
        raise Refused("E02")
    founder, device = ops[0], ops[1]
    if not isinstance(founder, AddMember) or not isinstance(device, AddDevice):
        raise Refused("E02")
    plain = founder == AddMember(founder.member, 0, ZERO16, ZERO16, b"") and founder.member != ZERO16
    same = {op.member for op in ops if isinstance(op, AddMember | AddDevice | SetRole | SetRecovery)}
    owner = any(isinstance(op, SetRole) and op.role == Role.OWNER for op in ops)
    if not plain or same != {founder.member} or not owner or entry.subkeys[0].n != 1:
        raise Refused("E02")
    if entry.core.signer != Signer(By.DEVICE, device_id(device.dsk)) or len(entry.signatures) != 1 or entry.approvals:
        raise Refused("E07")


def e04_cid(c: Case) -> None:
    if c.entry.core.cid != c.before.cid:
        raise Refused("E04")


def e05_seq(c: Case) -> None:
    if c.entry.core.seq != c.before.seq + 1:
        raise Refused("E05")


def e06_prev(c: Case) -> None:
    if c.entry.core.prev != c.before.head:
        raise Refused("E06")


def _key_of(c: Case, who: Signer) -> bytes | None:
    """The public key a signer stands for, if it may sign anything at all now."""
    if who.by is By.DEVICE:
        if c.entry.genesis:
            return next((op.dsk for op in c.entry.core.ops if isinstance(op, AddDevice)), None)
        device = c.before.devices.get(who.id)
        return device.dsk if device is not None and device.active else None
    if who.by is By.INVITE:
        invite = c.before.invites.get(who.id)
        return invite.public if invite is not None else None
    member = c.before.members.get(who.id)
    return member.recovery if member is not None and member.active and member.recovery != ZERO32 else None


def e07_signer(c: Case) -> None:
    if _key_of(c, c.entry.core.signer) is None:
        raise Refused("E07")


def e08_signatures(c: Case) -> None:
    """The signers' signatures, each new device's proof of possession, and its SUBKEY's signature."""
    core = c.entry.core
    try:
        if len({who for who, _ in c.entry.signatures}) != len(c.entry.signatures):
            raise CryptoFailure
        for who, signature in c.entry.signatures:
            key = _key_of(c, who)
            if key is None:
                raise CryptoFailure
            verify(key, labels.SIG_ENTRY, c.entry.core_bytes, signature)
        used = {op.member: op.invite for op in core.ops if isinstance(op, AddMember)}
        for op, record in devices_added(c.entry):
            statement = possession(core.cid, op.member, used.get(op.member, ZERO16))
            verify(op.dsk, labels.SIG_POSSESSION, statement, op.proof)
            if record.device != device_id(op.dsk) or record.roster_head != ZERO32:
                raise CryptoFailure
            verify(op.dsk, labels.SIG_SUBKEY, record.core, record.signature)
    except CryptoFailure:
        raise Refused("E08") from None


def possession(cid: bytes, member: bytes, invite: bytes) -> bytes:
    """What a new device signs to show that it holds its key; `cid` is zero in the genesis."""
    return wire.encode(labels.SIG_POSSESSION, cid, member, invite)


def hosted_join(cid: bytes, member: bytes, gateway: bytes) -> bytes:
    """What the invite key signs when a gateway admits a hosted member."""
    return wire.encode(labels.SIG_HOSTED_JOIN, cid, member, gateway)


def e06_log_head(c: Case) -> None:
    """The log the signer saw is ours, as is each CHECKPOINT; asked after E08, so that only a true signature can raise
    the alarm.
    """
    core = c.entry.core
    seen = [(core.log_pos, core.log_head), *((op.p, op.head) for op in core.ops if isinstance(op, Checkpoint))]
    if any(p >= c.p for p, _ in seen):
        raise Refused("E06")
    for p, head in seen:
        mine = c.head_at(p)
        if mine is not None and mine != head:
            raise Fork("E06")


def e09_quorum(c: Case) -> None:
    """Promotions, gateway admissions and a lower quorum take a second person once there are two.

    Approvals aren't under the signature, so one nobody needs is refused: it could be dropped on the way and change the
    hash, or use up a nonce.
    """
    left = list(c.entry.approvals)
    signer = c.entry.core.signer
    if c.before.policy.quorum >= 2 and signer.by is By.DEVICE:
        me = c.before.member_of(signer.id).id
        leaders = (m for m in c.before.members_active() if m.role in LEADERS and m.id != me)
        others = {m.id for m in leaders if c.before.devices_of(m.id)}
        for op in (op for op in c.entry.core.ops if others and _takes_two(op)):
            approval = next((a for a in left if _approves(c, a, op, others)), None)
            if approval is None:
                raise Refused("E09")
            left.remove(approval)
    if left:
        raise Refused("E09")


def _takes_two(op: Op) -> bool:
    if isinstance(op, SetPolicy):
        return op.quorum < 2
    return isinstance(op, SetRole | AddInvite) and Role(op.role) in _PROMOTED


def _approves(c: Case, approval: Approval, op: Op, others: set[bytes]) -> bool:
    device = c.before.devices.get(approval.device)
    if device is None or not device.active or device.member not in others:
        return False
    fits = approval.cid == c.before.cid and approval.op == encode_op(op) and approval.nonce not in c.before.nonces
    # As for invites (E18): a signer who turns back the entry's clock doesn't make an old approval young.
    if not fits or approval.expires < max(c.before.time, c.entry.core.ts):
        return False
    try:
        verify(device.dsk, labels.SIG_PROPOSAL, approval.proposal, approval.signature)
    except CryptoFailure:
        return False
    return True


def e10_rights(c: Case) -> None:
    check_rights(c.before, c.entry)


def _self_removal(c: Case) -> bool:
    signer = c.entry.core.signer.id
    return any(
        isinstance(op, Leave) or (isinstance(op, RemoveDevice) and op.device == signer) for op in c.entry.core.ops
    )


def e11_removal(o: Outcome) -> None:
    """Removals, and changes of the rules, carry an epoch."""
    c = o.case
    if c.entry.core.epoch is not None or _self_removal(c):
        return
    if any(isinstance(op, RemoveDevice | RemoveMember | SetPolicy) for op in c.entry.core.ops):
        raise Refused("E11")


def e12_leave(o: Outcome) -> None:
    """Who goes must not choose the next secret, so the entry has no epoch and nobody posts until another rotates."""
    if _self_removal(o.case) and (o.case.entry.core.epoch is not None or not o.after.rekey_required):
        raise Refused("E12")


def e13_join(o: Outcome) -> None:
    core = o.case.entry.core
    if core.epoch is None and any(isinstance(op, AddDevice) for op in core.ops):
        raise Refused("E13")


def e14_epoch(o: Outcome) -> None:
    """Epochs count without a gap, and promise newcomers no more history than the policy does."""
    epoch = o.case.entry.core.epoch
    current = o.case.before.epoch
    if epoch is None:
        return
    if epoch.e != (current.e if current is not None else 0) + 1 or epoch.history_days != o.after.policy.history_days:
        raise Refused("E14")


def e15_recipients(o: Outcome) -> None:
    core = o.case.entry.core
    if core.log_pos < o.case.before.p:
        raise Refused("E15")
    if core.epoch is not None and core.epoch.recipients != recipients_digest(recipients(o.after, core.log_pos)):
        raise Refused("E15")


def e16_subkey_number(o: Outcome) -> None:
    """A new device starts at 1 and an old one can't be added again, which would let its n fall."""
    for op, record in devices_added(o.case.entry):
        if record.n != 1 or device_id(op.dsk) in o.case.before.devices:
            raise Refused("E16")


def e17_owner(o: Outcome) -> None:
    owners = (m for m in o.after.members_active() if m.role is Role.OWNER)
    if not any(o.after.devices_of(m.id) for m in owners):
        raise Refused("E17")


def e18_invite(o: Outcome) -> None:
    c = o.case
    left: dict[bytes, int] = {}
    for op in c.entry.core.ops:
        if not isinstance(op, AddMember) or op.invite == ZERO16:
            continue
        invite = c.before.invites.get(op.invite)
        if invite is None or invite.revoked or invite.expires < max(c.before.time, c.entry.core.ts):
            raise Refused("E18")
        left[invite.id] = left.get(invite.id, invite.uses) - 1
        if left[invite.id] < 0:
            raise Refused("E18")
        if op.hosted:
            try:
                statement = hosted_join(c.before.cid, op.member, op.host)
                verify(invite.public, labels.SIG_HOSTED_JOIN, statement, op.invite_sig)
            except CryptoFailure:
                raise Refused("E18") from None


def e19_keys(o: Outcome) -> None:
    try:
        for op in o.case.entry.core.ops:
            if isinstance(op, AddInvite | SetRecovery | SetRelay):
                check_signing_key(op.public)
            elif isinstance(op, AddDevice):
                check_signing_key(op.dsk)
        if not all(subkey.well_formed(record.public) for record in o.case.entry.subkeys):
            raise CryptoFailure
    except CryptoFailure:
        raise Refused("E19") from None


BEFORE: Final = (
    e04_cid,
    e05_seq,
    e06_prev,
    e07_signer,
    e08_signatures,
    e06_log_head,
    e09_quorum,
    e10_rights,
)
AFTER: Final = (
    e11_removal,
    e12_leave,
    e13_join,
    e14_epoch,
    e15_recipients,
    e16_subkey_number,
    e17_owner,
    e18_invite,
    e19_keys,
)


def admit_subkey(roster: Roster, raw: bytes, p: int) -> Roster:
    """S01 to S05 on a SUBKEY record at log position p. Raises Refused or UpgradeNeeded."""
    upgrade_wanted(roster)
    record = subkey.parse_subkey(raw, roster.cid)
    device = roster.devices.get(record.device)
    if device is None or not device.active_at(p):
        raise Refused("S02")
    subkey.check_signature(record, device.dsk)
    if record.n != device.subkeys[-1].n + 1:
        raise Refused("S04")
    if not subkey.well_formed(record.public):
        raise Refused("S05")
    return apply_subkey(roster, record, p)


def upgrade_wanted(roster: Roster) -> None:
    """Stop where the circle asks for a suite this version doesn't speak. Raises UpgradeNeeded."""
    if roster.policy.min_suite > labels.SUITE:
        raise UpgradeNeeded("E03")

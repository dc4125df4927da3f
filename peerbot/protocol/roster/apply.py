"""What an entry does to the roster. Judges nothing: checks.py decides whether the result may stand."""

from __future__ import annotations

from msgspec.structs import replace
from rpds import HashTrieMap

from peerbot.protocol.keys import device_id
from peerbot.protocol.roster.entry import By, Entry, devices_added
from peerbot.protocol.roster.ops import (
    AddDevice,
    AddHost,
    AddInvite,
    AddMember,
    Checkpoint,
    Leave,
    Op,
    RemoveDevice,
    RemoveHost,
    RemoveMember,
    RevokeInvite,
    Role,
    SetPolicy,
    SetRecovery,
    SetRelay,
    SetRole,
)
from peerbot.protocol.roster.state import FOREVER, Device, Epoch, Invite, Member, Roster, SubkeyRef
from peerbot.protocol.subkey import SubkeyRecord
from peerbot.protocol.wire import ZERO16, ZERO32

TIMEKEEPERS = frozenset({Role.OWNER, Role.MODERATOR, Role.GATEWAY})
_NO_POLICY = SetPolicy(0, 7, 0, 0, 1, 0, 1)


def blank(cid: bytes) -> Roster:
    """The state before the genesis."""
    empty: HashTrieMap[bytes, Member] = HashTrieMap()
    return Roster(
        cid=cid,
        seq=0,
        head=ZERO32,
        p=0,
        time=0,
        policy=_NO_POLICY,
        relay_url="",
        relay_key=ZERO32,
        epoch=None,
        rekey_required=False,
        members=empty,
        devices=HashTrieMap(),
        invites=HashTrieMap(),
        epochs=HashTrieMap(),
        nonces=HashTrieMap(),
        times=HashTrieMap(),
    )


def apply_entry(before: Roster, entry: Entry, p: int) -> Roster:
    """The roster after `entry` at log position `p`."""
    core = entry.core
    after = replace(before, seq=core.seq, head=entry.hash, p=p)
    subkeys = {device_id(op.dsk): record for op, record in devices_added(entry)}
    for op in core.ops:
        after = _apply(after, op, entry, subkeys)
    for approval in entry.approvals:
        after = replace(after, nonces=after.nonces.insert(approval.nonce, core.seq))
    after = _timed(before, after, entry)
    if core.epoch is None:
        return after
    epoch = Epoch(core.epoch.e, p, core.seq, core.prev, core.epoch.commit, core.epoch.history_days, core.ts)
    return replace(after, epoch=epoch, epochs=after.epochs.insert(epoch.e, epoch), rekey_required=False)


def apply_subkey(roster: Roster, record: SubkeyRecord, p: int) -> Roster:
    """Note a device's newer SUBKEY. Those no future entry can refer to (E15) are dropped."""
    device = roster.devices[record.device]
    newest_settled = device.newest(roster.p)
    kept = tuple(s for s in device.subkeys if s.n >= newest_settled.n)
    subkeys = (*kept, SubkeyRef(record.n, record.hash, record.public, p))
    return replace(roster, devices=roster.devices.insert(device.id, replace(device, subkeys=subkeys)))


def _timed(before: Roster, after: Roster, entry: Entry) -> Roster:
    """The roster with the time its signer bears witness to, if theirs counts."""
    signer, times = entry.core.signer, after.times
    if signer.by is By.DEVICE and (entry.genesis or before.member_of(signer.id).role in TIMEKEEPERS):
        member = (after if entry.genesis else before).member_of(signer.id).id
        times = times.insert(member, max(times.get(member, 0), entry.core.ts))
    keepers = (m for m in times if after.members[m].active and after.members[m].role in TIMEKEEPERS)
    return replace(after, times=times, time=max((times[m] for m in keepers), default=0))


def _apply(r: Roster, op: Op, entry: Entry, subkeys: dict[bytes, SubkeyRecord]) -> Roster:
    match op:
        case AddMember():
            return _add_member(r, op)
        case AddDevice():
            return _add_device(r, op, subkeys[device_id(op.dsk)])
        case RemoveDevice():
            after = _drop_device(r, op.device)
            return replace(after, rekey_required=True) if op.device == entry.core.signer.id else after
        case RemoveMember():
            return _drop_member(r, op.member)
        case Leave():
            return replace(_drop_member(r, op.member), rekey_required=True)
        case AddHost():
            return _with_member(r, op.member, hosts=(*r.members[op.member].hosts, (r.p, op.gateway)))
        case RemoveHost():
            return _with_member(r, op.member, hosts=(*r.members[op.member].hosts, (r.p, ZERO16)))
        case SetRole():
            return _with_member(r, op.member, roles=(*r.members[op.member].roles, (r.p, op.role)))
        case SetPolicy():
            return replace(r, policy=op)
        case SetRecovery():
            return _with_member(r, op.member, recovery=op.public)
        case SetRelay():
            return replace(r, relay_url=op.url.decode("utf-8"), relay_key=op.public)
        case AddInvite():
            invite = Invite(
                op.invite, op.public, op.role, op.uses, op.expires, bool(op.approve), entry.core.signer.id, False
            )
            return replace(r, invites=r.invites.insert(invite.id, invite))
        case RevokeInvite():
            invite = replace(r.invites[op.invite], revoked=True)
            return replace(r, invites=r.invites.insert(invite.id, invite))
        case Checkpoint():
            return r


def _add_member(r: Roster, op: AddMember) -> Roster:
    role, invites = Role.MEMBER, r.invites
    if (invite := r.invites.get(op.invite)) is not None:
        role = Role(invite.role)
        invites = invites.insert(invite.id, replace(invite, uses=invite.uses - 1))
    member = Member(
        id=op.member,
        hosted=bool(op.hosted),
        joined_p=r.p,
        left_p=FOREVER,
        roles=((r.p, role),),
        hosts=((r.p, op.host),) if op.hosted else (),
        devices=(),
        recovery=ZERO32,
        invite=op.invite,
    )
    return replace(r, members=r.members.insert(member.id, member), invites=invites)


def _add_device(r: Roster, op: AddDevice, subkey: SubkeyRecord) -> Roster:
    device = Device(
        id=device_id(op.dsk),
        member=op.member,
        dsk=op.dsk,
        added_p=r.p,
        added_seq=r.seq,
        removed_p=FOREVER,
        removed_seq=FOREVER,
        subkeys=(SubkeyRef(subkey.n, subkey.hash, subkey.public, r.p),),
    )
    after = replace(r, devices=r.devices.insert(device.id, device))
    return _with_member(after, op.member, devices=(*r.members[op.member].devices, device.id))


def _drop_device(r: Roster, device_id: bytes) -> Roster:
    device = replace(r.devices[device_id], removed_p=r.p, removed_seq=r.seq)
    return replace(r, devices=r.devices.insert(device_id, device))


def _drop_member(r: Roster, member_id: bytes) -> Roster:
    for device in r.devices_of(member_id):
        r = _drop_device(r, device.id)
    return _with_member(r, member_id, left_p=r.p)


def _with_member(r: Roster, member_id: bytes, **changes: object) -> Roster:
    return replace(r, members=r.members.insert(member_id, replace(r.members[member_id], **changes)))

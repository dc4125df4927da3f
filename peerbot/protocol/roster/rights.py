"""E10: who may do what to the roster, judged in the state before the entry."""

from __future__ import annotations

from peerbot.errors import Refused
from peerbot.protocol.keys import device_id, invite_id
from peerbot.protocol.roster.entry import By, Entry
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
from peerbot.protocol.roster.state import Member, Roster
from peerbot.protocol.wire import ZERO16

LEADERS = frozenset({Role.OWNER, Role.MODERATOR})
HOSTABLE = frozenset({Role.MEMBER, Role.ORGANISER})


def check_rights(before: Roster, entry: Entry) -> None:
    """E10. Raises Refused unless every op is one the signer may do."""
    core = entry.core
    subjects = [(type(op), _subject(op)) for op in core.ops]
    if (not core.ops and core.epoch is None) or len(set(subjects)) != len(subjects):
        raise Refused("E10")
    if _serves_the_gone(core.ops) or not _cosigned_as_asked(before, entry):
        raise Refused("E10")
    if core.signer.by is By.INVITE:
        allowed = _self_admission(before, entry)
    elif core.signer.by is By.RECOVERY:
        allowed = _recovery(before, entry)
    else:
        signer = before.member_of(core.signer.id)
        allowed = all(_may(before, entry, signer, op) for op in core.ops)
    if not allowed:
        raise Refused("E10")


def _subject(op: Op) -> bytes:
    """What an op is about; one entry says each thing about a subject once."""
    match op:
        case AddDevice():
            return op.dsk
        case SetPolicy() | SetRelay() | Checkpoint():
            return b""
        case RemoveDevice():
            return op.device
        case AddInvite() | RevokeInvite():
            return op.invite
        case _:
            return op.member


def _serves_the_gone(ops: tuple[Op, ...]) -> bool:
    """Something is given to a member whom the same entry removes; a device added so would read on unseen."""
    gone = {op.member for op in ops if isinstance(op, RemoveMember | Leave)}
    if not gone:
        return False
    given = {op.member for op in ops if isinstance(op, AddDevice | AddHost | SetRole | SetRecovery)}
    hosts = {op.gateway for op in ops if isinstance(op, AddHost)} | {op.host for op in ops if isinstance(op, AddMember)}
    return bool(gone & (given | hosts))


def _cosigned_as_asked(before: Roster, entry: Entry) -> bool:
    """Signatures aren't under the signature, so one nobody needs could be dropped on the way and change the hash."""
    if len(entry.signatures) == 1:
        return True
    signing = _signing(before, entry)
    asked = set().union(*(_speaking(before, op) for op in entry.core.ops if isinstance(op, AddHost)))
    return len(set(signing)) == len(entry.signatures) and set(signing[1:]) <= asked


def _signing(before: Roster, entry: Entry) -> list[bytes]:
    """The members whose devices signed the entry, its signer first."""
    return [before.devices[who.id].member for who, _ in entry.signatures if who.by is By.DEVICE]


def _speaking(before: Roster, op: AddHost) -> set[bytes]:
    """Who signs an ADD_HOST: the member, or their present host where they have no device, and the new host."""
    found = before.members.get(op.member)
    present = ZERO16 if found is None else found.host
    return {op.member if before.devices_of(op.member) else present, op.gateway}


def _self_admission(before: Roster, entry: Entry) -> bool:
    """One native member, one own device, at most an own recovery key, by an invite that needs no approval."""
    ops = entry.core.ops
    if before.invites[entry.core.signer.id].approve or len(ops) not in (2, 3):
        return False
    member, device = ops[0], ops[1]
    if not isinstance(member, AddMember) or not isinstance(device, AddDevice):
        return False
    if len(ops) == 3 and not (isinstance(ops[2], SetRecovery) and ops[2].member == member.member):
        return False
    return (
        _new_native(before, member)
        and member.invite == entry.core.signer.id
        and device.member == member.member
        and _new_device(before, device)
    )


def _recovery(before: Roster, entry: Entry) -> bool:
    """The printed code adds one own device and removes all old ones, in one step; a new code may be set with it."""
    member = before.members[entry.core.signer.id]
    adds = [op for op in entry.core.ops if isinstance(op, AddDevice)]
    drops = {op.device for op in entry.core.ops if isinstance(op, RemoveDevice)}
    codes = [op for op in entry.core.ops if isinstance(op, SetRecovery)]
    return (
        len(adds) == 1
        and adds[0].member == member.id
        and _new_device(before, adds[0])
        and drops == {d.id for d in before.devices_of(member.id)}
        and len(codes) <= 1
        and all(op.member == member.id for op in codes)
        and len(entry.core.ops) == 1 + len(drops) + len(codes)
    )


def _may(before: Roster, entry: Entry, signer: Member, op: Op) -> bool:
    match op:
        case AddMember():
            return _may_add_member(before, signer, op)
        case AddDevice():
            return _new_device(before, op) and _may_add_device(before, entry, signer, op)
        case RemoveDevice():
            device = before.devices.get(op.device)
            return device is not None and device.active and _over_or_self(before, signer, device.member)
        case RemoveMember():
            return op.member != signer.id and (
                _over(before, signer, op.member) or _hosts_alone(before, signer, op.member)
            )
        case Leave():
            return op.member == signer.id or _hosts_alone(before, signer, op.member)
        case AddHost():
            return _may_add_host(before, entry, op)
        case RemoveHost():
            found = before.members.get(op.member)
            return found is not None and found.host == op.gateway and signer.id in (op.member, op.gateway)
        case SetRole():
            return signer.role is Role.OWNER and _may_have(before, op)
        case SetPolicy() | SetRelay():
            return signer.role is Role.OWNER
        case SetRecovery():
            return op.member == signer.id or _hosts_alone(before, signer, op.member)
        case AddInvite():
            fresh = op.invite not in before.invites and op.invite == invite_id(op.public)
            return fresh and _may_invite(signer, Role(op.role))
        case RevokeInvite():
            invite = before.invites.get(op.invite)
            return invite is not None and _may_invite(signer, Role(invite.role))
        case Checkpoint():
            return signer.role in LEADERS or signer.role is Role.GATEWAY


def _new_native(before: Roster, op: AddMember) -> bool:
    return not op.hosted and op.host == ZERO16 and not op.invite_sig and _new_member(before, op)


def _new_member(before: Roster, op: AddMember) -> bool:
    return op.member not in before.members and op.member != ZERO16


def _new_device(before: Roster, op: AddDevice) -> bool:
    found = before.devices.get(device_id(op.dsk))
    return found is None or found.member == op.member


def _may_add_member(before: Roster, signer: Member, op: AddMember) -> bool:
    invite = before.invites.get(op.invite)
    if not op.hosted:
        # The invite gives its role to whoever joins by it, so only who could have made it may use it for another.
        grants = op.invite == ZERO16 or (invite is not None and _may_invite(signer, Role(invite.role)))
        return signer.role in LEADERS and _new_native(before, op) and grants
    return (
        signer.role is Role.GATEWAY
        and op.host == signer.id
        and _new_member(before, op)
        and len(op.invite_sig) == 64
        and invite is not None
        and Role(invite.role) in HOSTABLE
        and not invite.approve
    )


def _may_add_device(before: Roster, entry: Entry, signer: Member, op: AddDevice) -> bool:
    if op.member == signer.id:
        return True
    earlier = entry.core.ops[: entry.core.ops.index(op)]
    if any(isinstance(o, AddMember) and not o.hosted and o.member == op.member for o in earlier):
        return True
    drops = {o.device for o in entry.core.ops if isinstance(o, RemoveDevice)}
    old = {d.id for d in before.devices_of(op.member)}
    return _over(before, signer, op.member) and old <= drops


def _may_add_host(before: Roster, entry: Entry, op: AddHost) -> bool:
    member, gateway = before.members.get(op.member), before.members.get(op.gateway)
    if member is None or gateway is None or not member.active or not gateway.active:
        return False
    if any(isinstance(o, SetRole) and o.member in (op.member, op.gateway) for o in entry.core.ops):
        return False
    signed = _speaking(before, op) <= set(_signing(before, entry))
    return gateway.role is Role.GATEWAY and member.role in HOSTABLE and signed


def _may_have(before: Roster, op: SetRole) -> bool:
    """A gateway speaks for those it hosts: they get no role it may not use, and it stays a gateway while it hosts."""
    found = before.members.get(op.member)
    if found is None or not found.active:
        return False
    if found.role is Role.GATEWAY and op.role != Role.GATEWAY:
        return not any(m.host == found.id for m in before.members_active())
    hosted = found.hosted or found.host != ZERO16
    return not hosted or Role(op.role) in HOSTABLE


def _may_invite(signer: Member, role: Role) -> bool:
    return signer.role is Role.OWNER or (signer.role is Role.MODERATOR and role is Role.MEMBER)


def _over(before: Roster, signer: Member, target: bytes) -> bool:
    """An owner stands over everybody, a moderator over those who aren't owner or moderator."""
    found = before.members.get(target)
    if found is None or not found.active:
        return False
    return signer.role is Role.OWNER or (signer.role is Role.MODERATOR and found.role not in LEADERS)


def _over_or_self(before: Roster, signer: Member, target: bytes) -> bool:
    return target == signer.id or _over(before, signer, target)


def _hosts_alone(before: Roster, signer: Member, target: bytes) -> bool:
    """The signer is the gateway of a member who has no device of their own."""
    found = before.members.get(target)
    return (
        found is not None
        and found.active
        and signer.role is Role.GATEWAY
        and found.host == signer.id
        and not before.devices_of(target)
    )

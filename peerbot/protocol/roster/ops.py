"""The operations a roster entry can hold, and their encoding."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Final

from peerbot.errors import UpgradeNeeded
from peerbot.protocol.wire import U64, Layout, Malformed, Raw, Var, label_of, text


class Role(IntEnum):
    """What a member may do in a circle."""

    MEMBER = 1
    ORGANISER = 2
    MODERATOR = 3
    OWNER = 4
    GATEWAY = 5


class Door(IntEnum):
    """Bits of `Policy.doors`: the platforms a gateway promises to deliver to."""

    TELEGRAM = 1
    MATRIX = 2


@dataclass(frozen=True, slots=True)
class AddMember:
    """A member. Hosted ones name their gateway's member id in `host`; natives leave it zero.

    `invite` is the invite it counts against, zero for none; `invite_sig` proves that the gateway of a hosted member
    was given the token (empty for natives).
    """

    member: bytes
    hosted: int
    host: bytes
    invite: bytes
    invite_sig: bytes


@dataclass(frozen=True, slots=True)
class AddDevice:
    """A device: its signing key, its SUBKEY number 1, and its proof that it holds the signing key."""

    member: bytes
    dsk: bytes
    subkey: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class RemoveDevice:
    device: bytes


@dataclass(frozen=True, slots=True)
class RemoveMember:
    member: bytes


@dataclass(frozen=True, slots=True)
class Leave:
    """A member goes of their own will. It carries no epoch: who leaves may not choose the next secret (E12)."""

    member: bytes


@dataclass(frozen=True, slots=True)
class AddHost:
    """A member asks a gateway to read and write for them."""

    member: bytes
    gateway: bytes


@dataclass(frozen=True, slots=True)
class RemoveHost:
    member: bytes
    gateway: bytes


@dataclass(frozen=True, slots=True)
class SetRole:
    member: bytes
    role: int


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """The circle's rules. Days are whole days; `history_days` is how far back newcomers read, 0 for not at all.

    `quorum` is how many people a promotion takes, `max_checkpoint_age` in seconds.
    """

    retention_days: int
    epoch_days: int
    history_days: int
    doors: int
    quorum: int
    max_checkpoint_age: int
    min_suite: int


@dataclass(frozen=True, slots=True)
class SetRecovery:
    member: bytes
    public: bytes


@dataclass(frozen=True, slots=True)
class SetRelay:
    url: bytes
    public: bytes


@dataclass(frozen=True, slots=True)
class AddInvite:
    """`expires` in seconds since 1970; with `approve` a moderator signs the join."""

    invite: bytes
    public: bytes
    role: int
    uses: int
    expires: int
    approve: int


@dataclass(frozen=True, slots=True)
class RevokeInvite:
    invite: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed time and log head, written when nothing else has shown the log's state for a day."""

    p: int
    head: bytes


Op = (
    AddMember
    | AddDevice
    | RemoveDevice
    | RemoveMember
    | Leave
    | AddHost
    | RemoveHost
    | SetRole
    | SetPolicy
    | SetRecovery
    | SetRelay
    | AddInvite
    | RevokeInvite
    | Checkpoint
)

_LAYOUTS: Final[dict[type[Op], Layout]] = {
    AddMember: Layout(b"add-member", Raw(16), U64(), Raw(16), Raw(16), Var(64)),
    AddDevice: Layout(b"add-device", Raw(16), Raw(32), Var(2048), Raw(64)),
    RemoveDevice: Layout(b"remove-device", Raw(16)),
    RemoveMember: Layout(b"remove-member", Raw(16)),
    Leave: Layout(b"leave", Raw(16)),
    AddHost: Layout(b"add-host", Raw(16), Raw(16)),
    RemoveHost: Layout(b"remove-host", Raw(16), Raw(16)),
    SetRole: Layout(b"set-role", Raw(16), U64()),
    SetPolicy: Layout(b"set-policy", *[U64()] * 7),
    SetRecovery: Layout(b"set-recovery", Raw(16), Raw(32)),
    SetRelay: Layout(b"set-relay", Var(512, 1), Raw(32)),
    AddInvite: Layout(b"invite", Raw(16), Raw(32), U64(), U64(), U64(), U64()),
    RevokeInvite: Layout(b"revoke-invite", Raw(16)),
    Checkpoint: Layout(b"checkpoint", U64(), Raw(32)),
}
_BY_LABEL: Final[dict[bytes, type[Op]]] = {layout.label: kind for kind, layout in _LAYOUTS.items()}


def encode_op(op: Op) -> bytes:
    return _LAYOUTS[type(op)].encode(*astuple(op))


def decode_op(raw: bytes) -> Op:
    """Raises Malformed, or UpgradeNeeded for a label this version doesn't know."""
    kind = _BY_LABEL.get(label_of(raw))
    if kind is None:
        raise UpgradeNeeded("E03")
    op = kind(*_LAYOUTS[kind].decode(raw))
    if not _in_range(op):
        raise Malformed
    return op


def _in_range(op: Op) -> bool:
    match op:
        case AddMember():
            return op.hosted in (0, 1) and len(op.invite_sig) in (0, 64)
        case SetRole() | AddInvite():
            if op.role not in set(Role):
                return False
            return not isinstance(op, AddInvite) or (op.uses >= 1 and op.approve in (0, 1))
        case SetPolicy():
            return (
                1 <= op.epoch_days <= 36_500
                and max(op.retention_days, op.history_days) <= 36_500
                and op.quorum in (1, 2)
            )
        case SetRelay():
            text(op.url)
    return True

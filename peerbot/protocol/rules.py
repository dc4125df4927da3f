"""M18: who may say what, and the opening of carried records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peerbot.errors import Refused
from peerbot.protocol import labels, wire
from peerbot.protocol.bodies import (
    AnyBody,
    Cafe,
    Carry,
    Edit,
    Hide,
    Lock,
    Pause,
    Post,
    Profile,
    Retract,
    Unknown,
)
from peerbot.protocol.log import Kind, link
from peerbot.protocol.message import OpenedMessage, VerifiedMessage, author_at, open_body, parse_sealed
from peerbot.protocol.primitives import CryptoFailure, sha256, verify
from peerbot.protocol.roster.checks import HeadAt
from peerbot.protocol.roster.ops import Role
from peerbot.protocol.roster.state import Epoch, Member, Roster
from peerbot.protocol.secret import MessageKey

_LEADERS: Final = frozenset({Role.OWNER, Role.MODERATOR})
_CAFE: Final = frozenset({Role.OWNER, Role.MODERATOR, Role.ORGANISER})
CARRIED: Final = ("profile", "thread", "lock", "hide", "cafe")
"""Kinds that live on past their epoch."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the circle looked like at a record's position: is it paused, is the post's thread locked, and who wrote the
    record an edit or retraction is about (None where it isn't known here).
    """

    paused: bool = False
    locked: bool = False
    target_author: bytes | None = None


def judge(opened: OpenedMessage, around: Around) -> VerifiedMessage:
    """M18. Raises Refused."""
    _check_kind(opened.body, opened.member, opened.p, around)
    h = opened.message.header
    return VerifiedMessage(opened.p, opened.message.id, h.author, h.device, h.ts, opened.body)


def _check_kind(body: AnyBody | Unknown, author: Member, p: int, around: Around) -> None:
    role = author.role_at(p)
    allowed = True
    match body:
        case Hide() | Lock() | Pause():
            allowed = role in _LEADERS
        case Cafe():
            allowed = role in _CAFE and not around.paused
        case Edit() | Retract():
            own = around.target_author is None or around.target_author == author.id
            allowed = own and role is not Role.GATEWAY and not around.paused
        case Post():
            allowed = role is not Role.GATEWAY and not around.paused and (not around.locked or role in _LEADERS)
        case Carry() | Profile():
            allowed = not (around.paused and isinstance(body, Profile))
        case _:
            allowed = role is not Role.GATEWAY and not around.paused
    if not allowed:
        raise Refused("M18")


def open_carried(carry: Carry, roster: Roster, around: Around, head_at: HeadAt) -> VerifiedMessage:
    """The record inside a CARRY, judged as at its own position: the first signature decides, not the carrier's.

    `head_at` proves that the record does stand at that position: else a carrier could choose one at which its author
    had more rights, or bring in what a removed member signed later under an old epoch. Raises Refused with the number
    of the check the inner record fails (attack 47).
    """
    message = parse_sealed(carry.sealed, carry.signature)
    h = message.header
    if h.cid != roster.cid:
        raise Refused("M04")
    device = roster.devices.get(h.device)
    if device is None:
        raise Refused("M05")
    try:
        verify(device.dsk, labels.SIG_MESSAGE, message.id, message.signature)
    except CryptoFailure:
        raise Refused("M06") from None
    author = author_at(roster, h, carry.p)
    epoch = roster.epoch_at(carry.p)
    if epoch is None or epoch.e != h.e:
        raise Refused("M09")
    if _rekey_required_at(roster, epoch, carry.p):
        raise Refused("M10")
    if not _stands_at(carry, head_at):
        raise Refused("M12")
    body = open_body(message, MessageKey(carry.key))
    if isinstance(body, Unknown) or body.__struct_config__.tag not in CARRIED:
        raise Refused("M18")
    _check_kind(body, author, carry.p, around)
    return VerifiedMessage(carry.p, message.id, h.author, h.device, h.ts, body)


def _stands_at(carry: Carry, head_at: HeadAt) -> bool:
    before, head = head_at(carry.p - 1), head_at(carry.p)
    digest = sha256(wire.encode(b"message", carry.signature, carry.sealed))
    return before is not None and head is not None and link(before, carry.p, Kind.MESSAGE, digest) == head


def _rekey_required_at(roster: Roster, epoch: Epoch, p: int) -> bool:
    """Somebody had gone without a new epoch (E12), and none had begun by p."""
    gone = (*(d.removed_p for d in roster.devices.values()), *(m.left_p for m in roster.members.values()))
    return any(epoch.p < left < p for left in gone)

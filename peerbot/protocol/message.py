"""MESSAGE: sealing, and the checks M01 to M17 in three stages a reader can't skip.

`parse` gives a SealedMessage, `authenticate` an AuthenticMessage (M01 to M06), `place` a PlacedMessage (M07 to M13) and
`unseal` an OpenedMessage (M14 to M17). M18 needs what the circle looks like and lives in rules.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from peerbot.errors import Fork, Refused, UpgradeNeeded
from peerbot.protocol import labels, wire
from peerbot.protocol.bodies import AnyBody, BodyWrong, Unknown, decode_body
from peerbot.protocol.box import LEAST_MESSAGE, KeyNotCommitted, PaddingWrong, derive, open_box, pad, unpad
from peerbot.protocol.epochs import EpochKeys
from peerbot.protocol.primitives import CryptoFailure, SigningKey, aead_seal, random_bytes, sha256, verify
from peerbot.protocol.roster.state import Device, Member, Roster
from peerbot.protocol.secret import MessageKey
from peerbot.protocol.wire import U64, ZERO32, Layout, Malformed, Raw, Var, u32

_HEADER: Final = Layout(
    b"hdr",
    U64(),
    Raw(32),
    U64(),
    U64(),
    Raw(32),
    U64(),
    Raw(32),
    Raw(16),
    Raw(16),
    Raw(16),
    U64(),
    Raw(32),
    U64(),
    Raw(32),
)
_KEY_INPUT: Final = Layout(labels.MAC_MESSAGE_KEY, Raw(32), Raw(32))
_SALT_INPUT: Final = Layout(labels.MAC_SALT, Raw(32), Raw(_HEADER.size - 32), Var(wire.MAX_MESSAGE))
_SEALED: Final = Layout(b"msg", Raw(_HEADER.size), Raw(32), Var(wire.MAX_MESSAGE))
_WIRE: Final = Layout(b"message", Raw(64), Var(wire.MAX_MESSAGE))
# Header, digests and signatures have their widths by birth; measuring each again would cost a sixth of what isn't the
# signature. So `seal_message` joins them between the layouts' seams, and the tests hold its bytes against the layouts.
_KEY_SALT, _KEY_DIGEST = _KEY_INPUT.seams
_SALT_RANDOM, _SALT_HEADER = _SALT_INPUT.seams
_SEALED_HEADER, _SEALED_KC = _SEALED.seams
(_WIRE_SIGNATURE,) = _WIRE.seams
MAX_PLAINTEXT: Final = 32 * 1024 - 4


class Header(msgspec.Struct, frozen=True, array_like=True):
    """The clear part of a message, in wire order: `ts` in seconds since 1970, `dseq` counts from 1 in each chain."""

    suite: int
    cid: bytes
    e: int
    roster_seq: int
    roster_head: bytes
    log_pos: int
    log_head: bytes
    author: bytes
    device: bytes
    chain: bytes
    dseq: int
    prev_own: bytes
    ts: int
    salt: bytes = ZERO32


class SealedMessage(msgspec.Struct, frozen=True):
    """A parsed message that nothing has vouched for yet. `sealed` is E, and `id` is H(E)."""

    header: Header
    header_bytes: bytes
    kc: bytes
    ciphertext: bytes
    sealed: bytes
    signature: bytes
    id: bytes


class AuthenticMessage(msgspec.Struct, frozen=True):
    """A message its device did sign (M01 to M06)."""

    message: SealedMessage
    device: Device


class PlacedMessage(msgspec.Struct, frozen=True):
    """An authentic message that stands where its author put it (M07 to M13)."""

    message: SealedMessage
    p: int
    member: Member


class OpenedMessage(msgspec.Struct, frozen=True):
    """A placed message and what it says (M14 to M17). `key` opens this message only."""

    message: SealedMessage
    p: int
    member: Member
    body: AnyBody | Unknown
    key: MessageKey


class VerifiedMessage(msgspec.Struct, frozen=True):
    """A message that passed every check. The only form a screen, a projection or an adapter is given."""

    p: int
    id: bytes
    author: bytes
    device: bytes
    ts: int
    body: AnyBody | Unknown


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The last record of a chain: its number, its id and its log position."""

    dseq: int
    id: bytes
    p: int = 0


def seal_message(keys: EpochKeys, key: SigningKey, header: Header, plaintext: bytes) -> bytes:
    """The wire of a message. `header.salt` is made here. Raises ValueError where the plaintext doesn't fit."""
    if len(plaintext) > MAX_PLAINTEXT:
        raise ValueError("the body doesn't fit into a message")
    unsalted = _header_bytes(header)[:-32]
    hedged = (_SALT_RANDOM, random_bytes(32), _SALT_HEADER, unsalted, u32(len(plaintext)), plaintext)
    raw = unsalted + keys.hedge.mac(b"".join(hedged))
    kc, k, n = derive(_message_key(keys, raw))
    ciphertext = aead_seal(k, n[:12], pad(plaintext, LEAST_MESSAGE), raw)
    sealed = b"".join((_SEALED_HEADER, raw, _SEALED_KC, kc, u32(len(ciphertext)), ciphertext))
    signature = key.sign(labels.SIG_MESSAGE, sha256(sealed))
    return b"".join((_WIRE_SIGNATURE, signature, u32(len(sealed)), sealed))


def _header_bytes(h: Header) -> bytes:
    """hdr. Looking at each width by name takes half the time that Layout takes for any structure."""
    hashes = len(h.cid) == len(h.roster_head) == len(h.log_head) == len(h.prev_own) == len(h.salt) == 32
    if not hashes or not len(h.author) == len(h.device) == len(h.chain) == 16:
        raise ValueError("a field of the header has a wrong width")
    return _HEADER.pack(msgspec.structs.astuple(h))


def message_key(keys: EpochKeys, header_bytes: bytes) -> MessageKey:
    """MK, from the epoch key, the salt (the header's last field) and H(hdr)."""
    return MessageKey(_message_key(keys, header_bytes))


def _message_key(keys: EpochKeys, header_bytes: bytes) -> bytes:
    return keys.key.mac(_KEY_SALT + header_bytes[-32:] + _KEY_DIGEST + sha256(header_bytes))


def parse(raw: bytes) -> SealedMessage:
    """M01 size, M02 exact parse, M03 suite. Raises Refused or UpgradeNeeded."""
    if len(raw) > wire.MAX_MESSAGE:
        raise Refused("M01")
    try:
        signature, sealed = _WIRE.decode(raw)
    except Malformed:
        raise Refused("M02") from None
    return parse_sealed(sealed, signature)


def parse_sealed(sealed: bytes, signature: bytes) -> SealedMessage:
    """`parse` from E and its signature, as CARRY and REPORT hold them."""
    try:
        header_bytes, kc, ciphertext = _SEALED.decode(sealed)
        header = Header(*_HEADER.decode(header_bytes))
    except Malformed:
        raise Refused("M02") from None
    if header.suite != labels.SUITE:
        raise UpgradeNeeded("M03")
    return SealedMessage(header, header_bytes, kc, ciphertext, sealed, signature, sha256(sealed))


def authenticate(message: SealedMessage, roster: Roster) -> AuthenticMessage:
    """M04 cid, M05 device known, M06 signature. Raises Refused."""
    if message.header.cid != roster.cid:
        raise Refused("M04")
    device = roster.devices.get(message.header.device)
    if device is None:
        raise Refused("M05")
    try:
        verify(device.dsk, labels.SIG_MESSAGE, message.id, message.signature)
    except CryptoFailure:
        raise Refused("M06") from None
    return AuthenticMessage(message, device)


def author_at(roster: Roster, header: Header, p: int) -> Member:
    """M07 device active, M08 author its member or hosted by it, at position p. Raises Refused."""
    device = roster.devices.get(header.device)
    if device is None or not device.active_at(p):
        raise Refused("M07")
    author = roster.members.get(header.author)
    if author is None or not author.active_at(p):
        raise Refused("M08")
    if device.member != author.id and author.host_at(p) != device.member:
        raise Refused("M08")
    return author


def place(
    authentic: AuthenticMessage,
    roster: Roster,
    p: int,
    *,
    roster_head_at: Callable[[int], bytes | None],
    log_head_at: Callable[[int], bytes | None],
    end: ChainEnd | None,
    pruned: bool,
) -> PlacedMessage:
    """M07 to M13 in the roster in force at position p. `end` is the chain's last record, `pruned` tells whether
    records of it between that and this may be gone. Raises Refused, or Fork where the author saw another roster or log.
    """
    message = authentic.message
    h = message.header
    author = author_at(roster, h, p)
    if roster.epoch is None or h.e != roster.epoch.e:
        raise Refused("M09")
    if roster.rekey_required:
        raise Refused("M10")
    if h.roster_seq > roster.seq or h.log_pos >= p:
        raise Refused("M11" if h.roster_seq > roster.seq else "M12")
    if roster_head_at(h.roster_seq) != h.roster_head:
        raise Fork("M11")
    if log_head_at(h.log_pos) != h.log_head:
        raise Fork("M12")
    _follows(message, end, pruned)
    return PlacedMessage(message, p, author)


def _follows(message: SealedMessage, end: ChainEnd | None, pruned: bool) -> None:
    """M13. Two different records under one dseq are equivocation, and the error says so."""
    h = message.header
    if end is None:
        fits = h.dseq == 1 and h.prev_own == ZERO32
        if not fits and not (pruned and h.dseq > 1):
            raise Refused("M13")
        return
    if h.dseq == end.dseq and message.id != end.id:
        raise Refused("M13", equivocation=1)
    if pruned and h.dseq > end.dseq + 1:
        return
    if h.dseq != end.dseq + 1 or h.prev_own != end.id:
        raise Refused("M13")


def unseal(placed: PlacedMessage, keys: EpochKeys) -> OpenedMessage:
    """M14 key commitment, M15 AEAD, M16 padding, M17 body. Raises Refused."""
    key = message_key(keys, placed.message.header_bytes)
    return OpenedMessage(placed.message, placed.p, placed.member, open_body(placed.message, key), key)


def open_body(message: SealedMessage, key: MessageKey) -> AnyBody | Unknown:
    """M14 to M17 with a message's own key, as CARRY and REPORT carry it. Raises Refused."""
    try:
        padded = open_box(key, message.kc, message.ciphertext, message.header_bytes)
    except KeyNotCommitted:
        raise Refused("M14") from None
    except CryptoFailure:
        raise Refused("M15") from None
    try:
        return decode_body(unpad(padded, LEAST_MESSAGE))
    except PaddingWrong:
        raise Refused("M16") from None
    except BodyWrong:
        raise Refused("M17") from None

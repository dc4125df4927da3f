"""DIRECT: a sealed, signed note to one member's devices, which never stands in the log (checks D01 to D08)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from peerbot.errors import Refused, UpgradeNeeded
from peerbot.protocol import labels, wire
from peerbot.protocol.bodies import Unknown
from peerbot.protocol.box import LEAST_DIRECT, PaddingWrong, commitment, open_box, pad, seal_box, unpad
from peerbot.protocol.epochs import hpke_info
from peerbot.protocol.primitives import CryptoFailure, SealingKey, SigningKey, random_bytes, seal, sha256, verify
from peerbot.protocol.roster.state import Roster, SubkeyRef
from peerbot.protocol.secret import MessageKey
from peerbot.protocol.wire import U64, ZERO16, ZERO32, Layout, Malformed, Raw, Var

MAX_SLOTS: Final = 40
_SLOT: Final = Layout(b"slot", Raw(16), U64(), Var(2048))
_HEADER: Final = Layout(b"direct-hdr", U64(), Raw(32), Var(wire.MAX_DIRECT))
_WIRE: Final = Layout(b"direct", Var(wire.MAX_DIRECT), Raw(32), Var(wire.MAX_DIRECT))
_CORE: Final = Layout(
    b"direct-core", Raw(32), Raw(16), Raw(16), Raw(16), U64(), U64(), Var(32, 1), Var(wire.MAX_DIRECT)
)
_SIGNED: Final = Layout(b"direct-signed", Var(wire.MAX_DIRECT), Raw(64))


class Grant(Struct, frozen=True, array_like=True):
    """One epoch's secret in a history bundle."""

    e: Annotated[int, Meta(ge=1)]
    secret: Annotated[bytes, Meta(min_length=32, max_length=32)]

    def __repr__(self) -> str:
        return f"<Grant of epoch {self.e}>"


class History(Struct, frozen=True):
    """Epoch secrets for a device that may read them; the receiver checks each against the roster's commit."""

    grants: Annotated[list[Grant], Meta(max_length=512)]


DirectBody = History
_KINDS: Final[dict[str, msgspec.msgpack.Decoder[History]]] = {"history": msgspec.msgpack.Decoder(History)}
_NAMES: Final = {History: "history"}


@dataclass(frozen=True, slots=True)
class DirectHeader:
    """Who sends to whom: `counter` rises for each (sender, author, to), `roster_seq` is the roster it was sealed in."""

    cid: bytes
    sender: bytes
    author: bytes
    to: bytes
    counter: int
    roster_seq: int


@dataclass(frozen=True, slots=True)
class VerifiedDirect:
    """A direct that passed D01 to D08."""

    header: DirectHeader
    body: DirectBody | Unknown
    id: bytes


def seal_direct(
    header: DirectHeader, key: SigningKey, body: DirectBody, devices: list[tuple[bytes, SubkeyRef]]
) -> tuple[bytes, list[bytes]]:
    """The wire, and the devices it could be sealed to. Devices with a bad subkey are left out.

    Raises ValueError for more than MAX_SLOTS devices, or where slots and body together are too large.
    """
    if len(devices) > MAX_SLOTS:
        raise ValueError("too many recipient devices")
    box_key = MessageKey(random_bytes(32))
    kc = commitment(box_key)
    slots, reached = [], []
    for device, subkey in sorted(devices, key=lambda pair: pair[0]):
        info = hpke_info(labels.PURPOSE_DIRECT, header.cid, 0, ZERO32, kc, ZERO16, device, subkey.hash)
        try:
            sealed = seal(subkey.public, box_key.reveal(), info)
        except CryptoFailure:
            continue
        slots.append(_SLOT.encode(device, subkey.n, sealed))
        reached.append(device)
    core = _CORE.encode(
        header.cid,
        header.sender,
        header.author,
        header.to,
        header.counter,
        header.roster_seq,
        _NAMES[type(body)].encode("ascii"),
        msgspec.msgpack.encode(body),
    )
    signed = _SIGNED.encode(core, key.sign(labels.SIG_DIRECT, core))
    aad = _HEADER.encode(labels.SUITE, header.cid, wire.encode_list(b"slots", slots))
    _, ciphertext = seal_box(box_key, pad(signed, LEAST_DIRECT), aad)
    raw = _WIRE.encode(aad, kc, ciphertext)
    if len(raw) > wire.MAX_DIRECT:
        raise ValueError("the direct is too large")
    return raw, reached


def open_direct(
    raw: bytes,
    roster: Roster,
    device: bytes,
    keys: Mapping[int, tuple[SealingKey, bytes]],
    last_counter: Mapping[tuple[bytes, bytes, bytes], int],
) -> VerifiedDirect:
    """D01 to D08. `keys` are this device's sealing keys and H(SUBKEY) by number. Raises Refused or UpgradeNeeded."""
    if len(raw) > wire.MAX_DIRECT:
        raise Refused("D01")
    aad, kc, ciphertext, slots = _parse(raw, roster.cid)
    header, core, signature, kind, body = _open(aad, kc, ciphertext, slots, roster, device, keys)
    _check_sender(roster, header, core, signature)
    if header.counter <= last_counter.get((header.sender, header.author, header.to), 0):
        raise Refused("D07")
    return VerifiedDirect(header, _decode(kind, body), sha256(raw))


def _parse(raw: bytes, cid: bytes) -> tuple[bytes, bytes, bytes, list[tuple[bytes, int, bytes]]]:
    """D02 exact parse, D03 suite and cid."""
    try:
        aad, kc, ciphertext = _WIRE.decode(raw)
        suite, found, slot_bytes = _HEADER.decode(aad)
        slots = [_SLOT.decode(slot) for slot in wire.decode_list(b"slots", slot_bytes, MAX_SLOTS)]
    except Malformed:
        raise Refused("D02") from None
    if suite != labels.SUITE:
        raise UpgradeNeeded("D03")
    if found != cid:
        raise Refused("D03")
    return aad, kc, ciphertext, [(d, n, sealed) for d, n, sealed in slots]


def _open(
    aad: bytes,
    kc: bytes,
    ciphertext: bytes,
    slots: list[tuple[bytes, int, bytes]],
    roster: Roster,
    device: bytes,
    keys: Mapping[int, tuple[SealingKey, bytes]],
) -> tuple[DirectHeader, bytes, bytes, str, bytes]:
    """D04: a slot of mine opens, the key is the committed one, the inside is exactly one signed core, for this cid and
    for a member I read for: else whoever was written to could pass the signed core on to somebody else.
    """
    mine = next(((n, sealed) for to, n, sealed in slots if to == device and n in keys), None)
    if mine is None:
        raise Refused("D04")
    n, sealed = mine
    key, subkey_hash = keys[n]
    info = hpke_info(labels.PURPOSE_DIRECT, roster.cid, 0, ZERO32, kc, ZERO16, device, subkey_hash)
    try:
        box_key = MessageKey(key.open(sealed, info))
        inner = unpad(open_box(box_key, kc, ciphertext, aad), LEAST_DIRECT)
        core, signature = _SIGNED.decode(inner)
        found, sender, author, to, counter, roster_seq, kind, body = _CORE.decode(core)
        name = wire.text(kind)
    except (CryptoFailure, PaddingWrong, Malformed, ValueError):
        raise Refused("D04") from None
    mailbox, addressed = roster.devices.get(device), roster.members.get(to)
    if found != roster.cid or mailbox is None or addressed is None:
        raise Refused("D04")
    if mailbox.member not in (addressed.id, addressed.host):
        raise Refused("D04")
    return DirectHeader(found, sender, author, to, counter, roster_seq), core, signature, name, body


def _check_sender(roster: Roster, header: DirectHeader, core: bytes, signature: bytes) -> None:
    """D05 signature; D06 the device was active at roster_seq, and the author is its member or hosted by it."""
    device = roster.devices.get(header.sender)
    if device is None:
        raise Refused("D05")
    try:
        verify(device.dsk, labels.SIG_DIRECT, core, signature)
    except CryptoFailure:
        raise Refused("D05") from None
    author = roster.members.get(header.author)
    # A removed device may not backdate itself into a roster in which it was still active.
    if header.roster_seq > roster.seq:
        raise Refused("D06", newer=1)
    if not device.active_at_seq(header.roster_seq) or not device.active:
        raise Refused("D06")
    if author is None or not author.active or device.member not in (author.id, author.host):
        raise Refused("D06")


def _decode(kind: str, body: bytes) -> DirectBody | Unknown:
    """D08: the body fits its kind; an unknown kind is kept."""
    decoder = _KINDS.get(kind)
    if decoder is None:
        return Unknown(kind, body)
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("D08") from None

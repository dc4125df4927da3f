"""SUBKEY records: a device's numbered X-Wing key, signed by the device (checks S01 to S05)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peerbot.errors import Refused, UpgradeNeeded
from peerbot.protocol import labels, wire
from peerbot.protocol.primitives import SEALING_PUBLIC_SIZE, CryptoFailure, SigningKey, seal, sha256, verify
from peerbot.protocol.wire import U64, Layout, Malformed, Raw, Var

_CORE: Final = Layout(b"subkey-core", U64(), Raw(32), Raw(16), U64(), Raw(SEALING_PUBLIC_SIZE), Raw(32))
_SUBKEY: Final = Layout(b"subkey", Var(2048), Raw(64))


@dataclass(frozen=True, slots=True)
class SubkeyRecord:
    """A parsed SUBKEY; `hash` is H(wire), by which envelopes and digests name it."""

    cid: bytes
    device: bytes
    n: int
    public: bytes
    roster_head: bytes
    core: bytes
    signature: bytes
    wire: bytes

    @property
    def hash(self) -> bytes:
        return sha256(self.wire)


def make_subkey(key: SigningKey, cid: bytes, device: bytes, n: int, public: bytes, roster_head: bytes) -> bytes:
    """The wire of a SUBKEY; `roster_head` is zero inside ADD_DEVICE."""
    core = _CORE.encode(labels.SUITE, cid, device, n, public, roster_head)
    return _SUBKEY.encode(core, key.sign(labels.SIG_SUBKEY, core))


def parse_subkey(raw: bytes, cid: bytes) -> SubkeyRecord:
    """S01: size, parse, suite, cid. Raises Refused or UpgradeNeeded."""
    try:
        if len(raw) > wire.MAX_SUBKEY:
            raise Malformed
        core, signature = _SUBKEY.decode(raw)
        suite, found, device, n, public, head = _CORE.decode(core)
    except Malformed:
        raise Refused("S01") from None
    if suite != labels.SUITE:
        raise UpgradeNeeded("S01")
    if found != cid:
        raise Refused("S01")
    return SubkeyRecord(found, device, n, public, head, core, signature, raw)


def check_signature(record: SubkeyRecord, dsk: bytes) -> None:
    """S03. Raises Refused."""
    try:
        verify(dsk, labels.SIG_SUBKEY, record.core, record.signature)
    except CryptoFailure:
        raise Refused("S03") from None


def well_formed(public: bytes) -> bool:
    """S05, E19: the key can be sealed to. A trial is the only test that covers both halves."""
    try:
        seal(public, b"", wire.encode(labels.PURPOSE_TRIAL))
    except CryptoFailure:
        return False
    return True

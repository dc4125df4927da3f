"""The circle log: its kinds, the hash chain over it, and the relay's signed receipts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from peerbot.errors import Refused
from peerbot.protocol import labels, wire
from peerbot.protocol.primitives import CryptoFailure, SigningKey, sha256, verify
from peerbot.protocol.wire import U64, ZERO32, Layout, Malformed, Raw, Var

LOG_START: Final = ZERO32
"""L_0. Positions count from 1; the genesis stands at 1."""


class Kind(IntEnum):
    """What a record of the log is."""

    ENTRY = 1
    SUBKEY = 2
    MESSAGE = 3
    REQUEST = 4


MAX_WIRE: Final = {
    Kind.ENTRY: wire.MAX_ENTRY,
    Kind.SUBKEY: wire.MAX_SUBKEY,
    Kind.MESSAGE: wire.MAX_MESSAGE,
    Kind.REQUEST: wire.MAX_REQUEST,
}

_LINK: Final = Layout(labels.HASH_LOG, Raw(32), U64(), U64(), Raw(32))
_CORE: Final = Layout(b"receipt-core", Raw(32), U64(), Raw(32), U64())
_RECEIPT: Final = Layout(b"receipt", Var(256), Raw(64))


def link(previous: bytes, p: int, kind: int, digest: bytes) -> bytes:
    """L_p from L_(p-1), the position, the kind and H(wire)."""
    return sha256(_LINK.encode(previous, p, kind, digest))


@dataclass(frozen=True, slots=True)
class Receipt:
    """The relay's signed word that L_p is the log's head at p. Two that disagree prove a lie (attack 23)."""

    cid: bytes
    p: int
    head: bytes
    time: int
    wire: bytes


def sign_receipt(key: SigningKey, cid: bytes, p: int, head: bytes, time: int) -> Receipt:
    """`time` in seconds since 1970; it orders nothing and proves nothing."""
    core = _CORE.encode(cid, p, head, time)
    return Receipt(cid, p, head, time, _RECEIPT.encode(core, key.sign(labels.SIG_RECEIPT, core)))


def open_receipt(raw: bytes, relay_key: bytes, cid: bytes) -> Receipt:
    """Parse and verify. Raises Refused("receipt")."""
    try:
        core, signature = _RECEIPT.decode(raw)
        verify(relay_key, labels.SIG_RECEIPT, core, signature)
        found, p, head, time = _CORE.decode(core)
    except (Malformed, CryptoFailure):
        raise Refused("receipt") from None
    if found != cid:
        raise Refused("receipt")
    return Receipt(found, p, head, time, raw)

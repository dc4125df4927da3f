"""docs/protocol.md written a second time, from the text alone: encoding, MACs, padding and sealing.

Nothing here calls the code it checks, so that a record built by these functions and taken by the library, or the other
way round, means that both follow the document.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Value = int | bytes
P25519: Final = 2**255 - 19
L25519: Final = 2**252 + 27742317777372353535851937790883648493


def field(value: Value) -> bytes:
    raw = value.to_bytes(8, "big") if isinstance(value, int) else value
    return len(raw).to_bytes(4, "big") + raw


def s(label: str, *fields: Value) -> bytes:
    """S(label, f1..fn) = u8 len(label), label, u16 n, and each field behind its u32 length."""
    full = b"peerbot/1/" + label.encode()
    return bytes([len(full)]) + full + len(fields).to_bytes(2, "big") + b"".join(map(field, fields))


def h(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def m(key: bytes, label: str, *parts: Value) -> bytes:
    """M(k, label, ...): HMAC-SHA256 over the length-prefixed parts."""
    return hmac.new(key, s(label, *parts), hashlib.sha256).digest()


def signed(label: str, data: bytes) -> bytes:
    """What Sig(label, data) signs."""
    return b"peerbot/1/" + label.encode() + b"\x00" + data


def bucket(size: int, least: int) -> int:
    bucket = least
    while bucket < size:
        bucket *= 2
    return bucket


def padded(plaintext: bytes, least: int = 256) -> bytes:
    """u32 length, plaintext, zeros up to a power of two."""
    raw = len(plaintext).to_bytes(4, "big") + plaintext
    return raw + bytes(bucket(len(raw), least) - len(raw))


def box_keys(mk: bytes) -> tuple[bytes, bytes, bytes]:
    """k, n12 and kc of a message key."""
    return m(mk, "k"), m(mk, "n")[:12], m(mk, "kc")


def box(mk: bytes, inside: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """kc and CT."""
    k, n, kc = box_keys(mk)
    return kc, AESGCM(k).encrypt(n, inside, aad)


def log_link(previous: bytes, p: int, kind: int, wire: bytes) -> bytes:
    """L_p."""
    return h(s("log", previous, p, kind, h(wire)))


def device_id(dsk: bytes) -> bytes:
    return h(b"dev" + dsk)[:16]


def recipients_digest(pairs: list[tuple[bytes, int, bytes]]) -> bytes:
    """rcpt_digest over (device, n, H(SUBKEY))."""
    return h(s("rcpt", *(s("rcpt-item", *pair) for pair in sorted(pairs))))


def hpke_info(
    purpose: str, cid: bytes, e: int, prev: bytes, commit: bytes, sender: bytes, to: bytes, subkey: bytes
) -> bytes:
    return s("hpke-info", purpose.encode(), cid, e, prev, commit, sender, to, h(subkey))

"""MACs, padding, and the committing box that seals messages, directs and rendezvous notes alike."""

from __future__ import annotations

import struct
from typing import Final

from peerbot.protocol import labels, wire
from peerbot.protocol.primitives import CryptoFailure, aead_open, aead_seal, hmac_sha256, hmac_three, same
from peerbot.protocol.secret import MessageKey

LEAST_MESSAGE: Final = 256
LEAST_DIRECT: Final = 1024
_LENGTH: Final = struct.Struct(">I")
_K: Final = wire.encode(labels.MAC_CIPHER_KEY)
_N: Final = wire.encode(labels.MAC_NONCE)
_KC: Final = wire.encode(labels.MAC_KEY_COMMITMENT)


class KeyNotCommitted(CryptoFailure):
    """The key isn't the one that the box was sealed with, whatever it would decrypt to (M14)."""


class PaddingWrong(Exception):
    """Plaintext whose padding isn't the canonical one (M16)."""


def mac(key: bytes, label: bytes, *parts: bytes) -> bytes:
    """M(key, label, parts): HMAC-SHA256 over S(label, parts), so that no two part lists look alike."""
    return hmac_sha256(key, wire.encode(label, *parts))


def derive(key: bytes) -> tuple[bytes, bytes, bytes]:
    """kc, k and n of a message key; the nonce is the first 12 bytes of n."""
    return hmac_three(key, _KC, _K, _N)


def commitment(key: MessageKey) -> bytes:
    """kc: binds the ciphertext to one key, because GCM alone does not (attack 4)."""
    return hmac_sha256(key.reveal(), _KC)


def seal_box(key: MessageKey, padded: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """(kc, ciphertext). Every key is used for one box, so a derived nonce can't repeat."""
    kc, k, n = derive(key.reveal())
    return kc, aead_seal(k, n[:12], padded, aad)


def open_box(key: MessageKey, kc: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """The padded plaintext. Checks kc in constant time first. Raises KeyNotCommitted, or CryptoFailure by the AEAD."""
    expected, k, n = derive(key.reveal())
    if not same(expected, kc):
        raise KeyNotCommitted
    return aead_open(k, n[:12], ciphertext, aad)


def bucket(size: int, least: int) -> int:
    """The smallest power of two that holds `size` bytes and their length, and is at least `least`."""
    return max(least, 1 << (size + 3).bit_length())


def pad(plaintext: bytes, least: int) -> bytes:
    """u32 length, the plaintext, zeros up to a power of two."""
    return (_LENGTH.pack(len(plaintext)) + plaintext).ljust(bucket(len(plaintext), least), b"\x00")


def unpad(padded: bytes, least: int) -> bytes:
    """The reverse of pad; only the one padding pad would have made is taken. Raises PaddingWrong."""
    if len(padded) < 4:
        raise PaddingWrong
    (size,) = _LENGTH.unpack_from(padded)
    spare = len(padded) - 4 - size
    if spare < 0 or len(padded) != bucket(size, least) or padded[4 + size :] != bytes(spare):
        raise PaddingWrong
    return padded[4 : 4 + size]

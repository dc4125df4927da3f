"""Ids, epoch keys, invite and recovery keys: everything that is derived from something else."""

from __future__ import annotations

from typing import Final

from peerbot.protocol import labels, wire
from peerbot.protocol.box import mac
from peerbot.protocol.primitives import SigningKey, hkdf, random_bytes, sha256
from peerbot.protocol.secret import EpochKey, EpochSecret, InviteToken, MessageKey, RecoveryCode, SigningSeed

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U, so that a code survives being read aloud."""
_READ_AS: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": "", " ": ""})


def device_id(public: bytes) -> bytes:
    """16 bytes, bound to the device's signing key."""
    return sha256(labels.HASH_DEVICE + public)[:16]


def invite_id(public: bytes) -> bytes:
    """16 bytes, bound to the invite's signing key."""
    return sha256(labels.HASH_INVITE + public)[:16]


def epoch_commit(secret: EpochSecret, cid: bytes, e: int, prev: bytes) -> bytes:
    """What the roster entry says about ES_e; a device compares it with what its envelope held (E20)."""
    return mac(secret.reveal(), labels.MAC_COMMIT, cid, wire.u64(e), prev)


def epoch_key(secret: EpochSecret, cid: bytes, e: int, prev: bytes) -> EpochKey:
    """EK; `prev` is the hash of the entry before the epoch's, so that forks have different keys."""
    return EpochKey(mac(secret.reveal(), labels.MAC_EPOCH_KEY, cid, wire.u64(e), prev))


def invite_key(token: InviteToken, cid: bytes) -> SigningKey:
    """The key that signs the join, one per circle so that the relay can't link the circles of one invite by it."""
    return SigningKey(SigningSeed(hkdf(token, labels.HKDF_INVITE_KEY, cid)))


def rendezvous(token: InviteToken) -> tuple[bytes, MessageKey]:
    """Where the invite's note lies at the relay (32 bytes), and the key that opens it."""
    key = MessageKey(hkdf(token, labels.HKDF_RENDEZVOUS_KEY))
    return hkdf(token, labels.HKDF_RENDEZVOUS_ID), key


def recovery_key(code: RecoveryCode, cid: bytes) -> SigningKey:
    """The key whose public half stands in the roster by SET_RECOVERY."""
    return SigningKey(SigningSeed(hkdf(code, labels.HKDF_RECOVERY_KEY, cid)))


def new_token() -> InviteToken:
    return InviteToken(random_bytes(16))


def new_recovery_code() -> RecoveryCode:
    return RecoveryCode(random_bytes(16))


def spell(raw: bytes) -> str:
    """16 bytes as seven groups of four characters; the last two characters catch a slip of pen or tongue."""
    number = int.from_bytes(raw, "big") << 2
    digits = [ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)]
    digits += _check_digits(raw)
    text = "".join(digits)
    return "-".join(text[i : i + 4] for i in range(0, 28, 4))


def unspell(text: str) -> bytes:
    """The reverse of spell; upper or lower case, dashes and blanks anywhere. Raises wire.Malformed."""
    clean = text.strip().upper().translate(_READ_AS)
    if len(clean) != 28 or any(c not in ALPHABET for c in clean):
        raise wire.Malformed
    number = 0
    for c in clean[:26]:
        number = number << 5 | ALPHABET.index(c)
    raw = (number >> 2).to_bytes(16, "big")
    if number & 3 or list(clean[26:]) != _check_digits(raw):
        raise wire.Malformed
    return raw


def _check_digits(raw: bytes) -> list[str]:
    sum10 = int.from_bytes(sha256(b"spell" + raw)[:2], "big")
    return [ALPHABET[sum10 >> 5 & 31], ALPHABET[sum10 & 31]]


def compare_code(cid: bytes, seq: int, head: bytes) -> str:
    """Twenty digits two people read to each other; equal digits mean one roster (docs/protocol.md, forks)."""
    number = int.from_bytes(sha256(wire.encode(labels.HASH_COMPARE, cid, wire.u64(seq), head))[:16], "big") % 10**20
    digits = f"{number:020d}"
    return " ".join(digits[i : i + 5] for i in range(0, 20, 5))

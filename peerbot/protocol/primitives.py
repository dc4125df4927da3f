"""The only module that imports `cryptography`: keys, signatures, envelopes, AEAD, hashes."""

from __future__ import annotations

import hmac
import secrets
from functools import cache, lru_cache
from hashlib import sha256 as _sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from peerbot.protocol.labels import PREFIX
from peerbot.protocol.secret import SealingSeed, Secret, SigningSeed

SEALING_PUBLIC_SIZE: Final = 1184 + 32
SEAL_OVERHEAD: Final = 1088 + 32 + 16
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_IPAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OPAD: Final = bytes(byte ^ 0x5C for byte in range(256))
_IPAD_REST: Final = b"\x36" * 32
_OPAD_REST: Final = b"\x5c" * 32
_FIELD: Final = 2**255 - 19
# The y coordinates of the eight points of small order on edwards25519 (RFC 7748, section 6.1 names the danger).
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _FIELD - 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    }
)


class CryptoFailure(Exception):
    """A key, signature or ciphertext is not right. Says nothing more, so that nothing leaks."""


def sha256(data: bytes) -> bytes:
    """H of docs/protocol.md: SHA-256, 32 bytes."""
    return _sha256(data).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) of one thing under a key of 32 bytes; see MacKey."""
    return MacKey(key).mac(data)


class MacKey(Secret):
    """An HMAC-SHA256 key of 32 bytes, whose two pads are hashed once for all it is used for.

    Written out because a message takes five MACs: `hmac.digest` costs three times as much, since OpenSSL 3 looks its
    algorithm up at every call, and `cryptography` half as much again. The tests hold the two against each other.
    """

    __slots__ = ("_inner", "_outer")
    size = 32

    def __init__(self, value: bytes) -> None:
        super().__init__(value)
        self._inner = _sha256(value.translate(_IPAD) + _IPAD_REST)
        self._outer = _sha256(value.translate(_OPAD) + _OPAD_REST)

    def mac(self, data: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()


def hmac_three(key: bytes, a: bytes, b: bytes, c: bytes) -> tuple[bytes, bytes, bytes]:
    """hmac_sha256 of three short things under a key that is used this once; for that, copies would cost more."""
    if len(key) != 32:
        raise ValueError("HMAC keys are 32 bytes here")
    inner, outer = key.translate(_IPAD) + _IPAD_REST, key.translate(_OPAD) + _OPAD_REST
    return (
        _sha256(outer + _sha256(inner + a).digest()).digest(),
        _sha256(outer + _sha256(inner + b).digest()).digest(),
        _sha256(outer + _sha256(inner + c).digest()).digest(),
    )


def same(a: bytes, b: bytes) -> bool:
    """Equality in constant time, for MACs, commitments and tokens."""
    return hmac.compare_digest(a, b)


def random_bytes(count: int) -> bytes:
    """Bytes from the operating system's generator."""
    return secrets.token_bytes(count)


def hkdf(secret: Secret, label: bytes, context: bytes = b"", length: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869) without salt; `label` and `context` go into info."""
    info = PREFIX + label + b"\x00" + context
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret.reveal())


def argon2id(passphrase: Secret, salt: bytes, *, memory_kib: int, passes: int, lanes: int) -> bytes:
    """Argon2id (RFC 9106), 32 bytes. The caller caps parameters that come from a file."""
    return Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory_kib).derive(
        passphrase.reveal()
    )


class SigningKey:
    """An Ed25519 private key (RFC 8032)."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: SigningSeed) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed.reveal())
        self.public = self._key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Self:
        return cls(SigningSeed(random_bytes(32)))

    def seed(self) -> SigningSeed:
        """What the vault stores."""
        return SigningSeed(self._key.private_bytes_raw())

    def sign(self, label: bytes, data: bytes) -> bytes:
        """Sig(label, data), 64 bytes."""
        return self._key.sign(_domain(label) + data)

    def __repr__(self) -> str:
        return "<SigningKey>"

    def __reduce__(self) -> str:
        raise TypeError("secrets are not pickled")


@cache
def _domain(label: bytes) -> bytes:
    """What stands before signed bytes, so that a signature counts for one meaning only."""
    return PREFIX + label + b"\x00"


@lru_cache(1024)
def _verifying_key(public: bytes) -> Ed25519PublicKey:
    """Loaded once for all the messages of a device."""
    return Ed25519PublicKey.from_public_bytes(public)


def verify(public: bytes, label: bytes, data: bytes, signature: bytes) -> None:
    """Check Sig(label, data). Raises CryptoFailure."""
    try:
        _verifying_key(public).verify(signature, _domain(label) + data)
    except (InvalidSignature, ValueError):
        raise CryptoFailure from None


def check_signing_key(public: bytes) -> None:
    """Refuse what `cryptography` loads but nobody should trust: y >= p, and points of small order (E19)."""
    if len(public) != 32:
        raise CryptoFailure
    y = int.from_bytes(public, "little") & (2**255 - 1)
    if y >= _FIELD or y in _SMALL_ORDER_Y:
        raise CryptoFailure


class SealingKey:
    """An X-Wing private key (HPKE KEM 0x647a), stored as SealingSeed."""

    __slots__ = ("_key", "_seed", "public")

    def __init__(self, seed: SealingSeed) -> None:
        raw = seed.reveal()
        kem = MLKEM768PrivateKey.from_seed_bytes(raw[:64])
        curve = X25519PrivateKey.from_private_bytes(raw[64:])
        self._key = MLKEM768X25519PrivateKey(kem, curve)
        self._seed = seed
        self.public = kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Self:
        return cls(SealingSeed(random_bytes(96)))

    def seed(self) -> SealingSeed:
        """What the vault stores."""
        return self._seed

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """HPKE base mode (RFC 9180). Raises CryptoFailure."""
        try:
            return _SUITE.decrypt(sealed, self._key, info=info)
        except (InvalidTag, ValueError):
            raise CryptoFailure from None

    def __repr__(self) -> str:
        return "<SealingKey>"

    def __reduce__(self) -> str:
        raise TypeError("secrets are not pickled")


def _sealing_public(public: bytes) -> MLKEM768X25519PublicKey:
    if len(public) != SEALING_PUBLIC_SIZE or not any(public[:1184]) or not any(public[1184:]):
        raise CryptoFailure
    try:
        kem = MLKEM768PublicKey.from_public_bytes(public[:1184])
        return MLKEM768X25519PublicKey(kem, X25519PublicKey.from_public_bytes(public[1184:]))
    except ValueError:
        raise CryptoFailure from None


def seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """HPKE base mode (RFC 9180) to an X-Wing key. Raises CryptoFailure for a key that can't be sealed to."""
    try:
        return _SUITE.encrypt(plaintext, _sealing_public(public), info=info)
    except ValueError:
        raise CryptoFailure from None


def aead_seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """AES-256-GCM (NIST SP 800-38D). The nonce is 12 bytes: GCM would take others without a word."""
    if len(nonce) != 12 or len(key) != 32:
        raise ValueError("AES-256-GCM takes a key of 32 and a nonce of 12 bytes")
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def aead_open(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """The reverse of aead_seal. Raises CryptoFailure."""
    if len(nonce) != 12 or len(key) != 32:
        raise ValueError("AES-256-GCM takes a key of 32 and a nonce of 12 bytes")
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise CryptoFailure from None

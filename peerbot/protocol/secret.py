"""Wrappers for secret bytes: they don't print, compare, copy, format or pickle."""

from __future__ import annotations

from typing import NoReturn, SupportsIndex


class Secret:
    """Secret bytes. `reveal` is the only way to them, so every use can be found by searching for it.

    Only what `cryptography` frees is wiped for sure; Python may leave copies in memory (docs/protocol.md, limits).
    """

    __slots__ = ("_value",)
    size: int | None = None

    def __init__(self, value: bytes) -> None:
        if self.size is not None and len(value) != self.size:
            raise ValueError(f"{type(self).__name__} takes {self.size} bytes")
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("secrets are not formatted")

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("secrets are not compared; use primitives.same")

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("secrets are not pickled")

    def __copy__(self) -> NoReturn:
        raise TypeError("secrets are not copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("secrets are not copied")


class EpochSecret(Secret):
    """ES_e: 32 random bytes, known to the devices of one epoch."""

    __slots__ = ()
    size = 32


class EpochKey(Secret):
    """EK: derived from ES_e and the place of the epoch in the roster chain."""

    __slots__ = ()
    size = 32


class MessageKey(Secret):
    """MK: opens one message and nothing else, so that a report can carry it."""

    __slots__ = ()
    size = 32


class InviteToken(Secret):
    """128 bits that travel out of band; everything about an invite is derived from them."""

    __slots__ = ()
    size = 16


class RecoveryCode(Secret):
    """128 bits on paper; only the public key derived from them is in the roster."""

    __slots__ = ()
    size = 16


class SigningSeed(Secret):
    """The 32 bytes an Ed25519 key is made of (RFC 8032, section 5.1.5)."""

    __slots__ = ()
    size = 32


class SealingSeed(Secret):
    """An X-Wing private key: ML-KEM-768 seed (64) then X25519 scalar (32)."""

    __slots__ = ()
    size = 96

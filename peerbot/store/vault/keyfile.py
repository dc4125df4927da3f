"""How a vault is unlocked: a random key, wrapped under a passphrase, in a key file, or in the OS keyring."""

from __future__ import annotations

import asyncio
import os
import stat as modes
import unicodedata
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from peerbot.errors import VaultError
from peerbot.protocol import wire
from peerbot.protocol.primitives import CryptoFailure, aead_open, aead_seal, argon2id, random_bytes, same, sha256
from peerbot.protocol.secret import Secret
from peerbot.store.vault import files

KEY_SIZE: Final = 32
_SALT: Final = 16
_NONCE: Final = 12
_TAG: Final = 16
_MAX_WRAP: Final = 4096
_MAX_PASSPHRASE: Final = 1024
_SERVICE: Final = "peerbot vault"


class VaultKey(Secret):
    """The 32 random bytes a vault's pages are encrypted with."""

    __slots__ = ()
    size = KEY_SIZE


class Passphrase(Secret):
    """What a person types. Composed to NFC, so that every keyboard makes the same bytes of it (RFC 8265)."""

    __slots__ = ()

    @classmethod
    def of(cls, typed: str) -> Passphrase:
        """Raises VaultError("passphrase-length") unless it makes 1 to 1,024 bytes."""
        try:
            raw = unicodedata.normalize("NFC", typed).encode()
        except UnicodeEncodeError:
            # A lone surrogate: a terminal handed over bytes that aren't UTF-8.
            raise VaultError("passphrase-length") from None
        if not 1 <= len(raw) <= _MAX_PASSPHRASE:
            raise VaultError("passphrase-length")
        return cls(raw)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess of the passphrase costs: Argon2id with this much memory (KiB), passes and lanes."""

    memory_kib: int = 256 * 1024
    passes: int = 3
    lanes: int = 4

    def check(self) -> None:
        """A file may not make us take more than 1 GiB, 10 passes and 8 lanes. Raises VaultError("vault-cost")."""
        fits = 1 <= self.lanes <= 8 and 1 <= self.passes <= 10 and 8 * self.lanes <= self.memory_kib <= 1024 * 1024
        if not fits:
            raise VaultError("vault-cost")


class _Wrap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    kdf: Literal["argon2id"]
    memory_kib: int
    passes: int
    lanes: int
    salt: bytes
    nonce: bytes
    wrapped: bytes
    sum: bytes


_DECODER: Final = msgspec.json.Decoder(_Wrap)


async def create_wrap(path: Path, passphrase: Passphrase, cost: Cost | None = None) -> VaultKey:
    """Make a vault key and store it at `path`, wrapped. Raises VaultError("vault-exists") and others."""
    return await asyncio.to_thread(_create, path, passphrase, cost or Cost())


async def open_wrap(path: Path, passphrase: Passphrase) -> VaultKey:
    """The vault key in the wrap file. Takes about a second, in a thread.

    Raises VaultError: "vault-missing", "vault-passphrase", "vault-corrupt" (the file is damaged), "vault-cost" (its
    Argon2id parameters are out of bounds), "vault-memory".
    """
    return await asyncio.to_thread(_open, path, passphrase)


async def change_passphrase(path: Path, old: Passphrase, new: Passphrase, cost: Cost | None = None) -> None:
    """Wrap the same key anew. The old file stays whole until the new one is on the disk. Raises as open_wrap does."""
    await asyncio.to_thread(_change, path, old, new, cost or Cost())


def _create(path: Path, passphrase: Passphrase, cost: Cost) -> VaultKey:
    key = VaultKey(random_bytes(KEY_SIZE))
    files.write_new(path, _seal(key, passphrase, cost))
    return key


def _open(path: Path, passphrase: Passphrase) -> VaultKey:
    try:
        raw, _ = files.read_small(path, _MAX_WRAP)
    except FileNotFoundError:
        raise VaultError("vault-missing") from None
    return _unseal(raw, passphrase)


def _change(path: Path, old: Passphrase, new: Passphrase, cost: Cost) -> None:
    files.write_over(path, _seal(_open(path, old), new, cost))


def _bound(cost: Cost, salt: bytes) -> bytes:
    """What the wrapped key is tied to, so that nobody can lower the cost of guessing in the file."""
    numbers = (wire.u64(n) for n in (cost.memory_kib, cost.passes, cost.lanes))
    return wire.encode(b"vault-wrap", wire.u64(1), *numbers, salt)


def _stretch(passphrase: Passphrase, salt: bytes, cost: Cost) -> bytes:
    try:
        return argon2id(passphrase, salt, memory_kib=cost.memory_kib, passes=cost.passes, lanes=cost.lanes)
    except MemoryError:
        raise VaultError("vault-memory", mebibytes=cost.memory_kib // 1024) from None


def _seal(key: VaultKey, passphrase: Passphrase, cost: Cost) -> bytes:
    cost.check()
    salt, nonce = random_bytes(_SALT), random_bytes(_NONCE)
    aad = _bound(cost, salt)
    wrapped = aead_seal(_stretch(passphrase, salt, cost), nonce, key.reveal(), aad)
    total = sha256(aad + nonce + wrapped)
    wrap = _Wrap(1, "argon2id", cost.memory_kib, cost.passes, cost.lanes, salt, nonce, wrapped, total)
    return msgspec.json.format(msgspec.json.encode(wrap)) + b"\n"


def _unseal(raw: bytes, passphrase: Passphrase) -> VaultKey:
    try:
        wrap = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise VaultError("vault-corrupt") from None
    cost = Cost(wrap.memory_kib, wrap.passes, wrap.lanes)
    cost.check()
    if (len(wrap.salt), len(wrap.nonce), len(wrap.wrapped)) != (_SALT, _NONCE, KEY_SIZE + _TAG):
        raise VaultError("vault-corrupt")
    aad = _bound(cost, wrap.salt)
    # Without the sum a damaged file would look like a wrong passphrase, and people would doubt their memory.
    if not same(wrap.sum, sha256(aad + wrap.nonce + wrap.wrapped)):
        raise VaultError("vault-corrupt")
    try:
        return VaultKey(aead_open(_stretch(passphrase, wrap.salt, cost), wrap.nonce, wrap.wrapped, aad))
    except CryptoFailure:
        raise VaultError("vault-passphrase") from None


def create_key_file(path: Path) -> VaultKey:
    """Make a vault key for a process nobody types a passphrase for, and store it raw. Raises VaultError."""
    key = VaultKey(random_bytes(KEY_SIZE))
    files.write_new(path, key.reveal())
    return key


def read_key_file(path: Path, credentials: Path | None = None) -> VaultKey:
    """The key in a raw key file. `credentials` is systemd's credential folder, where there is one.

    Raises VaultError: "key-file-missing", "key-file-mode" (others may read it, or it is another user's),
    "key-file-length".
    """
    try:
        raw, stat = files.read_small(path, KEY_SIZE)
    except FileNotFoundError:
        raise VaultError("key-file-missing") from None
    # systemd lets the service in by an ACL, which shows as read permission of the group.
    managed = credentials is not None and path.parent == credentials
    refused = 0o037 if managed else 0o077
    if not modes.S_ISREG(stat.st_mode) or stat.st_mode & refused or stat.st_uid not in (os.geteuid(), 0):
        raise VaultError("key-file-mode")
    if len(raw) != KEY_SIZE:
        raise VaultError("key-file-length")
    return VaultKey(raw)


async def keyring_load(name: str) -> VaultKey | None:
    """The key the OS keyring keeps under `name`, or None. It may ask the person, so it runs in a thread.

    Raises VaultError: "keyring-missing" (the extra isn't installed), "keyring-failed".
    """
    return await asyncio.to_thread(_keyring_load, name)


async def keyring_store(name: str, key: VaultKey) -> None:
    """Put the key into the OS keyring. Raises as keyring_load does."""
    await asyncio.to_thread(_keyring_store, name, key)


def _keyring_load(name: str) -> VaultKey | None:
    try:
        import keyring
    except ImportError:
        raise VaultError("keyring-missing") from None
    try:
        found = keyring.get_password(_SERVICE, name)
    except Exception:
        # Backends raise whatever their system does, and some put the secret into it.
        raise VaultError("keyring-failed") from None
    if found is None:
        return None
    try:
        return VaultKey(b64decode(found, validate=True))
    except ValueError:
        raise VaultError("keyring-failed") from None


def _keyring_store(name: str, key: VaultKey) -> None:
    try:
        import keyring
    except ImportError:
        raise VaultError("keyring-missing") from None
    try:
        keyring.set_password(_SERVICE, name, b64encode(key.reveal()).decode())
    except Exception:
        raise VaultError("keyring-failed") from None

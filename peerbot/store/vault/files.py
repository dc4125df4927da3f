"""Secret files: made once or replaced whole, 0600, and on the disk before the call returns."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from peerbot.errors import VaultError


def write_new(path: Path, data: bytes) -> None:
    """Make the file. Raises VaultError("vault-exists") where there is one, "vault-full", "vault-io"."""
    _write(path, data, replace=False)


def write_over(path: Path, data: bytes) -> None:
    """Replace the file: after a crash it holds the old bytes or the new ones. Raises VaultError."""
    _write(path, data, replace=True)


def publish(fresh: Path, path: Path) -> None:
    """Give a finished file its name, unless something has it. Raises VaultError as write_new does."""
    try:
        _link(fresh, path)
    except OSError as error:
        raise VaultError(_code(error, replace=False)) from None


def read_small(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """At most `most` + 1 bytes of a regular file, and what fstat says about that same open file.

    Raises FileNotFoundError, or VaultError("vault-io") for anything else.
    """
    try:
        # O_NONBLOCK: a named pipe in the file's place must not make us wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError:
        raise VaultError("vault-io") from None
    try:
        stat = os.fstat(fd)
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(most + 1), stat
    except OSError:
        raise VaultError("vault-io") from None
    finally:
        os.close(fd)


def _write(path: Path, data: bytes, *, replace: bool) -> None:
    fresh = path.with_name(path.name + ".new")
    try:
        # Left by a crash before the rename; nobody was told that it exists.
        fresh.unlink(missing_ok=True)
        _fill(fresh, data)
        if replace:
            fresh.replace(path)
            _sync_folder(path.parent)
        else:
            _link(fresh, path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise VaultError(_code(error, replace=replace)) from None


def _link(fresh: Path, path: Path) -> None:
    # A hard link never overwrites, and the name appears with the whole content or not at all.
    os.link(fresh, path)
    fresh.unlink()
    _sync_folder(path.parent)


def _code(error: OSError, *, replace: bool) -> str:
    if error.errno == errno.EEXIST and not replace:
        return "vault-exists"
    return "vault-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "vault-io"


def _fill(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

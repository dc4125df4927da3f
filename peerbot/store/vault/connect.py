"""SQLCipher connections to a vault, one process at a time, and what their errors mean."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import sqlcipher3.dbapi2 as sqlcipher
from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from peerbot.errors import VaultError
from peerbot.store.vault import files, text
from peerbot.store.vault.keyfile import VaultKey

_HEX_KEY: Final = re.compile(r"[0-9a-f]{64}")
_CACHE_KIB: Final = 16 * 1024
_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # What is deleted is overwritten, and temporary b-trees never reach a file.
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    f"PRAGMA cache_size = -{_CACHE_KIB}",
)
_SPACE_LEFT: Final = 64 * 1024
_LOG_NAME: Final = "vault"


class Connector:
    """Opens connections to one vault file. `also` are further pragmas, for tests that need a small disk."""

    def __init__(self, path: Path, key: VaultKey, also: tuple[str, ...] = ()) -> None:
        self._path = path
        self._key = key
        self._also = also
        # Even where somebody turns SQLAlchemy's log up: at DEBUG it prints every row.
        logging.getLogger(f"sqlalchemy.engine.Engine.{_LOG_NAME}").setLevel(logging.WARNING)
        self._writer = self._engine(read_only=False)
        self._reader = self._engine(read_only=True)

    def __call__(self, *, read_only: bool) -> Connection:
        """A new connection, on the thread that will use it. Raises what the driver raises: see `mapped`."""
        return (self._reader if read_only else self._writer).connect()

    def _engine(self, *, read_only: bool) -> Engine:
        # `module`: SQLAlchemy must catch sqlcipher3's exceptions, which aren't sqlite3's.
        return create_engine(
            "sqlite+pysqlite://",
            module=sqlcipher,
            creator=lambda: self._connect(read_only=read_only),
            poolclass=NullPool,
            hide_parameters=True,
            logging_name=_LOG_NAME,
        )

    def _connect(self, *, read_only: bool) -> Any:
        connection = sqlcipher.connect(str(self._path), isolation_level=None, timeout=5, cached_statements=256)
        try:
            self._unlock(connection)
            if not read_only:
                _expect_wal(connection)
            for pragma in (*_PRAGMAS, *self._also):
                connection.execute(pragma)
            connection.create_function("spaced", 1, text.spaced, deterministic=True)
            if read_only:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _unlock(self, connection: Any) -> None:
        key = self._key.reveal().hex()
        # A shorter one would be taken for a passphrase, and none would make a plaintext file.
        if _HEX_KEY.fullmatch(key) is None:
            raise VaultError("vault-io")
        # First of all: SQLCipher prints a wrong key to stderr, and so into a full-screen terminal.
        connection.execute("PRAGMA cipher_log_level = NONE")
        connection.execute(f"PRAGMA key = \"x'{key}'\"")
        # The key is only tried at the first read.
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()

    def mapped(self, error: Exception) -> Exception:
        """A driver's error as a VaultError that holds nothing of it; others, which are our own bugs, unchanged."""
        if isinstance(error, DBAPIError) and isinstance(error.orig, Exception):
            error = error.orig
        if not isinstance(error, sqlcipher.Error):
            return error
        return VaultError(_code(getattr(error, "sqlite_errorcode", None), self._path))


def _expect_wal(connection: Any) -> None:
    with closing(connection.execute("PRAGMA journal_mode = WAL")) as cursor:
        if cursor.fetchone() != ("wal",):
            # Some network folders can't; without it readers and the writer would block each other.
            raise VaultError("vault-io")


def _code(number: int | None, path: Path) -> str:
    match None if number is None else number & 0xFF:
        case sqlcipher.SQLITE_FULL:
            return "vault-full"
        case sqlcipher.SQLITE_NOTADB | sqlcipher.SQLITE_CORRUPT:
            return "vault-corrupt"
        case sqlcipher.SQLITE_CONSTRAINT:
            return "vault-exists"
        case sqlcipher.SQLITE_IOERR if _no_space(path):
            return "vault-full"
        case _:
            return "vault-io"


def _no_space(path: Path) -> bool:
    """SQLite reports a full disk as an I/O error where it grows the index of the WAL or a quota is used up."""
    with suppress(OSError):
        disk = os.statvfs(path.parent)
        return disk.f_bavail * disk.f_frsize < _SPACE_LEFT
    return False


def make_file(path: Path, key: VaultKey, fill: Callable[[Connection], None]) -> None:
    """Make a vault file and let `fill` write to it in one transaction. Nothing has the name before all of it is there.

    Raises VaultError("vault-exists"), "vault-full" or "vault-io".
    """
    fresh = path.with_name(path.name + ".new")
    connector = Connector(fresh, key)
    try:
        # Left by a process that was killed while it made a vault.
        _remove(fresh)
        # What SQLite puts beside a file takes over its mode.
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with connector(read_only=False) as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            fill(connection)
            connection.commit()
        files.publish(fresh, path)
    except OSError as error:
        raise VaultError("vault-full" if error.errno == errno.ENOSPC else "vault-io") from None
    except (DBAPIError, sqlcipher.Error) as error:
        raise connector.mapped(error) from None
    finally:
        with suppress(OSError):
            _remove(fresh)


def _remove(database: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)


def check_file(path: Path) -> None:
    """See to it that the file is there and nobody else's. Raises VaultError("vault-missing") or "vault-io"."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise VaultError("vault-io")
        if mode & 0o077:
            path.chmod(0o600)
    except FileNotFoundError:
        raise VaultError("vault-missing") from None
    except OSError:
        raise VaultError("vault-io") from None


class VaultLock:
    """One process per vault. The kernel lets go of the lock when the process ends, however it ends."""

    def __init__(self, vault: Path) -> None:
        """Raises VaultError("vault-in-use") while another holds it, or "vault-io"."""
        try:
            self._fd = os.open(vault.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            raise VaultError("vault-io") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            busy = error.errno in (errno.EWOULDBLOCK, errno.EACCES)
            raise VaultError("vault-in-use" if busy else "vault-io") from None

    def release(self) -> None:
        """Harmless a second time."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

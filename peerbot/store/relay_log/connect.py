"""Opening relay.db: pragmas, schema, and what its errors mean."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, insert, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from peerbot.errors import RelayError, UpgradeNeeded
from peerbot.store.relay_log.models import VERSION, metadata, schema


class RelayFile:
    """Connects to a relay's file, and makes it where there is none; it is readable by its owner alone.

    Raises UpgradeNeeded("relay-newer") for a file of a newer peerbot (facts: found, known).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine: Engine = create_engine(
            "sqlite://", creator=self._driver, poolclass=NullPool, hide_parameters=True
        )

    def __call__(self, *, read_only: bool) -> Connection:
        if not read_only:
            # SQLite would make it with the umask's mode; -wal and -shm take theirs from it.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = self._engine.connect()
        try:
            if not read_only:
                _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _driver(self) -> sqlite3.Connection:
        driver = sqlite3.connect(self._path, isolation_level=None, timeout=5, cached_statements=256)
        try:
            driver.execute("PRAGMA journal_mode=WAL").close()
            driver.execute("PRAGMA synchronous=FULL").close()
            driver.execute("PRAGMA foreign_keys=ON").close()
            driver.execute("PRAGMA secure_delete=ON").close()
            driver.execute("PRAGMA journal_size_limit=67108864").close()
        except BaseException:
            driver.close()
            raise
        return driver


def _prepare(connection: Connection) -> None:
    """Make the tables in a new file, and refuse a file of a newer version."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if not inspect(connection).has_table(schema.name):
        metadata.create_all(connection)
        connection.execute(insert(schema).values(version=VERSION))
    found = connection.execute(select(schema.c.version)).scalar_one()
    if found > VERSION:
        raise UpgradeNeeded("relay-newer", found=found, known=VERSION)
    connection.commit()


def relay_error(error: Exception) -> Exception:
    """What a caller of the relay log sees. Only SQLite's name for the error goes with it, never SQL or parameters."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, OSError):
        return RelayError("relay-full" if cause.errno == errno.ENOSPC else "relay-io", reason=type(cause).__name__)
    if not isinstance(cause, sqlite3.Error):
        return error
    reason = getattr(cause, "sqlite_errorname", type(cause).__name__)
    return RelayError("relay-full" if reason.startswith("SQLITE_FULL") else "relay-io", reason=reason)

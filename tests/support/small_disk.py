"""A relay's store on a disk with little room."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from peerbot.store.relay_log.connect import RelayFile, relay_error
from peerbot.store.relay_log.log import SqliteRelayLog
from peerbot.store.sqlthread import SqlThread


class SmallDisk(RelayFile):
    """A file that may not grow beyond so many pages of 4 KiB."""

    def __init__(self, path: Path, pages: int) -> None:
        super().__init__(path)
        self.pages = pages

    def __call__(self, *, read_only: bool) -> Connection:
        connection = super().__call__(read_only=read_only)
        connection.connection.cursor().execute(f"PRAGMA max_page_count={self.pages}")
        return connection


async def on_small_disk(path: Path, pages: int) -> SqliteRelayLog:
    thread = SqlThread(SmallDisk(path, pages), name="relay", on_error=relay_error)
    await thread.start()
    return SqliteRelayLog(thread)

"""The relay's SQLite file: who can read it, what survives, and what a failing disk may touch."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from peerbot.core.ports import AddressedEnvelope, ControlChange, NewRecord, Placed
from peerbot.errors import RelayError, UpgradeNeeded
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import sha256
from peerbot.store.relay_log.connect import RelayFile
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.support.small_disk import on_small_disk

CID = b"c" * 32


def record(kind: Kind, wire: bytes) -> NewRecord:
    return NewRecord(kind, wire, sha256(wire), 1000)


async def opened(path: Path) -> SqliteRelayLog:
    log = await SqliteRelayLog.open(path)
    await log.found(CID, record(Kind.ENTRY, b"genesis"), b"roster")
    return log


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    log = await opened(tmp_path / "relay.db")
    assert modes(tmp_path) == {"relay.db": 0o600, "relay.db-wal": 0o600, "relay.db-shm": 0o600}
    await log.close()


async def test_every_connection_waits_for_the_disk_and_keeps_foreign_keys(tmp_path: Path) -> None:
    file = RelayFile(tmp_path / "relay.db")
    for read_only in (False, True):
        with file(read_only=read_only) as connection:
            pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete")
            values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
            assert values == ["wal", 2, 1, 5000, 1]


async def test_reopening_finds_everything(tmp_path: Path) -> None:
    log = await opened(tmp_path / "relay.db")
    placed = await log.append_message(CID, record(Kind.MESSAGE, b"m"), 0)
    await log.close()
    again = await SqliteRelayLog.open(tmp_path / "relay.db")
    assert await again.find(CID, sha256(b"m")) == placed
    assert await again.roster(CID) == (await again.head(CID), b"roster")
    await again.close()


async def test_a_file_of_a_newer_peerbot_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    await (await opened(path)).close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE schema SET version = 99")
    other.close()
    with pytest.raises(UpgradeNeeded, match="relay-newer") as refused:
        await SqliteRelayLog.open(path)
    assert refused.value.facts == {"found": 99, "known": 1}


async def test_a_file_that_is_no_database_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(RelayError, match="relay-io") as refused:
        await SqliteRelayLog.open(path)
    assert refused.value.facts == {"reason": "SQLITE_NOTADB"}
    assert path.read_bytes().startswith(b"Dear diary")


async def test_a_folder_that_is_not_there_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(RelayError, match="relay-io"):
        await SqliteRelayLog.open(tmp_path / "missing" / "relay.db")


async def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    await (await opened(path)).close()
    log = await on_small_disk(path, pages=40)
    head = await log.head(CID)
    assert head is not None
    change = ControlChange(
        seq=1, roster=b"r" * 100_000, envelopes=[AddressedEnvelope(1, b"s" * 16, b"a" * 16, b"e" * 200_000)]
    )
    with pytest.raises(RelayError, match="relay-full"):
        await log.append_control(CID, record(Kind.ENTRY, b"entry"), head, change)
    assert await log.roster(CID) == (head, b"roster")
    assert await log.find(CID, sha256(b"entry")) is None
    assert await log.envelopes(CID, b"a" * 16, 0, 9) == []
    assert isinstance(await log.append_message(CID, record(Kind.MESSAGE, b"small"), 0), Placed), "room for a small one"
    await log.close()


async def test_on_a_disk_that_fills_up_what_was_acknowledged_is_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    await (await opened(path)).close()
    log = await on_small_disk(path, pages=60)
    wires = [b"%03d" % i + b"m" * 3000 for i in range(100)]
    results = await asyncio.gather(
        *(log.append_message(CID, record(Kind.MESSAGE, wire), 0) for wire in wires), return_exceptions=True
    )
    failed = [result for result in results if not isinstance(result, Placed)]
    assert failed
    assert all(isinstance(error, RelayError) and error.code == "relay-full" for error in failed)
    await log.close()
    again = await SqliteRelayLog.open(path)
    for wire, result in zip(wires, results, strict=True):
        assert await again.find(CID, sha256(wire)) == (result if isinstance(result, Placed) else None)
    await again.close()

"""The thread that owns a database file: durability, group commit, and what a failure may touch."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import NullPool

from peerbot.errors import VaultError
from peerbot.store.sqlthread import SqlThread


def connector(path: Path, **pragmas: int) -> Callable[..., Connection]:
    def connect(*, read_only: bool) -> Connection:
        engine = create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(path, isolation_level=None), poolclass=NullPool
        )
        connection = engine.connect()
        connection.exec_driver_sql("PRAGMA journal_mode=WAL").close()
        for name, value in pragmas.items():
            connection.exec_driver_sql(f"PRAGMA {name}={value}").close()
        if not read_only:
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS word (id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
        connection.commit()
        return connection

    return connect


def add(text: str) -> Callable[[Connection], int]:
    def fn(connection: Connection) -> int:
        connection.exec_driver_sql("INSERT INTO word (text) VALUES (?)", (text,))
        return threading.get_ident()

    return fn


def words(connection: Connection) -> list[str]:
    return [row[0] for row in connection.exec_driver_sql("SELECT text FROM word ORDER BY id")]


def in_file(path: Path) -> list[str]:
    with sqlite3.connect(path) as other:
        found = [row[0] for row in other.execute("SELECT text FROM word ORDER BY id")]
    other.close()
    return found


@pytest.fixture
async def thread(tmp_path: Path) -> AsyncIterator[SqlThread]:
    thread = SqlThread(connector(tmp_path / "t.sqlite"), name="test")
    await thread.start()
    yield thread
    await thread.close()


class Gate:
    """A write that holds the writer until it is let go, so that what is submitted meanwhile forms one group."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()

    def __call__(self, connection: Connection) -> None:
        self.entered.set()
        assert self.leave.wait(10)

    async def hold(self, thread: SqlThread) -> asyncio.Task[None]:
        held = asyncio.create_task(thread.write(self))
        await asyncio.to_thread(self.entered.wait, 10)
        return held


async def together(thread: SqlThread, *fns: Callable[[Connection], Any]) -> list[Any]:
    """Results or exceptions of functions that were waiting when the writer came to them."""
    gate = Gate()
    held = await gate.hold(thread)
    tasks = [asyncio.create_task(thread.write(fn)) for fn in fns]
    await asyncio.sleep(0)
    gate.leave.set()
    await held
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_a_write_returned_from_is_in_the_file(thread: SqlThread, tmp_path: Path) -> None:
    await thread.write(add("one"))
    assert in_file(tmp_path / "t.sqlite") == ["one"]


async def test_a_reader_sees_what_was_written_before_and_can_not_write(thread: SqlThread) -> None:
    await thread.write(add("one"))
    assert await thread.read(words) == ["one"]
    with pytest.raises(OperationalError, match="readonly"):
        await thread.read(add("two"))
    assert await thread.read(words) == ["one"]


async def test_writes_that_wait_together_share_one_commit(thread: SqlThread, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def look_from_outside(connection: Connection) -> None:
        seen.append(in_file(tmp_path / "t.sqlite"))

    await together(thread, add("one"), look_from_outside, add("two"))
    assert seen == [[]], "the first of the group was not committed before the last had run"
    assert await thread.read(words) == ["one", "two"]


async def test_a_failing_write_is_undone_alone(thread: SqlThread) -> None:
    def half(connection: Connection) -> None:
        add("half")(connection)
        raise KeyError("stop")

    first, failed, doubled, last = await together(thread, add("one"), half, add("one"), add("two"))
    assert first == last, "one thread writes everything"
    assert isinstance(failed, KeyError)
    assert isinstance(doubled, IntegrityError)
    assert await thread.read(words) == ["one", "two"]


async def test_a_full_disk_fails_the_group_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    thread = SqlThread(connector(tmp_path / "t.sqlite", max_page_count=8), name="test")
    await thread.start()

    def one_and_too_much(connection: Connection) -> None:
        add("small")(connection)
        add("x" * 200_000)(connection)

    before, full, after = await together(thread, add("before"), one_and_too_much, add("after"))
    assert isinstance(full, OperationalError)
    assert "full" in str(full)
    stored = await thread.read(words)
    told = [text for text, result in (("before", before), ("after", after)) if not isinstance(result, Exception)]
    assert stored == told, "exactly what was reported as written is there"
    await thread.write(add("later"))
    assert "later" in await thread.read(words)
    await thread.close()


async def test_a_commit_that_fails_fails_everyone_in_the_group(tmp_path: Path) -> None:
    thread = SqlThread(connector(tmp_path / "t.sqlite", foreign_keys=1), name="test")
    await thread.start()
    table = "CREATE TABLE debt (id INTEGER REFERENCES word(id) DEFERRABLE INITIALLY DEFERRED)"
    await thread.write(lambda connection: connection.exec_driver_sql(table).close())

    def owe(connection: Connection) -> None:
        """Only COMMIT finds out about a deferred foreign key."""
        connection.exec_driver_sql("INSERT INTO debt VALUES (99)")

    results = await together(thread, add("one"), owe)
    assert [type(result) for result in results] == [sqlite3.IntegrityError, sqlite3.IntegrityError]
    assert await thread.read(words) == []
    await thread.close()


async def test_a_cancelled_caller_does_not_lose_the_write(thread: SqlThread) -> None:
    gate = Gate()
    held = await gate.hold(thread)
    waiting = asyncio.create_task(thread.write(add("kept")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.leave.set()
    await thread.write(lambda connection: None)
    assert await thread.read(words) == ["kept"]
    await held


async def test_close_finishes_what_waits(thread: SqlThread, tmp_path: Path) -> None:
    gate = Gate()
    held = await gate.hold(thread)
    waiting = asyncio.create_task(thread.write(add("last")))
    await asyncio.sleep(0)
    closing = asyncio.create_task(thread.close())
    gate.leave.set()
    await asyncio.gather(held, waiting, closing)
    assert in_file(tmp_path / "t.sqlite") == ["last"]
    with pytest.raises(RuntimeError, match="not open"):
        await thread.write(add("too late"))


async def test_driver_errors_are_mapped_and_our_own_are_not(tmp_path: Path) -> None:
    def mapped(error: Exception) -> Exception:
        return VaultError("vault-io") if isinstance(error, DBAPIError) else error

    def ours(connection: Connection) -> None:
        raise VaultError("vault-full")

    def stop(connection: Connection) -> None:
        next(iter(()))

    thread = SqlThread(connector(tmp_path / "t.sqlite"), name="test", on_error=mapped)
    await thread.start()
    await thread.write(add("one"))
    with pytest.raises(VaultError, match="vault-io") as caught:
        await thread.write(add("one"))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    with pytest.raises(VaultError, match="vault-full"):
        await thread.read(ours)
    with pytest.raises(RuntimeError):
        await thread.write(stop)
    await thread.close()


async def test_a_file_that_can_not_be_opened_is_told_and_leaves_no_thread(tmp_path: Path) -> None:
    thread = SqlThread(connector(tmp_path / "missing" / "t.sqlite"), name="unopened")
    with pytest.raises(OperationalError):
        await thread.start()
    for left in [t for t in threading.enumerate() if t.name.startswith("unopened")]:
        await asyncio.to_thread(left.join, 10)
        assert not left.is_alive()


async def test_many_writers_at_once_all_get_their_own_answer(thread: SqlThread) -> None:
    def number(i: int) -> Callable[[Connection], int]:
        def fn(connection: Connection) -> int:
            add(str(i))(connection)
            return i

        return fn

    assert await asyncio.gather(*(thread.write(number(i)) for i in range(3000))) == list(range(3000))
    assert len(await thread.read(words)) == 3000

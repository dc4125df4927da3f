"""A SQLite file behind one writing thread, which commits what waits as a group, and a few reading threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from peerbot.errors import PeerbotError

T = TypeVar("T")
GROUP: Final = 256
"""The most functions that share one COMMIT."""
WAITING: Final = 1024
"""The most functions that may wait for the writer, and for the readers; further callers wait before their turn."""


class Connect(Protocol):
    """Opens one connection to the file, on the thread that will use it.

    The driver's connection must not begin transactions by itself (isolation_level=None for sqlite3 and sqlcipher3).
    Closing the SQLAlchemy connection must close the driver's (NullPool). The first call is the writer's, and nothing
    else is open then, so it may create or migrate the schema.
    """

    def __call__(self, *, read_only: bool) -> Connection: ...


OnError = Callable[[Exception], Exception]
"""Turns what a driver raised into what callers should see. Never asked about a PeerbotError."""


def unchanged(error: Exception) -> Exception:
    """The OnError that keeps the driver's exceptions."""
    return error


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    """A function and whoever waits for its result."""

    run: Callable[[Connection], T]
    done: asyncio.Future[T]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a job ended: with `error` None, its transaction is on disk."""

    job: _Job[Any]
    value: Any = None
    error: BaseException | None = None


_Queue = SimpleQueue["_Job[Any] | None"]


class _Link:
    """A connection, with transactions in our own hands.

    They are begun and ended on the driver's cursor: SQLAlchemy's own transaction, which begins at its first statement,
    sends nothing in this mode, and is only told afterwards that it is over.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._driver: Any = connection.connection.dbapi_connection
        self._cursor = self._driver.cursor()

    @property
    def open(self) -> bool:
        """Whether SQLite still holds a transaction; it ends one by itself on a full disk or an I/O error."""
        return bool(self._driver.in_transaction)

    def say(self, sql: str) -> None:
        self._cursor.execute(sql)

    def forget(self) -> None:
        """Roll back what is still open, on both levels."""
        if self.open:
            self.say("ROLLBACK")
        if self.connection.in_transaction():
            self.connection.rollback()


class SqlThread:
    """Runs functions of a connection on the threads that own the connections.

    `write` runs in a BEGIN IMMEDIATE transaction on the only writing connection and returns after COMMIT. Functions
    that wait together are committed together; one that raises is undone alone. `read` runs on one of `readers`
    query_only connections and sees one moment of the file, at least as new as every write that has returned.

    A function must not commit, roll back, or touch anything that belongs to the event loop. A caller that is cancelled
    while its function waits or runs learns nothing of the result, and the function runs to its end all the same.
    Everything a driver raises passes `on_error`. The threads are daemons, so that a forgotten close hangs nothing.
    """

    def __init__(self, connect: Connect, *, name: str, readers: int = 2, on_error: OnError = unchanged) -> None:
        self._connect = connect
        self._name = name
        self._readers = readers
        self._on_error = on_error
        self._writes: _Queue = SimpleQueue()
        self._reads: _Queue = SimpleQueue()
        self._threads: list[tuple[_Queue, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._may_write = asyncio.Semaphore(WAITING)
        self._may_read = asyncio.Semaphore(WAITING)
        self._closed = False

    async def start(self) -> None:
        """Open the connections. Raises what `connect` raised, mapped; nothing stays open then."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._spawn(self._writer, self._writes, read_only=False)
            for _ in range(self._readers):
                await self._spawn(self._reader, self._reads, read_only=True)
        except BaseException:
            await self.close()
            raise

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """The result of `fn`, once what it wrote is on disk. Raises what it raised, mapped."""
        return await self._submit(self._writes, self._may_write, fn)

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """The result of `fn` on a connection that can't write."""
        return await self._submit(self._reads, self._may_read, fn)

    async def close(self) -> None:
        """Finish what waits, then close the connections and end the threads. Closing twice is harmless."""
        self._closed = True
        threads, self._threads = self._threads, []
        for queue, _ in threads:
            queue.put(None)
        for _, ended in threads:
            await asyncio.shield(ended)

    async def _submit(self, queue: _Queue, turn: asyncio.Semaphore, fn: Callable[[Connection], T]) -> T:
        await turn.acquire()
        if self._closed or self._loop is None:
            turn.release()
            raise RuntimeError("the database is not open")
        done: asyncio.Future[T] = self._loop.create_future()
        # Released when the function has run, not when its caller goes away: the bound is on work, not on callers.
        done_with = self._loop.create_future()
        done_with.add_done_callback(lambda _: turn.release())
        queue.put(_Job(fn, done))
        return await done

    async def _spawn(
        self, main: Callable[[_Link, _Queue], None], queue: _Queue, *, read_only: bool
    ) -> None:
        raise NotImplementedError

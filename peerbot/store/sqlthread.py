"""A SQLite file behind one writing thread, which commits what waits as a group, and a few reading threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

from peerbot.errors import PeerbotError

T = TypeVar("T")
GROUP: Final = 256
"""The most functions that share one COMMIT."""
WAITING: Final = 1024
"""The most functions that may wait for the writer, or for the readers; further callers wait for their turn."""


class Connect(Protocol):
    """Opens one connection to the file, on the thread that will use it.

    The driver's connection must not begin transactions by itself (isolation_level=None for sqlite3 and sqlcipher3),
    and closing the SQLAlchemy connection must close it (NullPool). The writer connects first and alone, so that call
    may create or migrate the schema, and must leave no transaction open.
    """

    def __call__(self, *, read_only: bool) -> Connection: ...


OnError = Callable[[Exception], Exception]
"""Turns what went wrong into what callers should see; called on the event loop, and not for a PeerbotError.

The driver's own errors come from BEGIN and COMMIT, SQLAlchemy's (with `orig`) from a function's statements.
"""


def unchanged(error: Exception) -> Exception:
    """The OnError that keeps every exception as it is."""
    return error


@dataclass(frozen=True, slots=True)
class _Job:
    """A function and whoever waits for its result."""

    run: Callable[[Connection], Any]
    done: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a job ended. Where `error` is None, what it wrote is on disk."""

    job: _Job
    value: Any = None
    error: BaseException | None = None


class _Lane:
    """The jobs that wait for the writer, or for the readers. At most `group` of them are taken together."""

    def __init__(self, group: int) -> None:
        self.turn = asyncio.Semaphore(WAITING)
        self._group = group
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()

    def put(self, job: _Job | None) -> None:
        """Add a job, or with None the end of one thread's work."""
        self._queue.put(job)

    def take(self) -> list[_Job]:
        """What waits, as soon as there is something; nothing at the end."""
        first = self._queue.get()
        if first is None:
            return []
        jobs = [first]
        with suppress(Empty):
            while len(jobs) < self._group:
                job = self._queue.get_nowait()
                if job is None:
                    self._queue.put(None)
                    break
                jobs.append(job)
        return jobs


class _Link:
    """A connection, with its transactions in our own hands.

    They begin and end on the driver's cursor. SQLAlchemy's own transaction, which begins with its first statement and
    sends nothing in this mode, is only told afterwards that it is over.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        driver: Any = connection.connection.dbapi_connection
        self._driver = driver
        self._cursor = driver.cursor()

    @property
    def in_transaction(self) -> bool:
        """SQLite ends a transaction by itself on a full disk or an I/O error."""
        return bool(self._driver.in_transaction)

    def say(self, sql: str) -> None:
        self._cursor.execute(sql)

    def settle(self) -> None:
        """Undo what is still open, here and in SQLAlchemy's books."""
        if self.in_transaction:
            self.say("ROLLBACK")
        if self.connection.in_transaction():
            self.connection.rollback()


def _write_group(link: _Link, jobs: Sequence[_Job]) -> list[_Outcome]:
    """Run jobs in one transaction. Fewer outcomes than jobs come back where SQLite ended it on the way."""
    outcomes: list[_Outcome] = []
    try:
        link.say("BEGIN IMMEDIATE")
        for job in jobs:
            outcomes.append(_attempt(link, job))
            if not link.in_transaction:
                raise outcomes[-1].error or RuntimeError("a function ended the transaction of its group")
        link.say("COMMIT")
    except Exception as error:
        return [_Outcome(job, error=error) for job in (jobs[: len(outcomes)] or jobs)]
    finally:
        link.settle()
    return outcomes


def _attempt(link: _Link, job: _Job) -> _Outcome:
    """Run one job in a savepoint, so that its failure is its own."""
    link.say("SAVEPOINT job")
    try:
        value = job.run(link.connection)
    except BaseException as error:
        if link.in_transaction:
            link.say("ROLLBACK TO job")
            link.say("RELEASE job")
        return _Outcome(job, error=error)
    if link.in_transaction:
        link.say("RELEASE job")
    return _Outcome(job, value)


def _read_group(link: _Link, jobs: Sequence[_Job]) -> list[_Outcome]:
    """Run the first job in a transaction, so that it sees one moment of the file."""
    job = jobs[0]
    try:
        link.say("BEGIN")
        return [_Outcome(job, job.run(link.connection))]
    except BaseException as error:
        return [_Outcome(job, error=error)]
    finally:
        link.settle()


_Serve = Callable[[_Link, Sequence[_Job]], list[_Outcome]]


class SqlThread:
    """Runs functions of a connection on the threads that own the connections.

    `write` runs in a BEGIN IMMEDIATE transaction on the only writing connection and returns after COMMIT. Functions
    that wait together are committed together; one that raises is undone alone. `read` runs on one of `readers`
    query_only connections and sees one moment of the file, at least as new as every write that has returned.

    A function must not commit, roll back, or touch what belongs to the event loop. A caller that is cancelled while
    its function waits or runs learns no result; the function runs to its end all the same. (While WAITING others wait,
    a caller keeps its function until there is room.) What a function or the driver raises passes `on_error`, except a
    PeerbotError. The threads are daemons: a forgotten close hangs nothing.
    """

    def __init__(self, connect: Connect, *, name: str, readers: int = 2, on_error: OnError = unchanged) -> None:
        self._connect = connect
        self._name = name
        self._readers = readers
        self._on_error = on_error
        self._writes = _Lane(GROUP)
        self._reads = _Lane(1)
        self._ends: list[tuple[_Lane, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Open the connections. Raises what `connect` raised, mapped; nothing stays open then."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._spawn("writer", self._writes, _write_group)
            for _ in range(self._readers):
                await self._spawn("reader", self._reads, _read_group)
        except BaseException:
            await self.close()
            raise

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """The result of `fn`, once what it wrote is on disk. Raises what it raised, mapped."""
        return await self._submit(self._writes, fn)

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """The result of `fn`, on a connection that can't write. Raises what it raised, mapped."""
        return await self._submit(self._reads, fn)

    async def close(self) -> None:
        """Finish what waits, then close the connections. Closing twice is harmless."""
        self._loop = None
        ends, self._ends = self._ends, []
        for lane, _ in ends:
            lane.put(None)
        for _, ended in ends:
            await asyncio.shield(ended)

    async def _submit(self, lane: _Lane, fn: Callable[[Connection], T]) -> T:
        await lane.turn.acquire()
        if self._loop is None:
            lane.turn.release()
            raise RuntimeError("the database is not open")
        done: asyncio.Future[T] = self._loop.create_future()
        lane.put(_Job(fn, done))
        return await done

    async def _spawn(self, role: str, lane: _Lane, serve: _Serve) -> None:
        """Start a thread, and return when its connection is open."""
        loop = asyncio.get_running_loop()
        ready, ended = loop.create_future(), loop.create_future()
        self._ends.append((lane, ended))

        def main() -> None:
            try:
                self._work(loop, lane, serve, ready)
            except BaseException as error:
                _tell(loop, _resolve, ready, None, self._mapped(error))
            _tell(loop, _resolve, ended, None, None)

        Thread(target=main, name=f"{self._name}-{role}", daemon=True).start()
        await asyncio.shield(ready)

    def _work(self, loop: asyncio.AbstractEventLoop, lane: _Lane, serve: _Serve, ready: asyncio.Future[None]) -> None:
        """A thread's life."""
        with self._connect(read_only=lane is self._reads) as connection:
            link = _Link(connection)
            if lane is self._reads:
                link.say("PRAGMA query_only=ON")
            _tell(loop, _resolve, ready, None, None)
            while jobs := lane.take():
                while jobs:
                    try:
                        outcomes = serve(link, jobs)
                    except BaseException as error:
                        # Not even ROLLBACK works any more. Nobody may be left waiting for a dead thread.
                        outcomes = [_Outcome(job, error=error) for job in jobs]
                    jobs = jobs[len(outcomes) :]
                    _tell(loop, self._deliver, lane, outcomes)

    def _deliver(self, lane: _Lane, outcomes: Sequence[_Outcome]) -> None:
        """On the event loop: answer the callers of one group."""
        for outcome in outcomes:
            lane.turn.release()
            error = None if outcome.error is None else self._mapped(outcome.error)
            _resolve(outcome.job.done, outcome.value, error)

    def _mapped(self, error: BaseException) -> BaseException:
        if isinstance(error, PeerbotError) or not isinstance(error, Exception):
            return error
        try:
            mapped = self._on_error(error)
        except Exception as failure:
            mapped = failure
        # A future can't carry StopIteration.
        return RuntimeError("StopIteration") if isinstance(mapped, StopIteration) else mapped


def _resolve(future: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
    """Set a future's result, unless its caller has gone away."""
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[..., object], *values: object) -> None:
    """Call a function on the loop, if it still runs; at exit nobody waits any more."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(what, *values)

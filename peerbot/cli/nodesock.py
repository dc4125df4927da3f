"""node.sock: a running node answers the command line of the same user, so that both work on one vault."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from peerbot.core.desk.answers import AnyAnswer, Done, Failed
from peerbot.core.desk.asks import AnyAsk, Hello
from peerbot.core.desk.base import Desk, error_of
from peerbot.core.desk.handle import handle_safely
from peerbot.errors import PeerbotError

A = TypeVar("A")

_MOST_ASKED: Final = 1024 * 1024
_MOST_ANSWERED: Final = 64 * 1024 * 1024
_MOST_CALLERS: Final = 16
_HELLO_SECONDS: Final = 5.0
_LONGEST_PATH: Final = 100
"""Of a socket: the system allows 104 to 108 bytes."""
_ASKS: Final[msgspec.msgpack.Decoder[AnyAsk]] = msgspec.msgpack.Decoder(AnyAsk)
_ANSWERS: Final[msgspec.msgpack.Decoder[AnyAnswer]] = msgspec.msgpack.Decoder(AnyAnswer)


async def _read_frame(reader: asyncio.StreamReader, most: int) -> bytes | None:
    """One frame, or None at the end. Raises ValueError for one that is too large."""
    try:
        (size,) = struct.unpack(">I", await reader.readexactly(4))
        if size > most:
            raise ValueError
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def _write_frame(writer: asyncio.StreamWriter, raw: bytes) -> None:
    writer.write(struct.pack(">I", len(raw)) + raw)
    await writer.drain()


@asynccontextmanager
async def _reachable(path: Path) -> AsyncIterator[str]:
    """A name for the socket that is short enough; a long one goes through the folder's descriptor."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


# --- the node's side ---


@asynccontextmanager
async def answering(desk: Desk, path: Path, after: Callable[[], None]) -> AsyncIterator[None]:
    """Answer on the socket while inside; `after` is called when something has been done for somebody.

    Call with the vault's lock held: whoever holds it is the only one who may answer here.
    """
    server = _Server(desk, after)
    async with _reachable(path) as name:
        listener = _bind(path, name)
        try:
            async with await asyncio.start_unix_server(server.serve, sock=listener):
                yield
        finally:
            _unlink(path)


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _bind(path: Path, name: str) -> socket.socket:
    """The listening socket, 0600 from its first moment. One that a crash left is removed, anything else is not."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise PeerbotError("node-socket", path=str(path))
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(name)
    except OSError:
        listener.close()
        raise PeerbotError("node-socket", path=str(path)) from None
    finally:
        os.umask(mask)
    return listener


class _Server:
    """Answers each caller in turn, several callers side by side."""

    def __init__(self, desk: Desk, after: Callable[[], None]) -> None:
        self._desk = desk
        self._after = after
        self._callers = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._callers += 1
        try:
            if self._callers <= _MOST_CALLERS and is_mine(writer.get_extra_info("socket"), os.geteuid()):
                await self._talk(reader, writer)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            # The caller went away or talks nonsense, or we are stopping: either way there is nobody to answer.
            return
        finally:
            self._callers -= 1
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (raw := await _read_frame(reader, _MOST_ASKED)) is not None:
            await _write_frame(writer, msgspec.msgpack.encode(await self._answer(raw)))
            self._after()

    async def _answer(self, raw: bytes) -> AnyAnswer:
        try:
            ask = _ASKS.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Failed(kind="PeerbotError", code="node-version")
        return await handle_safely(self._desk, ask)


def is_mine(peer: socket.socket, user: int) -> bool:
    """Whether the caller is this user, where the system says who it is; the file's mode says so too."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return bool(uid == user)


# --- the command line's side ---


class Caller:
    """Asks a running node."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, ask: AnyAsk, expect: type[A]) -> A:
        """Raises what the node's handler raised, or PeerbotError("node-…")."""
        try:
            await _write_frame(self._writer, msgspec.msgpack.encode(ask))
            raw = await _read_frame(self._reader, _MOST_ANSWERED)
            if raw is None:
                raise ConnectionResetError
            answer = _ANSWERS.decode(raw)
        except OSError:
            raise PeerbotError("node-gone") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            raise PeerbotError("node-garbage") from None
        if isinstance(answer, Failed):
            raise error_of(answer)
        if not isinstance(answer, expect):
            raise PeerbotError("node-garbage")
        return answer

    def close(self) -> None:
        self._writer.close()


def _is_my_socket(path: Path) -> bool:
    """Nobody else's: they would be told what we ask."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid()


async def call(path: Path) -> Caller | None:
    """A running node's desk, or None where nobody answers. Raises PeerbotError("node-version", "node-garbage")."""
    if not _is_my_socket(path):
        return None
    try:
        async with asyncio.timeout(_HELLO_SECONDS), _reachable(path) as name:
            reader, writer = await asyncio.open_unix_connection(name)
    except (OSError, TimeoutError):
        return None
    caller = Caller(reader, writer)
    try:
        async with asyncio.timeout(_HELLO_SECONDS):
            await caller.ask(Hello(), Done)
    except TimeoutError:
        caller.close()
        return None
    except PeerbotError as error:
        caller.close()
        if error.code == "node-gone":
            return None
        raise
    return caller

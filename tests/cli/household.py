"""Command lines in directories of their own around one relay: what people's machines are to each other."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from peerbot.bootstrap import (
    gateway_vault,
    node_on,
    place_at,
    relay_server,
    relay_service,
    relay_signing_key,
    relays,
)
from peerbot.cli.app import peerbot
from peerbot.cli.following import Following
from peerbot.cli.options import Options
from peerbot.cli.run import run
from peerbot.clock import Clock, SystemClock
from peerbot.core.node import Connection

PYTHON = sys.executable
COMMUNITY = ("--name", "Open Door", "--operator", "Kari", "--contact", "kari@example.org")


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended, and what it said where."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one plain line a failure says."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("peerbot: ")
        assert "Traceback" not in self.err
        return lines[0].removeprefix("peerbot: ")


class Machine:
    """One data directory, and the command line on it, run in this process."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.dir = folder
        self._capture = capture
        self._patch = patch

    def __call__(self, *args: str, stdin: str | bytes = "") -> Result:
        """Run `peerbot --dir … args`."""
        raw = stdin.encode("utf-8") if isinstance(stdin, str) else stdin
        self._capture.readouterr()
        with self._patch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), "utf-8"))
            code = run(peerbot, Options(), ["--dir", str(self.dir), *args])
        said = self._capture.readouterr()
        return Result(code, said.out, said.err)

    def ok(self, *args: str, stdin: str | bytes = "") -> Result:
        """The same for what must succeed."""
        result = self(*args, stdin=stdin)
        assert result.code == 0, (args, result)
        return result

    def beside(self, name: str) -> Machine:
        """Another machine."""
        return Machine(self.dir.parent / name, self._capture, self._patch)

    def newcomer(self, name: str, link: str) -> Machine:
        """A machine whose owner joins by this link."""
        other = self.beside(name.replace(" ", "-"))
        other.ok("join", link, "--pseudonym", name, "--key-file", str(other.dir / "my.key"), "--yes", "--json")
        return other

    def link(self, *args: str) -> str:
        """A new invite's."""
        return str(self.ok("invite", "--json", *args).json["link"])


class ShiftedClock(SystemClock):
    """The machine's clock, set wrongly."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """For commands that run as processes: nothing of the developer's own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PEERBOT_")}
    return {**kept, "LC_ALL": "C.UTF-8", "COLUMNS": "100", **more}


@contextmanager
def running(serve: Callable[[threading.Event, threading.Event], Coroutine[Any, Any, None]]) -> Iterator[None]:
    """Something that serves on a thread of its own, from when it says it is ready until it is told to stop."""
    ready, stop = threading.Event(), threading.Event()
    failure: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(serve(ready, stop))
        except BaseException as error:
            failure.append(error)
        ready.set()

    thread = threading.Thread(target=work, name="server")
    thread.start()
    ready.wait()
    try:
        assert not failure, failure
        yield
    finally:
        stop.set()
        thread.join()


def relay_running(folder: Path, clock: Clock | None = None) -> AbstractContextManager[None]:
    """The relay of a data directory."""

    async def serve(ready: threading.Event, stop: threading.Event) -> None:
        place = place_at(folder)
        async with relay_service(place, relay_signing_key(place), clock) as service, relay_server(place, service):
            ready.set()
            await asyncio.to_thread(stop.wait)

    return running(serve)


def gateway_running(folder: Path) -> AbstractContextManager[None]:
    """The gateway's node of a data directory, connected in each of its circles."""

    async def serve(ready: threading.Event, stop: threading.Event) -> None:
        async with gateway_vault(place_at(folder)) as vault, node_on(vault, relays()) as node:
            following = Following(node)
            async with aclosing(node.events()) as events:
                first = asyncio.ensure_future(anext(events))
                following.take_up()
                missing = {circle.cid for circle in node.circles}
                while missing:
                    event = await first
                    missing -= {event.cid} if isinstance(event, Connection) and event.up else set()
                    first = asyncio.ensure_future(anext(events))
                first.cancel()
            ready.set()
            await asyncio.to_thread(stop.wait)
            await following.stop()

    return running(serve)


def copy_of(template: Path, folder: Path) -> Path:
    shutil.copytree(template, folder)
    return folder

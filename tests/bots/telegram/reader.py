"""Reads updates into a file, and kills itself at a named point.

`python -m tests.bots.telegram.reader URL TOKEN FILE POINT`. A point is "before:2" or "after:2": at which call of the
store, before or after it; "never" waits to be stopped.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from peerbot.bots.telegram.adapter import TelegramAdapter
from peerbot.clock import SystemClock
from peerbot.core.doors import Incoming, Platform
from tests.support.event_store import FileEvents


class DeadlyEvents(FileEvents):
    """Takes the process with it."""

    def __init__(self, path: Path, point: str) -> None:
        super().__init__(path)
        self._when, _, number = point.partition(":")
        self._left = int(number or 0)

    async def take_in(self, platform: Platform, events: Sequence[Incoming], cursor: str) -> int:
        self._left -= 1
        self._end("before")
        new = await super().take_in(platform, events, cursor)
        self._end("after")
        return new

    def _end(self, when: str) -> None:
        if self._left == 0 and self._when == when:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(url: str, token: str, path: str, point: str) -> None:
    store = DeadlyEvents(Path(path), point)
    async with TelegramAdapter(token, store, SystemClock(), base_url=url) as adapter:
        await adapter.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))

"""Reads updates into a store, and kills itself at a named point.

`python -m tests.bots.telegram.reader URL TOKEN PATH POINT`. A path that ends in .db is a gateway's vault, another a
file of FileEvents. A point is "before:2" or "after:2": at which call of the store, before or after it; "never" waits
to be stopped.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from peerbot.bots.telegram.adapter import TelegramAdapter
from peerbot.bots.telegram.polling import Events
from peerbot.clock import SystemClock
from peerbot.core.doors import Incoming, Platform
from peerbot.store.vault.gateway.store import GatewayVault
from tests.store.vault_builders import key
from tests.support.event_store import FileEvents


class Deadly:
    """Takes the process with it."""

    def __init__(self, store: Events, point: str) -> None:
        self._store = store
        self._when, _, number = point.partition(":")
        self._left = int(number or 0)

    async def cursor(self, platform: Platform) -> str:
        return await self._store.cursor(platform)

    async def take_in(self, platform: Platform, events: Sequence[Incoming], cursor: str) -> int:
        self._left -= 1
        self._end("before")
        new = await self._store.take_in(platform, events, cursor)
        self._end("after")
        return new

    def _end(self, when: str) -> None:
        if self._left == 0 and self._when == when:
            os.kill(os.getpid(), signal.SIGKILL)


@asynccontextmanager
async def store_at(path: Path) -> AsyncIterator[Events]:
    if path.suffix != ".db":
        yield FileEvents(path)
        return
    there = await asyncio.to_thread(path.exists)
    vault = await (GatewayVault.open(path, key()) if there else GatewayVault.create(path, key()))
    try:
        yield vault
    finally:
        await vault.close()


async def main(url: str, token: str, path: str, point: str) -> None:
    async with store_at(Path(path)) as store:
        adapter = TelegramAdapter(token, Deadly(store, point), SystemClock(), base_url=url)
        async with adapter:
            await adapter.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))

"""kill -9 of a process that reads: of what waits nothing is lost and nothing stored twice."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from peerbot.bots.telegram.polling import Events
from peerbot.core.doors import Guest, Incoming, Step
from peerbot.store.vault.gateway.store import GatewayVault
from tests.bots.telegram.reader import store_at
from tests.support.bot_api.people import User
from tests.support.bot_api.server import BotApi
from tests.support.event_store import FileEvents

QUEUED = 10


async def reader(api: BotApi, path: Path, point: str) -> asyncio.subprocess.Process:
    arguments = ["-m", "tests.bots.telegram.reader", api.base_url, api.token, str(path), point]
    return await asyncio.create_subprocess_exec(sys.executable, *arguments)


async def read_on(api: BotApi, path: Path) -> list[str]:
    """A process that lives reads the rest; then what all of them stored."""
    last = await reader(api, path, "never")
    await api.until(lambda: not api.updates.waiting)
    last.kill()
    await last.wait()
    async with store_at(path) as store:
        events = store.all() if isinstance(store, FileEvents) else await drained(store)
    return [event.text for event in events]


async def drained(store: Events) -> list[Incoming]:
    """What waits in a vault, in the order it is handled."""
    assert isinstance(store, GatewayVault)
    found: list[Incoming] = []
    while waiting := await store.waiting(10):
        for event in waiting:
            await store.step(Step(event.id, Guest(event.platform, event.chat, b"")))
        found += waiting
    return found


def ten(anna: User) -> list[str]:
    words = [f"word {n}" for n in range(QUEUED)]
    for word in words:
        anna.says(word)
    return words


@pytest.mark.parametrize(("name", "most_at_once"), [("events", 4), ("vault.db", 4), ("vault.db", 100)])
@pytest.mark.parametrize("point", ["before:1", "after:1", "before:2", "after:2"])
async def test_killed_while_storing(tmp_path: Path, name: str, most_at_once: int, point: str) -> None:
    async with BotApi() as api:
        api.updates.most_at_once = most_at_once
        anna = api.user()
        words = ten(anna)
        killed = await reader(api, tmp_path / name, point)
        if most_at_once == 100 and point.endswith("2"):
            await api.until(lambda: not api.updates.waiting)
            anna.says("one more word")
            words.append("one more word")
        assert await killed.wait() == -signal.SIGKILL
        assert await read_on(api, tmp_path / name) == words


async def test_killed_again_and_again_from_outside(tmp_path: Path) -> None:
    async with BotApi() as api:
        api.updates.most_at_once = 3
        words = ten(api.user())
        while len(api.updates.waiting) > 4:
            before = api.updates.confirmed
            victim = await reader(api, tmp_path / "vault.db", "never")
            await api.until(lambda: api.updates.confirmed > before)  # noqa: B023
            victim.kill()
            await victim.wait()
        assert await read_on(api, tmp_path / "vault.db") == words

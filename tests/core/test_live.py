"""Following a circle live: news comes by itself, a lost relay is waited for, what was written meanwhile goes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from peerbot.core.node import Changed, Connection, Event
from peerbot.core.ports import CircleRelay
from peerbot.core.threads import post
from peerbot.errors import RelayError
from tests.support.world import Person, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


class Watcher:
    """Somebody's node, following live, and the events it told."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.told: list[Event] = []
        self._news = asyncio.Condition()
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(person.node.follow(person.circle))]

    async def _listen(self) -> None:
        async for event in self.person.node.events():
            async with self._news:
                self.told.append(event)
                self._news.notify_all()

    async def until(self, kind: type[Event], **fields: object) -> None:
        """Wait for an event like this one."""

        def seen() -> bool:
            return any(isinstance(e, kind) and all(getattr(e, k) == v for k, v in fields.items()) for e in self.told)

        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(seen)

    async def until_read(self, text: str) -> None:
        async with asyncio.timeout(20):
            while text not in await self.person.texts():
                async with self._news:
                    await self._news.wait()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class Unplugged:
    """A relay connection that can be pulled out and put back."""

    def __init__(self, inner: CircleRelay) -> None:
        self._inner = inner
        self.out = False

    def __getattr__(self, name: str) -> object:
        if self.out:
            raise RelayError("relay-unreachable")
        return getattr(self._inner, name)


async def test_a_post_of_another_arrives_without_asking(world: World) -> None:
    heron = await world.founder()
    wren = await world.newcomer("Wren", heron)
    await heron.sync()
    watcher = Watcher(wren)
    await watcher.until(Connection, up=True)
    await post(heron.node, heron.circle, "talk", "are you there?")
    await watcher.until_read("are you there?")
    await watcher.stop()


async def test_what_is_written_while_the_relay_is_away_goes_out_when_it_is_back(world: World) -> None:
    heron = await world.founder()
    wren = await world.newcomer("Wren", heron)
    await heron.sync()
    cable = Unplugged(wren.circle.follower.relay)
    wren.circle.follower.relay = cable  # type: ignore[assignment]
    await wren.sync()
    cable.out = True
    posted = await post(wren.node, wren.circle, "talk", "written on the train")
    assert (posted.sent, posted.code) == (False, "relay-unreachable")
    watcher = Watcher(wren)
    await watcher.until(Connection, up=False, code="relay-unreachable")
    cable.out = False
    await watcher.until(Connection, up=True)
    await watcher.stop()
    await heron.sync()
    assert await heron.texts() == ["written on the train"]


async def test_a_listener_that_never_looks_costs_the_others_nothing(world: World) -> None:
    heron = await world.founder()
    wren = await world.newcomer("Wren", heron)
    idle = wren.node.events()
    first = asyncio.ensure_future(anext(idle))
    watcher = Watcher(wren)
    await watcher.until(Connection, up=True)
    for i in range(5):
        await post(heron.node, heron.circle, "talk", f"post {i}")
    await watcher.until_read("post 4")
    assert isinstance(await first, Changed | Connection)
    await watcher.stop()
    await idle.aclose()

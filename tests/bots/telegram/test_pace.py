"""How fast messages go, and what one 429 holds up."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter, deque
from collections.abc import Coroutine
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from peerbot.bots.telegram.adapter import TelegramAdapter
from peerbot.bots.telegram.pace import CHAT_BURST, PER_SECOND, Pace, Turns
from peerbot.core.doors import Saying, SendFailed
from tests.bots.telegram.conftest import NOW, delivery
from tests.support.bot_api.server import BotApi
from tests.support.fake_clock import FakeClock

LIMIT = 30
"""Telegram's, of messages in any second."""


class Timeline:
    """A clock for many sleepers: it moves to the next waking whenever all of them sleep."""

    def __init__(self) -> None:
        self._time = float(NOW)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = count()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._time, UTC)

    def steady(self) -> float:
        return self._time

    async def sleep(self, seconds: float) -> None:
        waking = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._time + seconds, next(self._count), waking))
        await waking

    async def play(self, tasks: list[Coroutine[Any, Any, None]]) -> None:
        playing = [asyncio.create_task(task) for task in tasks]
        while not all(task.done() for task in playing):
            for _ in range(5):
                await asyncio.sleep(0)
            if self._sleepers:
                self._time, _, waking = heapq.heappop(self._sleepers)
                waking.set_result(None)
        for task in playing:
            task.result()


async def sent(chats: list[str]) -> list[tuple[float, str]]:
    """When each of many messages goes, all wanted at once, each chat's in order."""
    timeline, times = Timeline(), []
    pace = Pace(timeline, timeline.steady)

    async def one_chat(chat: str, messages: int) -> None:
        for _ in range(messages):
            await pace.turn(chat)
            times.append((timeline.steady() - NOW, chat))

    await timeline.play([one_chat(chat, n) for chat, n in Counter(chats).items()])
    return sorted(times)


def most_within(times: list[float], span: float) -> int:
    window: deque[float] = deque()
    most = 0
    for time in times:
        window.append(time)
        while window[0] <= time - span + 1e-6:
            window.popleft()
        most = max(most, len(window))
    return most


async def test_thirty_a_second_in_all() -> None:
    times = [time for time, _ in await sent([str(n) for n in range(1_000)])]
    assert most_within(times, 1.0) <= LIMIT
    assert times[-1] == pytest.approx(999 / PER_SECOND, abs=0.01)


async def test_one_a_second_to_each_chat_but_for_a_short_burst() -> None:
    times = [time for time, _ in await sent(["a"] * 20)]
    assert most_within(times, 0.5) == CHAT_BURST
    assert times[-1] == pytest.approx(20 - CHAT_BURST, abs=0.2)


async def test_a_chat_that_waits_holds_up_nobody() -> None:
    times = await sent(["chatty"] * 30 + [str(n) for n in range(300)])
    assert max(time for time, chat in times if chat != "chatty") < 300 / PER_SECOND + 1
    assert most_within([time for time, _ in times], 1.0) <= LIMIT


async def test_telegrams_own_limits_are_never_met(api: BotApi, adapter: TelegramAdapter, clock: FakeClock) -> None:
    api.limits.per_second, api.limits.per_chat = LIMIT, 1
    people = [api.user(f"Person {n}") for n in range(40)]
    for n in range(6):
        for person in people:
            await adapter.send(delivery(person, f"{n}"), Saying(f"word {n}"))
    alone = api.user()
    for n in range(8):
        await adapter.send(delivery(alone, f"{n}"), Saying(f"word {n}"))
    assert api.limits.refused == 0
    assert all(person.reads() == [f"word {n}" for n in range(6)] for person in people)
    assert clock.steady() - NOW < 6 * 40 / PER_SECOND + 8


async def test_one_429_halts_one_chat(api: BotApi, adapter: TelegramAdapter, clock: FakeClock) -> None:
    anna, bo = api.user("Anna"), api.user("Bo")
    api.limits.shut(17, anna.id)
    with pytest.raises(SendFailed, match="telegram-busy") as failed:
        await adapter.send(delivery(anna), Saying("hello"))
    assert (failed.value.again, failed.value.wide, failed.value.unknown) == (17, False, False)
    await adapter.send(delivery(bo), Saying("hello"))
    with pytest.raises(SendFailed, match="telegram-busy"):
        await adapter.send(delivery(anna), Saying("hello"))
    # Asking in vain makes it longer with Telegram; so nothing was asked.
    assert api.limits.refused == 1
    clock.move(17)
    await adapter.send(delivery(anna), Saying("hello"))
    assert (anna.reads(), bo.reads()) == (["hello"], ["hello"])


async def test_a_short_429_is_waited_out_here(api: BotApi, adapter: TelegramAdapter) -> None:
    anna = api.user()
    api.limits.shut(3, anna.id)
    with pytest.raises(SendFailed) as failed:
        await adapter.send(delivery(anna), Saying("hello"))
    assert failed.value.again == 3
    await adapter.send(delivery(anna), Saying("hello"))
    assert anna.reads() == ["hello"]


async def test_two_429s_in_a_row_halt_everybody(api: BotApi, adapter: TelegramAdapter, clock: FakeClock) -> None:
    anna, bo, cleo = api.user("Anna"), api.user("Bo"), api.user("Cleo")
    api.limits.shut(40)
    for person, wide in ((anna, False), (bo, True), (cleo, True)):
        with pytest.raises(SendFailed, match="telegram-busy") as failed:
            await adapter.send(delivery(person), Saying("hello"))
        assert failed.value.again == pytest.approx(40, abs=1)
        assert failed.value.wide is wide
    assert api.limits.refused == 2
    clock.move(40)
    for person in (anna, bo, cleo):
        await adapter.send(delivery(person), Saying("hello"))
        assert person.reads() == ["hello"]


async def test_two_chats_that_are_too_fast_halt_only_themselves(
    api: BotApi, adapter: TelegramAdapter, clock: FakeClock
) -> None:
    anna, bo, cleo = api.user("Anna"), api.user("Bo"), api.user("Cleo")
    for person in (anna, bo):
        api.limits.shut(30, person.id)
        with pytest.raises(SendFailed) as failed:
            await adapter.send(delivery(person), Saying("hello"))
        assert not failed.value.wide
        await adapter.send(delivery(cleo), Saying("hello"))
    assert cleo.reads() == ["hello", "hello"]


async def test_telegram_without_a_number_of_seconds(api: BotApi, adapter: TelegramAdapter) -> None:
    api.trouble.refuse("sendMessage", 429, "Too Many Requests")
    with pytest.raises(SendFailed, match="telegram-busy") as failed:
        await adapter.send(delivery(api.user()), Saying("hello"))
    assert failed.value.again == 1


def test_chats_long_quiet_are_forgotten() -> None:
    clock = FakeClock(NOW)
    turns = Turns(1.0, 3, clock.steady)
    for n in range(10_001):
        assert turns.take(n) == 0
    clock.move(2)
    turns.take("one more")
    assert len(turns._next) == 1

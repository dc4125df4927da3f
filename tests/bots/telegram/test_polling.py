"""Updates are stored before they are confirmed, each once, in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from peerbot.bots.telegram.adapter import TelegramAdapter
from peerbot.core.doors import Guest, Incoming, Platform, Step
from peerbot.errors import PeerbotError, VaultError
from tests.bots.telegram.conftest import adapter_of, running
from tests.store.gateway_builders import new_gateway
from tests.support.bot_api.server import BotApi
from tests.support.event_store import MemoryEvents
from tests.support.fake_clock import FakeClock

LIST = '{"ok": true, "result": [%s]}'


class HeldStore(MemoryEvents):
    """Stores only once it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.may = asyncio.Event()

    async def take_in(self, platform: Platform, events: Sequence[Incoming], cursor: str) -> int:
        self.asked.set()
        await self.may.wait()
        return await super().take_in(platform, events, cursor)


class FullStore(MemoryEvents):
    """A disk without room."""

    async def take_in(self, platform: Platform, events: Sequence[Incoming], cursor: str) -> int:
        raise VaultError("vault-full")


async def test_nothing_is_confirmed_that_is_not_stored(api: BotApi, clock: FakeClock) -> None:
    store, anna = HeldStore(), api.user()
    anna.says("hello")
    async with adapter_of(api, store, clock) as adapter, running(adapter):
        await store.asked.wait()
        assert len(api.made("getUpdates")) == 1
        assert len(api.updates.waiting) == 1
        store.may.set()
        await api.until(lambda: not api.updates.waiting)
    assert len(store.events) == 1


async def test_what_cannot_be_stored_stops_it_and_stays_with_telegram(api: BotApi, clock: FakeClock) -> None:
    anna = api.user()
    anna.says("hello")
    async with adapter_of(api, FullStore(), clock) as adapter:
        with pytest.raises(VaultError, match="vault-full"):
            await adapter.run()
    assert len(api.updates.waiting) == 1


async def test_two_thousand_waiting_updates(api: BotApi, adapter: TelegramAdapter, store: MemoryEvents) -> None:
    people = [api.user(f"Person {n}") for n in range(20)]
    said: dict[str, list[str]] = {str(person.id): [] for person in people}
    for n in range(2_000):
        person = people[n * n % 20]
        person.says(f"word {n}")
        said[str(person.id)].append(f"word {n}")
    async with running(adapter):
        await api.until(lambda: not api.updates.waiting)
    heard: dict[str, list[str]] = {chat: [] for chat in said}
    for event in store.all():
        heard[event.chat].append(event.text)
    assert heard == said
    assert store.repeats == 0


async def test_two_thousand_into_a_vault(api: BotApi, clock: FakeClock, tmp_path: Path) -> None:
    anna = api.user()
    for n in range(2_000):
        anna.says(f"word {n}")
    async with new_gateway(tmp_path) as vault:
        async with TelegramAdapter(api.token, vault, clock, base_url=api.base_url) as adapter, running(adapter):
            await api.until(lambda: not api.updates.waiting)
        for n in range(3):
            (event,) = await vault.waiting(10)
            assert event.text == f"word {n}"
            await vault.step(Step(event.id, Guest(event.platform, event.chat, b"")))


async def test_a_restart_goes_on_where_it_was(api: BotApi, clock: FakeClock, store: MemoryEvents) -> None:
    anna = api.user()
    for n in range(3):
        said = anna.says(f"first {n}")
        async with adapter_of(api, store, clock) as adapter, running(adapter):
            await api.until(partial(_has, store, said))
    assert [event.text for event in store.all()] == ["first 0", "first 1", "first 2"]
    assert store.cursors[Platform.TELEGRAM] == f"{api.token.split(':')[0]}:{api.updates.next_id}"


def _has(store: MemoryEvents, message: int) -> bool:
    return any(event.message == str(message) for event in store.all())


async def test_what_was_stored_but_not_confirmed_comes_again_and_counts_once(
    api: BotApi, clock: FakeClock, store: MemoryEvents
) -> None:
    anna = api.user()
    anna.says("hello")
    async with adapter_of(api, store, clock) as adapter, running(adapter):
        await api.until(lambda: store.events)
    store.cursors.clear()
    anna.says("again")
    async with adapter_of(api, store, clock) as adapter, running(adapter):
        await api.until(lambda: len(store.events) == 2)
    assert [event.text for event in store.all()] == ["hello", "again"]


async def test_another_bot_has_its_own_count(api: BotApi, clock: FakeClock, store: MemoryEvents) -> None:
    """The old bot's offset would tell Telegram that what waits for the new one has been read."""
    anna = api.user()
    anna.says("for the new bot")
    store.cursors[Platform.TELEGRAM] = f"999:{api.updates.next_id + 5}"
    async with adapter_of(api, store, clock) as adapter, running(adapter):
        await api.until(lambda: store.events)


async def test_numbers_begin_anew_after_a_quiet_week(api: BotApi, clock: FakeClock, store: MemoryEvents) -> None:
    anna = api.user()
    async with adapter_of(api, store, clock) as adapter, running(adapter):
        anna.says("before")
        await api.until(lambda: not api.updates.waiting and store.events)
        clock.move(8 * 86_400)
        api.updates.next_id = 1_000
        for n in range(3):
            anna.says(f"after {n}")
            await api.until(lambda: not api.updates.waiting)
    assert [event.text for event in store.all()] == ["before", "after 0", "after 1", "after 2"]


async def test_an_update_that_cannot_be_read_costs_only_itself(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents
) -> None:
    anna = api.user()
    anna.says("before")
    api.updates.push_raw({"message": {"message_id": "what?"}})
    api.updates.push_raw({"message": ["no", "message"]})
    api.updates.push_raw({"callback_query": {"id": 5}})
    api.updates.push_raw({"message": {"message_id": 1, "date": 10**18, "chat": {"id": 1, "type": "private"}}})
    api.updates.push_raw({"some_future_thing": {"x": 1}})
    anna.says("after")
    async with running(adapter):
        await api.until(lambda: not api.updates.waiting)
    assert [event.text for event in store.all()] == ["before", "after"]
    assert store.batches == 1


async def test_updates_without_a_number_are_not_asked_for_without_a_pause(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents, told: list[str], clock: FakeClock
) -> None:
    began = clock.steady()
    for body in ('{"message": {}}', "17", '{"update_id": "x"}'):
        api.trouble.answer_with("getUpdates", 200, (LIST % body).encode())
    async with running(adapter):
        api.user().says("hello")
        await api.until(lambda: store.events)
    assert clock.steady() - began == 1 + 2 + 4
    assert told == ["telegram-unreachable", ""]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, b"<html>Bad Gateway</html>"),
        (500, b'{"ok":false,"error_code":500,"description":"Internal Server Error: restart"}'),
        (200, b"<html>Sign in to the hotel's network</html>"),
        (200, b'{"ok":true}'),
        (200, b'{"ok":true,"result":{"not":"a list"}}'),
        (404, b"<html>nothing here</html>"),
        (400, b'{"ok":false,"error_code":400,"description":"Bad Request: logged out"}'),
    ],
)
async def test_nonsense_for_an_answer_passes(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents, told: list[str], status: int, body: bytes
) -> None:
    api.user().says("hello")
    api.trouble.answer_with("getUpdates", status, body, times=3)
    async with running(adapter):
        await api.until(lambda: store.events)
    assert len(told) == 2
    assert told[1] == ""


async def test_waits_grow_up_to_a_minute(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents, clock: FakeClock
) -> None:
    began = clock.steady()
    api.trouble.cut("getUpdates", times=9)
    async with running(adapter):
        api.user().says("hello")
        await api.until(lambda: store.events)
    assert clock.steady() - began == 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60


async def test_telegram_away_and_back(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents, told: list[str]
) -> None:
    anna = api.user()
    async with running(adapter):
        anna.says("before")
        await api.until(lambda: store.events)
        await api.stop()
        await api.until(lambda: told)
        anna.says("meanwhile")
        await api.start()
        await api.until(lambda: len(store.events) == 2)
    assert told == ["telegram-unreachable", ""]


async def test_too_many_requests_are_waited_out(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents, told: list[str], clock: FakeClock
) -> None:
    began = clock.steady()
    api.trouble.refuse("getUpdates", 429, "Too Many Requests: retry after 17", retry_after=17)
    async with running(adapter):
        api.user().says("hello")
        await api.until(lambda: store.events)
    assert clock.steady() - began == 17
    assert told == ["telegram-busy", ""]


async def test_another_poller_is_told_of_and_outwaited(
    api: BotApi, clock: FakeClock, store: MemoryEvents, told: list[str]
) -> None:
    """Both interrupt each other; what neither confirms stays."""
    anna, other = api.user(), MemoryEvents()
    async with adapter_of(api, store, clock, told) as adapter, running(adapter):
        await api.until(lambda: api.updates.allowed)
        async with adapter_of(api, other, clock) as second, running(second):
            await api.until(lambda: told)
        assert told == ["telegram-conflict"]
        anna.says("hello")
        await api.until(lambda: store.events or other.events)
        anna.says("hello again")
        await api.until(lambda: store.events)
    assert told[-1] == ""


async def test_a_webhook_that_somebody_sets_is_removed_and_nothing_lost(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents
) -> None:
    api.user().says("hello")
    api.updates.webhook = "https://elsewhere.example/hook"
    async with running(adapter):
        await api.until(lambda: store.events)
    assert api.updates.webhook == ""


@pytest.mark.parametrize(("status", "description"), [(401, "Unauthorized"), (404, "Not Found")])
async def test_a_dead_token_stops_it(
    api: BotApi, adapter: TelegramAdapter, told: list[str], status: int, description: str
) -> None:
    api.trouble.refuse("getUpdates", status, description)
    with pytest.raises(PeerbotError, match="telegram-token"):
        await adapter.run()
    assert told == ["telegram-token"]


async def test_what_is_older_than_a_day_telegram_has_thrown_away(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents, clock: FakeClock
) -> None:
    """Nothing we could do about it; the guides say so."""
    anna = api.user()
    anna.says("on Monday")
    clock.move(86_401)
    anna.says("on Tuesday")
    async with running(adapter):
        await api.until(lambda: not api.updates.waiting)
    assert [event.text for event in store.all()] == ["on Tuesday"]

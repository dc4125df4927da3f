"""A Bot API, a store and an adapter between them, on a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from peerbot.bots.telegram.adapter import TelegramAdapter
from peerbot.core.doors import Delivery, Platform, Priority
from tests.support.bot_api.people import User
from tests.support.bot_api.server import BotApi
from tests.support.event_store import MemoryEvents
from tests.support.fake_clock import FakeClock

NOW = 1_760_000_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
async def api(clock: FakeClock) -> AsyncIterator[BotApi]:
    async with BotApi(now=clock.steady, delay=0.05) as api:
        yield api


@pytest.fixture
def store() -> MemoryEvents:
    return MemoryEvents()


@pytest.fixture
def told() -> list[str]:
    """What the adapter says about its way to Telegram."""
    return []


@pytest.fixture
async def adapter(
    api: BotApi, store: MemoryEvents, clock: FakeClock, told: list[str]
) -> AsyncIterator[TelegramAdapter]:
    async with adapter_of(api, store, clock, told) as adapter:
        yield adapter


def adapter_of(api: BotApi, store: MemoryEvents, clock: FakeClock, told: list[str] | None = None) -> TelegramAdapter:
    told = [] if told is None else told
    return TelegramAdapter(api.token, store, clock, base_url=api.base_url, tell=told.append, steady=clock.steady)


@asynccontextmanager
async def running(adapter: TelegramAdapter) -> AsyncIterator[asyncio.Task[None]]:
    """The adapter reads; whatever ends it by itself fails the test."""
    task = asyncio.create_task(adapter.run())
    try:
        yield task
    finally:
        if not task.done():
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def delivery(to: User, key: str = "k1") -> Delivery:
    return Delivery(key=key, platform=Platform.TELEGRAM, chat=str(to.id), priority=Priority.ANSWER)

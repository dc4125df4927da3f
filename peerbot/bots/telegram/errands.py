"""Small calls that nobody waits for and that may fail: a sign that a button was pressed, leaving a group."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from peerbot.bots.telegram.calls import PollingBot
from peerbot.bots.telegram.intake import Batch

_AT_ONCE: Final = 4
_MOST: Final = 10_000


class Errands:
    """Runs what batches ask for, a few at once, beside everything else."""

    def __init__(self, bot: PollingBot) -> None:
        self._bot = bot
        self._todo: asyncio.Queue[Callable[[], Awaitable[bool]]] = asyncio.Queue(_MOST)

    def take(self, batch: Batch) -> None:
        for query in batch.answer:
            self._add(partial(self._bot.answer_callback_query, query))
        for chat in batch.leave:
            self._add(partial(self._bot.leave_chat, chat))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work())

    def _add(self, errand: Callable[[], Awaitable[bool]]) -> None:
        if not self._todo.full():
            self._todo.put_nowait(errand)

    async def _work(self) -> None:
        while True:
            errand = await self._todo.get()
            try:
                await errand()
            except Exception:  # noqa: S112
                # Too old, not there any more, no network: the press itself is stored all the same.
                continue

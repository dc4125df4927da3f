"""The delivery worker: claims what is due for one platform, has it sent, and writes down what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from peerbot.clock import Clock, epoch_seconds
from peerbot.core.deliveries import (
    Dropped,
    Failed,
    Later,
    Lost,
    Outcome,
    Sent,
    Unsent,
    late,
    outcome_of,
    settle,
)
from peerbot.core.doors import Adapter, Claim, Delivery, GatewayStore, Saying, SendFailed
from peerbot.errors import PeerbotError, VaultError

LEASE: Final = 60
PATIENCE: Final = 50.0
"""Seconds that a send may take: less than the lease."""
GRACE: Final = 5.0
"""Seconds that sends under way get at a clean stop."""
WIDTH: Final = 12
"""How many are sent at once."""
STREAK: Final = 5
"""After so many failures without a success in between it is the platform's, not one delivery's."""
LONGEST_STOP: Final = 60

Render = Callable[[Delivery], Awaitable[Saying | Later | None]]
"""The words of a delivery, made when it is sent; None where there is nothing left to say."""


class DeliveryWorker:
    """Carries out the deliveries of one platform. `trouble` is the code of the store's last failure, "" for none.

    A vault belongs to one process, so whatever is leased when a worker starts was handed over by a process that died.
    """

    def __init__(
        self,
        store: GatewayStore,
        adapter: Adapter,
        render: Render,
        clock: Clock,
        *,
        width: int = WIDTH,
        patience: float = PATIENCE,
        grace: float = GRACE,
    ) -> None:
        self.trouble = ""
        self._store = store
        self._adapter = adapter
        self._render = render
        self._clock = clock
        self._width = width
        self._patience = patience
        self._grace = grace
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._health = _Health()
        self._took_over = False

    async def run(self) -> None:
        """Deliver until cancelled; then what is under way gets a moment to end."""
        with self._store.departures.listen() as news:
            try:
                while True:
                    news.clear()
                    look_again = await self._round(news)
                    await self._wait(news, look_again)
            finally:
                await self._finish()

    async def _round(self, news: asyncio.Event) -> int:
        """Claim what there is room for, and start it; returns when to look again, 0 for not before there is news."""
        if self._failure is not None:
            raise self._failure
        now = self._now()
        if now < self._health.stopped_until:
            return self._health.stopped_until
        room = self._health.width(self._width) - len(self._under_way)
        if room <= 0:
            return 0
        try:
            if not self._took_over:
                await self._lost(await self._store.leased(self._adapter.platform), "crashed")
                self._took_over = True
            claim = await self._claim(now, room)
            await self._lost(claim.overdue, "lease-over")
        except VaultError as error:
            self.trouble = error.code
            return now + LONGEST_STOP
        self.trouble = ""
        for delivery in claim.deliveries:
            self._start(delivery, news)
        return claim.next if len(claim.deliveries) < room else 0

    async def _claim(self, now: int, room: int) -> Claim:
        claim = self._store.claim(self._adapter.platform, now, LEASE, room, frozenset(self._under_way))
        asked = asyncio.ensure_future(claim)
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            # Nobody has them yet; without this they would count as handed over.
            with suppress(VaultError):
                given = await asked
                await self._store.settle_deliveries([settle(d, Unsent(), now) for d in given.deliveries])
            raise

    async def _lost(self, deliveries: Sequence[Delivery], code: str) -> None:
        if deliveries:
            await self._store.settle_deliveries([settle(d, Lost(code), self._now()) for d in deliveries])

    def _start(self, delivery: Delivery, news: asyncio.Event) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and task.exception() is not None:
                self._failure = task.exception()
            news.set()

        task = self._under_way[delivery.id] = asyncio.create_task(self._carry(delivery))
        self._tasks.add(task)
        task.add_done_callback(ended)

    async def _carry(self, delivery: Delivery) -> None:
        """Carry out one delivery and store what became of it."""
        outcome = await self._outcome(delivery)
        now = self._now()
        outcome = self._health.judge(outcome, now)
        del self._under_way[delivery.id]
        try:
            if isinstance(outcome, Failed) and outcome.gone:
                # Before this one is settled, or the next for the chat would go.
                await self._store.block(delivery.platform, delivery.chat)
            await self._store.settle_deliveries([settle(delivery, outcome, now)])
        except VaultError as error:
            # It stays leased, and what happened to it counts as unknown once the lease is over.
            self.trouble = error.code

    async def _outcome(self, delivery: Delivery) -> Outcome:
        if late(delivery, self._now()):
            return Dropped("late")
        handed = False
        try:
            said = await self._render(delivery)
            if said is None:
                return Dropped("nothing-to-say")
            if isinstance(said, Later):
                return said
            handed = True
            async with asyncio.timeout(self._patience):
                return Sent(await self._adapter.send(delivery, said))
        except SendFailed as error:
            return outcome_of(error)
        except asyncio.CancelledError:
            # The worker stops, and this task ends by storing so.
            return Lost("stopped") if handed else Unsent()
        except Exception as error:
            # One delivery that can't be carried out must not stop the others. The type's name holds nothing of it.
            code = error.code if isinstance(error, PeerbotError) else f"bug-{type(error).__name__}"
            return Lost(code) if handed else Failed(code, again=0.0)

    async def _wait(self, news: asyncio.Event, until: int) -> None:
        """Wait for news, or until a time where one is given."""
        waits: list[asyncio.Task[object]] = [asyncio.create_task(news.wait())]
        if until:
            seconds = max(0.0, until - self._clock.now().timestamp())
            waits.append(asyncio.create_task(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _finish(self) -> None:
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._grace)
        finally:
            # Not those that only store what became of their delivery.
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _now(self) -> int:
        return epoch_seconds(self._clock.now())


class _Health:
    """Whether the platform can be reached at all. Where it can't, everything stops for a while, then one goes ahead."""

    def __init__(self) -> None:
        self.stopped_until = 0
        self._streak = 0
        self._stops = 0

    def width(self, width: int) -> int:
        return 1 if self._stops else width

    def judge(self, outcome: Outcome, now: int) -> Outcome:
        """Take note; returns the outcome, `wide` where it isn't about that delivery."""
        if isinstance(outcome, Sent) or (isinstance(outcome, Failed) and outcome.again is None):
            # A refusal is an answer too.
            self._streak = self._stops = 0
            return outcome
        if not isinstance(outcome, Lost | Failed):
            return outcome
        self._streak += 1
        asked = outcome.again if isinstance(outcome, Failed) and outcome.wide else None
        if asked is None and self._streak < STREAK:
            return outcome
        if now >= self.stopped_until:
            self._stops += 1
            self.stopped_until = now + int(min(LONGEST_STOP, 2**self._stops))
        self.stopped_until = max(self.stopped_until, now + int(asked or 0))
        return replace(outcome, wide=True) if isinstance(outcome, Failed) else outcome

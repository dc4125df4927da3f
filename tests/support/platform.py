"""A chat platform for tests of deliveries: it keeps what arrives, and answers what the test wants."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from peerbot.core.doors import Delivery, Platform, Saying, SendFailed

Answer = Exception | None
"""What a send ends in: None for the message's id."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that stands in a chat."""

    chat: str
    text: str
    transaction: str


@dataclass(slots=True)
class FakePlatform:
    """An adapter and what is behind it. `answers` are taken one for each send, then all go well.

    A send whose answer is "unknown" arrives all the same. With `knows_repeats`, a transaction arrives once. While
    `open` is clear, sends wait at the door.
    """

    platform: Platform = Platform.TELEGRAM
    knows_repeats: bool = False
    answers: deque[Answer] = field(default_factory=deque)
    arrived: list[Arrived] = field(default_factory=list)
    tried: list[Delivery] = field(default_factory=list)
    most_at_once: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    _now: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.open.set()

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def send(self, delivery: Delivery, saying: Saying) -> str:
        self.tried.append(delivery)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await self._tell()
            await self.open.wait()
            return await self._answer(delivery, saying)
        finally:
            self._now -= 1

    async def _answer(self, delivery: Delivery, saying: Saying) -> str:
        answer = self.answers.popleft() if self.answers else None
        if answer is None or (isinstance(answer, SendFailed) and answer.unknown):
            known = [n for n, found in enumerate(self.arrived, 1) if found.transaction == delivery.transaction]
            if not (self.knows_repeats and known):
                self.arrived.append(Arrived(delivery.chat, saying.text, delivery.transaction))
                known = [len(self.arrived)]
            await self._tell()
            if answer is None:
                return f"{self.platform}-{known[0]}"
        raise answer

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for something that a send changes."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(reached)

    def texts(self, chat: str | None = None) -> list[str]:
        return [found.text for found in self.arrived if chat in (None, found.chat)]

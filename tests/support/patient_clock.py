"""A clock that stands still until it is moved; whoever sleeps wakes when their time has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime


class PatientClock:
    """Starts at `seconds` since 1970."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._sleepers: dict[asyncio.Future[None], float] = {}
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def forward(self, seconds: float) -> None:
        self.seconds += seconds
        for sleeper, until in self._sleepers.items():
            if until <= self.seconds and not sleeper.done():
                sleeper.set_result(None)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers[sleeper] = self.seconds + seconds
        self._changed.set()
        try:
            await sleeper
        finally:
            del self._sleepers[sleeper]
            self._changed.set()

    def alarm(self) -> float:
        """In how many seconds the first sleeper wakes; infinity where nobody sleeps."""
        return min(self._sleepers.values(), default=float("inf")) - self.seconds

    async def until_alarm(self, wanted: Callable[[float], bool]) -> float:
        """Wait until somebody sleeps who wakes in so many seconds."""
        async with asyncio.timeout(20):
            while not wanted(self.alarm()):
                self._changed.clear()
                await self._changed.wait()
        return self.alarm()

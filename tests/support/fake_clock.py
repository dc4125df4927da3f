"""A clock that stands still until it is moved."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Starts at `seconds` since 1970."""

    def __init__(self, seconds: int) -> None:
        self._now = datetime.fromtimestamp(seconds, UTC)

    def now(self) -> datetime:
        return self._now

    def steady(self) -> float:
        """The same clock as a number, for what measures spans."""
        return self._now.timestamp()

    def move(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.move(seconds)
        await asyncio.sleep(0)

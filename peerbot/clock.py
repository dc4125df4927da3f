"""Time, injected so that tests and the demo can move it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from: aware UTC, and waiting measured by the same clock."""

    def now(self) -> datetime: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def epoch_seconds(moment: datetime) -> int:
    """Whole seconds since 1970-01-01 UTC, the form of every signed time (docs/protocol.md, encoding)."""
    return int(moment.timestamp())


def from_seconds(seconds: int) -> datetime:
    """The moment a signed time names; far-off values are held inside what a datetime can express."""
    return datetime.fromtimestamp(min(seconds, 253_402_300_799), UTC)

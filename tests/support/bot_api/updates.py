"""The queue behind getUpdates: what an offset confirms, what a second poller does to the first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.bot_api.refusal import Refusal

Json = dict[str, Any]

UNASKED = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
"""What comes only if it is asked for by name."""
KEPT_SECONDS = 24 * 3600
LONGEST_POLL = 50
_FAR = 100_000
_OTHER_POLLER = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
_WEBHOOK = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)


class Updates:
    """Updates of one bot, kept until a poll confirms them, a day at most. `now` in seconds since 1970.

    `delay` are Telegram's three seconds, for which polls that come too often are held up.
    """

    def __init__(self, now: Callable[[], float], first: int = 500_000_001, delay: float = 3.0) -> None:
        self.waiting: dict[int, tuple[float, Json]] = {}
        self.next_id = first
        self.allowed: frozenset[str] | None = None
        self.webhook = ""
        self.confirmed = 0
        self.most_at_once = 100
        """Telegram may always show fewer than it was asked for."""
        self._now = now
        self._delay = delay
        self._next_conflict = 0.0
        self._poll: asyncio.Future[bool] | None = None
        self._last = (-1, 0.0)

    def push(self, kind: str, content: Json) -> int | None:
        """Queue an update; None where nobody asked for its kind."""
        if (kind in UNASKED) if self.allowed is None else (kind not in self.allowed):
            return None
        number = self.next_id
        self.next_id += 1
        self.waiting[number] = (self._now(), {"update_id": number, kind: content})
        self._wake()
        return number

    def push_raw(self, update: Json) -> int:
        """Queue something that is no proper update."""
        number = self.next_id
        self.next_id += 1
        self.waiting[number] = (self._now(), {"update_id": number, **update})
        self._wake()
        return number

    async def get(self, offset: int, limit: int, seconds: float, allowed: Sequence[str] | None) -> list[Json]:
        """One call of getUpdates. Raises Refusal 409."""
        if self.webhook:
            raise Refusal(409, _WEBHOOK)
        if allowed is not None:
            self.allowed = frozenset(allowed) if allowed else None
        seconds, limit = min(max(seconds, 0), LONGEST_POLL), min(max(limit, 1), self.most_at_once)
        last_offset, last_time = self._last
        began = time.monotonic()
        if offset == last_offset and began < last_time + self._delay:
            seconds = max(seconds, self._delay)
        if offset == last_offset and began < last_time + 0.5:
            limit = 1
        self._last = (offset, began)
        found = self._take(offset, limit)
        if found or not seconds:
            return found
        await self._wait(seconds)
        return self._take(offset, limit)

    def end_polls(self) -> None:
        self._wake()

    async def _wait(self, seconds: float) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(False)
        poll = self._poll = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                still_ours = await poll
        except TimeoutError:
            return
        if not still_ours:
            await self._conflict()

    async def _conflict(self) -> None:
        now = time.monotonic()
        if now < self._next_conflict:
            await asyncio.sleep(self._delay)
        else:
            self._next_conflict = now + self._delay
        raise Refusal(409, _OTHER_POLLER)

    def _take(self, offset: int, limit: int) -> list[Json]:
        """Confirm what is before the offset; show what comes from there on."""
        self._expire()
        if offset < 0:
            self._drop(list(self.waiting)[:offset])
            offset = 0
        head = next(iter(self.waiting), self.next_id)
        # An offset from another life of the queue is no offset.
        if offset > self.next_id + 10 or offset < head - _FAR:
            offset = 0
        gone = [number for number in self.waiting if number < offset]
        self._drop(gone)
        self.confirmed += len(gone)
        return [update for _, (_, update) in zip(range(limit), self.waiting.values(), strict=False)]

    def _drop(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            del self.waiting[number]

    def _expire(self) -> None:
        limit = self._now() - KEPT_SECONDS
        self._drop([number for number, (since, _) in self.waiting.items() if since < limit])

    def _wake(self) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(True)

"""How fast messages may go: about 30 a second in all and one a second to each chat, or Telegram answers 429.

python-telegram-bot's AIORateLimiter knows no limit for private chats, and one 429 halts everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from peerbot.clock import Clock
from peerbot.core.doors import SendFailed

PER_SECOND: Final = 29.0
"""One below the limit: on the way the space between two messages may shrink."""
PER_CHAT: Final = 1.0
CHAT_BURST: Final = 3
"""Telegram lets short bursts pass: an answer of a few messages should not drip."""
LONGEST_WAIT: Final = 5.0
"""Seconds that a send waits here; what must wait longer goes back to the queue."""
_MOST_CHATS: Final = 10_000


class Turns:
    """Evenly spaced turns for each key, `burst` of them at once. `now` is a steady clock."""

    def __init__(self, rate: float, burst: int, now: Callable[[], float]) -> None:
        self._space = 1.0 / rate
        self._slack = (burst - 1) * self._space
        self._now = now
        self._next: dict[Hashable, float] = {}

    def take(self, key: Hashable = None) -> float:
        """Take the next turn; returns the seconds until then."""
        now = self._now()
        if len(self._next) > _MOST_CHATS:
            self._next = {key: due for key, due in self._next.items() if due > now}
        due = max(self._next.get(key, now), now)
        self._next[key] = due + self._space
        return max(0.0, due - self._slack - now)


class Pace:
    """When which chat's message may go."""

    def __init__(self, clock: Clock, now: Callable[[], float]) -> None:
        self._clock = clock
        self._now = now
        self._all = Turns(PER_SECOND, 1, now)
        self._chats = Turns(PER_CHAT, CHAT_BURST, now)
        self._halted: dict[str, float] = {}
        self._all_halted = 0.0
        self._suspects: set[str] = set()

    async def turn(self, chat: str) -> None:
        """Wait until a message may go there. Raises SendFailed("telegram-busy") where that takes too long."""
        await self._until_free(chat)
        await self._wait(self._chats.take(chat))
        await self._wait(self._all.take())
        await self._until_free(chat)

    def limited(self, chat: str, seconds: float) -> SendFailed:
        """Telegram said 429. It doesn't say whether the chat or the bot was too fast.

        So only that chat halts, until a second one is told the same with no message going through in between.
        """
        now = self._now()
        self._halted = {other: end for other, end in self._halted.items() if end > now}
        self._halted[chat] = max(now + seconds, self._halted.get(chat, 0.0))
        self._suspects.add(chat)
        if len(self._suspects) > 1:
            self._all_halted = max(now + seconds, self._all_halted)
        return self._busy(chat)

    def went_through(self) -> None:
        self._suspects.clear()

    def halted(self, chat: str) -> float:
        """For how many seconds nothing may go there."""
        return max(0.0, self._all_halted - self._now(), self._halted.get(chat, 0.0) - self._now())

    def _busy(self, chat: str) -> SendFailed:
        return SendFailed("telegram-busy", again=self.halted(chat), wide=self._all_halted > self._now())

    async def _until_free(self, chat: str) -> None:
        while (seconds := self.halted(chat)) > 0:
            if seconds > LONGEST_WAIT:
                raise self._busy(chat)
            await self._wait(seconds)

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await self._clock.sleep(seconds)

"""How many messages Telegram lets through: 429 for a chat, 429 for everything."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tests.support.bot_api.refusal import too_many


class Limits:
    """Off until asked for. `now` in seconds.

    Whoever is over the limit is shut out for `penalty` seconds, whatever they do meanwhile.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.per_second: int | None = None
        self.per_chat: int | None = None
        """How many a chat may get in a second; a few at once are let through up to `chat_burst`."""
        self.chat_burst = 3
        self.penalty = 3.0
        self.refused = 0
        self._now = now
        self._all: deque[float] = deque()
        self._chats: dict[int, deque[float]] = {}
        self._shut: dict[int | None, float] = {}

    def shut(self, seconds: float, chat: int | None = None) -> None:
        """429 from now on, for one chat or for all."""
        self._shut[chat] = self._now() + seconds

    def message(self, chat: int) -> None:
        """Count one. Raises Refusal 429."""
        now = self._now()
        for key in (None, chat):
            if (left := self._shut.get(key, 0.0) - now) > 0:
                self.refused += 1
                raise too_many(left)
        if self.per_second is not None and _over(self._all, now, 1.0, self.per_second):
            self._refuse(None)
        if self.per_chat is not None:
            burst = self._chats.setdefault(chat, deque())
            if _over(burst, now, float(self.chat_burst), self.chat_burst * (self.per_chat + 1)):
                self._refuse(chat)

    def _refuse(self, chat: int | None) -> None:
        self.refused += 1
        self.shut(self.penalty, chat)
        raise too_many(self.penalty)


def _over(times: deque[float], now: float, span: float, most: int) -> bool:
    """Whether one more within the span is too many; if not, it is counted."""
    while times and times[0] <= now - span:
        times.popleft()
    if len(times) >= most:
        return True
    times.append(now)
    return False

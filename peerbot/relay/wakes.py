"""Telling those who watch a circle that something new waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from peerbot.core.ports import Wake
from peerbot.errors import RelayError
from peerbot.relay.access import Caller


class Watch:
    """One watcher's wakes. What isn't taken yet is one bit for each kind, however much happens."""

    __slots__ = ("_changed", "_ended", "_waiting", "caller")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._waiting: set[Wake] = set()
        self._ended = ""
        self._changed = asyncio.Event()

    def tell(self, wake: Wake) -> None:
        self._waiting.add(wake)
        self._changed.set()

    def end(self, code: str) -> None:
        """Let `next` raise RelayError(code)."""
        self._ended = code
        self._changed.set()

    async def next(self) -> Wake:
        """The next wake. Raises RelayError once the watch has ended."""
        while not self._waiting or self._ended:
            if self._ended:
                raise RelayError(self._ended)
            await self._changed.wait()
            if not self._ended:
                self._changed.clear()
        wake = min(self._waiting)
        self._waiting.discard(wake)
        return wake


class Hub:
    """All watches of a relay."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._circles: dict[bytes, list[Watch]] = {}

    def add(self, caller: Caller) -> Watch:
        """A new watch. Where a caller has `most` already, the oldest ends: it is the likeliest to be dead."""
        watches = self._circles.setdefault(caller.cid, [])
        own = [watch for watch in watches if watch.caller == caller]
        if len(own) >= self._most:
            own[0].end("relay-unreachable")
            self.drop(own[0])
        watch = Watch(caller)
        self._circles.setdefault(caller.cid, []).append(watch)
        return watch

    def drop(self, watch: Watch) -> None:
        """Forget a watch. Dropping it twice is harmless."""
        cid = watch.caller.cid
        left = [other for other in self._circles.get(cid, []) if other is not watch]
        if left:
            self._circles[cid] = left
        else:
            self._circles.pop(cid, None)

    def wake(self, cid: bytes, wake: Wake, devices: frozenset[bytes] | None = None) -> None:
        """Wake everyone who watches a circle, or only these devices."""
        for watch in self._circles.get(cid, ()):
            if devices is None or watch.caller.id in devices:
                watch.tell(wake)

    def expel(self, cid: bytes, stands: Callable[[Caller], bool]) -> None:
        """End the watches of callers who don't stand in the roster any more."""
        for watch in list(self._circles.get(cid, ())):
            if not stands(watch.caller):
                watch.end("relay-denied")
                self.drop(watch)

    def close(self) -> None:
        """End every watch."""
        for watches in self._circles.values():
            for watch in watches:
                watch.end("relay-unreachable")
        self._circles.clear()

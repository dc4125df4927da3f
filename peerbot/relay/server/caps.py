"""Rate caps: token buckets for devices and addresses, in bounded memory."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final

from aiohttp import web

from peerbot.errors import RelayError

MOST_BUCKETS: Final = 50_000


class Buckets:
    """One bucket for each key: `burst` at once, refilled by `rate` in a second. `now` is any steady clock."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._buckets: OrderedDict[bytes | str, tuple[float, float]] = OrderedDict()

    def take(self, key: bytes | str) -> None:
        """Take one token. Raises RelayError("relay-busy", seconds=until there is one)."""
        now = self._now()
        tokens, since = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - since) * self._rate)
        if tokens < 1.0:
            raise RelayError("relay-busy", seconds=math.ceil((1.0 - tokens) / self._rate))
        self._buckets[key] = (tokens - 1.0, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > MOST_BUCKETS:
            # The one idle for longest is the fullest.
            self._buckets.popitem(last=False)


def address_of(request: web.BaseRequest, proxies: Collection[str]) -> str:
    """Whom to count a request against: the peer, or whom a trusted proxy names last.

    One household or server has a whole /64 of IPv6 addresses, so that counts as one.
    """
    peer = request.remote or ""
    if peer in proxies and (forwarded := request.headers.get("X-Forwarded-For")) is not None:
        peer = forwarded.rpartition(",")[2].strip()[:64]
    if ":" not in peer:
        return peer
    try:
        return str(ipaddress.IPv6Network((peer.partition("%")[0], 64), strict=False))
    except ValueError:
        return peer

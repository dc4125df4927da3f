"""A bell: whoever listens hears that something has changed, and looks for themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Bell:
    """Rung after each change. However often it rings before a listener looks, that is one time."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()

    def ring(self) -> None:
        for heard in self._listeners:
            heard.set()

    @contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        """An event that is set at each ring; the listener clears it before looking."""
        heard = asyncio.Event()
        self._listeners.add(heard)
        try:
            yield heard
        finally:
            self._listeners.discard(heard)

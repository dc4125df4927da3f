"""A relay whose every call waits for its turn, so that a test decides how several nodes interleave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from peerbot.core.ports import CircleRelay, Credential, Mail, Page, Relay, Wake
from peerbot.protocol.log import Kind

Choose = Callable[[int], int]
"""Picks one of n waiting calls."""


class Turns:
    """Lets one relay call go at a time, chosen by `choose` once every actor waits."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._waiting: list[asyncio.Future[None]] = []
        self._running = 0
        self._changed = asyncio.Event()

    async def turn(self) -> None:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(gate)
        self._running -= 1
        self._changed.set()
        await gate

    async def play(self, actors: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Run the actors to their ends, one relay call at a time."""
        self._running = len(actors)
        tasks = [asyncio.create_task(self._act(actor)) for actor in actors]
        while not all(task.done() for task in tasks):
            if self._running == 0 and self._waiting:
                gate = self._waiting.pop(self._choose(len(self._waiting)))
                self._running += 1
                gate.set_result(None)
            self._changed.clear()
            if self._running:
                await self._changed.wait()
        for task in tasks:
            task.result()

    async def _act(self, actor: Coroutine[Any, Any, None]) -> None:
        try:
            await actor
        finally:
            self._running -= 1
            self._changed.set()


class TurnRelay:
    """A Relay whose circles take turns. Everything else goes straight through."""

    def __init__(self, inner: Relay, turns: Turns | None) -> None:
        self.inner = inner
        self.turns = turns
        self.url = inner.url

    async def key(self) -> bytes:
        return await self.inner.key()

    async def found(self, code: str, genesis: bytes) -> bytes:
        return await self.inner.found(code, genesis)

    async def note(self, place: bytes) -> bytes | None:
        return await self.inner.note(place)

    def circle(self, credential: Credential) -> CircleRelay:
        return TurnCircle(self, self.inner.circle(credential))

    async def close(self) -> None:
        await self.inner.close()


class TurnCircle:
    """One circle behind a TurnRelay."""

    def __init__(self, relay: TurnRelay, inner: CircleRelay) -> None:
        self._relay = relay
        self._inner = inner

    async def _turn(self) -> None:
        if self._relay.turns is not None:
            await self._relay.turns.turn()

    async def append(
        self, kind: Kind, wire: bytes, *, envelopes: Sequence[bytes] = (), if_seq: int | None = None
    ) -> bytes:
        await self._turn()
        return await self._inner.append(kind, wire, envelopes=envelopes, if_seq=if_seq)

    async def read(self, after: int, limit: int) -> Page:
        await self._turn()
        return await self._inner.read(after, limit)

    async def envelopes(self, first: int) -> list[bytes]:
        await self._turn()
        return await self._inner.envelopes(first)

    async def put_envelope(self, wire: bytes) -> None:
        await self._inner.put_envelope(wire)

    async def mail(self, limit: int) -> list[Mail]:
        return await self._inner.mail(limit)

    async def send_mail(self, devices: Sequence[bytes], wire: bytes) -> None:
        await self._inner.send_mail(devices, wire)

    async def drop_mail(self, ids: Sequence[int]) -> None:
        await self._inner.drop_mail(ids)

    async def put_note(self, place: bytes, note: bytes, expires: int) -> None:
        await self._inner.put_note(place, note, expires)

    async def drop_note(self, place: bytes) -> None:
        await self._inner.drop_note(place)

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[Wake]]:
        return self._inner.watch()

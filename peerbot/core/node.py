"""A node: the circles of one vault, followed through their relay."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from peerbot.clock import Clock
from peerbot.core.follow import Follower, Progress, Work
from peerbot.core.healing import Healing
from peerbot.core.outbox import Outbox
from peerbot.core.ports import Credential, Relay, Vault
from peerbot.core.state import restore
from peerbot.errors import PeerbotError, RelayError, UserError
from peerbot.protocol.roster.entry import By

LANES = 2
"""Threads a fold verifies signatures on (measured: a third gains nothing)."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between tries to reach the relay, doubling, stretched by up to a half so that nodes don't come at once."""

RelayAt = Callable[[str, bytes | None], Relay]
"""Makes a relay client for a URL and, where it is known, the key that relay must prove to have."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A circle has new records up to position p, or has been given keys for older ones."""

    cid: bytes
    p: int


@dataclass(frozen=True, slots=True)
class Connection:
    """Whether the relay can be reached for a circle; `code` says why not."""

    cid: bytes
    up: bool
    code: str = ""


Event = Changed | Connection


@dataclass(slots=True)
class Circle:
    """One circle with everything that works on it."""

    follower: Follower
    outbox: Outbox
    healing: Healing
    synced: bool = False
    """It has been brought up to date since it was opened; from then on, losing a race is what tells of news."""

    @property
    def cid(self) -> bytes:
        return self.follower.state.cid

    @property
    def slug(self) -> str:
        return self.follower.state.slug


class Node:
    """The circles of one vault. `circles` is in the order they were added; call `load` first."""

    def __init__(self, vault: Vault, relay_at: RelayAt, clock: Clock, executor: Executor) -> None:
        self.vault = vault
        self.clock = clock
        self.circles: list[Circle] = []
        self._relay_at = relay_at
        self._relays: dict[tuple[str, bytes | None], Relay] = {}
        self._work = Work(executor, LANES, clock)
        self._listeners: set[asyncio.Queue[Event]] = set()

    async def load(self) -> None:
        """Open every circle that is ready."""
        for cid, _, ready in await self.vault.circles():
            if ready:
                await self.open(cid)

    async def open(self, cid: bytes) -> Circle:
        """Take a circle from the vault into this node."""
        stored = await self.vault.circle(cid)
        state = restore(stored)
        key = state.roster.relay_key if state.roster is not None else None
        url = state.roster.relay_url if state.roster is not None else stored.relay_url
        relay = self.relay(url, key)
        credential = Credential(cid, By.DEVICE, state.me.device, state.me.key)
        follower = Follower(self.vault, relay.circle(credential), state, self._work)
        outbox = Outbox(follower, self.clock)
        await outbox.load()
        circle = Circle(follower, outbox, Healing(follower, outbox, self.clock))
        self.circles = [c for c in self.circles if c.cid != cid] + [circle]
        return circle

    def relay(self, url: str, key: bytes | None) -> Relay:
        """The client for a relay, shared by the circles that are there."""
        if (url, key) not in self._relays:
            self._relays[url, key] = self._relay_at(url, key)
        return self._relays[url, key]

    def circle(self, slug: str) -> Circle:
        """By slug, or by at least eight hex digits of its id. Raises UserError("no-such-circle")."""
        for circle in self.circles:
            if circle.slug == slug or (len(slug) >= 8 and circle.cid.hex().startswith(slug)):
                return circle
        raise UserError("no-such-circle", circle=slug)

    @asynccontextmanager
    async def holding(self, circle: Circle) -> AsyncIterator[None]:
        """Hold a circle while reading its state and acting on it; listeners hear of it if its log has moved on."""
        follower = circle.follower
        async with follower.lock:
            before = follower.state.p
            try:
                yield
            finally:
                if follower.state.p != before:
                    self._tell(Changed(circle.cid, follower.state.p))

    async def sync(self, circle: Circle, progress: Progress | None = None) -> None:
        """Bring one circle up to date both ways: fetch and fold, send what waits, ask and answer.

        Raises RelayError where the relay can't be reached (nothing is lost), VaultError, Fork, UpgradeNeeded.
        """
        follower = circle.follower
        if _gone(circle):
            # The relay has nothing for us any more; what is here can still be read.
            return
        async with self.holding(circle):
            await follower.catch_up(progress)
            keys_came = bool(await follower.fold_mail())
            if follower.state.broken:
                keys_came |= await follower.heal_envelopes()
            if keys_came:
                # What was closed is open now, though the log hasn't moved.
                self._tell(Changed(circle.cid, follower.state.p))
            if not _gone(circle) and not follower.state.alarm:
                # One's own words first: nothing that is done for others may keep them.
                if not follower.state.broken:
                    await circle.outbox.pump()
                # A circle without its newest secret can still ask for it, but not post.
                await circle.healing.ask()
                await circle.healing.answer()
                if not follower.state.broken:
                    await circle.healing.carry()
            circle.synced = True

    async def run(self) -> None:
        """Follow all circles live until cancelled; reconnects by itself, with back-off."""
        async with asyncio.TaskGroup() as group:
            for circle in self.circles:
                group.create_task(self.follow(circle))

    async def follow(self, circle: Circle) -> None:
        """Follow one circle live: sync at once and after each wake."""
        pause = FIRST_PAUSE
        while not circle.follower.state.removed:
            try:
                async with circle.follower.relay.watch() as wakes:
                    await self.sync(circle)
                    self._tell(Connection(circle.cid, True))
                    pause = FIRST_PAUSE
                    async for _ in wakes:
                        await self.sync(circle)
            except RelayError as error:
                self._tell(Connection(circle.cid, False, error.code))
            except PeerbotError as error:
                # An alarm or a needed upgrade: reading goes on with what is here, and the person is told.
                self._tell(Connection(circle.cid, False, error.code))
                pause = LONGEST_PAUSE
            await self.clock.sleep(pause * random.uniform(1.0, 1.5))  # noqa: S311 - spreads load, hides nothing
            pause = min(pause * 2, LONGEST_PAUSE)

    async def events(self) -> AsyncGenerator[Event, None]:
        """What happens from now on. A listener that doesn't keep up loses the oldest; positions make that harmless."""
        queue: asyncio.Queue[Event] = asyncio.Queue(1000)
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    def _tell(self, event: Event) -> None:
        for queue in self._listeners:
            if queue.full():
                with suppress(asyncio.QueueEmpty):
                    queue.get_nowait()
            queue.put_nowait(event)

    async def close(self) -> None:
        """Close the relays' connections. The vault belongs to whoever opened it."""
        for relay in self._relays.values():
            await relay.close()


def _gone(circle: Circle) -> bool:
    """My device was in the circle and isn't any more."""
    return circle.follower.state.removed

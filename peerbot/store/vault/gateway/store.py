"""GatewayVault: a vault that also keeps what a gateway needs. Each method is one function on a database thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from sqlalchemy import Connection

from peerbot.core.bell import Bell
from peerbot.core.doors import Claim, Delivery, Fan, Guest, Incoming, Platform, Step
from peerbot.store.sqlthread import SqlThread
from peerbot.store.vault import outbox
from peerbot.store.vault.connect import VaultLock
from peerbot.store.vault.gateway import guests, inbox, models, posts, queue
from peerbot.store.vault.keyfile import VaultKey
from peerbot.store.vault.vault import SqlVault

T = TypeVar("T")
_PRUNED_AT_ONCE: Final = 1000


class GatewayVault(SqlVault):
    """An open vault file of a gateway. Fulfils core.doors.GatewayStore; see there for what the methods mean."""

    def __init__(self, db: SqlThread, lock: VaultLock) -> None:
        super().__init__(db, lock)
        self.arrivals = Bell()
        self.departures = Bell()

    @classmethod
    async def open(cls, path: Path, key: VaultKey, *, readers: int = 2, also: tuple[str, ...] = ()) -> Self:
        """As SqlVault.open; a vault that was no gateway's becomes one."""
        vault = await super().open(path, key, readers=readers, also=also)
        try:
            await vault._db.write(models.ensure)
        except BaseException:
            await vault.close()
            raise
        return vault

    # events and guests

    async def cursor(self, platform: Platform) -> str:
        return await self._db.read(partial(inbox.cursor, platform=platform))

    async def take_in(self, platform: Platform, events: Sequence[Incoming], cursor: str) -> int:
        return await self._ringing(
            self.arrivals, partial(inbox.take_in, platform=platform, events=events, cursor=cursor)
        )

    async def waiting(self, limit: int) -> list[Incoming]:
        return await self._db.read(partial(inbox.waiting, limit=limit))

    async def guest(self, platform: Platform, chat: str) -> Guest | None:
        return await self._db.read(partial(guests.guest, platform=platform, chat=chat))

    async def step(self, step: Step) -> list[int]:
        return await self._ringing(self.departures, partial(_step, step=step))

    async def members(self, cid: bytes, *, fresh: bool = False) -> list[bytes]:
        return await self._db.read(partial(guests.members, cid=cid, fresh=fresh))

    async def set_readers(self, cid: bytes, readers: Mapping[bytes, int]) -> None:
        await self._db.write(partial(guests.set_readers, cid=cid, readers=readers))

    async def readers(self, cid: bytes) -> list[Guest]:
        return await self._db.read(partial(guests.readers, cid=cid))

    async def block(self, platform: Platform, chat: str) -> None:
        await self._db.write(partial(guests.block, platform=platform, chat=chat))

    async def forget(self, platform: Platform, chat: str) -> None:
        await self._db.write(partial(guests.forget, platform=platform, chat=chat))

    # posts to readers

    async def fanned(self, cid: bytes) -> int | None:
        return await self._db.read(partial(posts.fanned, cid=cid))

    async def unread(self, cid: bytes) -> list[int]:
        return await self._db.read(partial(posts.unread, cid=cid))

    async def fan_out(self, fan: Fan) -> int:
        return await self._ringing(self.departures, partial(posts.fan_out, fan=fan))

    async def delivered(self, platform: Platform, chat: str, platform_id: str) -> Delivery | None:
        return await self._db.read(partial(posts.delivered, platform=platform, chat=chat, platform_id=platform_id))

    async def platform_ids(self, cid: bytes, p: int) -> list[Delivery]:
        return await self._db.read(partial(posts.platform_ids, cid=cid, p=p))

    # deliveries

    async def enqueue_deliveries(self, deliveries: Sequence[Delivery]) -> int:
        return await self._ringing(self.departures, partial(queue.enqueue, deliveries=deliveries))

    async def claim(self, platform: Platform, now: int, lease: int, limit: int, holding: Collection[int] = ()) -> Claim:
        return await self._db.write(
            partial(queue.claim, platform=platform, now=now, lease=lease, limit=limit, holding=holding)
        )

    async def leased(self, platform: Platform) -> list[Delivery]:
        return await self._db.read(partial(queue.leased, platform=platform))

    async def settle_deliveries(self, settled: Sequence[Delivery]) -> None:
        await self._ringing(self.departures, partial(queue.settle, settled=settled))

    async def unknown(self, platform: Platform, limit: int, chat: str = "") -> list[Delivery]:
        return await self._db.read(partial(queue.unknown, platform=platform, limit=limit, chat=chat))

    async def prune(self, before: int) -> int:
        # Searched by a reader: where there is nothing to forget, that means to look at all of them.
        forgotten = 0
        while ids := await self._db.read(partial(queue.ended, before=before, limit=_PRUNED_AT_ONCE)):
            forgotten += await self._db.write(partial(queue.forget, ids=ids))
        return forgotten

    async def counts(self) -> dict[str, int]:
        return await self._db.read(queue.counts)

    async def _ringing(self, bell: Bell, fn: Callable[[Connection], T]) -> T:
        """Write, and ring once it is on disk, also where the caller has gone away meanwhile."""

        def rung(write: asyncio.Future[T]) -> None:
            # Looked at here, or asyncio reports an error that nobody was left to take.
            if write.cancelled() or write.exception() is None:
                bell.ring()

        write = asyncio.ensure_future(self._db.write(fn))
        write.add_done_callback(rung)
        return await asyncio.shield(write)


def _step(connection: Connection, step: Step) -> list[int]:
    chat = inbox.done(connection, step.incoming) if step.incoming else None
    if step.incoming and chat is None:
        return []
    if step.guest is not None:
        guests.put(connection, step.guest)
    elif chat is not None:
        guests.forget_number(connection, chat)
    queue.enqueue(connection, step.deliveries)
    return outbox.enqueue(connection, step.outgoing)

"""SqlVault: core's Vault on SQLCipher. Each method is one function on a database thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from peerbot.core.ports import (
    DirectOut,
    Folded,
    InviteRow,
    LivingRow,
    NewCircle,
    Outgoing,
    SealingRow,
    ShownPost,
    ShownThread,
    StoredCircle,
)
from peerbot.protocol.secret import EpochSecret
from peerbot.store.sqlthread import SqlThread
from peerbot.store.vault import circles, desk, fold, log, models, outbox, reading
from peerbot.store.vault.connect import Connector, VaultLock, check_file, make_file
from peerbot.store.vault.keyfile import VaultKey


class SqlVault:
    """An open vault file. Fulfils core.ports.Vault; see there for what the methods mean.

    Methods that name a circle raise VaultError("vault-no-circle") for one that isn't here.
    """

    def __init__(self, db: SqlThread, lock: VaultLock) -> None:
        self._db = db
        self._lock = lock

    @classmethod
    async def create(cls, path: Path, key: VaultKey, *, readers: int = 2) -> Self:
        """Make a vault, all of it or nothing. Raises VaultError("vault-exists"), or as `open` does."""
        lock = VaultLock(path)
        try:
            await asyncio.to_thread(make_file, path, key, models.create)
        finally:
            lock.release()
        return await cls.open(path, key, readers=readers)

    @classmethod
    async def open(cls, path: Path, key: VaultKey, *, readers: int = 2, also: tuple[str, ...] = ()) -> Self:
        """Open a vault with so many reading connections. `also` are further pragmas.

        Raises VaultError: "vault-missing", "vault-in-use", "vault-corrupt" (which is also what a wrong key looks like),
        "vault-newer", "vault-full", "vault-io".
        """
        check_file(path)
        lock = VaultLock(path)
        connector = Connector(path, key, also)
        db = SqlThread(connector, name="vault", readers=readers, on_error=connector.mapped)
        try:
            await db.start()
            await db.read(models.check)
        except BaseException:
            await db.close()
            lock.release()
            raise
        return cls(db, lock)

    async def close(self) -> None:
        await self._db.close()
        self._lock.release()

    # settings and drafts

    async def get_setting(self, key: str) -> str | None:
        return await self._db.read(partial(desk.get_setting, key=key))

    async def set_setting(self, key: str, value: str) -> None:
        await self._db.write(partial(desk.set_setting, key=key, value=value))

    async def put_draft(self, cid: bytes, thread: str, text: str) -> None:
        await self._db.write(partial(desk.put_draft, cid=cid, thread=thread, text=text))

    async def drafts(self) -> list[tuple[bytes, str, str]]:
        return await self._db.read(desk.drafts)

    # circles

    async def add_circle(self, new: NewCircle, first: Outgoing | None) -> None:
        await self._db.write(partial(circles.add, new=new, first=first))

    async def drop_circle(self, cid: bytes) -> None:
        await self._db.write(partial(circles.drop, cid=cid))

    async def circles(self) -> list[tuple[bytes, str, bool]]:
        return await self._db.read(circles.listing)

    async def circle(self, cid: bytes) -> StoredCircle:
        return await self._db.read(partial(circles.stored, cid=cid))

    async def mark_ready(self, cid: bytes) -> None:
        await self._db.write(partial(circles.mark_ready, cid=cid))

    async def add_sealing(self, cid: bytes, row: SealingRow) -> None:
        await self._db.write(partial(circles.add_sealing, cid=cid, row=row))

    async def new_chain(self, cid: bytes, chain: bytes) -> None:
        await self._db.write(partial(circles.new_chain, cid=cid, chain=chain))

    async def clear_alarm(self, cid: bytes) -> None:
        await self._db.write(partial(circles.clear_alarm, cid=cid))

    # the log

    async def save(self, folded: Folded) -> None:
        await self._db.write(partial(fold.save, folded=folded))

    async def heads_at(self, cid: bytes, positions: Iterable[int]) -> dict[int, bytes]:
        return await self._db.read(partial(log.heads_at, cid=cid, positions=list(positions)))

    async def authors_at(self, cid: bytes, positions: Iterable[int]) -> dict[int, bytes]:
        return await self._db.read(partial(log.authors_at, cid=cid, positions=list(positions)))

    async def pending(self, cid: bytes, e: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        return await self._db.read(partial(log.pending, cid=cid, e=e, after=after, limit=limit))

    async def living(self, cid: bytes, before_e: int, limit: int) -> list[LivingRow]:
        return await self._db.read(partial(log.living, cid=cid, before_e=before_e, limit=limit))

    async def refused(self, cid: bytes) -> dict[str, int]:
        return await self._db.read(partial(log.refused, cid=cid))

    # on its way out

    async def enqueue(self, rows: Sequence[Outgoing]) -> list[int]:
        return await self._db.write(partial(outbox.enqueue, rows=rows))

    async def outbox(self, cid: bytes, limit: int = 100) -> list[Outgoing]:
        return await self._db.read(partial(outbox.outbox, cid=cid, limit=limit))

    async def store_sealed(self, row: Outgoing) -> None:
        await self._db.write(partial(outbox.store_sealed, row=row))

    async def settle(self, ids: Sequence[int]) -> None:
        await self._db.write(partial(outbox.settle, ids=ids))

    async def next_counter(self, cid: bytes, author: bytes, to: bytes) -> int:
        return await self._db.write(partial(outbox.next_counter, cid=cid, author=author, to=to))

    async def post_direct(self, cid: bytes, devices: Sequence[bytes], wire: bytes) -> int:
        return await self._db.write(partial(outbox.post_direct, cid=cid, devices=devices, wire=wire))

    async def directs(self, cid: bytes, limit: int = 100) -> list[DirectOut]:
        return await self._db.read(partial(outbox.directs, cid=cid, limit=limit))

    async def settle_direct(self, direct: int) -> None:
        await self._db.write(partial(outbox.settle_direct, direct=direct))

    async def fold_direct(
        self, cid: bytes, key: tuple[bytes, bytes, bytes], counter: int, secrets: Sequence[tuple[int, EpochSecret]]
    ) -> None:
        await self._db.write(partial(outbox.fold_direct, cid=cid, key=key, counter=counter, secrets=secrets))

    # invites

    async def put_invite(self, row: InviteRow) -> None:
        await self._db.write(partial(desk.put_invite, row=row))

    async def invites(self) -> list[InviteRow]:
        return await self._db.read(desk.invites)

    async def drop_invite(self, invite: bytes) -> None:
        await self._db.write(partial(desk.drop_invite, invite=invite))

    # reading

    async def names(self, cid: bytes) -> dict[bytes, str]:
        return await self._db.read(partial(reading.names, cid=cid))

    async def threads(self, cid: bytes) -> list[ShownThread]:
        return await self._db.read(partial(reading.threads, cid=cid))

    async def find_thread(self, cid: bytes, title_or_id: str) -> bytes | None:
        return await self._db.read(partial(reading.find_thread, cid=cid, title_or_id=title_or_id))

    async def posts(self, cid: bytes, thread: bytes | None, before: int, limit: int) -> list[ShownPost]:
        return await self._db.read(partial(reading.posts, cid=cid, thread=thread, before=before, limit=limit))

    async def posts_after(self, cid: bytes, after: int, limit: int) -> list[ShownPost]:
        return await self._db.read(partial(reading.posts_after, cid=cid, after=after, limit=limit))

    async def post_at(self, cid: bytes, p: int) -> ShownPost | None:
        return await self._db.read(partial(reading.post_at, cid=cid, p=p))

    async def mark_read(self, cid: bytes, thread: bytes, p: int) -> None:
        await self._db.write(partial(reading.mark_read, cid=cid, thread=thread, p=p))

    async def search(self, words: str, cid: bytes | None, limit: int) -> list[tuple[bytes, ShownPost]]:
        return await self._db.read(partial(reading.search, words=words, cid=cid, limit=limit))

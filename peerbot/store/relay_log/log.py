"""SqliteRelayLog: the port RelayLog over one SQLite file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from peerbot.core.ports import AddressedEnvelope, ControlChange, LogHead, Mail, NewRecord, Placed, Slice
from peerbot.protocol.log import Kind
from peerbot.store.relay_log import appends, reads, waiting
from peerbot.store.relay_log.connect import RelayFile, relay_error
from peerbot.store.sqlthread import SqlThread


class SqliteRelayLog:
    """A relay's store in one file. See core.ports.RelayLog for what each method promises."""

    def __init__(self, thread: SqlThread) -> None:
        self._sql = thread

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the file, and make it where there is none. Raises RelayError, or UpgradeNeeded for a newer file."""
        thread = SqlThread(RelayFile(path), name="relay", on_error=relay_error)
        await thread.start()
        return cls(thread)

    async def close(self) -> None:
        await self._sql.close()

    async def found(self, cid: bytes, genesis: NewRecord, roster: bytes) -> Placed | None:
        return await self._sql.write(partial(appends.found, cid=cid, genesis=genesis, roster=roster))

    async def circles(self) -> list[bytes]:
        return await self._sql.read(reads.circles)

    async def head(self, cid: bytes) -> LogHead | None:
        return await self._sql.read(partial(reads.head, cid=cid))

    async def roster(self, cid: bytes) -> tuple[LogHead, bytes] | None:
        return await self._sql.read(partial(reads.roster, cid=cid))

    async def find(self, cid: bytes, digest: bytes) -> Placed | None:
        return await self._sql.read(partial(reads.find, cid=cid, digest=digest))

    async def at(self, cid: bytes, p: int) -> Placed | None:
        return await self._sql.read(partial(reads.at, cid=cid, p=p))

    async def append_message(self, cid: bytes, record: NewRecord, if_seq: int) -> Placed | LogHead:
        return await self._sql.write(partial(appends.append_message, cid=cid, record=record, if_seq=if_seq))

    async def append_control(
        self, cid: bytes, record: NewRecord, after: LogHead, change: ControlChange
    ) -> Placed | LogHead:
        return await self._sql.write(
            partial(appends.append_control, cid=cid, record=record, after=after, change=change)
        )

    async def requested(self, cid: bytes, request: tuple[bytes, int, bytes]) -> bool:
        return await self._sql.read(partial(reads.requested, cid=cid, request=request))

    async def read(self, cid: bytes, after: int, limit: int, size: int, shown: Collection[Kind]) -> Slice | None:
        return await self._sql.read(partial(reads.read, cid=cid, after=after, limit=limit, size=size, shown=shown))

    async def put_envelope(self, cid: bytes, envelope: AddressedEnvelope) -> None:
        await self._sql.write(partial(appends.put_envelope, cid=cid, envelope=envelope))

    async def envelopes(self, cid: bytes, to: bytes, first: int, limit: int) -> list[bytes]:
        return await self._sql.read(partial(reads.envelopes, cid=cid, to=to, first=first, limit=limit))

    async def add_mail(
        self, cid: bytes, devices: Sequence[bytes], wire: bytes, *, most: int, most_bytes: int
    ) -> list[bytes]:
        return await self._sql.write(
            partial(waiting.add_mail, cid=cid, devices=devices, wire=wire, most=most, most_bytes=most_bytes)
        )

    async def mail(self, cid: bytes, device: bytes, limit: int, size: int) -> list[Mail]:
        return await self._sql.read(partial(waiting.mail, cid=cid, device=device, limit=limit, size=size))

    async def drop_mail(self, cid: bytes, device: bytes, ids: Sequence[int]) -> None:
        await self._sql.write(partial(waiting.drop_mail, cid=cid, device=device, ids=ids))

    async def put_note(self, cid: bytes, place: bytes, note: bytes, expires: int, *, most: int) -> bool:
        return await self._sql.write(
            partial(waiting.put_note, cid=cid, place=place, note=note, expires=expires, most=most)
        )

    async def drop_note(self, cid: bytes, place: bytes) -> None:
        await self._sql.write(partial(waiting.drop_note, cid=cid, place=place))

    async def note(self, place: bytes, now: int) -> bytes | None:
        return await self._sql.read(partial(waiting.note, place=place, now=now))

    async def drop_expired(self, now: int) -> int:
        return await self._sql.write(partial(waiting.drop_expired, now=now))

    async def prune(self, cid: bytes, p: int, e: int) -> int:
        return await self._sql.write(partial(appends.prune, cid=cid, p=p, e=e))

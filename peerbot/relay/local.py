"""A relay in the same process: the same rules as over HTTP, without the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from peerbot.core.ports import CircleRelay, Credential, Mail, Page, Wake
from peerbot.protocol.log import Kind
from peerbot.relay.access import Caller, Session
from peerbot.relay.service import RelayService
from peerbot.relay.wakes import Watch

T = TypeVar("T")


class LocalRelay:
    """The port Relay over a service in this process. There are no rate caps: whoever runs here could stop the relay
    anyway. `url` is what other machines call it.
    """

    def __init__(self, service: RelayService, url: str) -> None:
        self.url = url
        self._service = service

    async def key(self) -> bytes:
        return self._service.key.public

    async def found(self, code: str, genesis: bytes) -> bytes:
        return await _to_its_end(self._service.found(code, genesis))

    async def note(self, place: bytes) -> bytes | None:
        return await self._service.note(place)

    def circle(self, credential: Credential) -> CircleRelay:
        return LocalCircleRelay(self._service, credential)

    async def close(self) -> None:
        """Nothing: the service belongs to whoever made it."""


class LocalCircleRelay:
    """The port CircleRelay over a service in this process.

    Nobody has to prove a key here, but it must be the one the roster gives to the credential's name.
    """

    def __init__(self, service: RelayService, credential: Credential) -> None:
        self._service = service
        self._session = Session(Caller(credential.cid, credential.by, credential.id, credential.key.public))

    async def append(
        self, kind: Kind, wire: bytes, *, envelopes: Sequence[bytes] = (), if_seq: int | None = None
    ) -> bytes:
        return await _to_its_end(self._service.append(self._session, kind, wire, envelopes, if_seq))

    async def read(self, after: int, limit: int) -> Page:
        return await self._service.read(self._session, after, limit)

    async def envelopes(self, first: int) -> list[bytes]:
        return await self._service.envelopes(self._session, first)

    async def put_envelope(self, wire: bytes) -> None:
        await _to_its_end(self._service.put_envelope(self._session, wire))

    async def mail(self, limit: int) -> list[Mail]:
        return await self._service.mail(self._session, limit)

    async def send_mail(self, devices: Sequence[bytes], wire: bytes) -> None:
        await _to_its_end(self._service.send_mail(self._session, devices, wire))

    async def drop_mail(self, ids: Sequence[int]) -> None:
        await self._service.drop_mail(self._session, ids)

    async def put_note(self, place: bytes, note: bytes, expires: int) -> None:
        await self._service.put_note(self._session, place, note, expires)

    async def drop_note(self, place: bytes) -> None:
        await self._service.drop_note(self._session, place)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[Wake]]:
        watch = await self._service.watch(self._session)
        try:
            yield _wakes(watch)
        finally:
            self._service.unwatch(watch)


async def _wakes(watch: Watch) -> AsyncIterator[Wake]:
    while True:
        yield await watch.next()


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await work that goes on if the caller is cancelled: what is stored is also announced to those who watch."""
    task = asyncio.ensure_future(work)
    _going_on.add(task)
    task.add_done_callback(_going_on.discard)
    return await asyncio.shield(task)


# The loop itself holds tasks only weakly.
_going_on: set[asyncio.Future[Any]] = set()

"""The peer: an encrypted Matrix room with matrix-nio at both ends and a real Synapse on loopback between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from nio import AsyncClient, AsyncClientConfig, EnableEncryptionBuilder, RoomMessageText, RoomPreset

from tests.support.synapse import MatrixUser, Synapse, available, synapse

__all__ = ["Room", "available", "room"]

AT_ONCE = 8
"""Sends side by side where only filling the room matters; many more run into nio's own lock."""


class Room:
    """One room, a writer and a reader."""

    def __init__(self, writer: AsyncClient, reader: AsyncClient, room_id: str) -> None:
        self._writer = writer
        self._reader = reader
        self._id = room_id

    async def send(self, texts: Sequence[str]) -> float:
        """Messages per second, one after another: encrypted, sent, and acknowledged by the homeserver."""
        start = perf_counter()
        for text in texts:
            await self._send(text)
        return len(texts) / (perf_counter() - start)

    async def fill(self, texts: Sequence[str]) -> None:
        """Send as fast as it goes."""
        waiting = list(texts)

        async def work() -> None:
            while waiting:
                await self._send(waiting.pop())

        # The first makes the group session that the others share.
        await self._send(waiting.pop())
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def receive(self, count: int) -> float:
        """Messages per second that the reader, who was away, fetches and decrypts in one sync."""
        start = perf_counter()
        answer = await _synced(self._reader, count + 100)
        seconds = perf_counter() - start
        events = answer.rooms.join[self._id].timeline.events
        read = [event for event in events if isinstance(event, RoomMessageText) and event.decrypted]
        if len(read) != count:
            raise RuntimeError(f"{len(read)} of {count} messages could be read")
        return count / seconds

    async def _send(self, text: str) -> None:
        content = {"msgtype": "m.text", "body": text}
        answer = await self._writer.room_send(self._id, "m.room.message", content, ignore_unverified_devices=True)
        _succeeded(answer)


@asynccontextmanager
async def room(folder: Path) -> AsyncIterator[Room]:
    """A homeserver with files in `folder`, two users who know each other's devices, and their room."""
    with synapse(folder) as server:
        admin, *users = server.register("admin", admin=True), server.register("writer"), server.register("reader")
        for user in users:
            server.unlimited(user, admin)
        writer, reader = [await _client(server, user, folder) for user in users]
        try:
            yield Room(writer, reader, await _shared_room(writer, reader))
        finally:
            await writer.close()
            await reader.close()


async def _client(server: Synapse, user: MatrixUser, folder: Path) -> AsyncClient:
    store = folder / user.user_id.strip("@").partition(":")[0]
    store.mkdir()
    config = AsyncClientConfig(encryption_enabled=True, store_sync_tokens=False, pickle_key="of this run only")
    client = AsyncClient(server.url, user.user_id, user.device_id, str(store), config)
    client.restore_login(user.user_id, user.device_id, user.access_token)
    await _synced(client)
    return client


async def _shared_room(writer: AsyncClient, reader: AsyncClient) -> str:
    made = await writer.room_create(
        preset=RoomPreset.private_chat,
        invite=[reader.user_id],
        initial_state=[EnableEncryptionBuilder().as_dict()],
    )
    _succeeded(made)
    room_id: str = made.room_id
    _succeeded(await reader.join(room_id))
    for client in (writer, reader):
        await _synced(client)
    return room_id


async def _synced(client: AsyncClient, limit: int = 10) -> Any:
    """One sync with what a client does after it: publish keys, ask for the others'."""
    answer = await client.sync(timeout=0, sync_filter={"room": {"timeline": {"limit": limit}}})
    _succeeded(answer)
    if client.should_upload_keys:
        _succeeded(await client.keys_upload())
    if client.should_query_keys:
        _succeeded(await client.keys_query())
    return answer


def _succeeded(answer: Any) -> None:
    if type(answer).__name__.endswith("Error"):
        raise RuntimeError(str(answer))

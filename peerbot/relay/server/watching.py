"""The WebSocket that wakes a node."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import WSCloseCode, web

from peerbot.errors import RelayError
from peerbot.relay import api
from peerbot.relay.server.http import Front, Handler
from peerbot.relay.service import RelayService
from peerbot.relay.wakes import Watch

SEND_SECONDS: Final = 20.0
"""How long a wake may wait for a subscriber that reads slowly."""
CLOSE_SECONDS: Final = 10.0


def watch_handler(front: Front, service: RelayService, heartbeat: float) -> Handler:
    """Serves api.WATCH. A subscriber that doesn't answer a ping within half of `heartbeat` seconds is dropped."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            watch = await service.watch(front.signed_in(request))
        except Exception as error:
            return front.failure(error)
        socket = web.WebSocketResponse(heartbeat=heartbeat, max_msg_size=1024, compress=False, timeout=5.0)
        socket.headers["Server"] = "peerbot"
        try:
            # From here on every change is a wake: the watch is older than the handshake's answer.
            await socket.prepare(request)
            await _serve(socket, watch, request.transport)
        finally:
            service.unwatch(watch)
        return socket

    return handle


async def _serve(socket: web.WebSocketResponse, watch: Watch, transport: asyncio.Transport | None) -> None:
    """Send wakes until either side ends it."""
    sending = asyncio.create_task(_send(socket, watch))
    # Nothing is expected from the other side; receiving answers its pings and notices its going.
    receiving = asyncio.create_task(_receive(socket))
    try:
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        code = sending.result() if sending.done() else WSCloseCode.OK
    finally:
        for task in (sending, receiving):
            task.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.close(code=code)
    except TimeoutError:
        if transport is not None:
            transport.abort()


async def _send(socket: web.WebSocketResponse, watch: Watch) -> int:
    """Returns the code to close with."""
    while True:
        try:
            wake = await watch.next()
        except RelayError as ended:
            return api.CLOSED_DENIED if ended.code == "relay-denied" else WSCloseCode.GOING_AWAY
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await socket.send_bytes(bytes((wake,)))
        except (TimeoutError, ConnectionError):
            return WSCloseCode.ABNORMAL_CLOSURE


async def _receive(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        return

"""From an HTTP request to a call's answer, or to the failure that says why there is none."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import web
from msgspec import DecodeError, msgpack

from peerbot.errors import PeerbotError, RelayError
from peerbot.relay import api
from peerbot.relay.access import Session
from peerbot.relay.limits import Limits
from peerbot.relay.server.calls import Call
from peerbot.relay.server.caps import Buckets, address_of
from peerbot.relay.server.sessions import Sessions

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_SECONDS: Final = 60.0
"""For the body of one call to arrive."""
LARGE: Final = 256 * 1024
"""A body of more bytes than this; each sender may have one under way."""
STATUS: Final = {
    api.BAD_CALL: 400,
    api.NO_SESSION: 401,
    "relay-denied": 403,
    "relay-founding": 403,
    "relay-conflict": 409,
    "relay-refused": 422,
    "relay-busy": 429,
    "relay-full": 507,
}
_BEARER: Final = "Bearer "
_HEADERS: Final = {"Content-Type": api.MEDIA_TYPE, "Server": "peerbot", "Cache-Control": "no-store"}

log = structlog.get_logger("peerbot.relay")


class Front:
    """Counts, signs in, decodes, answers. Logs only what went wrong here, and never with what was sent."""

    def __init__(self, limits: Limits, sessions: Sessions, proxies: frozenset[str], now: Callable[[], float]) -> None:
        self._sessions = sessions
        self._proxies = proxies
        self._devices = Buckets(limits.device_rate, limits.device_burst, now)
        self._addresses = Buckets(limits.address_rate, limits.address_burst, now)
        self._door = Buckets(limits.door_rate, limits.door_burst, now)
        self._uploading: set[Session | str] = set()
        self._encoder = msgpack.Encoder()

    def handler(self, call: Call) -> Handler:
        """What serves a call's path."""
        decode = msgpack.Decoder(call.takes).decode if call.takes is not None else None

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                session = None
                if call.open:
                    self.at_the_door(request)
                else:
                    session = self.signed_in(request)
                asked = decode(await self._body(request, call.most, session)) if decode is not None else None
                return web.Response(body=self._encoder.encode(await call.answer(session, asked)), headers=_HEADERS)
            except DecodeError:
                return self.failure(RelayError(api.BAD_CALL))
            except Exception as error:
                return self.failure(error)

        return handle

    def at_the_door(self, request: web.Request) -> None:
        """Count a request that needs no session. Raises RelayError("relay-busy")."""
        self._door.take(address_of(request, self._proxies))

    def signed_in(self, request: web.Request) -> Session:
        """The request's session, after counting it. Raises RelayError("session", or "relay-busy")."""
        self._addresses.take(address_of(request, self._proxies))
        given = request.headers.get("Authorization", "")
        session = self._sessions.get(given[len(_BEARER) :]) if given.startswith(_BEARER) else None
        if session is None:
            raise RelayError(api.NO_SESSION)
        self._devices.take(session.caller.cid + session.caller.id)
        return session

    async def _body(self, request: web.Request, most: int, session: Session | None) -> bytes:
        """The body, which says its size beforehand. Raises RelayError("call"), or RelayError("relay-busy") for a second
        large one from the same session or address: what lies in memory half received must have a bound.
        """
        size = request.content_length
        if size is None or size > most:
            raise RelayError(api.BAD_CALL)
        if request.content.is_eof():
            return await request.read()
        if size <= LARGE:
            return await _arrived(request)
        sender = session if session is not None else address_of(request, self._proxies)
        if sender in self._uploading:
            raise RelayError("relay-busy", seconds=1)
        self._uploading.add(sender)
        try:
            return await _arrived(request)
        finally:
            self._uploading.discard(sender)

    def failure(self, error: Exception) -> web.Response:
        """The response for an exception; what isn't the caller's doing is logged."""
        status = STATUS.get(error.code, 500) if isinstance(error, PeerbotError) else 500
        if status >= 500:
            log.error("relay.failed", **described(error))
        code = error.code if isinstance(error, PeerbotError) else "relay-io"
        # What went wrong in here is nobody's affair out there.
        told = api.Failure(code, error.facts if isinstance(error, PeerbotError) and status < 500 else {})
        response = web.Response(status=status, body=self._encoder.encode(told), headers=_HEADERS)
        if status == STATUS["relay-busy"]:
            response.headers["Retry-After"] = str(told.facts.get("seconds", 1))
        return response


async def _arrived(request: web.Request) -> bytes:
    """The body when all of it is here. Raises RelayError("call") where it takes too long or breaks off."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except (TimeoutError, OSError, web.HTTPException):
        raise RelayError(api.BAD_CALL) from None


def described(error: Exception) -> dict[str, Any]:
    """An error by its kind and place. Its text stays out: it might repeat what was sent."""
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    told: dict[str, Any] = {"error": type(error).__name__, "at": [f"{f.filename}:{f.lineno}" for f in frame]}
    return told | {"code": error.code, **error.facts} if isinstance(error, PeerbotError) else told

"""One relay's connections, from the client's side: requests and wakes, bounded in time and size."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, TypeVar

from aiohttp import (
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWSTimeout,
    DummyCookieJar,
    TraceConfig,
    WebSocketError,
    WSMsgType,
)
from aiohttp.client_ws import ClientWebSocketResponse
from msgspec import DecodeError, msgpack
from yarl import URL

from peerbot.core.ports import Wake
from peerbot.errors import RelayError
from peerbot.relay import api
from peerbot.relay.failures import CLIENT_FAILURES, Redirected, from_answer, from_exception, from_handshake

A = TypeVar("A", bound=api.Data)

_CHUNK: Final = 64 * 1024
_IN_PIECES: Final = 512 * 1024
"""Larger bodies are sent bit by bit; all at once would hold up the event loop."""
_HEADERS: Final = {"Content-Type": api.MEDIA_TYPE, "Accept-Encoding": "identity", "User-Agent": "peerbot"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds: to connect, between two pieces of an answer, for a whole call, between two pings of a watch, and for
    the relay to take note of its end.
    """

    connect: float = 15.0
    read: float = 20.0
    total: float = 120.0
    heartbeat: float = 30.0
    goodbye: float = 3.0


class Transport:
    """Calls to one relay. Raises RelayError("relay-plain-http") for plain HTTP to anything but this machine, and
    RelayError("relay-unreachable") for an address that is none.
    """

    def __init__(self, url: str, tls: ssl.SSLContext | None, timeouts: Timeouts) -> None:
        self._base = _checked(url)
        self._tls: ssl.SSLContext | bool = tls if tls is not None else True
        self._timeouts = timeouts
        self._calling: ClientSession | None = None
        self._watching: ClientSession | None = None
        self._encoder = msgpack.Encoder()
        self._decoders: dict[type[api.Data], msgpack.Decoder[Any]] = {}
        self._urls: dict[str, URL] = {}

    async def call(self, path: str, call: api.Data | None, answer: type[A], most: int, token: str = "") -> A:
        """Send one call; the answer may have `most` bytes. Raises RelayError; RelayError("session") where the token
        isn't known (any more).
        """
        body: bytes | BytesIO = self._encoder.encode(call) if call is not None else b""
        if isinstance(body, bytes) and len(body) > _IN_PIECES:
            body = BytesIO(body)
        headers = _HEADERS | {"Authorization": "Bearer " + token} if token else _HEADERS
        try:
            async with self._session().post(
                self._url(path), data=body, headers=headers, allow_redirects=False, ssl=self._tls
            ) as response:
                if response.status != 200:
                    failure = from_answer(response, await _read(response, api.SHORT))
                    raise failure if token or failure.code != api.NO_SESSION else RelayError("relay-garbage")
                if response.headers.get("Content-Type") != api.MEDIA_TYPE:
                    raise RelayError("relay-garbage")
                return self._decode(answer, await _read(response, most))
        except CLIENT_FAILURES as error:
            raise from_exception(error) from None

    async def watch(self, token: str) -> Wakes:
        """Open a watch. Raises as `call` does."""
        if self._watching is None or self._watching.closed:
            # Only tracing can stop ws_connect from following redirects, and it would slow every other call down.
            trace = TraceConfig()
            trace.on_request_redirect.append(_refuse_redirect)
            self._watching = self._session_with(trace)
        try:
            socket = await self._watching.ws_connect(
                self._url(api.WATCH),
                headers={"Authorization": "Bearer " + token, "User-Agent": "peerbot"},
                heartbeat=self._timeouts.heartbeat,
                timeout=ClientWSTimeout(ws_close=self._timeouts.goodbye),
                max_msg_size=1024,
                ssl=self._tls,
            )
        except CLIENT_FAILURES as error:
            raise from_handshake(error) from None
        return Wakes(socket)

    async def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        sessions = (self._calling, self._watching)
        self._calling = self._watching = None
        for session in sessions:
            if session is not None:
                await session.close()

    def _session(self) -> ClientSession:
        if self._calling is None or self._calling.closed:
            self._calling = self._session_with()
        return self._calling

    def _session_with(self, *traces: TraceConfig) -> ClientSession:
        times = self._timeouts
        return ClientSession(
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=times.total, sock_connect=times.connect, sock_read=times.read),
            auto_decompress=False,
            trace_configs=list(traces),
        )

    def _url(self, path: str) -> URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = self._base.with_path(self._base.path.rstrip("/") + path)
        return url

    def _decode(self, kind: type[A], raw: bytes) -> A:
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgpack.Decoder(kind)
        try:
            found: A = decoder.decode(raw)
        except (DecodeError, UnicodeDecodeError, RecursionError):
            raise RelayError("relay-garbage") from None
        return found


class Wakes:
    """The wakes of one WebSocket. Iterating ends with RelayError."""

    def __init__(self, socket: ClientWebSocketResponse[bool]) -> None:
        self._socket = socket

    def __aiter__(self) -> Wakes:
        return self

    async def __anext__(self) -> Wake:
        message = await self._socket.receive()
        if message.type is WSMsgType.BINARY and len(message.data) == 1 and message.data[0] in tuple(Wake):
            return Wake(message.data[0])
        if message.type in (WSMsgType.BINARY, WSMsgType.TEXT) or isinstance(message.data, WebSocketError):
            raise RelayError("relay-garbage")
        denied = self._socket.close_code == api.CLOSED_DENIED
        raise RelayError("relay-denied" if denied else "relay-unreachable")

    async def close(self) -> None:
        await self._socket.close()


async def _read(response: ClientResponse, most: int) -> bytes:
    """A body of at most `most` bytes. Raises RelayError("relay-garbage") as soon as there are more."""
    if response.content_length is not None:
        if response.content_length > most:
            raise RelayError("relay-garbage")
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > most:
            raise RelayError("relay-garbage")
    return bytes(body)


async def _refuse_redirect(*_: object) -> None:
    """The address was given by an invite or the roster; nobody on the way may send us elsewhere."""
    raise Redirected


def _checked(url: str) -> URL:
    try:
        base = URL(url)
        host = base.host
    except ValueError:
        raise RelayError("relay-unreachable") from None
    if base.scheme not in ("http", "https") or host is None:
        raise RelayError("relay-unreachable")
    if base.scheme == "http" and not _is_loopback(host):
        raise RelayError("relay-plain-http")
    return base.with_query(None).with_fragment(None).with_user(None)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

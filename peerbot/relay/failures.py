"""What it means when a call to a relay fails: each way has one code of the port."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp import ClientResponse
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import DecodeError, msgpack

from peerbot.errors import Conflict, Fact, RelayError
from peerbot.relay import api

_FAILURE: Final = msgpack.Decoder(api.Failure)
_FACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "relay-busy": ("seconds",),
    "relay-conflict": ("seq", "p"),
    "relay-denied": (),
    "relay-founding": (),
    "relay-full": (),
    "relay-io": (),
    "relay-refused": ("check",),
    api.NO_SESSION: (),
}
"""What a relay may say went wrong, with the facts that belong to it; anything else is garbage."""
_FAR: Final = 2**62


class Redirected(Exception):
    """The relay, or somebody on the way, sent us elsewhere."""


CLIENT_FAILURES: Final = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, ValueError, Redirected)
"""What the HTTP client raises when the network or the other side misbehaves. Anything else is a mistake of ours."""


def from_answer(response: ClientResponse, body: bytes) -> RelayError:
    """The error an answer other than 200 stands for."""
    if response.content_type != api.MEDIA_TYPE:
        return _from_stranger(response.status, response.headers.get("Retry-After", ""))
    try:
        failure = _FAILURE.decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return RelayError("relay-garbage")
    names = _FACTS.get(failure.code)
    if names is None or not all(name in failure.facts and _plain(failure.facts[name]) for name in names):
        return RelayError("relay-garbage")
    facts = {name: failure.facts[name] for name in names}
    return Conflict(failure.code, **facts) if failure.code == "relay-conflict" else RelayError(failure.code, **facts)


def from_exception(error: Exception) -> RelayError:
    """The error an exception of the HTTP client stands for."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return RelayError("relay-unreachable", reason="timeout")
        case TimeoutError():
            return RelayError("relay-slow")
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            return RelayError("relay-unreachable", reason="tls")
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError() | OSError():
            return RelayError("relay-unreachable")
        case _:
            return RelayError("relay-garbage")


def from_handshake(error: Exception) -> RelayError:
    """The error a failed WebSocket handshake stands for; it shows no more than its status."""
    if not isinstance(error, aiohttp.WSServerHandshakeError):
        return from_exception(error)
    if error.status == 401:
        return RelayError(api.NO_SESSION)
    if error.status == 403:
        return RelayError("relay-denied")
    return _from_stranger(error.status, error.headers.get("Retry-After", "") if error.headers is not None else "")


def _from_stranger(status: int, retry_after: str) -> RelayError:
    """An answer that isn't in a relay's words: mostly from a proxy before it."""
    if status == 429:
        seconds = int(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else 1
        return RelayError("relay-busy", seconds=seconds)
    return RelayError("relay-unreachable" if status in (502, 503, 504) else "relay-garbage")


def _plain(fact: Fact) -> bool:
    """A number, or the short name of a check: it will be shown to a person."""
    if isinstance(fact, int):
        return -_FAR < fact < _FAR
    return len(fact) <= 32 and fact.isascii() and fact.replace("-", "").isalnum()

"""The way to the Bot API: the token joins a request in the last layer, below everything that logs or raises."""

from __future__ import annotations

import logging
import re
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from peerbot.config.values import is_loopback
from peerbot.errors import PeerbotError, UserError

STAND_IN: Final = "0:token"
"""What python-telegram-bot and httpx take for the token. No real one begins with 0."""
OFFICIAL: Final = "https://api.telegram.org/bot"
_TOKEN: Final = re.compile(r"([1-9]\d{0,15}):[A-Za-z0-9_-]{1,64}")
_CONNECTIONS: Final = 32


class Token:
    """A bot's token, which shows itself nowhere. Raises PeerbotError("telegram-token") for what can't be one."""

    __slots__ = ("_text", "bot")

    def __init__(self, text: str) -> None:
        found = _TOKEN.fullmatch(text.strip())
        if found is None:
            raise PeerbotError("telegram-token")
        self._text = found[0]
        self.bot = found[1]
        """The bot's own id, which is no secret."""

    def put_into(self, path: bytes) -> bytes:
        return path.replace(STAND_IN.encode(), self._text.encode(), 1)

    def __repr__(self) -> str:
        return f"<Token of {self.bot}>"


class TokenTransport(httpx.AsyncBaseTransport):
    """Exchanges the stand-in for the token on the way out.

    The Bot API wants the token in the address, and addresses are what HTTP clients log and put into exceptions. So the
    client above only ever knows the stand-in.
    """

    def __init__(self, token: Token, base_url: str) -> None:
        self._token = token
        self._wire = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_connections=_CONNECTIONS), proxy=proxy_for(base_url)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._wire.handle_async_request(
            httpx.Request(
                request.method,
                request.url.copy_with(raw_path=self._token.put_into(request.url.raw_path)),
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        )

    async def aclose(self) -> None:
        await self._wire.aclose()


def checked_base_url(base_url: str) -> str:
    """The address without what python-telegram-bot appends. Raises UserError("telegram-base-url")."""
    base_url = base_url or OFFICIAL
    parts = urlsplit(base_url)
    if not base_url.endswith("/bot") or not parts.hostname or "{" in base_url:
        raise UserError("telegram-base-url")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise UserError("telegram-base-url")
    return base_url


def hush() -> None:
    """At DEBUG they print what people write, whoever turned the root logger up."""
    for name in ("telegram", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names. httpx looks there itself only where it makes its own transport."""
    parts = urlsplit(base_url)
    if parts.hostname is None or is_loopback(parts.hostname) or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)

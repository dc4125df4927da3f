"""Calls of the Bot API through python-telegram-bot, with failures sorted by what may have happened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

import httpx
from telegram import Bot
from telegram.error import TelegramError
from telegram.request import HTTPXRequest, RequestData

from peerbot.bots.telegram.transport import STAND_IN, Token, TokenTransport, checked_base_url, hush

LONGEST_POLL: Final = 50
"""Seconds; Telegram shortens what is longer."""
_MARGIN: Final = 10.0
_UNSENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


class Trouble(Enum):
    """Why a call didn't work."""

    UNSENT = "it never left this machine"
    LOST = "it may have been carried out"
    LIMITED = "too many"
    REFUSED = "not like this"
    FORBIDDEN = "not to them"
    TOKEN = "unknown token"  # noqa: S105
    CONFLICT = "somebody else polls"


class CallFailed(TelegramError):
    """A call that didn't work. `said` is the platform's own description, which may quote people: not for logs."""

    def __init__(self, trouble: Trouble, *, said: str = "", seconds: int = 0) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
        self.said = said
        self.seconds = seconds


class QuietRequest(HTTPXRequest):
    """Judges answers itself: python-telegram-bot would log what it can't read, warn at every 429, and not tell a
    request that never left from one whose answer was lost.
    """

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *timeouts: Any, **more: Any
    ) -> tuple[int, bytes]:
        try:
            status, payload = await super().do_request(url, method, request_data, *timeouts, **more)
        except Exception as error:
            unsent = isinstance(error, _UNSENT) or isinstance(error.__cause__, _UNSENT)
            raise CallFailed(Trouble.UNSENT if unsent else Trouble.LOST) from None
        if status != 200:
            raise _failure(status, payload)
        return status, payload

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        found = _json(payload)
        if "result" not in found:
            raise CallFailed(Trouble.LOST)
        return found


class PollingBot(Bot):
    """A bot that hands out updates as they came, so that one that can't be read doesn't cost its whole batch."""

    __slots__ = ()

    async def raw_updates(self, offset: int, seconds: int, allowed: Sequence[str]) -> list[object]:
        """Up to 100, oldest first, after waiting up to `seconds`. Confirms all before `offset`; 0 confirms none."""
        found = await self._post(
            "getUpdates",
            {"offset": offset or None, "timeout": seconds, "allowed_updates": list(allowed)},
            read_timeout=seconds + _MARGIN,
        )
        if not isinstance(found, list):
            raise CallFailed(Trouble.LOST)
        return found


def make_bot(token: Token, base_url: str, patience: float = 20.0) -> PollingBot:
    """A bot for the Bot API at an address that ends in /bot; empty is Telegram's own. `patience` in seconds is how long
    an answer may take.

    Raises UserError("telegram-base-url").
    """
    hush()
    base_url = checked_base_url(base_url)
    request = QuietRequest(
        connect_timeout=10.0,
        pool_timeout=10.0,
        write_timeout=10.0,
        read_timeout=patience,
        httpx_kwargs={"transport": TokenTransport(token, base_url)},
    )
    return PollingBot(STAND_IN, base_url=base_url, request=request, get_updates_request=request)


def _failure(status: int, payload: bytes) -> CallFailed:
    found = _json(payload)
    said = str(found.get("description", ""))
    parameters = found.get("parameters")
    if status == 429:
        after = parameters.get("retry_after") if isinstance(parameters, dict) else None
        return CallFailed(Trouble.LIMITED, said=said, seconds=after if isinstance(after, int) and after > 0 else 1)
    kinds = {400: Trouble.REFUSED, 403: Trouble.FORBIDDEN, 409: Trouble.CONFLICT}
    # Without Telegram's own JSON it is some other server that answers here: a wrong address, a captive portal.
    if status in (401, 404) and found.get("ok") is False:
        return CallFailed(Trouble.TOKEN, said=said)
    return CallFailed(kinds.get(status, Trouble.REFUSED if 400 <= status < 500 else Trouble.LOST), said=said)


def _json(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

"""The Bot API itself: `async with BotApi() as api`, then `api.base_url`, `api.token`, `api.user("Anna")`."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiogram.methods import TelegramMethod
from aiohttp import web

from tests.support.bot_api.chats import Chat, Chats, Json
from tests.support.bot_api.judge import Judge, check_result, check_update
from tests.support.bot_api.limits import Limits
from tests.support.bot_api.methods import Methods
from tests.support.bot_api.people import Group, User
from tests.support.bot_api.refusal import Refusal, bad_request
from tests.support.bot_api.trouble import Rule, Trouble
from tests.support.bot_api.updates import Updates

TOKEN = "1000000001:AAcanaryTokenThatMayStandNowhere_-9xQ"
USERNAME = "peerbot_test_bot"
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request and how it was answered; status 0 is not at all."""

    method: str
    args: Mapping[str, str]
    parsed: TelegramMethod[Any] | None
    status: int
    at: float


class BotApi:
    """Telegram for one bot. `now` in seconds since 1970 dates messages and measures limits; `delay` are the three
    seconds for which Telegram holds up polls that come too often.

    At its end it fails if a request was refused by aiogram or teremok: the platform would refuse it too. A test that
    wants that clears `complaints`.
    """

    def __init__(
        self,
        token: str = TOKEN,
        *,
        topics: bool = False,
        now: Callable[[], float] = time.time,
        delay: float = 3.0,
    ) -> None:
        self.token = token
        self.known_token: str | None = token
        """What Telegram takes for the bot's token; None for none."""
        me = {"id": int(token.split(":")[0]), "is_bot": True, "first_name": "Open Door", "username": USERNAME}
        self.chats = Chats()
        self.limits = Limits(now)
        self.updates = Updates(now, delay=delay)
        self.methods = Methods({**me, "has_topics_enabled": topics}, self.chats, self.updates, self.limits, now)
        self.trouble = Trouble()
        self.calls: list[Call] = []
        self.complaints: list[str] = []
        self.latency = 0.0
        self.port = 0
        self._me = me
        self._now = now
        self._judge = Judge()
        self._runner: web.AppRunner | None = None
        self._changed = asyncio.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/bot"

    def user(self, name: str = "Anna", *, started: bool = True) -> User:
        chat = self.chats.add(Chat(self.chats.next_id("private"), "private", name, started=started))
        return User(chat, self.push, self._now, self._me, self.methods.queries)

    def group(self, title: str = "Neighbours", kind: str = "supergroup") -> Group:
        chat = self.chats.add(Chat(self.chats.next_id(kind), kind, title, inside=False))
        group = self.methods.groups[chat.id] = Group(chat, self.push, self._now, self._me)
        return group

    def push(self, kind: str, content: Json) -> int | None:
        """Queue a copy of an update as it stands now."""
        update = json.loads(json.dumps({"update_id": 0, kind: content}))
        check_update(update)
        return self.updates.push(kind, update[kind])

    def made(self, method: str) -> list[Call]:
        """Calls of one method, as they were answered."""
        return [call for call in self.calls if call.method.lower() == method.lower()]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition that changes with calls; for others too, a little later."""
        async with asyncio.timeout(_PATIENCE):
            while not condition():
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def start(self) -> None:
        """Listen; again on the same port after `stop`."""
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections."""
        self.updates.end_polls()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> BotApi:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if error is None:
            assert not self.complaints, "\n".join(self.complaints)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        name, args, at = request.match_info["method"], await _args(request), self._now()
        if self.latency:
            await asyncio.sleep(self.latency)
        parsed, complaints = await self._judge.complaints(name, args)
        self.complaints += [f"{name}: {complaint}" for complaint in complaints]
        rule = self.trouble.met(name, args)
        try:
            status, body = await self._answer(request, name, parsed, complaints, rule)
        except Refusal as refusal:
            status, body = refusal.status, json.dumps(refusal.body()).encode()
        except Exception:
            # A mistake of ours, not of the bot's: it must not pass for trouble of Telegram's.
            self.complaints.append(traceback.format_exc())
            status, body = 500, b""
        if rule is not None and rule.lose:
            status = 0
        self.calls.append(Call(name, args, parsed, status, at))
        self._changed.set()
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 500, body=body, content_type="application/json")

    async def _answer(
        self,
        request: web.Request,
        name: str,
        parsed: TelegramMethod[Any] | None,
        complaints: list[str],
        rule: Rule | None,
    ) -> tuple[int, bytes]:
        """Status and body; status 0 is no answer."""
        token = request.match_info["token"]
        if token != self.known_token:
            raise Refusal(401, "Unauthorized") if ":" in token else Refusal(404, "Not Found")
        if rule is not None:
            if rule.gate is not None:
                await rule.gate.wait()
            if rule.refusal is not None:
                raise rule.refusal
            if rule.cut:
                return 0, b""
            if rule.raw is not None:
                return rule.raw
        do = self.methods.named(name)
        if parsed is None or complaints:
            raise bad_request("; ".join(complaints))
        result = await do(parsed)
        if name.lower() != "getupdates":
            check_result(parsed, result)
        return 200, json.dumps({"ok": True, "result": result}).encode()


async def _args(request: web.Request) -> dict[str, str]:
    """Parameters from wherever the Bot API takes them."""
    found = dict(request.query)
    if request.content_type == "application/json":
        sent = await request.json()
        found |= {key: value if isinstance(value, str) else json.dumps(value) for key, value in sent.items()}
    else:
        found |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    return found

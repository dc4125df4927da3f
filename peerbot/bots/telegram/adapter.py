"""Telegram as core.doors.Adapter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from peerbot.bots.telegram.calls import make_bot
from peerbot.bots.telegram.errands import Errands
from peerbot.bots.telegram.intake import Intake
from peerbot.bots.telegram.pace import Pace
from peerbot.bots.telegram.polling import Events, Poller, Tell
from peerbot.bots.telegram.profile import Entry, Profile, look, set_up
from peerbot.bots.telegram.sending import Sender
from peerbot.bots.telegram.transport import Token
from peerbot.clock import Clock
from peerbot.core.doors import Delivery, Platform, Saying
from peerbot.core.text import clean_line
from peerbot.errors import PeerbotError

LONGEST_TITLE = 128


def _ignore(_code: str) -> None: ...


class TelegramAdapter:
    """A bot in private chats. `tell` hears how the way to Telegram is when that changes: a code with a sentence, or ""
    for well. `steady` measures spans.

    Raises PeerbotError("telegram-token") for what can't be a token, UserError("telegram-base-url").
    """

    platform = Platform.TELEGRAM

    def __init__(
        self,
        token: str,
        store: Events,
        clock: Clock,
        *,
        base_url: str = "",
        tell: Tell = _ignore,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        known = Token(token)
        self._bot = make_bot(known, base_url)
        self._username = ""
        self._token_died = asyncio.Event()
        self._errands = Errands(self._bot)
        self._sender = Sender(self._bot, Pace(clock, steady), self._token_died.set)
        intake = Intake(self._bot, known.bot, clock, lambda: self._username)
        self._poller = Poller(self._bot, known.bot, store, intake, clock, tell)

    async def __aenter__(self) -> TelegramAdapter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._bot.request.shutdown()

    async def set_up(self, menus: Mapping[str, Sequence[Entry]]) -> Profile:
        """Make the bot ready: no webhook, the menu in each language ("" for all others). Before `run`.

        Raises as `look`, and ValueError for a menu that Telegram doesn't take.
        """
        await set_up(self._bot, menus)
        return await self.look()

    async def look(self) -> Profile:
        """How the bot appears, changing nothing.

        Raises PeerbotError: telegram-token, telegram-unreachable, telegram-busy, telegram-refused.
        """
        profile = await look(self._bot)
        self._username = profile.username
        return profile

    async def run(self) -> None:
        """Read events into the store until cancelled. Raises PeerbotError("telegram-token"), VaultError."""
        tasks = [
            asyncio.create_task(self._poller.poll(self._errands.take)),
            asyncio.create_task(self._errands.run()),
            asyncio.create_task(self._until_token_dies()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def send(self, delivery: Delivery, saying: Saying) -> str:
        """The message's id, or a JSON list of ids where it took several messages; replies go to the first.

        Raises SendFailed.
        """
        return await self._sender.send(delivery, saying)

    async def open_topic(self, chat: str, title: str) -> str:
        """A topic of its own in somebody's chat, for Saying.topic, where Profile.topics says so. Raises SendFailed."""
        return await self._sender.open_topic(chat, clean_line(title)[:LONGEST_TITLE] or "…")

    async def _until_token_dies(self) -> None:
        await self._token_died.wait()
        raise PeerbotError("telegram-token")

"""One delivery as messages of Telegram, and its failures as what the delivery worker understands."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from telegram import InlineKeyboardMarkup, LinkPreviewOptions, ReplyParameters
from telegram.constants import ParseMode

from peerbot.bots.telegram.calls import CallFailed, PollingBot, Trouble
from peerbot.bots.telegram.pace import Pace
from peerbot.bots.telegram.text import keyboard, parts
from peerbot.core.doors import Delivery, Saying, SendFailed, What

T = TypeVar("T")
_Key = tuple[str, str, What, bytes, int]

LATER: Final = 300.0
"""Seconds until somebody may have put the bot's token right."""
_MOST_BEGUN: Final = 1_000
_NO_THREAD: Final = ("thread not found", "TOPIC_")


class Sender:
    """Sends. `token_died` is told when Telegram doesn't know the token any more."""

    def __init__(self, bot: PollingBot, pace: Pace, token_died: Callable[[], None]) -> None:
        self._bot = bot
        self._pace = pace
        self._token_died = token_died
        # Parts that arrived before one of them failed: the next try goes on behind them.
        self._begun: OrderedDict[_Key, list[int]] = OrderedDict()

    async def send(self, delivery: Delivery, saying: Saying) -> str:
        """The message's id, or a JSON list where it took several messages. Raises SendFailed."""
        texts, buttons = parts(saying.text), keyboard(saying.buttons)
        if not texts:
            raise SendFailed("telegram-empty")
        key = (delivery.chat, delivery.key, delivery.what, delivery.cid, delivery.p)
        sent = self._begun.pop(key, [])
        try:
            for text in texts[len(sent) :]:
                last = len(sent) == len(texts) - 1
                about = first_id(saying.about) if not sent else None
                sent.append(await self._message(delivery.chat, text, saying.topic, about, buttons if last else None))
        except SendFailed as failed:
            if sent and (failed.again is not None or failed.unknown):
                self._keep(key, sent)
            raise
        return str(sent[0]) if len(sent) == 1 else json.dumps(sent)

    async def open_topic(self, chat: str, title: str) -> str:
        """A new topic in somebody's chat, where the bot has topics. Raises SendFailed."""
        made = await self._in_turn(chat, lambda: self._bot.create_forum_topic(chat_id=int(chat), name=title))
        return str(made.message_thread_id)

    async def _message(
        self, chat: str, text: str, topic: str, about: int | None, buttons: InlineKeyboardMarkup | None
    ) -> int:
        async def say(thread: int | None) -> int:
            message = await self._bot.send_message(
                chat_id=int(chat),
                text=text,
                parse_mode=ParseMode.HTML,
                message_thread_id=thread,
                # Telegram would fetch what a link leads to, and say to whoever is there that somebody wrote of it.
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                protect_content=True,
                reply_parameters=ReplyParameters(about, allow_sending_without_reply=True) if about else None,
                reply_markup=buttons,
            )
            return message.message_id

        # Outside of topics a chat has no thread, not even a number for it.
        thread = int(topic) if topic else None
        try:
            return await self._in_turn(chat, lambda: say(thread))
        except _ThreadGone:
            return await self._in_turn(chat, lambda: say(None))

    async def _in_turn(self, chat: str, call: Callable[[], Awaitable[T]]) -> T:
        await self._pace.turn(chat)
        try:
            done = await call()
        except CallFailed as failed:
            raise self._meaning(chat, failed) from None
        except Exception:
            # Telegram did it; only its answer can't be read.
            raise SendFailed("telegram-garbage", unknown=True) from None
        self._pace.went_through()
        return done

    def _meaning(self, chat: str, failed: CallFailed) -> SendFailed:
        match failed.trouble:
            case Trouble.UNSENT:
                return SendFailed("telegram-unreachable", again=0.0, wide=True)
            case Trouble.LOST:
                return SendFailed("telegram-lost", unknown=True)
            case Trouble.LIMITED:
                return self._pace.limited(chat, failed.seconds)
            case Trouble.FORBIDDEN:
                return SendFailed("telegram-forbidden", gone=True)
            case Trouble.TOKEN:
                self._token_died()
                return SendFailed("telegram-token", again=LATER, wide=True)
        if any(words in failed.said for words in _NO_THREAD):
            return _ThreadGone("telegram-refused")
        # What somebody deleted with their account is as gone as one who blocked us.
        return SendFailed("telegram-refused", gone="chat not found" in failed.said)

    def _keep(self, key: _Key, sent: list[int]) -> None:
        self._begun[key] = sent
        if len(self._begun) > _MOST_BEGUN:
            self._begun.popitem(last=False)


class _ThreadGone(SendFailed):
    """The topic isn't there any more; their chat is."""


def first_id(platform_id: str) -> int | None:
    """The message that a delivery's platform id names; of several the first. None for what is no such id."""
    try:
        found = json.loads(platform_id) if platform_id else None
    except ValueError:
        return None
    if isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, int) and found > 0 else None

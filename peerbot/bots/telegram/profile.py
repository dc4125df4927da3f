"""How the bot presents itself, and what must be right before it can listen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from telegram import BotCommand, BotCommandScopeAllPrivateChats
from telegram.error import TelegramError

from peerbot.bots.telegram.calls import CallFailed, PollingBot
from peerbot.bots.telegram.polling import code_of
from peerbot.errors import PeerbotError

LONGEST_PAYLOAD: Final = 64
_COMMAND: Final = re.compile(r"[a-z0-9_]{1,32}")
_MOST_COMMANDS: Final = 100
_LONGEST_DESCRIPTION: Final = 256


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the bot's menu."""

    command: str
    description: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What Telegram shows of the bot. `name` shows on lock screens; `username` is what links name; `topics` says
    whether chats can have topics, `groups` whether anybody can put it into a group.
    """

    name: str
    username: str
    topics: bool
    groups: bool


@contextmanager
def asking() -> Iterator[None]:
    """Failures as PeerbotError: telegram-token, telegram-unreachable, telegram-busy, telegram-refused."""
    try:
        yield
    except CallFailed as failed:
        raise PeerbotError(code_of(failed)) from None
    except (TelegramError, LookupError, TypeError, AttributeError):
        # An answer, but not Telegram's.
        raise PeerbotError("telegram-unreachable") from None


async def look(bot: PollingBot) -> Profile:
    """Who the bot is. Raises as `asking`."""
    with asking():
        me = await bot.get_me()
        return Profile(
            name=me.full_name,
            username=me.username or "",
            topics=bool(me.has_topics_enabled),
            groups=bool(me.can_join_groups),
        )


async def set_up(bot: PollingBot, menus: Mapping[str, Sequence[Entry]]) -> None:
    """Remove a webhook without losing what waits, and set the menu for each language, "" for all others.

    Raises as `asking`, and ValueError for a menu that Telegram doesn't take.
    """
    for menu in menus.values():
        _check(menu)
    with asking():
        if (await bot.get_webhook_info()).url:
            await bot.delete_webhook(drop_pending_updates=False)
        for language, menu in menus.items():
            await bot.set_my_commands(
                [BotCommand(entry.command, entry.description) for entry in menu],
                scope=BotCommandScopeAllPrivateChats(),
                language_code=language or None,
            )


def deep_link(username: str, code: str) -> str:
    """A link that opens the bot and hands it `code`. Raises ValueError for a code that such links can't carry."""
    if not re.fullmatch(f"[A-Za-z0-9_-]{{1,{LONGEST_PAYLOAD}}}", code) or not re.fullmatch(r"\w{4,32}", username):
        raise ValueError("a deep link carries up to 64 letters, digits, _ and -")
    return f"https://t.me/{username}?start={code}"


def _check(menu: Sequence[Entry]) -> None:
    """Telegram's limits, which python-telegram-bot doesn't check."""
    fine = all(_COMMAND.fullmatch(e.command) and 1 <= len(e.description) <= _LONGEST_DESCRIPTION for e in menu)
    if not fine or len(menu) > _MOST_COMMANDS:
        raise ValueError("a command has up to 32 of a-z, 0-9 and _, a description up to 256 characters")

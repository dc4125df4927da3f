"""From Telegram's updates to events without a platform."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from telegram import Bot, CallbackQuery, Chat, ChatMemberUpdated, Message, Update
from telegram.constants import ChatMemberStatus, ChatType

from peerbot.clock import Clock, epoch_seconds
from peerbot.core.doors import Incoming, Platform, Sort

ALLOWED: Final = ("message", "edited_message", "callback_query", "my_chat_member")
"""What Telegram is asked to send. Nothing that it may add later comes unasked."""
_INSIDE: Final = (ChatMemberStatus.MEMBER, ChatMemberStatus.ADMINISTRATOR, ChatMemberStatus.RESTRICTED)


@dataclass(frozen=True, slots=True)
class Batch:
    """What came with one poll. `last` is the last update's number, None where not even that could be read; `answer` are
    presses of buttons that wait for a sign, `leave` chats that aren't private ones; `skipped` couldn't be read.
    """

    last: int | None
    events: tuple[Incoming, ...]
    answer: tuple[str, ...] = field(default=(), repr=False)
    leave: frozenset[int] = field(default=frozenset(), repr=False)
    skipped: int = 0


class Intake:
    """Sorts updates. `own_id` is the bot's, `username` gives its name, once that is known."""

    def __init__(self, bot: Bot, own_id: str, clock: Clock, username: Callable[[], str]) -> None:
        self._bot = bot
        self._own_id = own_id
        self._clock = clock
        self._username = username

    def batch(self, raws: Sequence[object]) -> Batch:
        """Each update for itself: one that can't be read doesn't touch the others."""
        last, skipped = None, 0
        events: dict[str, Incoming] = {}
        answer: list[str] = []
        leave: set[int] = set()
        for raw in raws:
            if not isinstance(raw, dict) or not isinstance(raw.get("update_id"), int):
                skipped += 1
                continue
            last = raw["update_id"]
            try:
                update = Update.de_json(raw, self._bot)
                event = self._event(update)
            except Exception:
                # Whatever is wrong with it, it will be wrong again at every try. Its text says too much for a log.
                skipped += 1
                continue
            chat = update.effective_chat
            if chat is not None and chat.type != ChatType.PRIVATE:
                leave |= _to_leave(update, chat)
                continue
            if update.callback_query is not None:
                answer.append(update.callback_query.id)
            if event is not None:
                events.setdefault(event.key, event)
        return Batch(last, tuple(events.values()), tuple(answer), frozenset(leave), skipped)

    def _event(self, update: Update) -> Incoming | None:
        key = str(update.update_id)
        if update.message is not None:
            return self._message(key, update.message)
        if update.edited_message is not None:
            return _edit(key, update.edited_message)
        if update.callback_query is not None:
            return self._button(key, update.callback_query)
        if update.my_chat_member is not None:
            return _gone(key, update.my_chat_member)
        return None

    def _message(self, key: str, message: Message) -> Incoming | None:
        text, payload = self._addressed(_whole(message.text or message.caption or "")), ""
        if message.text is not None:
            sort = Sort.TEXT
            if text.split(maxsplit=1)[:1] == ["/start"]:
                sort, payload = Sort.START, text.removeprefix("/start").strip()
        elif message.effective_attachment is not None or message.checklist is not None:
            sort = Sort.OTHER
        else:
            # A service message (pinned, topic made, timer changed): nothing anybody wrote.
            return None
        return Incoming(
            platform=Platform.TELEGRAM,
            key=key,
            chat=str(message.chat.id),
            sort=sort,
            at=epoch_seconds(message.date),
            text=text,
            payload=payload,
            message=str(message.message_id),
            about=self._answered(message),
            topic=_topic(message),
        )

    def _answered(self, message: Message) -> str:
        """What of ours it replies to. In a topic a message that answers nothing "replies" to the topic's first one."""
        replied = message.reply_to_message
        if replied is None or replied.forum_topic_created is not None or replied.from_user is None:
            return ""
        return str(replied.message_id) if str(replied.from_user.id) == self._own_id else ""

    def _addressed(self, text: str) -> str:
        """ "/help@our_bot" is "/help"."""
        word = text.split(maxsplit=1)[0] if text.startswith("/") else ""
        command, _, name = word.partition("@")
        return command + text[len(word) :] if name and name.lower() == self._username().lower() else text

    def _button(self, key: str, query: CallbackQuery) -> Incoming | None:
        if query.data is None:
            return None
        under = query.message
        return Incoming(
            platform=Platform.TELEGRAM,
            key=key,
            # In a private chat the chat's id is the person's. A very old message comes without its chat.
            chat=str(under.chat.id if under is not None else query.from_user.id),
            sort=Sort.BUTTON,
            # Telegram doesn't say when a button was pressed.
            at=epoch_seconds(self._clock.now()),
            payload=_whole(query.data),
            about=str(under.message_id) if under is not None else "",
            topic=_topic(under) if isinstance(under, Message) else "",
        )


def _edit(key: str, message: Message) -> Incoming | None:
    text = _whole(message.text or message.caption or "")
    if not text:
        # A live location moves by edits, for one.
        return None
    return Incoming(
        platform=Platform.TELEGRAM,
        key=key,
        chat=str(message.chat.id),
        sort=Sort.EDIT,
        at=epoch_seconds(message.edit_date or message.date),
        text=text,
        about=str(message.message_id),
        topic=_topic(message),
    )


def _gone(key: str, change: ChatMemberUpdated) -> Incoming | None:
    if change.new_chat_member.status != ChatMemberStatus.BANNED:
        return None
    return Incoming(
        platform=Platform.TELEGRAM, key=key, chat=str(change.chat.id), sort=Sort.GONE, at=epoch_seconds(change.date)
    )


def _to_leave(update: Update, chat: Chat) -> set[int]:
    """A group or channel we were put into. Having been thrown out is no reason to knock again."""
    change = update.my_chat_member
    return set() if change is not None and change.new_chat_member.status not in _INSIDE else {chat.id}


def _topic(message: Message) -> str:
    thread = message.message_thread_id
    return str(thread) if message.is_topic_message and thread is not None else ""


def _whole(text: str) -> str:
    """Half a surrogate pair can be written in JSON and stored nowhere."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

"""Chats as the bot sees them, and their messages as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.bot_api.refusal import Refusal, bad_request

Json = dict[str, Any]


@dataclass(slots=True)
class Chat:
    """One chat. Message ids count in each chat by themselves, so that mixing up two chats shows."""

    id: int
    kind: str
    name: str
    started: bool = False
    blocked: bool = False
    deleted: bool = False
    inside: bool = True
    """Whether the bot is in this group."""
    messages: dict[int, Json] = field(default_factory=dict)
    topics: dict[int, str] = field(default_factory=dict)
    _last: int = 0

    def json(self) -> Json:
        named = {"first_name": self.name} if self.kind == "private" else {"title": self.name}
        return {"id": self.id, "type": self.kind, **named}

    def writable(self) -> None:
        """Raises Refusal where the bot can't write here."""
        if self.kind != "private":
            if not self.inside:
                raise Refusal(403, f"Forbidden: bot is not a member of the {self.kind} chat")
        elif self.deleted:
            raise Refusal(403, "Forbidden: user is deactivated")
        elif self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        elif not self.started:
            raise Refusal(403, "Forbidden: bot can't initiate conversation with a user")

    def add(self, sender: Json, at: int, content: Json, *, thread: int | None = None, about: int | None = None) -> Json:
        """A new message; `about` is what it replies to."""
        self._last += 1
        message: Json = {"message_id": self._last, "from": sender, "chat": self.json(), "date": at, **content}
        if thread is not None:
            message |= {"message_thread_id": thread, "is_topic_message": True}
            # Telegram has every message in a topic reply to something: to the topic's first message if to nothing.
            about = thread if about is None else about
        if about is not None and about in self.messages:
            message["reply_to_message"] = {k: v for k, v in self.messages[about].items() if k != "reply_to_message"}
        self.messages[self._last] = message
        return message

    def open_topic(self, creator: Json, at: int, name: str) -> int:
        """The topic's number is that of the message that tells of it."""
        message = self.add(creator, at, {"forum_topic_created": {"name": name, "icon_color": 0x6FB9F0}})
        number: int = message["message_id"]
        self.topics[number] = name
        message |= {"message_thread_id": number, "is_topic_message": True}
        return number

    def thread(self, number: int | None) -> int | None:
        """Raises Refusal where there is no such topic. The general one has no number to send to."""
        if number is not None and number not in self.topics:
            raise bad_request("message thread not found")
        return number


class Chats:
    """All chats the bot may know of."""

    def __init__(self) -> None:
        self._chats: dict[int, Chat] = {}

    def add(self, chat: Chat) -> Chat:
        self._chats[chat.id] = chat
        return chat

    def find(self, number: int | str) -> Chat:
        """Raises Refusal 400."""
        chat = self._chats.get(int(number)) if str(number).lstrip("-").isdecimal() else None
        if chat is None:
            raise bad_request("chat not found")
        return chat

    def next_id(self, kind: str) -> int:
        count = len(self._chats) + 1
        return 7_000_000_000 + count if kind == "private" else -1_002_000_000_000 - count

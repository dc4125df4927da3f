"""People with Telegram on their phones, to be told what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.bot_api.chats import Chat, Json
from tests.support.bot_api.refusal import Refusal

Push = Callable[[str, Json], int | None]


@dataclass(frozen=True, slots=True)
class Seen:
    """A message of the bot's as it stands in somebody's chat."""

    id: int
    text: str
    buttons: dict[str, str]
    about: int | None
    thread: int | None
    protected: bool


class User:
    """Somebody and their private chat with the bot. Each action becomes an update, if the bot asked for its kind."""

    def __init__(self, chat: Chat, push: Push, now: Callable[[], float], bot: Json, queries: dict[str, bool]) -> None:
        self.chat = chat
        self.id = chat.id
        self._push = push
        self._now = now
        self._bot = bot
        self._queries = queries

    def starts(self, payload: str = "") -> int:
        """Press Start, perhaps on a link that carries something."""
        self.chat.started, self.chat.blocked = True, False
        return self.says(f"/start {payload}".rstrip())

    def says(self, text: str, *, about: int | None = None, topic: int | None = None) -> int:
        """Write a message; returns its id."""
        self.chat.started = True
        content: Json = {"text": text}
        if text.startswith("/"):
            content["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]
        return self.sends(content, about=about, topic=topic)

    def sends(self, content: Json, *, about: int | None = None, topic: int | None = None) -> int:
        """A message with any content; returns its id."""
        self.chat.started = True
        message = self.chat.add(self.json(), int(self._now()), content, thread=topic, about=about)
        self._push("message", message)
        number: int = message["message_id"]
        return number

    def sticker(self) -> int:
        sizes = {"width": 512, "height": 512, "is_animated": False, "is_video": False}
        return self.sends({"sticker": {"file_id": "s", "file_unique_id": "u", "type": "regular", **sizes}})

    def photo(self, caption: str = "") -> int:
        photo = {"photo": [{"file_id": "p", "file_unique_id": "q", "width": 90, "height": 90}]}
        return self.sends({**photo, "caption": caption} if caption else photo)

    def edits(self, message: int, text: str) -> None:
        found = self.chat.messages[message]
        found |= {"text": text, "edit_date": int(self._now())}
        self._push("edited_message", found)

    def presses(self, label: str, *, message: int | None = None) -> str:
        """Press a button, on the newest message that has it unless told which; returns the query's id."""
        seen = next(s for s in reversed(self.sees()) if label in s.buttons and message in (None, s.id))
        query = str(4_000_000_000 + len(self._queries))
        self._queries[query] = False
        content: Json = {"id": query, "from": self.json(), "chat_instance": "1", "data": seen.buttons[label]}
        self._push("callback_query", {**content, "message": self.chat.messages[seen.id]})
        return query

    def blocks(self) -> None:
        self.chat.blocked = True
        self._member("member", {"status": "kicked", "until_date": 0})

    def unblocks(self) -> None:
        self.chat.blocked = False
        self._member("kicked", {"status": "member"})

    def deletes_account(self) -> None:
        self.chat.deleted = True

    def deletes_topic(self, topic: int) -> None:
        """The bot is not told."""
        del self.chat.topics[topic]

    def sees(self) -> list[Seen]:
        """The bot's messages, oldest first."""
        return [_seen(m) for m in self.chat.messages.values() if m["from"]["is_bot"] and "text" in m]

    def reads(self) -> list[str]:
        return [seen.text for seen in self.sees()]

    def json(self) -> Json:
        return {"id": self.id, "is_bot": False, "first_name": self.chat.name, "language_code": "nb"}

    def _member(self, before: str, after: Json) -> None:
        old: Json = {"status": before, "user": self._bot}
        if before == "kicked":
            old["until_date"] = 0
        change = {"chat": self.chat.json(), "from": self.json(), "date": int(self._now())}
        new: Json = {"user": self._bot, **after}
        self._push("my_chat_member", {**change, "old_chat_member": old, "new_chat_member": new})


class Group:
    """A group, for bots that have no business there."""

    def __init__(self, chat: Chat, push: Push, now: Callable[[], float], bot: Json) -> None:
        self.chat = chat
        self.id = chat.id
        self._push = push
        self._now = now
        self._bot = bot

    def takes_in(self, by: User) -> None:
        """Somebody adds the bot."""
        self.chat.inside = True
        self._member(by.json(), "left", "member")

    def throws_out(self, by: User) -> None:
        self.chat.inside = False
        self._member(by.json(), "member", "left")

    def hears(self, user: User, text: str) -> None:
        """Somebody writes."""
        if self.chat.inside:
            self._push("message", self.chat.add(user.json(), int(self._now()), {"text": text}))

    def loses_bot(self) -> None:
        """The bot leaves. Raises Refusal where it isn't there."""
        if not self.chat.inside:
            raise Refusal(403, f"Forbidden: bot is not a member of the {self.chat.kind} chat")
        self.chat.inside = False
        self._member(self._bot, "member", "left")

    def _member(self, by: Json, before: str, after: str) -> None:
        change = {"chat": self.chat.json(), "from": by, "date": int(self._now())}
        old, new = ({"status": status, "user": self._bot} for status in (before, after))
        self._push("my_chat_member", {**change, "old_chat_member": old, "new_chat_member": new})


def _seen(message: dict[str, Any]) -> Seen:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return Seen(
        id=message["message_id"],
        text=message["text"],
        buttons={button["text"]: button["callback_data"] for row in rows for button in row},
        about=message.get("reply_to_message", {}).get("message_id"),
        thread=message.get("message_thread_id"),
        protected=message.get("has_protected_content", False),
    )

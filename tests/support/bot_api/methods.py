"""What each method of the Bot API does."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiogram import methods as asked
from aiogram.types import InlineKeyboardMarkup, ReplyParameters

from tests.support.bot_api.chats import Chat, Chats, Json
from tests.support.bot_api.limits import Limits
from tests.support.bot_api.markup import formatted
from tests.support.bot_api.people import Group
from tests.support.bot_api.refusal import Refusal, bad_request
from tests.support.bot_api.updates import Updates

DELETABLE_SECONDS: Final = 48 * 3600
_NOT_MODIFIED: Final = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content "
    "and reply markup of the message"
)
_TOO_OLD: Final = "query is too old and response timeout expired or query ID is invalid"
Method = Callable[[Any], Awaitable[object]]


class Methods:
    """The bot's side. `menus` are commands by (scope, language), `queries` say which pressed buttons got a sign."""

    def __init__(self, me: Json, chats: Chats, updates: Updates, limits: Limits, now: Callable[[], float]) -> None:
        self.me = me
        self.menus: dict[tuple[str, str], list[Json]] = {}
        self.queries: dict[str, bool] = {}
        self.groups: dict[int, Group] = {}
        self._chats = chats
        self._updates = updates
        self._limits = limits
        self._now = now

    def named(self, name: str) -> Method:
        """Raises Refusal 404."""
        found: Method | None = getattr(self, f"do_{name.lower()}", None)
        if found is None:
            raise Refusal(404, "Not Found: method not found")
        return found

    async def do_getme(self, _: asked.GetMe) -> Json:
        about = {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}
        return {**self.me, **about, "has_topics_enabled": self.me.get("has_topics_enabled", False)}

    async def do_getupdates(self, method: asked.GetUpdates) -> list[Json]:
        return await self._updates.get(
            method.offset or 0, method.limit or 100, method.timeout or 0, method.allowed_updates
        )

    async def do_setwebhook(self, method: asked.SetWebhook) -> bool:
        self._updates.webhook = method.url
        return True

    async def do_deletewebhook(self, method: asked.DeleteWebhook) -> bool:
        self._updates.webhook = ""
        if method.drop_pending_updates:
            self._updates.waiting.clear()
        return True

    async def do_getwebhookinfo(self, _: asked.GetWebhookInfo) -> Json:
        waiting = len(self._updates.waiting)
        return {"url": self._updates.webhook, "has_custom_certificate": False, "pending_update_count": waiting}

    async def do_setmycommands(self, method: asked.SetMyCommands) -> bool:
        if len(method.commands) > 100:
            raise bad_request("BOT_COMMANDS_TOO_MUCH")
        for entry in method.commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", entry.command):
                raise bad_request("BOT_COMMAND_INVALID")
            if not 1 <= len(entry.description) <= 256:
                raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        if method.language_code and not re.fullmatch("[a-z]{2}", method.language_code):
            raise bad_request("LANG_CODE_INVALID")
        scope = method.scope.type if method.scope is not None else "default"
        self.menus[str(scope), method.language_code or ""] = [
            {"command": entry.command, "description": entry.description} for entry in method.commands
        ]
        return True

    async def do_answercallbackquery(self, method: asked.AnswerCallbackQuery) -> bool:
        if self.queries.get(method.callback_query_id, True):
            raise bad_request(_TOO_OLD)
        self.queries[method.callback_query_id] = True
        return True

    async def do_leavechat(self, method: asked.LeaveChat) -> bool:
        chat = self._chats.find(method.chat_id)
        if chat.id not in self.groups:
            raise bad_request("chat member status can't be changed in private chats")
        self.groups[chat.id].loses_bot()
        return True

    async def do_createforumtopic(self, method: asked.CreateForumTopic) -> Json:
        chat = self._chats.find(method.chat_id)
        chat.writable()
        if not self.me.get("has_topics_enabled"):
            raise bad_request("the chat is not a forum")
        if not 1 <= len(method.name) <= 128:
            raise bad_request("TOPIC_TITLE_INVALID" if method.name else "topic name must be non-empty")
        number = chat.open_topic(self.me, int(self._now()), method.name)
        return {"message_thread_id": number, "name": method.name, "icon_color": 0x6FB9F0}

    async def do_sendmessage(self, method: asked.SendMessage) -> Json:
        chat = self._chats.find(method.chat_id)
        chat.writable()
        text, entities = formatted(method.text, _parse_mode(method.parse_mode))
        thread = chat.thread(method.message_thread_id)
        about = _about(chat, method.reply_parameters)
        self._limits.message(chat.id)
        content: Json = {"text": text}
        if entities:
            content["entities"] = entities
        if method.protect_content is True:
            content["has_protected_content"] = True
        if isinstance(method.reply_markup, InlineKeyboardMarkup):
            content["reply_markup"] = _keyboard(method.reply_markup)
        return chat.add(self.me, int(self._now()), content, thread=thread, about=about)

    async def do_editmessagetext(self, method: asked.EditMessageText) -> Json:
        chat = self._chats.find(method.chat_id or 0)
        chat.writable()
        text, _ = formatted(method.text or "", _parse_mode(method.parse_mode))
        message = chat.messages.get(method.message_id or 0)
        if message is None:
            raise bad_request("message to edit not found")
        if not message["from"]["is_bot"]:
            raise bad_request("message can't be edited")
        markup = _keyboard(method.reply_markup) if method.reply_markup is not None else None
        if (message["text"], message.get("reply_markup")) == (text, markup):
            raise bad_request(_NOT_MODIFIED)
        message |= {"text": text, "edit_date": int(self._now())}
        message.pop("reply_markup", None)
        if markup is not None:
            message["reply_markup"] = markup
        return message

    async def do_deletemessage(self, method: asked.DeleteMessage) -> bool:
        chat = self._chats.find(method.chat_id)
        message = chat.messages.get(method.message_id)
        if message is None:
            raise bad_request("message to delete not found")
        if message["date"] < self._now() - DELETABLE_SECONDS:
            raise bad_request("message can't be deleted for everyone")
        del chat.messages[method.message_id]
        return True


def _about(chat: Chat, reply: ReplyParameters | None) -> int | None:
    if reply is None or reply.message_id in chat.messages:
        return reply.message_id if reply is not None else None
    if reply.allow_sending_without_reply is not True:
        raise bad_request("message to be replied not found")
    return None


def _keyboard(markup: InlineKeyboardMarkup) -> Json:
    for button in (button for row in markup.inline_keyboard for button in row):
        if not button.text.strip():
            raise bad_request("inline keyboard button text must be non-empty")
        if button.callback_data is not None and not 1 <= len(button.callback_data.encode()) <= 64:
            raise bad_request("BUTTON_DATA_INVALID")
    return markup.model_dump(exclude_none=True)


def _parse_mode(value: object) -> str | None:
    # aiogram puts an object of its own where nothing was given.
    return value if isinstance(value, str) else None

"""The Bot API of these tests: does it do what Telegram's does?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.bots.telegram.conftest import NOW
from tests.support.bot_api.server import BotApi
from tests.support.fake_clock import FakeClock


class Client:
    """A bot without a library."""

    def __init__(self, api: BotApi, http: aiohttp.ClientSession) -> None:
        self._api = api
        self._http = http

    async def __call__(self, method: str, **args: Any) -> Any:
        """The result of a call that succeeds."""
        status, body = await self.ask(method, **args)
        assert status == 200, body
        return body["result"]

    async def ask(self, method: str, **args: Any) -> tuple[int, Any]:
        plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in args.items()}
        async with self._http.post(f"{self._api.base_url}{self._api.token}/{method}", data=plain) as answer:
            return answer.status, await answer.json()

    async def updates(self, **args: Any) -> list[int]:
        return [update["update_id"] for update in await self("getUpdates", **args)]


@pytest.fixture
async def bot(api: BotApi) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as http:
        yield Client(api, http)


async def test_an_offset_confirms_what_is_before_it(api: BotApi, bot: Client) -> None:
    anna = api.user()
    for n in range(5):
        anna.says(f"word {n}")
    first = min(api.updates.waiting)
    assert await bot.updates() == [first + n for n in range(5)]
    assert await bot.updates(offset=first, limit=3) == [first, first + 1, first + 2]
    assert await bot.updates(offset=first + 2, limit=2) == [first + 2, first + 3]
    assert sorted(api.updates.waiting) == [first + 2, first + 3, first + 4]
    assert await bot.updates(offset=first + 5) == []
    assert not api.updates.waiting


async def test_a_negative_offset_keeps_only_the_last(api: BotApi, bot: Client) -> None:
    anna = api.user()
    for n in range(5):
        anna.says(f"word {n}")
    last = max(api.updates.waiting)
    assert await bot.updates(offset=-2) == [last - 1, last]
    assert len(api.updates.waiting) == 2


async def test_an_offset_from_another_life_is_none(api: BotApi, bot: Client) -> None:
    api.user().says("hello")
    (number,) = api.updates.waiting
    assert await bot.updates(offset=number + 1_000) == [number]
    assert await bot.updates(offset=1) == [number]


async def test_the_same_offset_at_once_again_shows_one(api: BotApi, bot: Client) -> None:
    """Telegram's way to get past an update on which a bot chokes."""
    anna = api.user()
    for n in range(3):
        anna.says(f"word {n}")
    first = min(api.updates.waiting)
    assert len(await bot.updates(offset=first)) == 3
    assert len(await bot.updates(offset=first)) == 1


async def test_a_poll_waits_for_something(api: BotApi, bot: Client) -> None:
    polling = asyncio.create_task(bot.updates(timeout=50))
    await api.until(lambda: api.updates._poll)
    api.user().says("hello")
    assert len(await polling) == 1


async def test_a_second_poller_ends_the_first(api: BotApi, bot: Client) -> None:
    first = asyncio.create_task(bot.ask("getUpdates", timeout=50))
    await api.until(lambda: api.updates._poll)
    second = asyncio.create_task(bot.updates(timeout=50))
    status, body = await first
    assert (status, body["error_code"]) == (409, 409)
    assert "terminated by other getUpdates request" in body["description"]
    api.user().says("hello")
    assert len(await second) == 1


async def test_a_webhook_keeps_polls_out(api: BotApi, bot: Client) -> None:
    await bot("setWebhook", url="https://elsewhere.example/hook")
    status, body = await bot.ask("getUpdates")
    assert status == 409
    assert "webhook is active" in body["description"]
    api.user().says("hello")
    assert (await bot("getWebhookInfo"))["pending_update_count"] == 1
    await bot("deleteWebhook")
    assert len(await bot.updates()) == 1
    await bot("deleteWebhook", drop_pending_updates="true")
    assert await bot.updates() == []


async def test_only_kinds_that_were_asked_for_are_kept(api: BotApi, bot: Client) -> None:
    anna = api.user()
    await bot.updates(allowed_updates=["message"])
    anna.blocks()
    assert not api.updates.waiting
    await bot.updates(allowed_updates=[])
    anna.unblocks()
    assert len(api.updates.waiting) == 1


async def test_a_day_is_all_it_keeps(api: BotApi, bot: Client, clock: FakeClock) -> None:
    api.user().says("hello")
    clock.move(86_400)
    assert len(await bot.updates()) == 1
    clock.move(1)
    assert await bot.updates() == []


async def test_tokens(api: BotApi, bot: Client) -> None:
    assert (await bot("getMe"))["username"]
    api.known_token = None
    assert (await bot.ask("getMe"))[1] == {"ok": False, "error_code": 401, "description": "Unauthorized"}
    api.token = "no-token"
    assert (await bot.ask("getMe"))[0] == 404


async def test_messages(api: BotApi, bot: Client) -> None:
    anna = api.user()
    asked = anna.says("hello?")
    rows = {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]}
    sent = await bot("sendMessage", chat_id=anna.id, text=" <b>hi</b> &amp; ", parse_mode="HTML", reply_markup=rows)
    assert (sent["message_id"], sent["date"], sent["chat"]["id"]) == (asked + 1, NOW, anna.id)
    assert sent["entities"] == [{"type": "bold", "offset": 1, "length": 2}]
    edited = {"chat_id": anna.id, "message_id": sent["message_id"], "text": "bye"}
    await bot("editMessageText", **edited)
    assert "message is not modified" in (await bot.ask("editMessageText", **edited))[1]["description"]
    assert anna.sees()[0].buttons == {}
    await bot("deleteMessage", chat_id=anna.id, message_id=sent["message_id"])
    assert anna.reads() == []
    for method in ("editMessageText", "deleteMessage"):
        assert (await bot.ask(method, **edited))[0] == 400
    api.complaints.clear()


async def test_after_two_days_a_message_stays(api: BotApi, bot: Client, clock: FakeClock) -> None:
    anna = api.user()
    sent = await bot("sendMessage", chat_id=anna.id, text="hi")
    clock.move(48 * 3600 + 1)
    status, body = await bot.ask("deleteMessage", chat_id=anna.id, message_id=sent["message_id"])
    assert (status, body["description"]) == (400, "Bad Request: message can't be deleted for everyone")


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": " \n\u200b"}, "text must be non-empty"),
        ({"text": "\u202e"}, "text must be non-empty"),
        ({"text": "x" * 4_097}, "message is too long"),
        ({"text": "x", "message_thread_id": 77}, "message thread not found"),
        ({"text": "x", "reply_parameters": {"message_id": 77}}, "message to be replied not found"),
        ({"text": "x", "chat_id": 5}, "chat not found"),
        ({"text": "<b>x", "parse_mode": "HTML"}, "Can't find end tag"),
        ({"text": "<x>x</x>", "parse_mode": "HTML"}, 'Unsupported start tag "x"'),
    ],
)
async def test_messages_it_refuses(api: BotApi, bot: Client, args: dict[str, Any], why: str) -> None:
    status, body = await bot.ask("sendMessage", **{"chat_id": api.user().id, **args})
    assert status == 400
    assert why in body["description"]
    api.complaints.clear()


JUDGED = [
    ("sendMessage", {"text": "x", "parse_mod": "HTML"}, "aiogram knows no parameter parse_mod"),
    ("sendMessage", {}, "aiogram: 1 validation error"),
    ("sendMessage", {"text": "x", "message_thread_id": "one"}, "aiogram: 1 validation error"),
    ("sendMessage", {"text": "x", "reply_parameters": {"message_id": "x"}}, "aiogram: 1 validation"),
    (
        "sendMessage",
        {"text": "x", "reply_parameters": {"message_id": 1, "odd": 1}},
        "aiogram knows no parameter reply_parameters.odd",
    ),
    ("sendMessage", {"text": "a & b", "parse_mode": "HTML"}, "teremok: Bad Request: can't parse"),
    ("sendMessage", {"text": "x" * 4_097}, "teremok: Bad Request: message is too long"),
    (
        "sendMessage",
        {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "é" * 33}]]}},
        "teremok: Bad Request: BUTTON_DATA_INVALID",
    ),
    (
        "sendMessage",
        {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a"}]]}},
        "teremok: Bad Request: can't parse inline keyboard button",
    ),
    ("answerCallbackQuery", {"callback_query_id": "1", "text": "x" * 201}, "teremok: Bad Request: MESSAGE_TOO_LONG"),
    ("sendMesage", {}, "aiogram knows no method sendMesage"),
]


async def one_call(method: str, args: dict[str, Any]) -> None:
    """A Bot API that sees one call, to its end."""
    async with BotApi() as api, aiohttp.ClientSession() as http:
        to = {"chat_id": api.user().id} if method == "sendMessage" else {}
        status, _ = await Client(api, http).ask(method, **to, **args)
        assert status != 200


@pytest.mark.parametrize(("method", "args", "complaint"), JUDGED)
async def test_what_aiogram_or_teremok_refuse_fails_the_test(method: str, args: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AssertionError) as failed:
        await one_call(method, args)
    assert complaint in str(failed.value)


async def test_a_button_gets_one_sign(api: BotApi, bot: Client) -> None:
    anna = api.user()
    rows = {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]}
    await bot("sendMessage", chat_id=anna.id, text="?", reply_markup=rows)
    query = anna.presses("Yes")
    assert await bot("answerCallbackQuery", callback_query_id=query)
    for again in (query, "no such"):
        status, body = await bot.ask("answerCallbackQuery", callback_query_id=again)
        assert (status, "query is too old" in body["description"]) == (400, True)


async def test_limits(api: BotApi, bot: Client, clock: FakeClock) -> None:
    anna = api.user()
    api.limits.per_second = 2
    await bot("sendMessage", chat_id=anna.id, text="1")
    await bot("sendMessage", chat_id=anna.id, text="2")
    status, body = await bot.ask("sendMessage", chat_id=anna.id, text="3")
    assert (status, body["parameters"]) == (429, {"retry_after": 3})
    assert body["description"] == "Too Many Requests: retry after 3"
    clock.move(2)
    assert (await bot.ask("sendMessage", chat_id=anna.id, text="3"))[1]["parameters"] == {"retry_after": 1}
    clock.move(1)
    await bot("sendMessage", chat_id=anna.id, text="3")
    api.limits.per_second, api.limits.per_chat, api.limits.chat_burst = None, 1, 1
    clock.move(1)
    await bot("sendMessage", chat_id=anna.id, text="4")
    await bot("sendMessage", chat_id=anna.id, text="5")
    assert (await bot.ask("sendMessage", chat_id=anna.id, text="6"))[0] == 429


async def test_an_answer_lost_and_a_request_cut(api: BotApi, bot: Client) -> None:
    anna = api.user()
    api.trouble.cut("sendMessage", chat=anna.id)
    api.trouble.lose_answer("sendMessage", chat=anna.id)
    for n in range(2):
        with pytest.raises(aiohttp.ClientError):
            await bot("sendMessage", chat_id=anna.id, text=f"word {n}")
    assert anna.reads() == ["word 1"]
    assert [call.status for call in api.calls] == [0, 0]


async def test_slow_and_at_other_places(api: BotApi, bot: Client) -> None:
    """Parameters in the address, as JSON, as a form: Telegram takes all."""
    api.latency = 0.01
    anna = api.user()
    url = f"{api.base_url}{api.token}/sendMessage"
    async with aiohttp.ClientSession() as http:
        async with http.get(url, params={"chat_id": str(anna.id), "text": "a"}) as answer:
            assert answer.status == 200
        async with http.post(
            url, json={"chat_id": anna.id, "text": "b", "reply_parameters": {"message_id": 1}}
        ) as answer:
            assert answer.status == 200
    assert [(seen.text, seen.about) for seen in anna.sees()] == [("a", None), ("b", 1)]


async def test_a_mistake_of_its_own_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="NotImplementedError"):
        await one_call("sendMessage", {"text": "x", "parse_mode": "MarkdownV2"})

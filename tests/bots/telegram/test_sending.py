"""Deliveries as messages, and what becomes of those that fail."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from peerbot.bots.telegram.adapter import TelegramAdapter
from peerbot.bots.telegram.calls import CallFailed, Trouble, make_bot
from peerbot.bots.telegram.transport import Token
from peerbot.core.doors import Button, Saying, SendFailed, What
from peerbot.errors import PeerbotError
from tests.bots.telegram.conftest import adapter_of, delivery, running
from tests.support.bot_api.people import User
from tests.support.bot_api.server import BotApi
from tests.support.event_store import MemoryEvents
from tests.support.fake_clock import FakeClock

HOSTILE = [
    "<b>bold</b> <script>alert(1)</script>",
    "</b></i> unopened",
    "<a href='tg://user?id=1'>a moderator</a>",
    "&lt;b&gt; &amp; &nbsp; &#60; &unknown; & <",
    "*bold* _italic_ `code` [link](https://example.org) ||spoiler||",
    "a < b > c \"quoted\" 'too'",
    "/start abc @somebody #tag tg://resolve?domain=x",
]


async def test_a_message(api: BotApi, adapter: TelegramAdapter) -> None:
    anna = api.user()
    asked = anna.says("hello?")
    rows = ((Button("Yes", "y"), Button("No", "n")), (Button("Later", "l"),))
    sent = await adapter.send(delivery(anna), Saying("Are you there?", buttons=rows, about=str(asked)))
    (seen,) = anna.sees()
    assert (sent, seen.text, seen.about) == (str(seen.id), "Are you there?", asked)
    assert seen.buttons == {"Yes": "y", "No": "n", "Later": "l"}
    assert seen.protected
    assert json.loads(api.made("sendMessage")[0].args["link_preview_options"]) == {"is_disabled": True}
    assert "message_thread_id" not in api.made("sendMessage")[0].args


@pytest.mark.parametrize("text", HOSTILE)
async def test_nothing_people_write_is_markup(api: BotApi, adapter: TelegramAdapter, text: str) -> None:
    anna = api.user()
    await adapter.send(delivery(anna), Saying(text))
    assert anna.reads() == [text]
    assert not any("entities" in message for message in anna.chat.messages.values())


async def test_no_tricks_with_directions_and_invisible_signs(api: BotApi, adapter: TelegramAdapter) -> None:
    anna = api.user()
    buttons = ((Button("Y\u202ees\n", "y"),),)
    await adapter.send(delivery(anna), Saying("Wren: \u202egnihton\u2066\u200b\x07 at all\u202c", buttons=buttons))
    (seen,) = anna.sees()
    assert seen.text == "Wren: gnihton at all"
    assert seen.buttons == {"Yes": "y"}


@pytest.mark.parametrize("text", ["", "  \n ", "\u200b\u2060", "\x00"])
async def test_nothing_to_say(api: BotApi, adapter: TelegramAdapter, text: str) -> None:
    with pytest.raises(SendFailed, match="telegram-empty"):
        await adapter.send(delivery(api.user()), Saying(text))
    assert not api.calls


@pytest.mark.parametrize(
    "button", [Button("Yes", ""), Button("Yes", "x" * 65), Button("Yes", "é" * 33), Button("\n", "y")]
)
async def test_buttons_that_telegram_does_not_take(api: BotApi, adapter: TelegramAdapter, button: Button) -> None:
    with pytest.raises(SendFailed, match="telegram-button") as failed:
        await adapter.send(delivery(api.user()), Saying("Ready?", buttons=((button,),)))
    assert failed.value.again is None
    assert not api.calls


async def test_a_button_with_just_as_much_as_it_can_carry(api: BotApi, adapter: TelegramAdapter) -> None:
    anna = api.user()
    await adapter.send(delivery(anna), Saying("Ready?", buttons=((Button("Yes", "é" * 32),), ())))
    assert anna.sees()[0].buttons == {"Yes": "é" * 32}


async def test_a_reply_to_what_is_gone_is_sent_all_the_same(api: BotApi, adapter: TelegramAdapter) -> None:
    anna = api.user()
    for about in ("4711", "not a number", "[]", '["x"]'):
        await adapter.send(delivery(anna), Saying("hello", about=about))
    assert [seen.about for seen in anna.sees()] == [None] * 4


async def test_a_long_text_takes_several_messages(api: BotApi, adapter: TelegramAdapter, clock: FakeClock) -> None:
    anna = api.user()
    asked = anna.says("tell me")
    line = "<one & two> " * 20
    text = "\n".join([line.strip()] * 60)
    buttons = ((Button("More", "m"),),)
    sent = await adapter.send(delivery(anna), Saying(text, about=str(asked), buttons=buttons))
    seen = anna.sees()
    assert json.loads(sent) == [s.id for s in seen]
    assert len(seen) > 3
    assert "\n".join(s.text for s in seen) == text
    assert [s.about for s in seen] == [asked] + [None] * (len(seen) - 1)
    assert [s.buttons for s in seen] == [{}] * (len(seen) - 1) + [{"More": "m"}]
    await adapter.send(delivery(anna, "k2"), Saying("about that", about=sent))
    assert anna.sees()[-1].about == seen[0].id


async def test_a_part_that_must_wait_is_all_that_is_sent_again(
    api: BotApi, adapter: TelegramAdapter, clock: FakeClock
) -> None:
    anna = api.user()
    words = Saying("\n".join(["word " * 200] * 10))
    first = asyncio.create_task(adapter.send(delivery(anna), words))
    await api.until(lambda: anna.sees())
    api.trouble.refuse("sendMessage", 429, "Too Many Requests: retry after 20", retry_after=20)
    with pytest.raises(SendFailed) as failed:
        await first
    assert failed.value.again == 20
    clock.move(20)
    sent = json.loads(await adapter.send(replace(delivery(anna), attempts=1), words))
    assert sent == [seen.id for seen in anna.sees()]
    assert len(set(sent)) == 3


async def test_a_part_whose_answer_is_lost_leaves_the_rest_unsaid(api: BotApi, adapter: TelegramAdapter) -> None:
    """If it is tried again, only that part may come twice."""
    anna = api.user()
    words = Saying("\n".join([f"{n} " * 1_500 for n in range(3)]))
    first = asyncio.create_task(adapter.send(delivery(anna), words))
    await api.until(lambda: anna.sees())
    api.trouble.lose_answer("sendMessage")
    with pytest.raises(SendFailed) as failed:
        await first
    assert failed.value.unknown
    await adapter.send(delivery(anna), words)
    assert [text[0] for text in anna.reads()] == ["0", "1", "1", "2"]


async def test_parts_of_two_posts_are_never_mixed_up(api: BotApi, adapter: TelegramAdapter) -> None:
    """Deliveries of posts have no key."""
    anna = api.user()
    posts = [replace(delivery(anna, ""), what=What.POST, cid=b"c", p=p) for p in (1, 2)]
    long = [Saying("\n".join([f"{p} " * 1_500] * 2)) for p in (1, 2)]
    first = asyncio.create_task(adapter.send(posts[0], long[0]))
    await api.until(lambda: anna.sees())
    api.trouble.refuse("sendMessage", 429, "Too Many Requests: retry after 2", retry_after=2)
    with pytest.raises(SendFailed):
        await first
    await adapter.send(posts[1], long[1])
    await adapter.send(posts[0], long[0])
    assert [text[0] for text in anna.reads()] == ["1", "2", "2", "1"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "Forbidden: bot was blocked by the user"),
        (403, "Forbidden: user is deactivated"),
        (403, "Forbidden: bot can't initiate conversation with a user"),
        (400, "Bad Request: chat not found"),
    ],
)
async def test_who_is_gone(api: BotApi, adapter: TelegramAdapter, status: int, said: str) -> None:
    anna = api.user()
    api.trouble.refuse("sendMessage", status, said)
    with pytest.raises(SendFailed) as failed:
        await adapter.send(delivery(anna), Saying("hello"))
    assert failed.value.gone
    assert failed.value.again is None
    assert not failed.value.wide


async def test_whoever_blocks_deletes_their_account_or_never_came(api: BotApi, adapter: TelegramAdapter) -> None:
    blocked, deleted, never = api.user(), api.user(), api.user(started=False)
    blocked.blocks()
    deleted.deletes_account()
    for person in (blocked, deleted, never, _stranger(never)):
        with pytest.raises(SendFailed) as failed:
            await adapter.send(delivery(person), Saying("hello"))
        assert failed.value.gone
    blocked.starts()
    await adapter.send(delivery(blocked), Saying("welcome back"))
    assert blocked.reads() == ["welcome back"]


async def test_what_telegram_refuses_is_not_tried_again(api: BotApi, adapter: TelegramAdapter) -> None:
    anna = api.user()
    api.trouble.refuse("sendMessage", 400, "Bad Request: message is too long")
    api.trouble.refuse("sendMessage", 400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1001)
    for _ in range(2):
        with pytest.raises(SendFailed, match="telegram-refused") as failed:
            await adapter.send(delivery(anna), Saying("hello"))
        assert (failed.value.again, failed.value.gone, failed.value.unknown) == (None, False, False)


async def test_a_topic_that_is_gone_does_not_stop_the_words(clock: FakeClock, store: MemoryEvents) -> None:
    async with BotApi(topics=True, now=clock.steady) as api, adapter_of(api, store, clock) as adapter:
        anna = api.user()
        topic = await adapter.open_topic(str(anna.id), "Walks")
        anna.deletes_topic(int(topic))
        await adapter.send(delivery(anna), Saying("hello", topic=topic))
        assert [(seen.text, seen.thread) for seen in anna.sees()] == [("hello", None)]


async def test_topics_where_there_are_none(api: BotApi, adapter: TelegramAdapter) -> None:
    assert not (await adapter.set_up({})).topics
    with pytest.raises(SendFailed, match="telegram-refused"):
        await adapter.open_topic(str(api.user().id), "Walks")


@pytest.mark.parametrize("lost", ["answer", "request"])
async def test_an_answer_that_is_lost_is_neither_sent_nor_failed(
    api: BotApi, adapter: TelegramAdapter, lost: str
) -> None:
    """From here a request cut off and an answer cut off look the same."""
    anna = api.user()
    (api.trouble.lose_answer if lost == "answer" else api.trouble.cut)("sendMessage")
    with pytest.raises(SendFailed, match="telegram-lost") as failed:
        await adapter.send(delivery(anna), Saying("hello"))
    assert failed.value.unknown
    assert failed.value.again is None
    assert len(anna.reads()) == (lost == "answer")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, b"<html>Bad Gateway</html>"),
        (500, b'{"ok":false,"error_code":500,"description":"Internal Server Error"}'),
        (200, b"half an ans"),
        (200, b'{"ok":true,"result":{"odd":1}}'),
        (200, b'{"ok":true,"result":"odd"}'),
    ],
)
async def test_an_answer_that_says_nothing_is_as_good_as_lost(
    api: BotApi, adapter: TelegramAdapter, status: int, body: bytes
) -> None:
    api.trouble.answer_with("sendMessage", status, body)
    with pytest.raises(SendFailed) as failed:
        await adapter.send(delivery(api.user()), Saying("hello"))
    assert failed.value.unknown


async def test_an_answer_that_does_not_come_is_lost(api: BotApi) -> None:
    anna = api.user()
    bot = make_bot(Token(api.token), api.base_url, patience=0.05)
    with api.trouble.hold("sendMessage"), pytest.raises(CallFailed) as failed:
        await bot.send_message(anna.id, "hello")
    assert failed.value.trouble is Trouble.LOST
    await bot.request.shutdown()
    await api.until(lambda: anna.reads())


async def test_what_never_left_can_be_sent_again(api: BotApi, adapter: TelegramAdapter) -> None:
    anna = api.user()
    await api.stop()
    with pytest.raises(SendFailed, match="telegram-unreachable") as failed:
        await adapter.send(delivery(anna), Saying("hello"))
    assert (failed.value.again, failed.value.wide, failed.value.unknown) == (0, True, False)
    await api.start()
    await adapter.send(delivery(anna), Saying("hello"))
    assert anna.reads() == ["hello"]


async def test_a_token_that_dies_while_sending_stops_reading_too(
    api: BotApi, clock: FakeClock, store: MemoryEvents
) -> None:
    anna = api.user()
    async with adapter_of(api, store, clock) as adapter:
        reading = asyncio.create_task(adapter.run())
        await api.until(lambda: api.updates.allowed)
        api.known_token = None
        with pytest.raises(SendFailed, match="telegram-token") as failed:
            await adapter.send(delivery(anna), Saying("hello"))
        assert failed.value.wide
        assert failed.value.again
        with pytest.raises(PeerbotError, match="telegram-token"):
            await reading


async def test_sending_does_not_wait_for_the_poll(api: BotApi, adapter: TelegramAdapter, store: MemoryEvents) -> None:
    anna = api.user()
    async with running(adapter):
        await api.until(lambda: api.updates.allowed)
        await adapter.send(delivery(anna), Saying("hello"))
        assert not api.made("getUpdates")
        anna.says("thanks")
        await api.until(lambda: store.events)


def _stranger(like: User) -> User:
    """Somebody this Bot API has never heard of."""
    like.id = 99
    return like

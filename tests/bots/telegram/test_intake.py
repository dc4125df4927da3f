"""What people do in Telegram, as events."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from peerbot.bots.telegram.adapter import TelegramAdapter
from peerbot.core.doors import Button, Incoming, Saying, Sort
from tests.bots.telegram.conftest import NOW, delivery, running
from tests.support.bot_api.people import User
from tests.support.bot_api.server import USERNAME, BotApi
from tests.support.event_store import MemoryEvents
from tests.support.fake_clock import FakeClock

HALF = "a\ud800b"


async def taken(api: BotApi, adapter: TelegramAdapter, store: MemoryEvents, do: Callable[[User], object]) -> Incoming:
    """The one event that something Anna does becomes."""
    await adapter.set_up({})
    anna = api.user("Anna")
    async with running(adapter):
        await api.until(lambda: api.updates.allowed)
        do(anna)
        await api.until(lambda: not api.updates.waiting)
    (event,) = store.all()
    assert event.chat == str(anna.id)
    assert event.at == NOW
    return event


@pytest.mark.parametrize(
    ("said", "sort", "text", "payload"),
    [
        ("hello", Sort.TEXT, "hello", ""),
        ("/start", Sort.START, "/start", ""),
        ("/start abc_-9", Sort.START, "/start abc_-9", "abc_-9"),
        (f"/start@{USERNAME} abc", Sort.START, "/start abc", "abc"),
        ("/started", Sort.TEXT, "/started", ""),
        (f"/help@{USERNAME.upper()}", Sort.TEXT, "/help", ""),
        ("/help@another_bot", Sort.TEXT, "/help@another_bot", ""),
        ("/help two  words", Sort.TEXT, "/help two  words", ""),
        ("not /start", Sort.TEXT, "not /start", ""),
        ("/", Sort.TEXT, "/", ""),
    ],
)
async def test_words(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents, said: str, sort: Sort, text: str, payload: str
) -> None:
    event = await taken(api, adapter, store, lambda anna: anna.says(said))
    assert (event.sort, event.text, event.payload) == (sort, text, payload)
    assert (event.message, event.about, event.topic) == ("1", "", "")


async def test_pictures_and_stickers_are_something_we_cannot_read(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents
) -> None:
    anna = api.user()
    async with running(adapter):
        anna.sticker()
        anna.photo("my garden")
        anna.sends({"pinned_message": anna.chat.messages[1]})
        anna.sends({"message_auto_delete_timer_changed": {"message_auto_delete_time": 86_400}})
        anna.says("/start")
        await api.until(lambda: not api.updates.waiting)
    assert [(event.sort, event.text) for event in store.all()] == [
        (Sort.OTHER, ""),
        (Sort.OTHER, "my garden"),
        (Sort.START, "/start"),
    ]


async def test_an_edit_names_the_message(api: BotApi, adapter: TelegramAdapter, store: MemoryEvents) -> None:
    anna = api.user()
    async with running(adapter):
        first, picture = anna.says("helo"), anna.photo()
        anna.edits(first, "hello")
        # A picture whose words haven't changed, as when a live location moves.
        api.push("edited_message", anna.chat.messages[picture] | {"edit_date": NOW + 5})
        anna.says("last")
        await api.until(lambda: not api.updates.waiting)
    _, _, edit, last = store.all()
    assert (edit.sort, edit.text, edit.about, edit.message) == (Sort.EDIT, "hello", str(first), "")
    assert last.text == "last"


async def test_a_reply_is_about_what_we_said_and_only_that(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents
) -> None:
    anna = api.user()
    own = anna.says("my own")
    said = await adapter.send(delivery(anna), Saying("Welcome"))
    async with running(adapter):
        anna.says("to you", about=int(said))
        anna.says("to me", about=own)
        await api.until(lambda: len(store.events) == 3)
    assert [event.about for event in store.all()] == ["", said, ""]


async def test_a_button_is_answered_at_once(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents, clock: FakeClock
) -> None:
    anna = api.user()
    said = await adapter.send(delivery(anna), Saying("Ready?", buttons=((Button("Yes", "go:1"),),)))
    clock.move(60)
    async with running(adapter):
        query = anna.presses("Yes")
        await api.until(lambda: api.methods.queries[query])
    (event,) = store.all()
    assert (event.sort, event.payload, event.about, event.at) == (Sort.BUTTON, "go:1", said, NOW + 60)


async def test_a_button_pressed_long_ago_counts_too(api: BotApi, adapter: TelegramAdapter, store: MemoryEvents) -> None:
    """Telegram refuses the sign for it, and tells less of its message."""
    anna = api.user()
    old = {"message_id": 9, "chat": anna.chat.json(), "date": 0}
    query = {"id": "77", "from": anna.json(), "chat_instance": "1", "data": "go:2"}
    api.trouble.refuse("answerCallbackQuery", 400, "Bad Request: query is too old")
    async with running(adapter):
        api.push("callback_query", query | {"message": old})
        api.push("callback_query", query | {"id": "78"})
        await api.until(lambda: len(api.made("answerCallbackQuery")) == 2)
        anna.says("still here")
        await api.until(lambda: len(store.events) == 3)
    assert [(e.chat, e.payload, e.about) for e in store.all()[:2]] == [
        (str(anna.id), "go:2", "9"),
        (str(anna.id), "go:2", ""),
    ]


async def test_who_blocks_us_is_gone(api: BotApi, adapter: TelegramAdapter, store: MemoryEvents) -> None:
    anna = api.user()
    async with running(adapter):
        await api.until(lambda: api.updates.allowed)
        anna.blocks()
        anna.unblocks()
        anna.starts()
        await api.until(lambda: not api.updates.waiting)
    assert [event.sort for event in store.all()] == [Sort.GONE, Sort.START]


async def test_topics(clock: FakeClock, store: MemoryEvents) -> None:
    """What only stands in a topic replies to nothing, though Telegram says it replies to the topic's beginning."""
    async with BotApi(topics=True, now=clock.steady) as api:
        adapter = TelegramAdapter(api.token, store, clock, base_url=api.base_url)
        async with adapter:
            assert (await adapter.set_up({})).topics
            anna = api.user()
            topic = await adapter.open_topic(str(anna.id), "  A walk\nin the wood ")
            assert anna.chat.topics == {int(topic): "A walk in the wood"}
            said = await adapter.send(delivery(anna), Saying("Who is there?", topic=topic))
            assert anna.sees()[-1].thread == int(topic)
            async with running(adapter):
                anna.says("me", topic=int(topic))
                anna.says("me again", topic=int(topic), about=int(said))
                anna.says("elsewhere")
                await api.until(lambda: len(store.events) == 3)
    assert [(e.topic, e.about) for e in store.all()] == [(topic, ""), (topic, said), ("", "")]


async def test_groups_are_left_and_never_listened_to(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents
) -> None:
    anna, group, channel = api.user(), api.group(), api.group("News", "channel")
    async with running(adapter):
        await api.until(lambda: api.updates.allowed)
        group.takes_in(anna)
        group.hears(anna, "/start")
        channel.takes_in(anna)
        await api.until(lambda: not group.chat.inside and not channel.chat.inside)
        group.takes_in(anna)
        await api.until(lambda: not group.chat.inside)
        group.takes_in(anna)
        group.throws_out(anna)
        anna.says("hello")
        await api.until(lambda: store.events)
    assert [event.text for event in store.all()] == ["hello"]
    assert not api.made("sendMessage")


async def test_half_a_character_can_be_stored(api: BotApi, adapter: TelegramAdapter, store: MemoryEvents) -> None:
    event = await taken(api, adapter, store, lambda anna: anna.sends({"text": HALF}))
    assert event.text == "a�b"
    event.text.encode()


async def test_only_what_we_handle_is_asked_for(api: BotApi, adapter: TelegramAdapter, store: MemoryEvents) -> None:
    anna = api.user()
    async with running(adapter):
        await api.until(lambda: api.updates.allowed)
        channel = api.group("News", "channel")
        post = {"message_id": 1, "date": NOW, "chat": channel.chat.json(), "text": "news"}
        assert api.push("channel_post", post) is None
        anna.says("hello")
        await api.until(lambda: store.events)
    assert api.updates.allowed == frozenset({"message", "edited_message", "callback_query", "my_chat_member"})

"""How the bot presents itself: name, menu, links, and nothing in the way of reading."""

from __future__ import annotations

import pytest

from peerbot.bots.telegram.adapter import TelegramAdapter
from peerbot.bots.telegram.profile import Entry, deep_link
from peerbot.bots.telegram.transport import OFFICIAL, Token, checked_base_url, proxy_for
from peerbot.core.doors import Adapter, Platform
from peerbot.errors import PeerbotError, UserError
from tests.bots.telegram.conftest import adapter_of
from tests.support.bot_api.server import TOKEN, USERNAME, BotApi
from tests.support.event_store import MemoryEvents
from tests.support.fake_clock import FakeClock


async def test_who_it_is_and_its_menus(api: BotApi, adapter: TelegramAdapter) -> None:
    menus = {"": [Entry("start", "Begin"), Entry("help", "Help now")], "nb": [Entry("start", "Begynn")]}
    profile = await adapter.set_up(menus)
    assert (profile.name, profile.username, profile.topics, profile.groups) == ("Open Door", USERNAME, False, True)
    assert api.methods.menus == {
        ("all_private_chats", ""): [
            {"command": "start", "description": "Begin"},
            {"command": "help", "description": "Help now"},
        ],
        ("all_private_chats", "nb"): [{"command": "start", "description": "Begynn"}],
    }


async def test_looking_changes_nothing(api: BotApi, adapter: TelegramAdapter) -> None:
    as_adapter: Adapter = adapter
    assert as_adapter.platform is Platform.TELEGRAM
    assert (await adapter.look()).username == USERNAME
    assert [call.method for call in api.calls] == ["getMe"]


async def test_a_webhook_goes_and_what_waits_stays(api: BotApi, adapter: TelegramAdapter) -> None:
    api.user().says("hello")
    api.updates.webhook = "https://elsewhere.example/hook"
    await adapter.set_up({})
    assert api.updates.webhook == ""
    assert len(api.updates.waiting) == 1


async def test_no_webhook_no_call(api: BotApi, adapter: TelegramAdapter) -> None:
    await adapter.set_up({})
    assert not api.made("deleteWebhook")


@pytest.mark.parametrize(
    "menu",
    [
        [Entry("Start", "x")],
        [Entry("a" * 33, "x")],
        [Entry("", "x")],
        [Entry("two words", "x")],
        [Entry("help", "")],
        [Entry("help", "x" * 257)],
        [Entry(f"c{n}", "x") for n in range(101)],
    ],
)
async def test_menus_that_telegram_does_not_take(api: BotApi, adapter: TelegramAdapter, menu: list[Entry]) -> None:
    with pytest.raises(ValueError, match="command"):
        await adapter.set_up({"": menu})
    assert not api.calls


async def test_the_largest_menu(api: BotApi, adapter: TelegramAdapter) -> None:
    await adapter.set_up({"": [Entry(f"{n:032}", "x" * 256) for n in range(100)]})
    assert len(api.methods.menus["all_private_chats", ""]) == 100


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (401, "Unauthorized", "telegram-token"),
        (404, "Not Found", "telegram-token"),
        (400, "Bad Request: BOT_COMMAND_INVALID", "telegram-refused"),
        (429, "Too Many Requests: retry after 5", "telegram-busy"),
        (502, "Bad Gateway", "telegram-unreachable"),
    ],
)
async def test_what_can_go_wrong(api: BotApi, adapter: TelegramAdapter, status: int, said: str, code: str) -> None:
    api.trouble.refuse("getMe", status, said)
    with pytest.raises(PeerbotError, match=code):
        await adapter.set_up({})


async def test_nobody_there(api: BotApi, adapter: TelegramAdapter) -> None:
    await api.stop()
    with pytest.raises(PeerbotError, match="telegram-unreachable"):
        await adapter.set_up({})
    await api.start()
    api.trouble.answer_with("getMe", 200, b'{"ok":true,"result":"odd"}')
    with pytest.raises(PeerbotError, match="telegram-unreachable"):
        await adapter.set_up({})


@pytest.mark.parametrize("code", ["a", "A" * 64, "abc_-9"])
def test_a_link_that_hands_over_a_code(code: str) -> None:
    assert deep_link(USERNAME, code) == f"https://t.me/{USERNAME}?start={code}"


@pytest.mark.parametrize("code", ["", "A" * 65, "a b", "a=b", "é", "a\n"])
def test_codes_that_a_link_cannot_carry(code: str) -> None:
    with pytest.raises(ValueError, match="deep link"):
        deep_link(USERNAME, code)


@pytest.mark.parametrize("text", ["", "1234", "0123:abc", "12:", ":abc", "12:ab/c", "12:ab c", "x12:abc", "12:é"])
def test_what_cannot_be_a_token(text: str, clock: FakeClock) -> None:
    with pytest.raises(PeerbotError, match="telegram-token") as failed:
        TelegramAdapter(text, MemoryEvents(), clock)
    assert not text or text not in repr(failed.value)


def test_a_token_as_a_file_has_it() -> None:
    assert Token(f"{TOKEN}\n").bot == TOKEN.split(":")[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/bot",
        "https://api.telegram.org",
        "https://api.telegram.org/bot/",
        "https://api.telegram.org/bot{token}",
        "ftp://127.0.0.1/bot",
        "/bot",
        "bot",
    ],
)
def test_addresses_that_will_not_do(url: str, clock: FakeClock) -> None:
    with pytest.raises(UserError, match="telegram-base-url"):
        TelegramAdapter(TOKEN, MemoryEvents(), clock, base_url=url)


def test_addresses_that_will_do() -> None:
    assert checked_base_url("") == OFFICIAL
    for url in ("http://127.0.0.1:8081/bot", "http://[::1]:8081/bot", "https://bots.example/x/bot"):
        assert checked_base_url(url) == url


def test_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_for(OFFICIAL) is None
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert proxy_for(OFFICIAL) == "http://proxy.example:3128"
    assert proxy_for("http://127.0.0.1:8081/bot") is None
    monkeypatch.setenv("no_proxy", "api.telegram.org")
    assert proxy_for(OFFICIAL) is None


async def test_an_adapter_can_be_closed_twice(api: BotApi, store: MemoryEvents, clock: FakeClock) -> None:
    async with adapter_of(api, store, clock) as adapter:
        await adapter.close()

"""The token and what people write stand in no log, no error and no repr."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable

import pytest
import structlog

from peerbot.bots.telegram.adapter import TelegramAdapter
from peerbot.bots.telegram.calls import PollingBot, make_bot
from peerbot.bots.telegram.transport import Token
from peerbot.core.doors import Saying
from tests.bots.telegram.conftest import delivery, running
from tests.support.bot_api.server import TOKEN, BotApi
from tests.support.event_store import MemoryEvents

SECRET = TOKEN.split(":")[1]
WORDS = "canary-words-of-anna"


async def everything(api: BotApi, adapter: TelegramAdapter, store: MemoryEvents) -> list[BaseException]:
    """A day with all that can go wrong, and the errors it brought."""
    anna, errors = api.user(), list[BaseException]()

    async def hear(of: Awaitable[object]) -> None:
        try:
            await of
        except Exception as error:
            errors.append(error)

    await adapter.set_up({})
    async with running(adapter):
        anna.says(WORDS)
        api.updates.push_raw({"message": {"text": WORDS}})
        await api.until(lambda: store.events)
        for status in (400, 403, 409, 429, 500, 502):
            api.trouble.refuse("sendMessage", status, f"Bad Request: {WORDS}")
            await hear(adapter.send(delivery(anna, str(status)), Saying(WORDS)))
            api.trouble.refuse("getMe", status, f"Bad Request: {WORDS}")
            await hear(adapter.set_up({}))
    for status in (401, 404):
        api.trouble.refuse("sendMessage", status, f"Unauthorized: {WORDS}")
        await hear(adapter.send(delivery(anna, str(status)), Saying(WORDS)))
    for body in (b"", WORDS.encode(), b'{"result": "' + WORDS.encode() + b'"}'):
        api.trouble.answer_with("sendMessage", 200, body)
        await hear(adapter.send(delivery(anna), Saying(WORDS)))
    api.trouble.cut("sendMessage")
    await hear(adapter.send(delivery(anna), Saying(WORDS)))
    api.trouble.answer_with("getUpdates", 200, b'{"result": [{"text": "' + WORDS.encode() + b'"}]}')
    api.trouble.refuse("getUpdates", 401, WORDS)
    await hear(adapter.run())
    await api.stop()
    await hear(adapter.send(delivery(anna), Saying(WORDS)))
    return errors


@pytest.mark.parametrize("loud", [False, True])
async def test_no_log_and_no_error(
    api: BotApi, adapter: TelegramAdapter, store: MemoryEvents, caplog: pytest.LogCaptureFixture, loud: bool
) -> None:
    """Even with the libraries told to say all they know, they don't know the token."""
    caplog.set_level(logging.DEBUG)
    for name in ("telegram", "httpx", "httpcore") if loud else ():
        caplog.set_level(logging.DEBUG, logger=name)
    with structlog.testing.capture_logs() as logs:
        errors = await everything(api, adapter, store)
    assert len(errors) >= 10
    said = repr(logs) + caplog.text
    for error in errors:
        said += f"{error!r} {error.args} {vars(error)}" + "".join(traceback.format_exception(error))
    assert SECRET not in said
    assert any(record.name == "httpx" for record in caplog.records) is loud
    assert WORDS not in said or loud


async def test_no_repr(adapter: TelegramAdapter, api: BotApi) -> None:
    token = Token(TOKEN)
    bot = make_bot(token, api.base_url)
    said = "".join(repr(thing) for thing in (token, bot, bot.request, adapter, bot.token, bot.base_url, bot.__dict__))
    assert SECRET not in said
    await bot.request.shutdown()


@pytest.mark.parametrize("do", [PollingBot.get_me, PollingBot.initialize])
async def test_the_library_has_nothing_to_tell(api: BotApi, do: Callable[[PollingBot], Awaitable[object]]) -> None:
    """It would put the token into the text of InvalidToken."""
    api.known_token = None
    bot = make_bot(Token(TOKEN), api.base_url)
    with pytest.raises(Exception) as failed:  # noqa: PT011
        await do(bot)
    assert SECRET not in "".join(traceback.format_exception(failed.value))
    await bot.request.shutdown()

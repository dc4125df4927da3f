"""The delivery worker on a real vault: wakes without polling, keeps order, stops cleanly, leaves doubt in writing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from peerbot.core.deliveries import LONGEST_PAUSE, WATCH, Later, take_sign
from peerbot.core.delivery_worker import LEASE, LONGEST_STOP, STREAK, WIDTH, DeliveryWorker, Render
from peerbot.core.doors import Adapter, Delivery, Platform, Priority, Saying, SendFailed, Sort, Step
from peerbot.errors import VaultError
from peerbot.store.vault.gateway.store import GatewayVault
from tests.store.gateway_builders import (
    MATRIX,
    NOW,
    TELEGRAM,
    claim,
    event,
    guest,
    names,
    new_gateway,
    saying,
    states,
)
from tests.support.patient_clock import PatientClock
from tests.support.platform import FakePlatform

LOST = SendFailed("lost", unknown=True)
BUSY = SendFailed("busy", again=0.0)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[GatewayVault]:
    async with new_gateway(tmp_path) as opened:
        for chat in "abcdefgh":
            for platform in (TELEGRAM, MATRIX):
                await opened.step(Step(0, guest(chat, platform)))
        yield opened


async def words_of(delivery: Delivery) -> Saying | Later | None:
    return delivery.saying


class Scene:
    """A vault, a platform, a clock, and a worker between them."""

    def __init__(self, vault: GatewayVault, platform: FakePlatform, render: Render, **settings: Any) -> None:
        self.vault = vault
        self.platform = platform
        self.clock = PatientClock(NOW)
        adapter: Adapter = platform
        self.worker = DeliveryWorker(vault, adapter, render, self.clock, **settings)
        self.task = asyncio.create_task(self.worker.run())

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait for something that can be read in the vault."""
        with self.vault.departures.listen() as news:
            async with asyncio.timeout(20):
                while not await condition():
                    await news.wait()
                    news.clear()

    async def until_states(self, **wanted: int) -> None:
        async def reached() -> bool:
            return await states(self.vault) == wanted

        await self.until(reached)

    async def asleep_for(self, seconds: float) -> None:
        """Wait until the worker sleeps for so long."""
        await self.clock.until_alarm(lambda alarm: alarm == seconds)

    async def idle(self) -> float:
        """Wait until nothing is under way, and say for how long the worker sleeps."""
        return await self.clock.until_alarm(lambda alarm: not self.worker._tasks and 0 < alarm < float("inf"))

    async def say(self, *deliveries: Delivery) -> None:
        await self.vault.enqueue_deliveries(deliveries)

    async def stop(self) -> None:
        if self.task.cancel() or not self.task.done():
            with suppress(asyncio.CancelledError):
                await self.task


@asynccontextmanager
async def scene(
    vault: GatewayVault,
    *answers: Exception | None,
    platform: Platform = TELEGRAM,
    render: Render = words_of,
    **settings: Any,
) -> AsyncIterator[Scene]:
    fake = FakePlatform(platform, knows_repeats=platform is MATRIX)
    fake.answers.extend(answers)
    made = Scene(vault, fake, render, **settings)
    try:
        yield made
    finally:
        await made.stop()


async def test_what_waits_at_the_start_and_what_is_written_later_goes_out(vault: GatewayVault) -> None:
    await vault.enqueue_deliveries([saying("1", "a")])
    async with scene(vault) as s:
        await s.until_states(sent=1)
        await s.say(saying("2", "b"), saying("matrix", "a", platform=MATRIX))
        await s.until_states(sent=2, waiting=1)
        assert s.platform.texts() == ["words of 1", "words of 2"]
        found = await vault.delivered(TELEGRAM, "b", "telegram-2")
        assert found is not None
        assert found.key == "2"


async def test_it_sleeps_until_the_next_is_due_and_not_a_moment_longer(vault: GatewayVault) -> None:
    async with scene(vault) as s:
        await s.say(saying("later", "a", due=NOW + 100), saying("sooner", "b", due=NOW + 50))
        await s.asleep_for(50)
        s.clock.forward(49)
        assert s.platform.tried == []
        s.clock.forward(1)
        await s.until_states(sent=1, waiting=1)
        s.clock.forward(50)
        await s.until_states(sent=2)
        assert s.platform.texts() == ["words of sooner", "words of later"]


async def test_many_chats_are_served_at_once_but_each_in_order_and_never_twice_at_once(vault: GatewayVault) -> None:
    async with scene(vault, width=3) as s:
        s.platform.open.clear()
        await s.say(*(saying(f"{chat}{n}", chat) for n in range(4) for chat in "abcde"))
        await s.platform.until(lambda: len(s.platform.tried) == 3)
        assert {d.chat for d in s.platform.tried} == {"a", "b", "c"}
        s.platform.open.set()
        await s.until_states(sent=20)
        assert s.platform.most_at_once == 3
        for chat in "abcde":
            assert s.platform.texts(chat) == [f"words of {chat}{n}" for n in range(4)]


async def test_help_goes_first_as_soon_as_there_is_room(vault: GatewayVault) -> None:
    async with scene(vault, width=1) as s:
        s.platform.open.clear()
        await s.say(saying("post", "a", Priority.POST), saying("other", "b", Priority.POST))
        await s.platform.until(lambda: len(s.platform.tried) == 1)
        await s.say(saying("help", "a", Priority.HELP))
        s.platform.open.set()
        await s.until_states(sent=3)
        assert s.platform.texts() == ["words of post", "words of help", "words of other"]


async def test_a_failed_send_is_tried_again_and_its_chat_waits_for_it(vault: GatewayVault) -> None:
    async with scene(vault, SendFailed("busy", again=7.0)) as s:
        await s.say(saying("1", "a"), saying("2", "a"))
        await s.asleep_for(7)
        assert s.platform.texts() == []
        s.clock.forward(7)
        await s.until_states(sent=2)
        assert s.platform.texts() == ["words of 1", "words of 2"]
        assert len({d.transaction for d in s.platform.tried}) == 2


async def test_what_the_platform_will_never_take_holds_nobody_up(vault: GatewayVault) -> None:
    async with scene(vault, SendFailed("refused")) as s:
        await s.say(saying("1", "a"), saying("2", "a"))
        await s.until_states(failed=1, sent=1)


async def test_one_who_blocked_us_gets_nothing_more(vault: GatewayVault) -> None:
    async with scene(vault, SendFailed("forbidden", gone=True)) as s:
        await s.say(saying("1", "a"), saying("2", "a"), saying("3", "b", due=NOW + 1))

        await s.until_states(dropped=2, waiting=1)
        found = await vault.guest(TELEGRAM, "a")
        assert found is not None
        assert found.blocked
        assert s.platform.arrived == []


async def test_a_reminder_that_comes_too_late_is_not_sent(vault: GatewayVault) -> None:
    async with scene(vault) as s:
        await s.say(saying("late", "a", until=NOW - 1), saying("in time", "b", until=NOW))
        await s.until_states(dropped=1, sent=1)
        assert s.platform.texts() == ["words of in time"]


async def test_words_are_made_when_they_are_sent(vault: GatewayVault) -> None:
    rendered = {"gone": None, "quiet": Later(NOW + 3600), "said": Saying("made now")}

    async def render(delivery: Delivery) -> Saying | Later | None:
        return rendered[delivery.key]

    async with scene(vault, render=render) as s:
        await s.say(saying("gone", "a"), saying("quiet", "a"), saying("said", "a"))
        await s.until_states(dropped=1, waiting=1, sent=1)
        assert s.platform.texts() == ["made now"]
        await s.asleep_for(3600)
        rendered["quiet"] = Saying("now it may")
        s.clock.forward(3600)
        await s.until_states(dropped=1, sent=2)
        assert s.platform.tried[-1].attempts == 1


# lost answers


async def test_telegram_a_post_whose_answer_was_lost_is_listed_and_not_repeated(vault: GatewayVault) -> None:
    async with scene(vault, LOST) as s:
        await s.say(saying("post", "a", Priority.POST), saying("next", "a", Priority.POST))
        await s.until_states(unknown=1, sent=1)
        assert s.platform.texts() == ["words of post", "words of next"]
        await s.asleep_for(WATCH)
        s.clock.forward(WATCH)
        await s.say(saying("wake", "b"))
        await s.until_states(maybe=1, sent=2)
        assert names(await vault.unknown(TELEGRAM, 9)) == ["post"]
        assert s.platform.texts("a") == ["words of post", "words of next"]


async def test_telegram_an_answer_whose_answer_was_lost_goes_out_again(vault: GatewayVault) -> None:
    async with scene(vault, LOST, LOST) as s:
        await s.say(saying("answer", "a"))
        await s.asleep_for(1)
        s.clock.forward(1)
        await s.until_states(unknown=1)
        assert s.platform.texts() == ["words of answer"] * 2


async def test_matrix_a_lost_answer_is_repeated_at_once_and_arrives_once(vault: GatewayVault) -> None:
    async with scene(vault, LOST, platform=MATRIX) as s:
        await s.say(saying("post", "a", Priority.POST, platform=MATRIX))
        await s.until_states(sent=1)
        assert s.platform.texts() == ["words of post"]
        assert len(s.platform.tried) == 2
        assert await vault.delivered(MATRIX, "a", "matrix-1") is not None


async def test_an_adapter_that_never_answers_or_breaks_leaves_doubt_and_not_a_dead_worker(vault: GatewayVault) -> None:
    async with scene(vault, KeyError("canary"), patience=0.01) as s:
        await s.say(saying("breaks", "a", Priority.POST))
        await s.until_states(unknown=1)
        s.platform.open.clear()
        await s.say(saying("hangs", "b", Priority.POST))
        await s.until_states(unknown=2)
        s.platform.open.set()
        await s.say(saying("fine", "c", Priority.POST))
        await s.until_states(unknown=2, sent=1)
        assert [d.code for d in await vault.unknown(TELEGRAM, 9)] == ["bug-KeyError", "bug-TimeoutError"]


async def test_words_that_cannot_be_made_are_tried_again_and_were_not_handed_over(vault: GatewayVault) -> None:
    trouble: list[Exception] = [KeyError("x"), VaultError("vault-io")]

    async def render(delivery: Delivery) -> Saying | Later | None:
        if trouble:
            raise trouble.pop(0)
        return delivery.saying

    async with scene(vault, render=render) as s:
        await s.say(saying("1", "a", Priority.POST))
        for seconds in (1, 2):
            await s.asleep_for(seconds)
            assert await states(vault) == {"waiting": 1}
            s.clock.forward(seconds)
            await s.platform.until(lambda: True)
        await s.until_states(sent=1)


async def test_a_sign_that_it_arrived_settles_the_one_that_is_in_doubt(vault: GatewayVault) -> None:
    async def lose(key: str, chat: str) -> None:
        await vault.enqueue_deliveries([saying(key, chat, Priority.POST)])
        (d,) = await claim(vault)
        await vault.settle_deliveries([replace(d, state=d.state.UNKNOWN, due=NOW + 9)])

    await lose("1", "a")
    for no_sign in (
        event(1, "a"),
        event(2, "b", about="m9"),
        event(3, "a", about="m9", platform=MATRIX),
        event(4, "a", about="m9", sort=Sort.EDIT),
    ):
        await take_sign(vault, no_sign, NOW)
    assert (await states(vault))["unknown"] == 1
    await lose("2", "a")
    await take_sign(vault, event(5, "a", about="m9"), NOW)
    assert (await states(vault))["unknown"] == 2, "which of the two?"
    await lose("3", "b")
    await take_sign(vault, event(6, "b", about="m9", sort=Sort.BUTTON), NOW)
    assert await states(vault) == {"unknown": 2, "sent": 1}
    assert await vault.delivered(TELEGRAM, "b", "m9") is None, "a guess must not lead words into another thread"


async def test_an_answer_to_a_message_that_is_known_is_no_sign(vault: GatewayVault) -> None:
    async with scene(vault, None, LOST) as s:
        await s.say(saying("1", "a"), saying("2", "a", Priority.POST))
        await s.until_states(sent=1, unknown=1)
        await take_sign(vault, event(1, "a", about="telegram-1"), NOW)
        assert await states(vault) == {"sent": 1, "unknown": 1}


# when a platform can't be reached


async def test_an_outage_stops_the_platform_ends_no_delivery_and_is_over_with_the_first_success(
    vault: GatewayVault,
) -> None:
    async with scene(vault, *[SendFailed("unreachable", again=0.0, wide=True)] * 30, width=2) as s:
        await s.say(*(saying(f"{chat}", chat, Priority.POST) for chat in "abcdef"))
        while s.platform.answers:
            s.clock.forward(await s.idle())
        assert s.clock.seconds - NOW > 20 * LONGEST_STOP, "once it is clear, one goes ahead each minute"
        assert s.platform.arrived == []
        s.clock.forward(LONGEST_PAUSE)
        await s.until_states(sent=6)


async def test_a_streak_of_failures_counts_as_an_outage_also_where_the_adapter_does_not_say_so(
    vault: GatewayVault,
) -> None:
    async with scene(vault, *[LOST] * 50, width=1) as s:
        await s.say(*(saying(f"{chat}", chat, Priority.POST) for chat in "abcdefgh"))
        await s.until_states(unknown=STREAK, waiting=8 - STREAK)
        await s.asleep_for(2)
        assert len(s.platform.tried) == STREAK, "the others are spared"


async def test_failures_of_single_deliveries_do_not_stop_the_platform(vault: GatewayVault) -> None:
    answers = [answer for _ in range(STREAK) for answer in (BUSY, SendFailed("refused"))]
    async with scene(vault, *answers, width=1) as s:
        await s.say(*(saying(f"{chat}{n}", chat, Priority.POST) for n in range(2) for chat in "abcdefgh"))
        await s.platform.until(lambda: len(s.platform.tried) >= 2 * STREAK + 1)


# stopping and starting


async def test_a_clean_stop_lets_sends_end_and_gives_back_what_was_not_handed_over(vault: GatewayVault) -> None:
    at_the_words = asyncio.Event()

    async def render(delivery: Delivery) -> Saying | Later | None:
        if delivery.key == "unsent":
            at_the_words.set()
            await asyncio.Event().wait()
        return delivery.saying

    async with scene(vault, render=render, grace=0.2) as s:
        s.platform.open.clear()
        await s.say(saying("under way", "a", Priority.POST), saying("unsent", "b", Priority.POST))
        await at_the_words.wait()
        await s.platform.until(lambda: len(s.platform.tried) == 1)
        s.task.cancel()
        await asyncio.sleep(0)
        s.platform.open.set()
        await s.stop()
    assert await states(vault) == {"sent": 1, "waiting": 1}
    (again,) = await claim(vault)
    assert (again.key, again.attempts) == ("unsent", 1)


@pytest.mark.parametrize(("platform", "expected"), [(TELEGRAM, {"unknown": 1}), (MATRIX, {"waiting": 1})])
async def test_a_send_that_does_not_end_in_time_at_a_stop_is_in_doubt(
    vault: GatewayVault, platform: Platform, expected: dict[str, int]
) -> None:
    async with scene(vault, platform=platform, grace=0.0) as s:
        s.platform.open.clear()
        await s.say(saying("x", "a", Priority.POST, platform=platform))
        await s.platform.until(lambda: len(s.platform.tried) == 1)
        await s.stop()
    assert await states(vault) == expected


async def test_stopping_at_any_moment_loses_nothing_and_leaves_nothing_leased(vault: GatewayVault) -> None:
    """Some more turns of the event loop each time, so that the stop hits one await after another."""
    arrived, ended = 0, set()
    for turns in range(0, 900, 15):
        async with scene(vault, grace=0.0) as s:
            await s.say(*(saying(f"{turns}-{chat}", chat, Priority.POST) for chat in "abc"))
            for _ in range(turns):
                await asyncio.sleep(0)
            await s.stop()
        found = await states(vault)
        assert "leased" not in found
        ended.add(found.get("waiting", 0))
        arrived += len(s.platform.arrived)
    assert len(ended) > 1, "it hit more than one moment"
    async with scene(vault) as s:
        unknown = {"unknown": found["unknown"]} if "unknown" in found else {}
        await s.until_states(sent=180 - found.get("unknown", 0), **unknown)
        assert arrived + len(s.platform.arrived) <= 180


async def test_what_a_dead_process_had_in_hand_is_decided_at_the_start(vault: GatewayVault) -> None:
    for platform in (TELEGRAM, MATRIX):
        await vault.enqueue_deliveries([saying("post", "a", Priority.POST, platform=platform)])
        await vault.enqueue_deliveries([saying("help", "b", Priority.HELP, platform=platform)])
        await claim(vault, platform=platform)
    async with scene(vault) as telegram:
        await telegram.until_states(unknown=1, waiting=1, leased=2)
        await telegram.asleep_for(1)
        telegram.clock.forward(1)
        await telegram.until_states(unknown=1, sent=1, leased=2)
    async with scene(vault, platform=MATRIX) as matrix:
        await matrix.until_states(unknown=1, sent=3)
    assert [d.code for d in await vault.unknown(TELEGRAM, 9)] == ["crashed"]


# when the vault can't be written


class FullDisk:
    """A store whose settling or claiming fails until there is room again."""

    def __init__(self, inner: GatewayVault, method: str) -> None:
        self._inner = inner
        self._method = method
        self.full = True
        self.failed = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        if name != self._method or not self.full:
            return getattr(self._inner, name)

        async def fail(*args: object, **kwargs: object) -> None:
            self.failed.set()
            raise VaultError("vault-full")

        return fail


async def test_a_full_disk_is_told_and_waited_for(vault: GatewayVault) -> None:
    disk: Any = FullDisk(vault, "claim")
    async with scene(disk) as s:
        await vault.enqueue_deliveries([saying("x", "a")])
        await s.asleep_for(LONGEST_STOP)
        assert s.worker.trouble == "vault-full"
        disk.full = False
        s.clock.forward(LONGEST_STOP)
        await s.until_states(sent=1)
        assert s.worker.trouble == ""


async def test_what_could_not_be_settled_counts_as_unknown_when_its_lease_is_over(vault: GatewayVault) -> None:
    async with scene(vault) as s:
        disk: Any = FullDisk(vault, "settle_deliveries")
        s.worker._store = disk
        await s.say(saying("x", "a", Priority.POST))
        await s.platform.until(lambda: len(s.platform.arrived) == 1)
        await disk.failed.wait()
        disk.full = False
        await s.asleep_for(LEASE)
        s.clock.forward(LEASE)
        await s.until_states(unknown=1)
        assert len(s.platform.arrived) == 1


async def test_a_bug_of_the_store_ends_the_worker_loudly(vault: GatewayVault) -> None:
    async with scene(vault) as s:
        broken: Any = type("Broken", (), {"settle_deliveries": None})()
        real = s.worker._store
        s.worker._store = type(
            "Half", (), {"__getattr__": lambda _, name: getattr(broken if name in dir(broken) else real, name)}
        )()
        await s.say(saying("x", "a"))
        with pytest.raises(TypeError):
            await s.task
        s.worker._store = real


def test_no_more_than_sixteen_go_at_once_by_default() -> None:
    assert 8 <= WIDTH <= 16

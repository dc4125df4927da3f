"""What becomes of a delivery, outcome by outcome: a table of times and states."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peerbot.core.deliveries import (
    LONGEST_PAUSE,
    LONGEST_URGENT_PAUSE,
    MOST_ATTEMPTS,
    REPEATS,
    WATCH,
    Dropped,
    Failed,
    Later,
    Lost,
    Outcome,
    Sent,
    Unsent,
    answer,
    late,
    outcome_of,
    settle,
)
from peerbot.core.doors import (
    Delivery,
    DeliveryState,
    Incoming,
    Platform,
    Priority,
    Saying,
    SendFailed,
    Sort,
    What,
    message_ids,
)

NOW = 1_800_000_000
HOUR = 3600


def leased(
    attempts: int = 1, platform: Platform = Platform.TELEGRAM, priority: Priority = Priority.POST, **more: int
) -> Delivery:
    return Delivery(
        "key",
        platform,
        "chat",
        priority,
        due=NOW + 60,
        id=7,
        state=DeliveryState.LEASED,
        attempts=attempts,
        handed=more.pop("handed", NOW),
        lost=more.pop("lost", 0),
    )


def brief(delivery: Delivery) -> tuple[str, int, str]:
    return delivery.state.name, delivery.due - NOW, delivery.code


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Sent("m1"), ("SENT", 0, "")),
        (Dropped("late"), ("DROPPED", 0, "late")),
        (Unsent(), ("WAITING", 0, "")),
        (Later(NOW + 99), ("WAITING", 99, "later")),
        (Later(NOW - 99), ("WAITING", 0, "later")),
        (Failed("no"), ("FAILED", 0, "no")),
        (Failed("no", gone=True), ("DROPPED", 0, "no")),
        (Failed("no", again=5.0, gone=True), ("DROPPED", 0, "no")),
        (Failed("busy", again=0.0), ("WAITING", 1, "busy")),
        (Failed("busy", again=34.2), ("WAITING", 35, "busy")),
        (Lost("gone quiet"), ("UNKNOWN", WATCH, "gone quiet")),
    ],
)
def test_what_becomes_of_a_post_at_its_first_try(outcome: Outcome, expected: tuple[str, int, str]) -> None:
    assert brief(settle(leased(), outcome, NOW)) == expected


def test_what_was_sent_knows_its_message() -> None:
    assert settle(leased(), Sent("m1"), NOW).platform_id == "m1"


def test_pauses_double_to_their_limit_and_come_to_an_end() -> None:
    waits, state = [], DeliveryState.WAITING
    delivery, now = leased(), NOW
    while state is DeliveryState.WAITING:
        after = settle(delivery, Failed("busy", again=0.0), now)
        state = after.state
        waits.append(after.due - now)
        now, delivery = after.due, replace(after, attempts=after.attempts + 1)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, LONGEST_PAUSE, 0]
    assert (state, len(waits)) == (DeliveryState.FAILED, MOST_ATTEMPTS)


def test_help_and_answers_never_wait_longer_than_a_minute() -> None:
    for priority in Priority:
        longest = LONGEST_URGENT_PAUSE if priority in (Priority.HELP, Priority.ANSWER) else 512
        after = settle(leased(10, priority=priority), Failed("busy", again=0.0), NOW)
        assert after.due - NOW == longest


def test_what_the_platform_asks_for_is_waited_at_least() -> None:
    assert settle(leased(10), Failed("busy", again=30.0), NOW).due == NOW + 512
    assert settle(leased(1), Failed("busy", again=4000.0), NOW).due == NOW + 4000


def test_trouble_of_the_whole_platform_never_ends_a_delivery() -> None:
    after = settle(leased(MOST_ATTEMPTS + 5), Failed("unreachable", again=0.0, wide=True), NOW)
    assert brief(after) == ("WAITING", LONGEST_PAUSE, "unreachable")


def test_a_try_that_never_was_is_not_counted() -> None:
    first = settle(leased(1), Unsent(), NOW + 9)
    assert (first.attempts, first.handed, first.due) == (0, 0, NOW + 9)
    third = settle(leased(3), Unsent(), NOW + 9)
    assert (third.attempts, third.handed) == (2, NOW)


def test_one_put_off_begins_anew_and_holds_nobody_back() -> None:
    after = settle(leased(5), Later(NOW + HOUR), NOW)
    assert (after.attempts, after.due) == (0, NOW + HOUR)


@pytest.mark.parametrize("priority", list(Priority))
def test_where_repeats_are_harmless_a_lost_answer_is_repeated_at_once_then_with_pauses(priority: Priority) -> None:
    first = settle(leased(1, Platform.MATRIX, priority), Lost("lost"), NOW)
    assert (first.state, first.due, first.lost) == (DeliveryState.WAITING, NOW, 1)
    third = settle(leased(3, Platform.MATRIX, priority, lost=1), Lost("lost"), NOW)
    assert (third.state, third.due, third.lost) == (DeliveryState.WAITING, NOW + 4, 2)


def test_a_homeserver_is_not_trusted_to_know_a_repeat_for_ever() -> None:
    held = leased(2, Platform.MATRIX, handed=NOW - 12 * HOUR)
    assert settle(replace(held, handed=held.handed + 1), Lost("lost"), NOW).state is DeliveryState.WAITING
    assert settle(held, Lost("lost"), NOW).state is DeliveryState.UNKNOWN
    worn = leased(MOST_ATTEMPTS, Platform.MATRIX)
    assert settle(worn, Lost("lost"), NOW).state is DeliveryState.UNKNOWN


@pytest.mark.parametrize("priority", list(Priority))
def test_telegram_repeats_only_words_of_ours_and_only_so_often(priority: Priority) -> None:
    delivery, repeats = leased(1, priority=priority), 0
    while (after := settle(delivery, Lost("lost"), NOW)).state is DeliveryState.WAITING:
        repeats += 1
        assert after.due > NOW
        delivery = replace(after, state=DeliveryState.LEASED, attempts=after.attempts + 1)
    assert after.state is DeliveryState.UNKNOWN
    assert repeats == {Priority.HELP: 3, Priority.ANSWER: 1}.get(priority, 0) == REPEATS.get(priority, 0)


def test_help_is_repeated_however_often_it_had_to_wait_before() -> None:
    assert settle(leased(8, priority=Priority.HELP), Lost("lost"), NOW).state is DeliveryState.WAITING


def test_what_comes_too_late_is_worth_nothing() -> None:
    delivery = replace(leased(), until=NOW)
    assert not late(delivery, NOW)
    assert late(delivery, NOW + 1)
    assert not late(leased(), 10**12)


def test_a_failed_send_is_an_outcome() -> None:
    assert outcome_of(SendFailed("x", unknown=True, again=3.0)) == Lost("x")
    assert outcome_of(SendFailed("x", again=3.0, wide=True)) == Failed("x", 3.0, False, True)
    assert outcome_of(SendFailed("x", gone=True)) == Failed("x", None, True)


def test_an_answer_is_for_the_chat_and_is_known_by_the_event() -> None:
    event = Incoming(Platform.MATRIX, "$e", "!room", Sort.TEXT, NOW, id=41)
    told = answer(event, Saying("hello"), number=2, priority=Priority.HELP)
    assert (told.key, told.platform, told.chat, told.what) == ("answer:41:2", Platform.MATRIX, "!room", What.SAYING)
    assert (told.priority, told.due, told.saying) == (Priority.HELP, 0, Saying("hello"))


def test_a_platform_id_names_one_message_or_several() -> None:
    assert message_ids("") == []
    assert message_ids("77") == ["77"]
    assert message_ids("$abc:hs") == ["$abc:hs"]
    assert message_ids("[77, 78]") == ["77", "78"]
    assert message_ids('["$a", "$b"]') == ["$a", "$b"]
    assert message_ids("[no list") == ["[no list"]


def test_chat_and_words_stay_out_of_reprs_and_messages() -> None:
    secret = "canary"
    delivery = replace(leased(), chat=secret, saying=Saying(secret), key="k")
    event = Incoming(Platform.TELEGRAM, "1", secret, Sort.TEXT, NOW, text=secret, payload=secret)
    shown = repr([delivery, event, answer(event, Saying(secret)), SendFailed("code", unknown=True)])
    assert secret not in shown

"""What becomes of a delivery: one function of what happened. Why so: docs/decisions/0016-lost-answers.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from peerbot.core.doors import (
    Delivery,
    DeliveryState,
    GatewayStore,
    Incoming,
    Platform,
    Priority,
    Saying,
    SendFailed,
    Sort,
)

MOST_ATTEMPTS: Final = 12
"""Tries of one delivery, unless nothing at all can be sent to its platform."""
LONGEST_PAUSE: Final = 600
"""Seconds between tries, which double from 1 on."""
LONGEST_URGENT_PAUSE: Final = 60
"""For help and answers, which somebody is waiting for."""
REPEATS: Final = {Priority.HELP: 3, Priority.ANSWER: 1}
"""How often words of ours go out again when the answer was lost: nothing at all would be worse than twice the same."""
KNOWS_REPEATS: Final = {Platform.MATRIX: 12 * 3600}
"""For how many seconds a platform knows a repeat by its transaction; of homeservers we count on half a day."""
WATCH: Final = 600
"""For how many seconds something may still tell that an UNKNOWN delivery has arrived."""


@dataclass(frozen=True, slots=True)
class Sent:
    platform_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """As SendFailed: `again` is None for never; `wide` when it isn't about this delivery."""

    code: str
    again: float | None = None
    gone: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """It was handed over, or may have been, and no answer came."""

    code: str


@dataclass(frozen=True, slots=True)
class Later:
    """It is not to be sent before `due`: quiet hours, a break."""

    due: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """It is not to be sent at all."""

    code: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """It was claimed and surely not handed over."""


Outcome = Sent | Failed | Lost | Later | Dropped | Unsent


def outcome_of(error: SendFailed) -> Outcome:
    if error.unknown:
        return Lost(error.code)
    return Failed(error.code, error.again, error.gone, error.wide)


def settle(delivery: Delivery, outcome: Outcome, now: int) -> Delivery:
    """The delivery after what happened to it."""
    match outcome:
        case Sent(platform_id):
            return replace(delivery, state=DeliveryState.SENT, due=now, platform_id=platform_id, code="")
        case Dropped(code):
            return replace(delivery, state=DeliveryState.DROPPED, due=now, code=code)
        case Unsent():
            return _untried(delivery, now)
        case Later(due):
            return replace(_untried(delivery, max(due, now)), attempts=0, code="later")
        case Lost(code):
            return _lost(replace(delivery, lost=delivery.lost + 1, code=code), now)
        case Failed():
            return _failed(replace(delivery, code=outcome.code), outcome, now)


def _untried(delivery: Delivery, due: int) -> Delivery:
    attempts = max(0, delivery.attempts - 1)
    handed = delivery.handed if attempts else 0
    return replace(delivery, state=DeliveryState.WAITING, due=due, attempts=attempts, handed=handed)


def _failed(delivery: Delivery, failed: Failed, now: int) -> Delivery:
    if failed.gone:
        return replace(delivery, state=DeliveryState.DROPPED, due=now)
    if failed.again is None or (delivery.attempts >= MOST_ATTEMPTS and not failed.wide):
        return replace(delivery, state=DeliveryState.FAILED, due=now)
    wait = max(ceil(failed.again), pause(delivery))
    return replace(delivery, state=DeliveryState.WAITING, due=now + wait)


def _lost(delivery: Delivery, now: int) -> Delivery:
    tries_left = delivery.attempts < MOST_ATTEMPTS
    if tries_left and now < delivery.handed + KNOWS_REPEATS.get(delivery.platform, 0):
        wait = 0 if delivery.lost == 1 else pause(delivery)
        return replace(delivery, state=DeliveryState.WAITING, due=now + wait)
    if tries_left and delivery.lost <= REPEATS.get(delivery.priority, 0):
        return replace(delivery, state=DeliveryState.WAITING, due=now + pause(delivery))
    return replace(delivery, state=DeliveryState.UNKNOWN, due=now + WATCH)


def pause(delivery: Delivery) -> int:
    """Seconds before the next try, after the present one failed."""
    longest = LONGEST_URGENT_PAUSE if delivery.priority <= Priority.ANSWER else LONGEST_PAUSE
    return int(min(longest, 2 ** max(0, delivery.attempts - 1)))


def late(delivery: Delivery, now: int) -> bool:
    """It is worth nothing any more."""
    return 0 < delivery.until < now


def answer(event: Incoming, saying: Saying, *, number: int = 0, priority: Priority = Priority.ANSWER) -> Delivery:
    """Words for the chat an event came from; the `number`th answer to it."""
    return Delivery(f"answer:{event.id}:{number}", event.platform, event.chat, priority, saying=saying)


async def take_sign(store: GatewayStore, event: Incoming, now: int) -> None:
    """Take what somebody did as a sign that a delivery arrived whose answer was lost.

    They answered a message of ours that isn't among those we know to have arrived, and only one is in doubt. It stays
    without a platform id: what they wrote is not to land in another thread because we guessed.
    """
    if event.sort not in (Sort.TEXT, Sort.BUTTON) or not event.about:
        return
    if await store.delivered(event.platform, event.chat, event.about) is not None:
        return
    in_doubt = await store.unknown(event.platform, 2, event.chat)
    if len(in_doubt) == 1:
        await store.settle_deliveries([replace(in_doubt[0], state=DeliveryState.SENT, due=now, code="seen")])

"""Deliveries as rows, and rows as deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from peerbot.core.doors import Delivery, DeliveryState, Priority, Saying, What
from peerbot.store.vault.gateway.models import (
    DROPPED,
    FAILED,
    HELD,
    LATER,
    LEASED,
    MAYBE,
    PLATFORM_OF,
    SENT,
    STATES,
    UNKNOWN,
)

# CROSS JOIN keeps the order. A delivery without a circle has number 0, which no circle has.
SELECT: Final = (
    "SELECT d.id, d.platform, c.address, d.state, d.priority, d.due, d.until, d.what, k.cid, d.p, d.key, d.saying, "
    "d.attempts, d.lost, d.handed, d.platform_id, d.tag, d.code "
    "FROM delivery d CROSS JOIN chat c ON c.n = d.chat LEFT JOIN circle k ON k.n = d.circle "
)

_FINAL: Final = {
    DeliveryState.SENT: SENT,
    DeliveryState.FAILED: FAILED,
    DeliveryState.DROPPED: DROPPED,
    DeliveryState.MAYBE: MAYBE,
}
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_SAYING: Final = msgspec.msgpack.Decoder(Saying)


def words(delivery: Delivery) -> bytes | None:
    """What is stored of the words. Raises ValueError for a SAYING without key or words, and for words of others."""
    ours = delivery.what is What.SAYING
    if ours != (delivery.saying is not None) or ours == (delivery.p > 0) or (ours and not delivery.key):
        raise ValueError("a delivery has words and a key, or names a post")
    return None if delivery.saying is None else _ENCODE(delivery.saying)


def state_of(settled: Delivery) -> int:
    """The number in the row. What was tried and waits again holds back those behind it."""
    if settled.state is DeliveryState.WAITING:
        return HELD if settled.attempts else LATER
    if settled.state is DeliveryState.UNKNOWN:
        return UNKNOWN
    if settled.state not in _FINAL:
        raise ValueError(f"a delivery can't be settled as {settled.state.name}")
    return _FINAL[settled.state]


def loaded(rows: Iterable[Any]) -> list[Delivery]:
    """Rows of SELECT."""
    return [one(row) for row in rows]


def leased(rows: Iterable[Any], until: int, now: int) -> list[Delivery]:
    """Rows of SELECT as they are once they have been leased."""
    return [
        one((*row[:3], LEASED, row[4], until, *row[6:12], row[12] + 1, row[13], row[14] or now, *row[15:]))
        for row in rows
    ]


def one(row: Any) -> Delivery:
    (
        id,
        platform,
        chat,
        state,
        priority,
        due,
        until,
        what,
        cid,
        p,
        key,
        saying,
        attempts,
        lost,
        handed,
        platform_id,
        tag,
        code,
    ) = row
    return Delivery(
        key=key or tag.hex(),
        platform=PLATFORM_OF[platform],
        chat=chat,
        priority=Priority(priority),
        due=due,
        saying=None if saying is None else _SAYING.decode(saying),
        cid=cid or b"",
        p=p,
        id=id,
        state=STATES[state],
        attempts=attempts,
        platform_id=platform_id,
        transaction=tag.hex(),
        what=What(what),
        until=until,
        lost=lost,
        handed=handed,
        code=code,
    )

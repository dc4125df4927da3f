"""Deliveries: written, claimed, settled, and forgotten in the end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing
from typing import Any, Final

from sqlalchemy import Connection

from peerbot.core.doors import Claim, Delivery, DeliveryState, Platform, message_ids
from peerbot.store.vault.gateway import chats, rows
from peerbot.store.vault.gateway.models import LATER, PLATFORMS, READY, STATES
from peerbot.store.vault.gateway.rows import SELECT, loaded, state_of, words
from peerbot.store.vault.rows import numbers, place

_ADD: Final = (
    "INSERT INTO delivery (platform, chat, state, priority, due, until, what, circle, p, key, saying, attempts, lost, "
    "handed, platform_id, tag, code) "
    "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, 0, 0, '', randomblob(12), '' "
    "WHERE NOT EXISTS (SELECT 1 FROM guest WHERE chat = ?2 AND blocked = 1) ON CONFLICT DO NOTHING"
)
_PROMOTE: Final = "UPDATE delivery SET state = 1 WHERE platform = ? AND state > 10 AND due <= ? AND state IN (11, 12)"
_RENEW: Final = "UPDATE delivery SET due = ? WHERE id IN (SELECT value FROM json_each(?)) AND state = 13 AND due <= ?"
_OVERDUE: Final = SELECT + "WHERE d.platform = ? AND d.state > 10 AND d.due <= ? AND d.state = 13 ORDER BY d.id"
_GIVE_UP: Final = (
    "UPDATE delivery SET state = 5, saying = NULL WHERE platform = ? AND state > 10 AND due <= ? AND state = 14 "
    "RETURNING chat"
)
# A chat takes one at a time, and none before an older or more urgent one that is tried again later.
_BUSY: Final = "SELECT 1 FROM delivery b WHERE b.chat = d.chat AND b.state <> 2 AND b.state = 13"
_BEFORE: Final = (
    "SELECT 1 FROM delivery b WHERE b.chat = d.chat AND b.state <> 2 AND b.state = 12 "
    "AND (b.priority, b.id) < (d.priority, d.id)"
)
_CHOOSE: Final = SELECT + (
    f"WHERE d.platform = ? AND d.state = 1 AND NOT EXISTS ({_BUSY}) AND NOT EXISTS ({_BEFORE}) "
    "ORDER BY d.priority, d.id"
)
_LEASE: Final = (
    "UPDATE delivery SET state = 13, due = ?1, attempts = attempts + 1, handed = CASE handed WHEN 0 THEN ?2 "
    "ELSE handed END WHERE id IN (SELECT value FROM json_each(?3))"
)
_NEXT: Final = "SELECT min(due) FROM delivery WHERE platform = ? AND state > 10"
_LEASED: Final = SELECT + "WHERE d.platform = ? AND d.state > 10 AND d.state = 13 ORDER BY d.id"
_SETTLE: Final = (
    "UPDATE delivery SET state = ?2, due = ?3, attempts = ?4, lost = ?5, handed = ?6, platform_id = ?7, code = ?8, "
    "saying = CASE WHEN ?2 > 10 THEN saying END WHERE id = ?1 AND state IN (13, 14, 5)"
)
_PARTS: Final = (
    "INSERT INTO delivery_part (chat, platform_id, delivery) SELECT chat, ?2, id FROM delivery "
    "WHERE id = ?1 AND state = 2 ON CONFLICT DO UPDATE SET delivery = excluded.delivery"
)
_STRANGERS: Final = (
    "SELECT DISTINCT chat FROM delivery d WHERE id IN (SELECT value FROM json_each(?)) AND state < 10 "
    "AND NOT EXISTS (SELECT 1 FROM guest WHERE guest.chat = d.chat)"
)
_UNKNOWN: Final = SELECT + "WHERE d.platform = ? AND d.state IN (5, 14) ORDER BY d.id LIMIT ?"
_UNKNOWN_IN: Final = SELECT + "WHERE d.chat = ? AND d.state <> 2 AND d.state IN (5, 14) ORDER BY d.id LIMIT ?"
_ENDED: Final = "SELECT id FROM delivery WHERE state BETWEEN 2 AND 5 AND due < ? ORDER BY id LIMIT ?"
_FORGET: Final = "DELETE FROM delivery WHERE id IN (SELECT value FROM json_each(?)) AND state BETWEEN 2 AND 5"
_COUNTS: Final = "SELECT state, count(*) FROM delivery GROUP BY state"


def enqueue(connection: Connection, deliveries: Sequence[Delivery]) -> int:
    written = 0
    circles = {cid: place(connection, cid).n for cid in {d.cid for d in deliveries if d.cid}}
    for platform in {d.platform for d in deliveries}:
        group = [d for d in deliveries if d.platform is platform]
        known = chats.enter(connection, platform, (d.chat for d in group))
        for d in group:
            values = _row(d, known[d.chat], circles.get(d.cid, 0))
            written += connection.exec_driver_sql(_ADD, values).rowcount
        chats.sweep(connection, known.values())
    return written


def _row(d: Delivery, chat: int, circle: int) -> tuple[Any, ...]:
    platform, state = PLATFORMS[d.platform], LATER if d.due else READY
    return (platform, chat, state, int(d.priority), d.due, d.until, int(d.what), circle, d.p, d.key, words(d))


def claim(
    connection: Connection, platform: Platform, now: int, lease: int, limit: int, holding: Collection[int]
) -> Claim:
    number = PLATFORMS[platform]
    if holding:
        connection.exec_driver_sql(_RENEW, (now + lease, numbers(holding), now))
    connection.exec_driver_sql(_PROMOTE, (number, now))
    overdue = loaded(connection.exec_driver_sql(_OVERDUE, (number, now)))
    chats.sweep(connection, [row[0] for row in connection.exec_driver_sql(_GIVE_UP, (number, now)).all()])
    chosen = _choose(connection, number, limit)
    if chosen:
        connection.exec_driver_sql(_LEASE, (now + lease, now, numbers(row[0] for row in chosen)))
    claimed = rows.leased(chosen, now + lease, now)
    return Claim(claimed, overdue, connection.exec_driver_sql(_NEXT, (number,)).scalar_one() or 0)


def _choose(connection: Connection, platform: int, limit: int) -> list[Any]:
    """The rows of the first that may go, one of each chat."""
    chosen: dict[str, Any] = {}
    if limit <= 0:
        return []
    # Read only as far as needed: a great many may wait.
    with closing(connection.exec_driver_sql(_CHOOSE, (platform,))) as found:
        for row in found:
            chosen.setdefault(row[2], row)
            if len(chosen) == limit:
                break
    return list(chosen.values())


def leased(connection: Connection, platform: Platform) -> list[Delivery]:
    return loaded(connection.exec_driver_sql(_LEASED, (PLATFORMS[platform],)))


def settle(connection: Connection, settled: Sequence[Delivery]) -> None:
    if not settled:
        return
    connection.exec_driver_sql(
        _SETTLE, [(d.id, state_of(d), d.due, d.attempts, d.lost, d.handed, d.platform_id, d.code) for d in settled]
    )
    parts = [(d.id, ids) for d in settled if len(ids := message_ids(d.platform_id)) > 1]
    if parts:
        connection.exec_driver_sql(_PARTS, [(delivery, part) for delivery, ids in parts for part in ids])
    strangers = connection.exec_driver_sql(_STRANGERS, (numbers(d.id for d in settled),)).all()
    chats.sweep(connection, [row[0] for row in strangers])


def unknown(connection: Connection, platform: Platform, limit: int, chat: str) -> list[Delivery]:
    if not chat:
        return loaded(connection.exec_driver_sql(_UNKNOWN, (PLATFORMS[platform], max(0, limit))))
    n = chats.find(connection, platform, chat)
    return [] if n is None else loaded(connection.exec_driver_sql(_UNKNOWN_IN, (n, max(0, limit))))


def ended(connection: Connection, before: int, limit: int) -> list[int]:
    """The oldest deliveries that came to their end before this time."""
    return [row[0] for row in connection.exec_driver_sql(_ENDED, (before, limit))]


def forget(connection: Connection, ids: Sequence[int]) -> int:
    return connection.exec_driver_sql(_FORGET, (numbers(ids),)).rowcount


def counts(connection: Connection) -> dict[str, int]:
    found = dict.fromkeys((state.name.lower() for state in DeliveryState), 0)
    for state, count in connection.exec_driver_sql(_COUNTS):
        found[STATES[state].name.lower()] += count
    return found

"""Posts on their way to readers, and where they have arrived."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection

from peerbot.core.doors import Delivery, Fan, Platform, Priority, What
from peerbot.store.vault.gateway import chats
from peerbot.store.vault.gateway.models import PLATFORMS
from peerbot.store.vault.gateway.rows import SELECT, loaded
from peerbot.store.vault.rows import Place, numbers, place

_FANNED: Final = "SELECT p FROM fan WHERE circle = ?"
_SET_FANNED: Final = (
    "INSERT INTO fan (circle, p) VALUES (?, ?) ON CONFLICT DO UPDATE SET p = excluded.p WHERE excluded.p > fan.p"
)
_UNREAD: Final = "SELECT p FROM fan_unread WHERE circle = ? ORDER BY p"
_ADD_UNREAD: Final = "INSERT INTO fan_unread (circle, p) VALUES (?, ?) ON CONFLICT DO NOTHING"
_DROP_UNREAD: Final = "DELETE FROM fan_unread WHERE circle = ? AND p IN (SELECT value FROM json_each(?))"
# One statement for all readers: nobody can be forgotten or removed between reading them and writing to them.
_FAN: Final = (
    "INSERT INTO delivery (platform, chat, state, priority, due, until, what, circle, p, key, saying, attempts, lost, "
    "handed, platform_id, tag, code) "
    "SELECT c.platform, m.chat, 1, ?1, ?2, 0, ?3, ?4, ?5, '', NULL, 0, 0, 0, '', randomblob(12), '' "
    "FROM guest_member m CROSS JOIN guest g ON g.chat = m.chat CROSS JOIN chat c ON c.n = m.chat "
    "WHERE m.circle = ?4 AND m.since > 0 AND m.since < ?5 AND m.member <> ?6 AND g.blocked = 0 "
    "AND c.platform IN (SELECT value FROM json_each(?7))"
)
_NEWS_WAITS: Final = (
    "SELECT 1 FROM delivery w WHERE w.chat = m.chat AND w.state <> 2 AND w.state IN (1, 11, 12) AND w.what = 2 "
    "AND w.circle = ?4"
)
_ONCE: Final = " ON CONFLICT DO NOTHING"
_POSTS: Final = _FAN + _ONCE
_NEWS: Final = f"{_FAN} AND NOT EXISTS ({_NEWS_WAITS}){_ONCE}"
_DELIVERED: Final = SELECT + "WHERE d.chat = ? AND d.platform_id = ? AND d.state = 2 ORDER BY d.id DESC LIMIT 1"
_PART: Final = SELECT + (
    "CROSS JOIN delivery_part x ON x.delivery = d.id WHERE x.chat = ? AND x.platform_id = ? AND d.state = 2 LIMIT 1"
)
_WHERE: Final = SELECT + "WHERE d.circle = ? AND d.p = ? AND d.p > 0 AND d.what = 1 AND d.state = 2 ORDER BY d.id"


def fanned(connection: Connection, cid: bytes) -> int | None:
    here = place(connection, cid)
    return connection.exec_driver_sql(_FANNED, (here.n,)).scalar_one_or_none()


def unread(connection: Connection, cid: bytes) -> list[int]:
    here = place(connection, cid)
    return [row[0] for row in connection.exec_driver_sql(_UNREAD, (here.n,))]


def fan_out(connection: Connection, fan: Fan) -> int:
    here = place(connection, fan.cid)
    closed = PLATFORMS.keys() - set(fan.open)
    written = 0
    for p, author in fan.posts:
        written += _write(connection, here, fan, p, author, What.POST, fan.open)
        written += _write(connection, here, fan, p, author, What.NEWS, closed)
    if fan.unread:
        connection.exec_driver_sql(_ADD_UNREAD, [(here.n, p) for p in fan.unread])
    if fan.read:
        connection.exec_driver_sql(_DROP_UNREAD, (here.n, numbers(fan.read)))
    connection.exec_driver_sql(_SET_FANNED, (here.n, fan.reach))
    return written


def _write(
    connection: Connection, here: Place, fan: Fan, p: int, author: bytes, what: What, platforms: Collection[Platform]
) -> int:
    if not platforms:
        return 0
    codes = numbers(PLATFORMS[platform] for platform in platforms)
    values = (int(Priority.POST), fan.now, int(what), here.n, p, author, codes)
    return connection.exec_driver_sql(_POSTS if what is What.POST else _NEWS, values).rowcount


def delivered(connection: Connection, platform: Platform, chat: str, platform_id: str) -> Delivery | None:
    n = chats.find(connection, platform, chat)
    if n is None or not platform_id:
        return None
    for sql in (_DELIVERED, _PART):
        if found := loaded(connection.exec_driver_sql(sql, (n, platform_id))):
            return found[0]
    return None


def platform_ids(connection: Connection, cid: bytes, p: int) -> list[Delivery]:
    here = place(connection, cid)
    return loaded(connection.exec_driver_sql(_WHERE, (here.n, p)))

"""Who comes by the chats, and which members they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from peerbot.core.doors import Guest, Platform
from peerbot.store.vault.gateway import chats
from peerbot.store.vault.gateway.models import PLATFORM_OF
from peerbot.store.vault.rows import place

_GUEST: Final = "SELECT dialogue, language, blocked FROM guest WHERE chat = ?"
_MEMBERS: Final = (
    "SELECT k.cid, m.member FROM guest_member m CROSS JOIN circle k ON k.n = m.circle WHERE m.chat = ? ORDER BY k.n"
)
_PUT: Final = (
    "INSERT INTO guest (chat, dialogue, language, blocked) VALUES (?, ?, ?, ?) ON CONFLICT (chat) DO UPDATE SET "
    "dialogue = excluded.dialogue, language = excluded.language, blocked = excluded.blocked"
)
_PUT_MEMBER: Final = (
    "INSERT INTO guest_member (circle, chat, member, since) VALUES (?, ?, ?, NULL) ON CONFLICT (circle, chat) "
    "DO UPDATE SET member = excluded.member, since = NULL"
)
_DROP_MEMBER: Final = "DELETE FROM guest_member WHERE circle = ? AND chat = ?"
_IN_CIRCLE: Final = "SELECT DISTINCT member FROM guest_member WHERE circle = ?"
_FRESH: Final = "SELECT DISTINCT member FROM guest_member WHERE circle = ? AND since IS NULL"
_READS: Final = "UPDATE guest_member SET since = ?2 WHERE circle = ?1 AND member = ?3 AND since IS NOT ?2"
_READERS: Final = (
    "SELECT g.chat, c.platform, c.address, g.dialogue, g.language FROM guest_member m "
    "CROSS JOIN guest g ON g.chat = m.chat CROSS JOIN chat c ON c.n = m.chat "
    "WHERE m.circle = ? AND m.since > 0 AND g.blocked = 0 ORDER BY m.chat"
)
_BLOCK: Final = "UPDATE guest SET blocked = 1 WHERE chat = ?"
_DROP_WAITING: Final = (
    "UPDATE delivery SET state = 4, code = 'gone', saying = NULL WHERE chat = ? AND state <> 2 "
    "AND state IN (1, 11, 12, 14)"
)
_FORGET: Final = "DELETE FROM chat WHERE n = ?"


def guest(connection: Connection, platform: Platform, chat: str) -> Guest | None:
    n = chats.find(connection, platform, chat)
    found = None if n is None else connection.exec_driver_sql(_GUEST, (n,)).one_or_none()
    if n is None or found is None:
        return None
    dialogue, language, blocked = found
    return Guest(platform, chat, dialogue, _members(connection, n), language, bool(blocked))


def _members(connection: Connection, chat: int) -> dict[bytes, bytes]:
    return {row[0]: row[1] for row in connection.exec_driver_sql(_MEMBERS, (chat,))}


def put(connection: Connection, guest: Guest) -> None:
    """Store a guest as given. What waits for one who is blocked is dropped."""
    chat = chats.enter(connection, guest.platform, [guest.chat])[guest.chat]
    connection.exec_driver_sql(_PUT, (chat, guest.dialogue, guest.language, guest.blocked))
    before = _members(connection, chat)
    for cid in before.keys() - guest.members.keys():
        connection.exec_driver_sql(_DROP_MEMBER, (place(connection, cid).n, chat))
    for cid, member in guest.members.items():
        if before.get(cid) != member:
            connection.exec_driver_sql(_PUT_MEMBER, (place(connection, cid).n, chat, member))
    if guest.blocked:
        connection.exec_driver_sql(_DROP_WAITING, (chat,))


def members(connection: Connection, cid: bytes, *, fresh: bool) -> list[bytes]:
    here = place(connection, cid)
    return [row[0] for row in connection.exec_driver_sql(_FRESH if fresh else _IN_CIRCLE, (here.n,))]


def set_readers(connection: Connection, cid: bytes, readers: Mapping[bytes, int]) -> None:
    here = place(connection, cid)
    rows: list[tuple[Any, ...]] = [(here.n, since, member) for member, since in readers.items()]
    if rows:
        connection.exec_driver_sql(_READS, rows)


def readers(connection: Connection, cid: bytes) -> list[Guest]:
    here = place(connection, cid)
    return [
        Guest(PLATFORM_OF[platform], address, dialogue, _members(connection, chat), language)
        for chat, platform, address, dialogue, language in connection.exec_driver_sql(_READERS, (here.n,)).all()
    ]


def block(connection: Connection, platform: Platform, chat: str) -> None:
    n = chats.find(connection, platform, chat)
    if n is None:
        return
    connection.exec_driver_sql(_BLOCK, (n,))
    connection.exec_driver_sql(_DROP_WAITING, (n,))
    chats.sweep(connection, [n])


def forget(connection: Connection, platform: Platform, chat: str) -> None:
    n = chats.find(connection, platform, chat)
    if n is not None:
        forget_number(connection, n)


def forget_number(connection: Connection, chat: int) -> None:
    """Guest, memberships and events go with the chat's row."""
    chats.drop_deliveries(connection, chat)
    connection.exec_driver_sql(_FORGET, (chat,))

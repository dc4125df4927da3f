"""Chats by number. An address is kept as long as something needs it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import Connection

from peerbot.core.doors import Platform
from peerbot.store.vault.gateway.models import PLATFORMS
from peerbot.store.vault.rows import numbers

_FIND: Final = "SELECT address, n FROM chat WHERE platform = ? AND address IN (SELECT value FROM json_each(?))"
_ADD: Final = "INSERT INTO chat (platform, address) VALUES (?, ?) ON CONFLICT DO NOTHING"
_UNUSED: Final = (
    "DELETE FROM chat WHERE n IN (SELECT value FROM json_each(?)) "
    "AND NOT EXISTS (SELECT 1 FROM guest WHERE guest.chat = chat.n) "
    "AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.chat = chat.n) "
    "AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.chat = chat.n AND d.state <> 2 "
    "AND (d.state = 1 OR d.state > 10)) RETURNING n"
)
_DROP_LIVE: Final = "DELETE FROM delivery WHERE chat = ? AND state <> 2"
_DROP_SENT: Final = "DELETE FROM delivery WHERE chat = ? AND state = 2"


def find(connection: Connection, platform: Platform, address: str) -> int | None:
    return _find(connection, platform, [address]).get(address)


def enter(connection: Connection, platform: Platform, addresses: Iterable[str]) -> dict[str, int]:
    """The numbers of these chats; those not met before get one."""
    wanted = set(addresses)
    found = _find(connection, platform, wanted)
    missing = sorted(wanted - found.keys())
    if missing:
        connection.exec_driver_sql(_ADD, [(PLATFORMS[platform], address) for address in missing])
        found |= _find(connection, platform, missing)
    return found


def _find(connection: Connection, platform: Platform, addresses: Iterable[str]) -> dict[str, int]:
    wanted = msgspec.json.encode(list(addresses)).decode()
    return {row[0]: row[1] for row in connection.exec_driver_sql(_FIND, (PLATFORMS[platform], wanted))}


def drop_deliveries(connection: Connection, chat: int) -> None:
    connection.exec_driver_sql(_DROP_LIVE, (chat,))
    connection.exec_driver_sql(_DROP_SENT, (chat,))


def sweep(connection: Connection, chats: Iterable[int]) -> None:
    """Erase those of these chats that are no guest's and that nothing waits for, with what is left of them."""
    wanted = set(chats)
    if not wanted:
        return
    for (chat,) in connection.exec_driver_sql(_UNUSED, (numbers(wanted),)).all():
        drop_deliveries(connection, chat)

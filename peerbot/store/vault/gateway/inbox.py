"""Events of chats, from when a platform told them until they are handled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from peerbot.core.doors import Incoming, Platform, Sort
from peerbot.store.vault.gateway import chats
from peerbot.store.vault.gateway.models import PLATFORM_OF, PLATFORMS
from peerbot.store.vault.rows import numbers, signed, unsigned

KEYS: Final = 100_000
"""How many events are remembered after they were handled: a platform repeats what it told within a day."""

_TEXTS: Final = ("key", "chat", "text", "payload", "message", "about", "topic")
_CURSOR: Final = "SELECT value FROM platform_cursor WHERE platform = ?"
_SET_CURSOR: Final = (
    "INSERT INTO platform_cursor (platform, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
)
_KNOWN: Final = "SELECT key FROM inbox_key WHERE platform = ? AND key IN (SELECT value FROM json_each(?))"
_ADD_KEY: Final = "INSERT INTO inbox_key (platform, key) VALUES (?, ?)"
_TRIM: Final = "DELETE FROM inbox_key WHERE n <= (SELECT max(n) FROM inbox_key) - ?"
_ADD: Final = (
    "INSERT INTO inbox (chat, key, sort, at, text, payload, message, about, topic) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UNBLOCK: Final = "UPDATE guest SET blocked = 0 WHERE blocked = 1 AND chat IN (SELECT value FROM json_each(?))"
_WAITING: Final = (
    "SELECT i.id, c.platform, i.key, c.address, i.sort, i.at, i.text, i.payload, i.message, i.about, i.topic "
    "FROM (SELECT min(id) AS first FROM inbox GROUP BY chat ORDER BY first LIMIT ?) "
    "CROSS JOIN inbox i ON i.id = first CROSS JOIN chat c ON c.n = i.chat ORDER BY i.id"
)
_DONE: Final = "DELETE FROM inbox WHERE id = ? RETURNING chat"


def cursor(connection: Connection, platform: Platform) -> str:
    return connection.exec_driver_sql(_CURSOR, (PLATFORMS[platform],)).scalar_one_or_none() or ""


def take_in(
    connection: Connection, platform: Platform, events: Sequence[Incoming], cursor: str, keys: int = KEYS
) -> int:
    number = PLATFORMS[platform]
    fresh = _fresh(connection, number, [_storable(event) for event in events])
    if fresh:
        places = chats.enter(connection, platform, (event.chat for event in fresh))
        connection.exec_driver_sql(_ADD_KEY, [(number, event.key) for event in fresh])
        connection.exec_driver_sql(_ADD, [_row(places[event.chat], event) for event in fresh])
        connection.exec_driver_sql(_TRIM, (keys,))
        back = {places[event.chat] for event in fresh if event.sort is not Sort.GONE}
        connection.exec_driver_sql(_UNBLOCK, (numbers(back),))
    connection.exec_driver_sql(_SET_CURSOR, (number, cursor))
    return len(fresh)


def _storable(event: Incoming) -> Incoming:
    """Without halves of characters, which JSON can hold and SQLite can't: one such event would hold up all others."""
    texts: dict[str, Any] = {name: getattr(event, name) for name in _TEXTS}
    mended: dict[str, Any] = {name: text.encode("utf-8", "replace").decode("utf-8") for name, text in texts.items()}
    return event if mended == texts else replace(event, **mended)


def _fresh(connection: Connection, platform: int, events: Sequence[Incoming]) -> list[Incoming]:
    """Those not seen before, each once, in their order."""
    by_key: dict[str, Incoming] = {}
    for event in events:
        by_key.setdefault(event.key, event)
    keys = msgspec.json.encode(list(by_key)).decode()
    for (known,) in connection.exec_driver_sql(_KNOWN, (platform, keys)):
        del by_key[known]
    return list(by_key.values())


def _row(chat: int, event: Incoming) -> tuple[int | str, ...]:
    return (
        chat,
        event.key,
        event.sort.value,
        signed(event.at),
        event.text,
        event.payload,
        event.message,
        event.about,
        event.topic,
    )


def waiting(connection: Connection, limit: int) -> list[Incoming]:
    return [
        Incoming(PLATFORM_OF[platform], key, chat, Sort(sort), unsigned(at), text, payload, message, about, topic, id)
        for id, platform, key, chat, sort, at, text, payload, message, about, topic in connection.exec_driver_sql(
            _WAITING, (max(0, limit),)
        )
    ]


def done(connection: Connection, event: int) -> int | None:
    """Take a handled event out; returns its chat, None where it was done already."""
    return connection.exec_driver_sql(_DONE, (event,)).scalar_one_or_none()

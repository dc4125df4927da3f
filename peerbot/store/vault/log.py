"""What the vault knows of a circle's log: heads, authors, what waits for a secret, what was refused, what lives on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from peerbot.core.ports import LivingRow
from peerbot.store.vault import models as m
from peerbot.store.vault.rows import numbers, place, position, signed, unsigned

_HEADS: Final = "SELECT key, head FROM record WHERE key IN (SELECT value FROM json_each(?))"
_AUTHORS: Final = (
    "SELECT post.key, member.id FROM post JOIN member ON member.n = post.author "
    "WHERE post.key IN (SELECT value FROM json_each(?))"
)
_PENDING: Final = (
    "SELECT key, wire FROM record WHERE status = 3 AND e = ? AND key > ? AND key <= ? ORDER BY key LIMIT ?"
)
_REFUSED: Final = (
    "SELECT code, count(*) FROM record WHERE status = 4 AND key >> 40 = ? GROUP BY code ORDER BY count(*) DESC, code"
)


def heads_at(connection: Connection, cid: bytes, positions: Iterable[int]) -> dict[int, bytes]:
    return _at(connection, cid, positions, _HEADS)


def authors_at(connection: Connection, cid: bytes, positions: Iterable[int]) -> dict[int, bytes]:
    return _at(connection, cid, positions, _AUTHORS)


def _at(connection: Connection, cid: bytes, positions: Iterable[int], sql: str) -> dict[int, bytes]:
    here = place(connection, cid)
    keys = numbers(here.key(p) for p in positions if 0 < p < m.END_P)
    return {position(key): value for key, value in connection.exec_driver_sql(sql, (keys,))}


def pending(connection: Connection, cid: bytes, e: int, after: int, limit: int) -> list[tuple[int, bytes]]:
    here = place(connection, cid)
    found = connection.exec_driver_sql(_PENDING, (signed(e), here.key(after), here.key(m.END_P), max(0, limit)))
    return [(position(key), wire) for key, wire in found]


def refused(connection: Connection, cid: bytes) -> dict[str, int]:
    here = place(connection, cid)
    return {row[0]: row[1] for row in connection.exec_driver_sql(_REFUSED, (here.n,))}


def living(connection: Connection, cid: bytes, before_e: int, limit: int) -> list[LivingRow]:
    """Those seen longest ago first."""
    here = place(connection, cid)
    c = m.living.c
    query = select(m.living).where(c.circle == here.n, c.e < before_e).order_by(c.e, c.seen_p).limit(max(0, limit))
    return [_living(row) for row in connection.execute(query).mappings()]


def _living(row: RowMapping) -> LivingRow:
    values: dict[str, Any] = {name: row[name] for name in LivingRow.__slots__}
    values["e"] = unsigned(row["e"])
    return LivingRow(**values)

"""Reading a circle's log and envelopes; each function sees one moment of the file."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from peerbot.core.ports import LogHead, LogRecord, Placed, Slice
from peerbot.protocol.log import Kind
from peerbot.store.relay_log import statements as sql
from peerbot.store.relay_log.appends import circle_of
from peerbot.store.relay_log.appends import find as find_in
from peerbot.store.relay_log.models import place_of


def circles(connection: Connection) -> list[bytes]:
    return [row[0] for row in sql.CIRCLES(connection)]


def head(connection: Connection, cid: bytes) -> LogHead | None:
    found = circle_of(connection, cid)
    return None if found is None else found[1]


def roster(connection: Connection, cid: bytes) -> tuple[LogHead, bytes] | None:
    found = circle_of(connection, cid)
    if found is None:
        return None
    return found[1], sql.GET_ROSTER(connection, circle=found[0]).fetchone()[0]


def find(connection: Connection, cid: bytes, digest: bytes) -> Placed | None:
    found = circle_of(connection, cid)
    return None if found is None else find_in(connection, found[0], digest)


def at(connection: Connection, cid: bytes, p: int) -> Placed | None:
    found = circle_of(connection, cid)
    return _at(connection, found[0], p) if found is not None and 0 < p <= found[1].p else None


def _at(connection: Connection, circle: int, p: int) -> Placed | None:
    row = sql.RECORD_AT(connection, place=place_of(circle, p)).fetchone()
    return None if row is None else Placed(*row)


def requested(connection: Connection, cid: bytes, request: tuple[bytes, int, bytes]) -> bool:
    found = circle_of(connection, cid)
    if found is None:
        return False
    device, e, whom = request
    return sql.GET_REQUEST(connection, circle=found[0], device=device, e=e, whom=whom).fetchone() is not None


def read(
    connection: Connection, cid: bytes, after: int, limit: int, size: int, shown: Collection[Kind]
) -> Slice | None:
    found = circle_of(connection, cid)
    if found is None:
        return None
    circle, now = found
    kinds = {kind.name: int(kind) if kind in shown else 0 for kind in Kind}
    ends = {"after": place_of(circle, min(after, now.p)), "end": place_of(circle, now.p)}
    rows = sql.READ(connection, limit=limit, **ends, **kinds)
    records: list[LogRecord] = []
    last: Placed | None = None
    for p, kind, digest, wire, time, link in rows:
        size -= len(wire or b"")
        if records and size < 0:
            break
        records.append(LogRecord(p, Kind(kind), digest, wire, time))
        last = Placed(p, link, time)
    rows.close()
    if last is None:
        last = _at(connection, circle, now.p)
        assert last is not None  # noqa: S101 - a log begins with its genesis
    return Slice(tuple(records), last, now.p)


def envelopes(connection: Connection, cid: bytes, to: bytes, first: int, limit: int) -> list[bytes]:
    found = circle_of(connection, cid)
    if found is None:
        return []
    return [row[0] for row in sql.ENVELOPES(connection, circle=found[0], recipient=to, first=first, limit=limit)]

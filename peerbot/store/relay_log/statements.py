"""Every statement of the relay log, built from its tables and compiled once."""

from __future__ import annotations

from sqlite3 import Connection as Driver
from sqlite3 import Cursor
from typing import Any, Final, cast

from sqlalchemy import Column, Connection, Table, bindparam, case, delete, func, select, update
from sqlalchemy.dialects.sqlite import dialect, insert
from sqlalchemy.sql.compiler import SQLCompiler

from peerbot.protocol.log import Kind
from peerbot.store.relay_log.models import POSITIONS, circle, entry, envelope, mail, note, record, request, roster

Value = int | bytes | None
_DIALECT: Final = dialect(paramstyle="qmark")


class Statement:
    """SQL text and the order of its parameters, run on the driver's connection.

    SQLAlchemy's own results would make an append's statements take three times as long (142 µs instead of 51).
    """

    __slots__ = ("_constants", "_names", "_sql")

    def __init__(self, statement: Any) -> None:
        compiled: SQLCompiler = statement.compile(dialect=_DIALECT)
        self._sql = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}

    def __call__(self, connection: Connection, **values: Value) -> Cursor:
        """Run it with one value for each parameter."""
        return _driver(connection).execute(self._sql, self._tuple(values))

    def many(self, connection: Connection, rows: list[dict[str, Value]]) -> None:
        """Run it once for each row."""
        _driver(connection).executemany(self._sql, [self._tuple(row) for row in rows])

    def _tuple(self, values: dict[str, Value]) -> tuple[Value, ...]:
        every = self._constants | values if self._constants else values
        return tuple([every[name] for name in self._names])


def _driver(connection: Connection) -> Driver:
    driver: Any = connection.connection.dbapi_connection
    return cast("Driver", driver)


def _row(table: Table, *given_by_sqlite: str) -> dict[str, Any]:
    return {c.key: bindparam(c.key) for c in table.c if c.key not in given_by_sqlite}


def _is(column: Column[Any]) -> Any:
    """The column equals the parameter of its own name."""
    return column == bindparam(column.key)


_r, _c, _e, _m, _n = record.c, circle.c, envelope.c, mail.c, note.c

ADD_CIRCLE: Final = Statement(insert(circle).values(_row(circle, "id")))
_last = (
    select(func.max(_r.place))
    .where(_r.place >= _c.id * POSITIONS, _r.place < (_c.id + 1) * POSITIONS)
    .correlate(circle)
    .scalar_subquery()
)
GET_CIRCLE: Final = Statement(
    select(_c.id, _r.place - _c.id * POSITIONS, _r.head, _c.seq, _c.roster_p)
    .join_from(circle, record, _r.place == _last)
    .where(_is(_c.cid))
)
CIRCLES: Final = Statement(select(_c.cid).order_by(_c.id))
ADVANCE_ROSTER: Final = Statement(
    update(circle).where(_is(_c.id)).values({"seq": bindparam("seq"), "roster_p": bindparam("roster_p")})
)

_snapshot = insert(roster).values(_row(roster))
PUT_ROSTER: Final = Statement(
    _snapshot.on_conflict_do_update(index_elements=["circle"], set_={"snapshot": _snapshot.excluded.snapshot})
)
GET_ROSTER: Final = Statement(select(roster.c.snapshot).where(_is(roster.c.circle)))

_p = _r.place - _r.circle * POSITIONS
ADD_RECORD: Final = Statement(
    insert(record).values(_row(record)).on_conflict_do_nothing(index_elements=["digest", "circle"])
)
FIND_RECORD: Final = Statement(select(_p, _r.head, _r.time).where(_is(_r.circle), _is(_r.digest)))
RECORD_AT: Final = Statement(select(_p, _r.head, _r.time).where(_is(_r.place)))
_shown = _r.kind.in_([bindparam(kind.name) for kind in Kind])
READ: Final = Statement(
    select(_p, _r.kind, _r.digest, case((_shown, _r.wire)), _r.time, _r.head)
    .where(_r.place > bindparam("after"), _r.place <= bindparam("end"))
    .order_by(_r.place)
    .limit(bindparam("limit"))
)
PRUNE: Final = Statement(
    update(record)
    .where(
        _r.place >= bindparam("start"),
        _r.place < bindparam("before"),
        _r.kind.in_([bindparam("message"), bindparam("request")]),
        _r.wire.is_not(None),
    )
    .values({"wire": None})
)

ADD_ENTRY: Final = Statement(insert(entry).values(_row(entry)))
ADD_REQUEST: Final = Statement(insert(request).values(_row(request)))
GET_REQUEST: Final = Statement(
    select(request.c.e).where(_is(request.c.circle), _is(request.c.device), _is(request.c.e), _is(request.c.whom))
)

_sealed = insert(envelope).values(_row(envelope, "id"))
PUT_ENVELOPE: Final = Statement(
    _sealed.on_conflict_do_update(
        index_elements=["circle", "recipient", "e", "sender"], set_={"wire": _sealed.excluded.wire}
    )
)
ENVELOPES: Final = Statement(
    select(_e.wire)
    .where(_is(_e.circle), _is(_e.recipient), _e.e >= bindparam("first"))
    .order_by(_e.e, _e.id)
    .limit(bindparam("limit"))
)
DROP_ENVELOPES_TO: Final = Statement(delete(envelope).where(_is(_e.circle), _is(_e.recipient)))
DROP_ENVELOPES_BEFORE: Final = Statement(delete(envelope).where(_is(_e.circle), _e.e < bindparam("e")))

ADD_MAIL: Final = Statement(insert(mail).values(_row(mail, "id")).on_conflict_do_nothing())
HAS_MAIL: Final = Statement(select(_m.id).where(_is(_m.circle), _is(_m.device), _is(_m.digest)))
MAILBOX: Final = Statement(
    select(func.count(), func.coalesce(func.sum(func.length(_m.wire)), 0)).where(_is(_m.circle), _is(_m.device))
)
MAIL: Final = Statement(
    select(_m.id, _m.wire).where(_is(_m.circle), _is(_m.device)).order_by(_m.id).limit(bindparam("limit"))
)
DROP_MAIL: Final = Statement(delete(mail).where(_is(_m.circle), _is(_m.device), _is(_m.id)))
DROP_MAILBOX: Final = Statement(delete(mail).where(_is(_m.circle), _is(_m.device)))

_left = insert(note).values(_row(note))
PUT_NOTE: Final = Statement(
    _left.on_conflict_do_update(
        index_elements=["place"], set_={"expires": _left.excluded.expires, "note": _left.excluded.note}
    )
)
NOTE_CIRCLE: Final = Statement(select(_n.circle).where(_is(_n.place)))
COUNT_NOTES: Final = Statement(select(func.count()).where(_is(_n.circle)))
GET_NOTE: Final = Statement(select(_n.note).where(_is(_n.place), _n.expires > bindparam("now")))
DROP_NOTE: Final = Statement(delete(note).where(_is(_n.circle), _is(_n.place)))
DROP_EXPIRED: Final = Statement(delete(note).where(_n.expires <= bindparam("now")))

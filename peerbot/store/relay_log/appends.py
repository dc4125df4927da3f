"""Appending to a circle's log; each function runs inside one transaction of the writing thread."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from peerbot.core.ports import AddressedEnvelope, ControlChange, LogHead, NewRecord, Placed
from peerbot.protocol import log
from peerbot.store.relay_log import statements as sql
from peerbot.store.relay_log.models import POSITIONS, place_of


def circle_of(connection: Connection, cid: bytes) -> tuple[int, LogHead] | None:
    """A circle's row id and where its log stands."""
    row = sql.GET_CIRCLE(connection, cid=cid).fetchone()
    return None if row is None else (row[0], LogHead(*row[1:]))


def _present(connection: Connection, cid: bytes) -> tuple[int, LogHead]:
    found = circle_of(connection, cid)
    if found is None:
        raise KeyError("no such circle")
    return found


def find(connection: Connection, circle: int, digest: bytes) -> Placed | None:
    row = sql.FIND_RECORD(connection, circle=circle, digest=digest).fetchone()
    return None if row is None else Placed(*row)


def found(connection: Connection, cid: bytes, genesis: NewRecord, roster: bytes) -> Placed | None:
    present = circle_of(connection, cid)
    if present is not None:
        return find(connection, present[0], genesis.digest)
    circle = sql.ADD_CIRCLE(connection, cid=cid, seq=0, roster_p=1).lastrowid
    assert circle is not None  # noqa: S101 - it was just added
    placed = _append(connection, circle, LogHead(0, log.LOG_START, 0, 0), genesis)
    assert placed is not None  # noqa: S101 - the log was empty
    sql.ADD_ENTRY(connection, circle=circle, seq=0, p=1)
    sql.PUT_ROSTER(connection, circle=circle, snapshot=roster)
    return placed


def append_message(connection: Connection, cid: bytes, record: NewRecord, if_seq: int) -> Placed | LogHead:
    circle, head = _present(connection, cid)
    if head.seq == if_seq and (placed := _append(connection, circle, head, record)) is not None:
        return placed
    return find(connection, circle, record.digest) or head


def append_control(
    connection: Connection, cid: bytes, record: NewRecord, after: LogHead, change: ControlChange
) -> Placed | LogHead:
    circle, head = _present(connection, cid)
    if (earlier := find(connection, circle, record.digest)) is not None:
        return earlier
    if head != after:
        return head
    placed = _append(connection, circle, head, record)
    assert placed is not None  # noqa: S101 - its digest isn't there
    if change.seq is not None:
        sql.ADD_ENTRY(connection, circle=circle, seq=change.seq, p=placed.p)
    if change.roster is not None:
        seq = head.seq if change.seq is None else change.seq
        sql.ADVANCE_ROSTER(connection, id=circle, seq=seq, roster_p=placed.p)
        sql.PUT_ROSTER(connection, circle=circle, snapshot=change.roster)
    if change.request is not None:
        device, e, whom = change.request
        sql.ADD_REQUEST(connection, circle=circle, device=device, e=e, whom=whom)
    put_envelopes(connection, circle, change.envelopes)
    for device in change.gone:
        sql.DROP_MAILBOX(connection, circle=circle, device=device)
        sql.DROP_ENVELOPES_TO(connection, circle=circle, recipient=device)
    return placed


def _append(connection: Connection, circle: int, head: LogHead, record: NewRecord) -> Placed | None:
    """Add a log row; None where the same bytes stand in the log already."""
    p = head.p + 1
    link = log.link(head.head, p, record.kind, record.digest)
    added = sql.ADD_RECORD(
        connection,
        place=place_of(circle, p),
        circle=circle,
        kind=int(record.kind),
        time=record.time,
        digest=record.digest,
        head=link,
        wire=record.wire,
    )
    if added.rowcount != 1:
        return None
    return Placed(p, link, record.time)


def put_envelopes(connection: Connection, circle: int, envelopes: Sequence[AddressedEnvelope]) -> None:
    sql.PUT_ENVELOPE.many(
        connection,
        [{"circle": circle, "recipient": e.to, "e": e.e, "sender": e.sender, "wire": e.wire} for e in envelopes],
    )


def put_envelope(connection: Connection, cid: bytes, envelope: AddressedEnvelope) -> None:
    circle, _ = _present(connection, cid)
    put_envelopes(connection, circle, [envelope])


def prune(connection: Connection, cid: bytes, p: int, e: int) -> int:
    found = circle_of(connection, cid)
    if found is None:
        return 0
    kinds = {"message": int(log.Kind.MESSAGE), "request": int(log.Kind.REQUEST)}
    start, before = place_of(found[0], 0), place_of(found[0], min(p, POSITIONS))
    pruned = sql.PRUNE(connection, start=start, before=before, **kinds).rowcount
    sql.DROP_ENVELOPES_BEFORE(connection, circle=found[0], e=e)
    return pruned

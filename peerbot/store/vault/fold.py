"""One batch of a circle's log into the vault, with the cursor, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from peerbot.core.ports import Folded, LivingRow, RecordRow, Status
from peerbot.protocol.bodies import BodyWrong, Profile, decode_body
from peerbot.protocol.roster.state import dump
from peerbot.store.vault.models import END_P
from peerbot.store.vault.project import project
from peerbot.store.vault.rows import Place, member_numbers, numbers, place, signed, sortable

_ADD_RECORD: Final = (
    "INSERT INTO record (key, kind, head, wire, status, code, e) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (key) DO NOTHING"
)
_DECIDE: Final = "UPDATE record SET status = ?, code = ? WHERE key = ? AND status = 3"
_LIVING: Final = (
    "INSERT INTO living (circle, kind, key, p, seen_p, e, author, body, sealed, signature, key_bytes) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET p = excluded.p, seen_p = excluded.seen_p, "
    "e = excluded.e, author = excluded.author, body = excluded.body, sealed = excluded.sealed, "
    "signature = excluded.signature, key_bytes = excluded.key_bytes WHERE CASE WHEN excluded.p = living.p "
    # A thread belongs to whoever began it: a later record of the same id must not take its title over.
    "THEN excluded.seen_p > living.seen_p WHEN living.kind = 'thread' THEN excluded.p < living.p "
    "ELSE excluded.p > living.p END"
)
_NAME: Final = "UPDATE member SET name = ?1, name_p = ?2 WHERE n = ?3 AND name_p < ?2"
_CHAIN: Final = (
    "INSERT INTO chain (circle, device, author, chain, dseq, id, p) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET dseq = excluded.dseq, id = excluded.id, p = excluded.p WHERE excluded.dseq > chain.dseq"
)
_EPOCH: Final = "INSERT INTO epoch (circle, e, secret) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_PAUSE: Final = "INSERT INTO pause (circle, p, paused) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_LOCK: Final = "INSERT INTO lock (circle, thread, p, locked) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_REQUEST: Final = "INSERT INTO request (circle, device, e, whom) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_ENTRY: Final = "INSERT INTO entry (circle, seq, hash) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_SETTLE: Final = "DELETE FROM outbox WHERE circle = ? AND id IN (SELECT value FROM json_each(?))"
_ROSTER: Final = (
    "INSERT INTO roster (circle, value) VALUES (?, ?) ON CONFLICT (circle) DO UPDATE SET value = excluded.value"
)
_CURSOR: Final = "UPDATE circle SET p = ?, head = ? WHERE n = ?"
_BROKEN: Final = "UPDATE circle SET broken = ? WHERE n = ?"
_PRUNED: Final = "UPDATE circle SET pruned = max(pruned, ?) WHERE n = ?"
_ALARM: Final = "UPDATE circle SET alarm = ? WHERE n = ?"


def save(connection: Connection, folded: Folded) -> None:
    """Store a batch; a second time it changes nothing.

    Records at or before the cursor only decide those that were PENDING: `opened`, or a RecordRow that is OPEN or
    REFUSED. Roster and `broken` are taken from batches that don't end before the cursor. An alarm and `pruned` stay.
    """
    here = place(connection, folded.cid)
    _records(connection, here, folded)
    project(connection, here, folded.threads, folded.posts, folded.marks)
    _living(connection, here, folded.living)
    _small_rows(connection, here.n, folded)
    if folded.settled:
        connection.exec_driver_sql(_SETTLE, (here.n, numbers(folded.settled)))
    _cursor(connection, here, folded)


def _records(connection: Connection, here: Place, folded: Folded) -> None:
    key, cursor = here.key, here.p
    fresh = [
        (key(r.p), int(r.kind), r.head, r.wire, int(r.status), r.code, signed(r.e))
        for r in folded.records
        if r.p > cursor
    ]
    decided = [(int(r.status), r.code, key(r.p)) for r in folded.records if r.p <= cursor and _decides(r)]
    decided += [(int(Status.OPEN), "", key(p)) for p in folded.opened]
    _many(connection, _ADD_RECORD, fresh)
    _many(connection, _DECIDE, decided)


def _decides(row: RecordRow) -> bool:
    return row.status in (Status.OPEN, Status.REFUSED)


def _living(connection: Connection, here: Place, living: Sequence[LivingRow]) -> None:
    if not living:
        return
    kept = [row for row in living if row.p < END_P]
    rows = [
        (here.n, r.kind, r.key, r.p, r.seen_p, signed(r.e), r.author, r.body, r.sealed, r.signature, r.key_bytes)
        for r in kept
    ]
    _many(connection, _LIVING, rows)
    profiles = [(row, name) for row in kept if row.kind == "profile" and (name := _pseudonym(row)) is not None]
    members = member_numbers(connection, here.n, {row.author for row, _ in profiles})
    _many(connection, _NAME, [(name, row.p, members[row.author]) for row, name in profiles])


def _pseudonym(row: LivingRow) -> str | None:
    try:
        body = decode_body(row.body)
    except BodyWrong:
        return None
    return body.pseudonym if isinstance(body, Profile) else None


def _small_rows(connection: Connection, n: int, folded: Folded) -> None:
    chains = [(n, r.device, r.author, r.chain, sortable(r.dseq), r.id, r.p) for r in folded.chains]
    _many(connection, _CHAIN, chains)
    _many(connection, _EPOCH, [(n, e, secret.reveal()) for e, secret in folded.secrets])
    _many(connection, _PAUSE, [(n, p, paused) for p, paused in folded.pauses])
    _many(connection, _LOCK, [(n, thread, p, locked) for thread, p, locked in folded.locks if p < END_P])
    _many(connection, _REQUEST, [(n, device, e, whom) for device, e, whom in folded.requests])
    _many(connection, _ENTRY, [(n, seq, value) for seq, value in folded.entry_hashes])


def _cursor(connection: Connection, here: Place, folded: Folded) -> None:
    if folded.p > here.p:
        if folded.roster is not None:
            connection.exec_driver_sql(_ROSTER, (here.n, dump(folded.roster)))
        connection.exec_driver_sql(_CURSOR, (folded.p, folded.head, here.n))
    if folded.p >= here.p:
        connection.exec_driver_sql(_BROKEN, (folded.broken, here.n))
    if folded.pruned:
        connection.exec_driver_sql(_PRUNED, (folded.pruned, here.n))
    if folded.alarm:
        connection.exec_driver_sql(_ALARM, (folded.alarm, here.n))


def _many(connection: Connection, sql: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(sql, rows)

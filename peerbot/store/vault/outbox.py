"""What is on its way to the relay, stored before it is sent: the outbox, directs, and their counters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from peerbot.core.ports import DirectOut, Outgoing
from peerbot.protocol.log import Kind
from peerbot.protocol.secret import EpochSecret
from peerbot.store.vault import models as m
from peerbot.store.vault.rows import numbers, place, sortable

_SETTLE: Final = "DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))"
_NEXT: Final = (
    'INSERT INTO counter_out (circle, author, "to", value) VALUES (?, ?, ?, 1) '
    "ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value"
)
_HEARD: Final = (
    'INSERT INTO counter_in (circle, sender, author, "to", value) VALUES (?, ?, ?, ?, ?) '
    "ON CONFLICT DO UPDATE SET value = excluded.value WHERE excluded.value > counter_in.value"
)
_EPOCH: Final = "INSERT INTO epoch (circle, e, secret) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_BLOBS: Final = msgspec.msgpack.Decoder(list[bytes])


def enqueue(connection: Connection, rows: Sequence[Outgoing]) -> list[int]:
    """The ids, in the order of the rows."""
    circles = {cid: place(connection, cid).n for cid in {row.cid for row in rows}}
    ids = []
    for row in rows:
        values = {"circle": circles[row.cid], "kind": row.kind, "intent": row.intent, "author": row.author}
        inserted = connection.execute(insert(m.outbox), {**values, **_sealed(row)})
        ids.append(_id(inserted.inserted_primary_key))
    return ids


def _id(key: Any) -> int:
    return int(key[0])


def _sealed(row: Outgoing) -> dict[str, object]:
    return {
        "wire": row.wire,
        "dseq": sortable(row.dseq),
        "secret": None if row.secret is None else row.secret.reveal(),
        "envelopes": msgspec.msgpack.encode(list(row.envelopes)),
    }


def outbox(connection: Connection, cid: bytes, limit: int) -> list[Outgoing]:
    here = place(connection, cid)
    query = select(m.outbox).where(m.outbox.c.circle == here.n).order_by(m.outbox.c.id).limit(max(0, limit))
    return [_outgoing(cid, row) for row in connection.execute(query).mappings()]


def _outgoing(cid: bytes, row: RowMapping) -> Outgoing:
    return Outgoing(
        id=row["id"],
        cid=cid,
        kind=Kind(row["kind"]),
        intent=row["intent"],
        author=row["author"],
        wire=row["wire"],
        dseq=int.from_bytes(row["dseq"], "big"),
        secret=None if row["secret"] is None else EpochSecret(row["secret"]),
        envelopes=_BLOBS.decode(row["envelopes"]),
    )


def store_sealed(connection: Connection, row: Outgoing) -> None:
    """Nothing happens where the row was settled meanwhile."""
    connection.execute(update(m.outbox).where(m.outbox.c.id == row.id), _sealed(row))


def settle(connection: Connection, ids: Sequence[int]) -> None:
    connection.exec_driver_sql(_SETTLE, (numbers(ids),))


def next_counter(connection: Connection, cid: bytes, author: bytes, to: bytes) -> int:
    here = place(connection, cid)
    return int(connection.exec_driver_sql(_NEXT, (here.n, author, to)).scalar_one())


def post_direct(connection: Connection, cid: bytes, devices: Sequence[bytes], wire: bytes) -> int:
    here = place(connection, cid)
    values = {"circle": here.n, "devices": msgspec.msgpack.encode(list(devices)), "wire": wire}
    return _id(connection.execute(insert(m.direct), values).inserted_primary_key)


def directs(connection: Connection, cid: bytes, limit: int) -> list[DirectOut]:
    here = place(connection, cid)
    query = select(m.direct).where(m.direct.c.circle == here.n).order_by(m.direct.c.id).limit(max(0, limit))
    return [
        DirectOut(row["id"], cid, _BLOBS.decode(row["devices"]), row["wire"])
        for row in connection.execute(query).mappings()
    ]


def settle_direct(connection: Connection, direct: int) -> None:
    connection.execute(delete(m.direct).where(m.direct.c.id == direct))


def fold_direct(
    connection: Connection,
    cid: bytes,
    key: tuple[bytes, bytes, bytes],
    counter: int,
    secrets: Sequence[tuple[int, EpochSecret]],
) -> None:
    """A counter never falls."""
    here = place(connection, cid)
    connection.exec_driver_sql(_HEARD, (here.n, *key, sortable(counter)))
    if secrets:
        connection.exec_driver_sql(_EPOCH, [(here.n, e, secret.reveal()) for e, secret in secrets])

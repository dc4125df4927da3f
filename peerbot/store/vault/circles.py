"""The circles of this vault: keys, cursor, and everything a node needs to go on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import Connection, RowMapping, Table, delete, insert, select, update

from peerbot.core.ports import ChainRow, NewCircle, Outgoing, SealingRow, StoredCircle
from peerbot.errors import VaultError
from peerbot.protocol.log import LOG_START
from peerbot.protocol.roster.state import Roster, load
from peerbot.protocol.secret import EpochSecret, SealingSeed, SigningSeed
from peerbot.store.vault import models as m
from peerbot.store.vault import text
from peerbot.store.vault.outbox import enqueue
from peerbot.store.vault.rows import Place, place

_POST_WORDS: Final = "SELECT key, text FROM post WHERE key BETWEEN ? AND ? ORDER BY key"
_DROP_WORDS: Final = "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)"


def add(connection: Connection, new: NewCircle, first: Outgoing | None) -> None:
    """Raises VaultError("vault-exists") for a circle that is here."""
    row = {
        "cid": new.cid,
        "slug": new.slug,
        "relay_url": new.relay_url,
        "member": new.member,
        "signing": new.signing.reveal(),
        "chain": new.chain,
        "ready": new.ready,
        "p": 0,
        "head": LOG_START,
        "pruned": 0,
        "alarm": "",
        "broken": False,
    }
    connection.execute(insert(m.circle), row)
    add_sealing(connection, new.cid, SealingRow(1, new.sealing, new.subkey_hash))
    if first is not None:
        enqueue(connection, [first])


def drop(connection: Connection, cid: bytes) -> None:
    """Remove a circle that isn't ready, and all its rows. Raises ValueError for one that is."""
    here = place(connection, cid)
    if connection.execute(select(m.circle.c.ready).where(m.circle.c.n == here.n)).scalar_one():
        raise ValueError("a circle that is ready is not dropped")
    everything = (here.key(0), here.key(m.END_P))
    words = connection.exec_driver_sql(_POST_WORDS, everything).all()
    if words:
        connection.exec_driver_sql(_DROP_WORDS, [(key, text.spaced(old)) for key, old in words])
    for table in (m.record, m.post, m.mark):
        connection.execute(delete(table).where(table.c.key.between(*everything)))
    connection.execute(delete(m.circle).where(m.circle.c.n == here.n))


def listing(connection: Connection) -> list[tuple[bytes, str, bool]]:
    c = m.circle.c
    return [
        (cid, slug, bool(ready))
        for cid, slug, ready in connection.execute(select(c.cid, c.slug, c.ready).order_by(c.n))
    ]


def mark_ready(connection: Connection, cid: bytes) -> None:
    _update(connection, cid, ready=True)


def clear_alarm(connection: Connection, cid: bytes) -> None:
    _update(connection, cid, alarm="")


def new_chain(connection: Connection, cid: bytes, chain: bytes) -> None:
    _update(connection, cid, chain=chain)


def _update(connection: Connection, cid: bytes, **values: object) -> None:
    here = place(connection, cid)
    connection.execute(update(m.circle).where(m.circle.c.n == here.n).values(**values))


def add_sealing(connection: Connection, cid: bytes, row: SealingRow) -> None:
    """Raises VaultError("vault-exists") for a number that is here: its key may already be the one others seal to."""
    here = place(connection, cid)
    values = {"circle": here.n, "n": row.n, "seed": row.seed.reveal(), "hash": row.hash}
    connection.execute(insert(m.sealing), values)


def stored(connection: Connection, cid: bytes) -> StoredCircle:
    here = place(connection, cid)
    row = connection.execute(select(m.circle).where(m.circle.c.n == here.n)).mappings().one()
    return StoredCircle(
        cid=cid,
        slug=row["slug"],
        relay_url=row["relay_url"],
        member=row["member"],
        signing=SigningSeed(row["signing"]),
        sealing=[SealingRow(r["n"], SealingSeed(r["seed"]), r["hash"]) for r in _rows(connection, m.sealing, here)],
        chain=row["chain"],
        ready=bool(row["ready"]),
        p=row["p"],
        head=row["head"],
        roster=_roster(connection, here),
        secrets={r["e"]: EpochSecret(r["secret"]) for r in _rows(connection, m.epoch, here)},
        chains=[_chain(r) for r in _rows(connection, m.chain, here)],
        pauses=[(r["p"], bool(r["paused"])) for r in _rows(connection, m.pause, here)],
        locks=sorted(
            ((r["thread"], r["p"], bool(r["locked"])) for r in _rows(connection, m.lock, here)),
            key=lambda lock: lock[1],
        ),
        requests=[(r["device"], r["e"], r["whom"]) for r in _rows(connection, m.request, here)],
        entry_hashes={r["seq"]: r["hash"] for r in _rows(connection, m.entry, here)},
        counters_in={
            (r["sender"], r["author"], r["to"]): int.from_bytes(r["value"], "big")
            for r in _rows(connection, m.counter_in, here)
        },
        pruned=row["pruned"],
        alarm=row["alarm"],
        broken=bool(row["broken"]),
    )


def _rows(connection: Connection, table: Table, here: Place) -> Iterable[RowMapping]:
    """A circle's rows of one table, by their key."""
    query = select(table).where(table.c.circle == here.n).order_by(*table.primary_key)
    return connection.execute(query).mappings()


def _roster(connection: Connection, here: Place) -> Roster | None:
    raw = connection.execute(select(m.roster.c.value).where(m.roster.c.circle == here.n)).scalar_one_or_none()
    if raw is None:
        return None
    try:
        return load(raw)
    except msgspec.DecodeError:
        raise VaultError("vault-corrupt") from None


def _chain(row: RowMapping) -> ChainRow:
    return ChainRow(row["device"], row["author"], row["chain"], int.from_bytes(row["dseq"], "big"), row["id"], row["p"])

"""How fast a batch of opened messages gets into the vault, beside SQLCipher driven by hand with the same bytes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from peerbot.core.ports import ChainRow, Folded, NewCircle, PostRow, RecordRow, Status, ThreadRow
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import random_bytes
from peerbot.protocol.secret import SealingSeed, SigningSeed
from peerbot.store.vault import text
from peerbot.store.vault.connect import Connector
from peerbot.store.vault.keyfile import KEY_SIZE, VaultKey
from peerbot.store.vault.vault import SqlVault

CID = random_bytes(32)
ME = random_bytes(16)
BATCH = 1000
BATCHES = 10
RUNS = 5
_VOCABULARY = 4000
_BARE = (
    "CREATE TABLE record (key INTEGER PRIMARY KEY, head BLOB, wire BLOB)",
    "CREATE TABLE post (key INTEGER PRIMARY KEY, thread INTEGER, author INTEGER, id BLOB, text TEXT)",
    "CREATE INDEX post_thread ON post (thread)",
    "CREATE VIRTUAL TABLE words USING fts5(text, content='post', content_rowid='key', "
    "tokenize='unicode61 remove_diacritics 2')",
    "INSERT INTO words(words, rank) VALUES('secure-delete', 1)",
)


def batches(count: int = BATCHES, size: int = BATCH, threads: int = 80, members: int = 60) -> list[Folded]:
    """Folds of messages of about 275 bytes of text, as a busy forum writes them."""
    rng = random.Random(1)  # noqa: S311  (the same words in every run)
    words = ["".join(rng.choices("etaonrishdlu", k=rng.randint(2, 9))) for _ in range(_VOCABULARY)]
    authors = [random_bytes(16) for _ in range(members)]
    topics = [random_bytes(16) for _ in range(threads)]
    made = []
    for first in range(1, count * size, size):
        where = range(first, first + size)
        said = [" ".join(rng.choices(words, k=42)) for _ in where]
        records = [RecordRow(p, Kind.MESSAGE, random_bytes(32), random_bytes(960), Status.OPEN, "", 1) for p in where]
        posts = [
            PostRow(p, random_bytes(32), rng.choice(topics), rng.choice(authors), words_, "device", 1_760_000_000 + p)
            for p, words_ in zip(where, said, strict=True)
        ]
        chains = [ChainRow(author, author, author, first, random_bytes(32)) for author in authors]
        began = [ThreadRow(t, f"topic {i}", authors[0], i + 1, 1) for i, t in enumerate(topics)] if first == 1 else []
        made.append(
            Folded(
                CID,
                where[-1],
                records[-1].head,
                records=records,
                posts=posts,
                threads=began,
                chains=chains,
                broken=False,
            )
        )
    return made


def circle() -> NewCircle:
    seeds = SigningSeed(random_bytes(32)), SealingSeed(random_bytes(96))
    return NewCircle(CID, "forum", "https://relay.example", ME, *seeds, random_bytes(32), random_bytes(16), True)


@asynccontextmanager
async def vault() -> AsyncIterator[SqlVault]:
    """A new vault with one circle."""
    with TemporaryDirectory() as folder:
        opened = await SqlVault.create(Path(folder) / "vault.db", VaultKey(random_bytes(KEY_SIZE)))
        try:
            await opened.add_circle(circle(), None)
            yield opened
        finally:
            await opened.close()


async def fold(folds: list[Folded]) -> float:
    """Messages per second."""
    async with vault() as opened:
        start = perf_counter()
        for folded in folds:
            await opened.save(folded)
        return sum(len(folded.records) for folded in folds) / (perf_counter() - start)


def bare(folds: list[Folded]) -> float:
    """The same bytes by three executemany and a commit per batch: no cursor, counters, names or second look."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bare.db"
        connection = Connector(path, VaultKey(random_bytes(KEY_SIZE)))(read_only=False)
        run: Any = connection.connection.dbapi_connection
        for statement in _BARE:
            run.execute(statement)
        start = perf_counter()
        for folded in folds:
            run.execute("BEGIN IMMEDIATE")
            run.executemany("INSERT INTO record VALUES (?, ?, ?)", [(r.p, r.head, r.wire) for r in folded.records])
            run.executemany(
                "INSERT INTO post VALUES (?, ?, ?, ?, ?)", [(r.p, 1, 1, r.id, r.text) for r in folded.posts]
            )
            spaced = [(r.p, text.spaced(r.text)) for r in folded.posts]
            run.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", spaced)
            run.execute("COMMIT")
        seconds = perf_counter() - start
        connection.close()
        return sum(len(folded.records) for folded in folds) / seconds


async def run() -> list[dict[str, Any]]:
    """Floor and subject take turns, so that both see the same machine."""
    folds = batches()
    await fold(folds[:1])
    ours, floors = [], []
    for _ in range(RUNS):
        floors.append(bare(folds))
        ours.append(await fold(folds))
    value, floor = median(ours), median(floors)
    note = f"save alone, batches of {BATCH}, 275 B of text and 960 B of wire each; floor: executemany by hand"
    return [
        {
            "name": "vault.fold",
            "value": round(value),
            "unit": "messages/s",
            "floor": round(floor),
            "ratio": round(value / floor, 2),
            "note": note,
        }
    ]

"""What a gateway's vault manages: a post's deliveries for a thousand readers, and how many due ones go through it.

The floors are the same rows by hand on the same kind of file: SQLCipher, a table with the ready ones indexed, one
commit for each post or batch; no guests, no chats, no order within a chat.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks.figures import Figure, figure, spread
from benchmarks.vault import CID, circle
from peerbot.core.doors import Delivery, DeliveryState, Fan, Guest, Platform, Priority, Saying, Step
from peerbot.protocol.primitives import random_bytes
from peerbot.store.vault.connect import Connector
from peerbot.store.vault.gateway.store import GatewayVault
from peerbot.store.vault.keyfile import KEY_SIZE, VaultKey

READERS = 1000
POSTS = 40
REMINDERS = 10_000
BATCH = 500
ROUNDS = 5
NOW = 1_800_000_000
_BARE = (
    "CREATE TABLE delivery (id INTEGER PRIMARY KEY, state INTEGER, due INTEGER, chat INTEGER, p INTEGER, "
    "platform_id TEXT, saying BLOB, UNIQUE (p, chat))",
    "CREATE INDEX delivery_due ON delivery (due) WHERE state = 1",
)
_BARE_ADD = "INSERT INTO delivery (state, due, chat, p) VALUES (1, ?, ?, ?)"
_BARE_CLAIM = (
    "UPDATE delivery SET state = 2, due = ? WHERE id IN (SELECT id FROM delivery WHERE state = 1 AND due <= ? "
    "ORDER BY due LIMIT ?) RETURNING id"
)
_BARE_SETTLE = "UPDATE delivery SET state = 3, platform_id = ? WHERE id = ?"


async def run() -> list[Figure]:
    return [await _fan_outs(), await _claims()]


async def _fan_outs() -> Figure:
    """Floor and subject take turns, post by post, so that both see the same machine."""
    with TemporaryDirectory() as name, _Bare(Path(name)) as bare:
        async with _gateway(Path(name)) as vault:
            await _admit(vault)
            ours, floor = [], []
            for p in range(2, POSTS + 4):
                ours.append(await _fan_out(vault, p))
                floor.append(bare.fan_out(p))
    # The first two warm up.
    ours, floor = ours[2:], floor[2:]
    p95 = quantiles(ours, n=20)[-1]
    return figure(
        "gateway.fanout_1000",
        median(ours),
        "s",
        floor=median(floor),
        ratio=median(ours) / median(floor),
        note=f"p50 of {POSTS} posts, p95 {p95:.4f} s; floor: the rows alone by executemany",
    )


async def _fan_out(vault: GatewayVault, p: int) -> float:
    start = perf_counter()
    written = await vault.fan_out(Fan(CID, p, NOW, tuple(Platform), [(p, bytes(16))]))
    seconds = perf_counter() - start
    if written != READERS:
        raise RuntimeError(written)
    return seconds


async def _claims() -> Figure:
    """Reminders that are all due at once, claimed and settled in batches, as a worker without a platform would."""
    ours, floor = [], []
    for _ in range(ROUNDS + 1):
        with TemporaryDirectory() as name, _Bare(Path(name)) as bare:
            async with _gateway(Path(name)) as vault:
                await _admit(vault)
                await _remind(vault)
                ours.append(await _claim_all(vault))
            bare.remind()
            floor.append(bare.claim_all())
    ours, floor = ours[1:], floor[1:]
    return figure(
        "reminders.claim",
        median(ours),
        "deliveries/s",
        floor=median(floor),
        ratio=median(ours) / median(floor),
        note=f"claimed and settled in batches of {BATCH}, {REMINDERS} for {READERS} chats, {spread(ours)}; "
        "floor: UPDATE … RETURNING by hand",
    )


async def _claim_all(vault: GatewayVault) -> float:
    start, done = perf_counter(), 0
    while claimed := (await vault.claim(Platform.TELEGRAM, NOW, 60, BATCH)).deliveries:
        await vault.settle_deliveries([replace(d, state=DeliveryState.SENT, platform_id=str(d.id)) for d in claimed])
        done += len(claimed)
    if done != REMINDERS:
        raise RuntimeError(done)
    return done / (perf_counter() - start)


async def _remind(vault: GatewayVault) -> None:
    saying = Saying("You asked to be reminded: today at six.")
    for number in range(REMINDERS // READERS):
        key = f"reminder:{number}"
        await vault.enqueue_deliveries(
            [Delivery(key, Platform.TELEGRAM, f"{n}", Priority.REMINDER, NOW, saying) for n in range(READERS)]
        )


async def _admit(vault: GatewayVault) -> None:
    members = [random_bytes(16) for _ in range(READERS)]
    guests = [Guest(Platform.TELEGRAM, f"{n}", b"", {CID: member}) for n, member in enumerate(members)]
    await asyncio.gather(*(vault.step(Step(0, guest)) for guest in guests))
    await vault.set_readers(CID, dict.fromkeys(members, 1))


@asynccontextmanager
async def _gateway(folder: Path) -> AsyncIterator[GatewayVault]:
    vault = await GatewayVault.create(folder / "gateway.db", VaultKey(random_bytes(KEY_SIZE)))
    try:
        await vault.add_circle(circle(), None)
        yield vault
    finally:
        await vault.close()


class _Bare:
    """The same work by hand."""

    def __init__(self, folder: Path) -> None:
        connector = Connector(folder / "bare.db", VaultKey(random_bytes(KEY_SIZE)))
        self._connection = connector(read_only=False)
        run: Any = self._connection.connection.dbapi_connection
        self._run = run
        for statement in _BARE:
            run.execute(statement)

    def __enter__(self) -> _Bare:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def fan_out(self, p: int) -> float:
        start = perf_counter()
        self._run.execute("BEGIN IMMEDIATE")
        self._run.executemany(_BARE_ADD, [(NOW, chat, p) for chat in range(READERS)])
        self._run.execute("COMMIT")
        return perf_counter() - start

    def remind(self) -> None:
        self._run.execute("BEGIN IMMEDIATE")
        self._run.executemany(_BARE_ADD, [(NOW, chat, 1) for chat in range(REMINDERS)])
        self._run.execute("COMMIT")

    def claim_all(self) -> float:
        start = perf_counter()
        while True:
            self._run.execute("BEGIN IMMEDIATE")
            ids = [row[0] for row in self._run.execute(_BARE_CLAIM, (NOW + 60, NOW, BATCH))]
            self._run.execute("COMMIT")
            if not ids:
                return REMINDERS / (perf_counter() - start)
            self._run.execute("BEGIN IMMEDIATE")
            self._run.executemany(_BARE_SETTLE, [(str(id), id) for id in ids])
            self._run.execute("COMMIT")

"""How fast a device that was away catches up with its circle, and how much memory that takes.

The node runs in a process of its own and reads over HTTP from a relay in another one. It verifies and opens everything,
and stores it in its vault. The peer is matrix-nio, which fetches and decrypts what was sent to its room meanwhile, and
stores none of it.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec

from benchmarks import matrix
from benchmarks.figures import Figure, figure, spread
from benchmarks.history import Absent, write_history
from benchmarks.processes import relay, told_by
from benchmarks.texts import post_text
from peerbot.core.node import LANES, Node
from peerbot.core.ports import Relay
from peerbot.protocol.primitives import random_bytes
from peerbot.relay.client import HttpRelay
from peerbot.store.vault.keyfile import KEY_SIZE, VaultKey
from peerbot.store.vault.vault import SqlVault
from tests.support.circle_builder import START
from tests.support.fake_clock import FakeClock

SHORT, LONG = 20_000, 100_000
ROUNDS = 5
ROOM_MESSAGES = 500
"""Sent to the Matrix room for each round."""


class Reading(msgspec.Struct, frozen=True):
    """What a node says when it has caught up."""

    records: int
    seconds: float
    peak_mib: float


async def run() -> list[Figure]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        short, room = await _short(folder)
        long = await _long(folder)
    return [*short, *long, *room]


async def _short(folder: Path) -> tuple[list[Figure], list[Figure]]:
    """20,000 messages on one core and on all of them, and the Matrix room, by turns."""
    seed = random_bytes(32)
    absent = await write_history(folder / "short.db", seed, SHORT)
    one: list[Reading] = []
    all_cores: list[Reading] = []
    peer: list[float] = []
    rng = Random(2)  # noqa: S311 - nothing secret
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(relay(folder / "short.db", seed))
        room = await stack.enter_async_context(matrix.room(folder)) if matrix.available() else None
        for _ in range(ROUNDS):
            one.append(await _read(folder, url, absent, one_core=True))
            all_cores.append(await _read(folder, url, absent))
            if room is not None:
                await room.fill([post_text(rng, 240) for _ in range(ROOM_MESSAGES)])
                peer.append(await room.receive(ROOM_MESSAGES))
    return [
        _caught_up("node.catchup", all_cores, peer, f"{SHORT} messages, {os.cpu_count()} cores"),
        _caught_up("node.catchup_one_core", one, peer, f"{SHORT} messages, one core"),
    ], _received(peer)


async def _long(folder: Path) -> list[Figure]:
    seed = random_bytes(32)
    absent = await write_history(folder / "long.db", seed, LONG)
    async with relay(folder / "long.db", seed) as url:
        read = [await _read(folder, url, absent) for _ in range(ROUNDS)]
    peaks = [reading.peak_mib for reading in read]
    return [
        _caught_up("node.catchup_100000", read, [], f"{LONG} messages, {os.cpu_count()} cores"),
        figure("node.catchup_memory", median(peaks), "MiB", note=f"peak of the node's process, {spread(peaks)}"),
    ]


async def _read(folder: Path, url: str, absent: Absent, *, one_core: bool = False) -> Reading:
    with TemporaryDirectory(dir=folder) as own:
        told = msgspec.json.encode(absent).decode()
        said = await told_by("benchmarks.catchup", own, url, told, "one" if one_core else "all")
    reading = msgspec.json.decode(said, type=Reading)
    if reading.records != absent.last:
        raise RuntimeError(f"the node read {reading.records} of {absent.last} records")
    return reading


def _caught_up(name: str, read: list[Reading], peer: list[float], what: str) -> Figure:
    rates = [reading.records / reading.seconds for reading in read]
    floor = median(peer) if peer else None
    ratio = median(rates) / floor if floor is not None else None
    beside = "; floor: matrix_nio.receive" if peer else ""
    memory = median(reading.peak_mib for reading in read)
    return figure(
        name,
        median(rates),
        "messages/s",
        floor=floor,
        ratio=ratio,
        note=f"{what}, {memory:.0f} MiB, {spread(rates)}{beside}",
    )


def _received(peer: list[float]) -> list[Figure]:
    if not peer:
        return []
    note = f"one sync with {ROOM_MESSAGES} encrypted messages from a Synapse on loopback, {spread(peer)}"
    return [figure("matrix_nio.receive", median(peer), "messages/s", note=note)]


# --- the node's process ---


async def _catch_up(folder: Path, url: str, absent: Absent) -> Reading:
    def relay_at(_url: str, key: bytes | None) -> Relay:
        return HttpRelay(url, expected_key=key)

    vault = await SqlVault.create(folder / "vault.db", VaultKey(random_bytes(KEY_SIZE)))
    executor = ThreadPoolExecutor(LANES)
    node = Node(vault, relay_at, FakeClock(START), executor)
    try:
        await vault.add_circle(absent.new_circle(url), None)
        await node.load()
        circle = node.circle("forum")
        start = perf_counter()
        # Not all of `sync`: it would also post, and the next round would find another log.
        async with node.holding(circle):
            await circle.follower.catch_up()
        seconds = perf_counter() - start
        refused = await vault.refused(absent.cid)
        if refused:
            raise RuntimeError(f"records were refused: {refused}")
        return Reading(circle.follower.state.p, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    finally:
        await node.close()
        await vault.close()
        executor.shutdown()


def main(folder: str, url: str, told: str, cores: str) -> None:
    if cores == "one":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    absent = msgspec.json.decode(told, type=Absent)
    reading = asyncio.run(_catch_up(Path(folder), url, absent))
    sys.stdout.buffer.write(msgspec.json.encode(reading))


if __name__ == "__main__":
    main(*sys.argv[1:])

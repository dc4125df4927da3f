"""How fast a relay appends messages over HTTP, beside a bare aiohttp handler that commits the same bytes to SQLite.

Both servers run in processes of their own, with SQLite at synchronous=FULL, and take turns in short rounds. The relay's
side signs in, checks the roster, chains the log and signs a receipt; the other side stores bytes.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from aiohttp import ClientSession, web

from peerbot.core.ports import CircleRelay, Credential
from peerbot.protocol import labels
from peerbot.protocol.keys import device_id
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import SealingKey, SigningKey, random_bytes
from peerbot.protocol.roster.checks import possession
from peerbot.protocol.roster.entry import By, Core, Signer, circle_id, parse_entry, sign_entry
from peerbot.protocol.roster.ops import AddDevice, AddMember, Role, SetPolicy, SetRelay, SetRole
from peerbot.protocol.secret import SigningSeed
from peerbot.protocol.subkey import make_subkey
from peerbot.protocol.wire import ZERO16, ZERO32
from peerbot.relay.client import HttpRelay
from peerbot.relay.founding import founding_code
from peerbot.relay.limits import Limits
from peerbot.relay.server.server import Listen, serve
from peerbot.relay.service import RelayService
from peerbot.store.relay_log.log import SqliteRelayLog

ROUNDS = 7
APPENDS = 400
SIZE = 1000
"""Of a message's wire, about what a post of 250 characters takes."""
NO_CAP = 1e9

Append = Callable[[bytes], Awaitable[object]]


async def run() -> list[dict[str, Any]]:
    """The figures for bench.json: appends per second, and their share of the bare handler's."""
    with TemporaryDirectory() as folder:
        async with _relay(Path(folder)) as relay, _bare(Path(folder)) as bare:
            one = await _compare("append_sequential", "append", 1, relay, bare)
            return one + await _compare("append_8", "append_8", 8, relay, bare)


async def _compare(name: str, floor_name: str, writers: int, relay: Append, bare: Append) -> list[dict[str, Any]]:
    subject: list[float] = []
    floor: list[float] = []
    for _ in range(ROUNDS + 1):
        floor.append(await _rate(bare, writers))
        subject.append(await _rate(relay, writers))
    # The first round warms up.
    ours, theirs = median(subject[1:]), median(floor[1:])
    spread = f"{min(subject[1:]):.0f} to {max(subject[1:]):.0f}"
    note = f"{writers} at once, {SIZE} bytes, {spread} in {ROUNDS} rounds beside bare aiohttp and SQLite FULL"
    return [
        {
            "name": f"relay.{name}",
            "value": round(ours, 1),
            "unit": "1/s",
            "floor": round(theirs, 1),
            "ratio": round(ours / theirs, 3),
            "note": note,
        },
        {
            "name": f"bare_http_sqlite.{floor_name}",
            "value": round(theirs, 1),
            "unit": "1/s",
            "floor": None,
            "ratio": None,
            "note": f"{min(floor[1:]):.0f} to {max(floor[1:]):.0f}; one transaction for each request",
        },
    ]


async def _rate(append: Append, writers: int) -> float:
    """Appends per second."""
    wires = [random_bytes(SIZE) for _ in range(APPENDS * (1 if writers == 1 else 2))]

    async def write() -> None:
        while wires:
            await append(wires.pop())

    count, start = len(wires), perf_counter()
    await asyncio.gather(*(write() for _ in range(writers)))
    return count / (perf_counter() - start)


# --- the relay ---


@asynccontextmanager
async def _relay(folder: Path) -> AsyncIterator[Append]:
    seed = random_bytes(32)
    async with _process("relay", folder / "relay.db", seed.hex()) as port:
        relay_key = SigningKey(SigningSeed(seed))
        relay = HttpRelay(f"http://127.0.0.1:{port}", expected_key=relay_key.public)
        circle = await _founded(relay, relay_key)

        async def append(wire: bytes) -> object:
            return await circle.append(Kind.MESSAGE, wire, if_seq=0)

        yield append
        await relay.close()


async def _founded(relay: HttpRelay, relay_key: SigningKey) -> CircleRelay:
    """A circle of one."""
    key, member = SigningKey.generate(), random_bytes(16)
    device = device_id(key.public)
    subkey = make_subkey(key, ZERO32, device, 1, SealingKey.generate().public, ZERO32)
    proof = key.sign(labels.SIG_POSSESSION, possession(ZERO32, member, ZERO16))
    ops = (
        AddMember(member, 0, ZERO16, ZERO16, b""),
        AddDevice(member, key.public, subkey, proof),
        SetRole(member, Role.OWNER),
        SetPolicy(90, 7, 30, 3, 1, 14 * 86_400, 1),
        SetRelay(relay.url.encode("ascii"), relay_key.public),
    )
    genesis = sign_entry(Core(ZERO32, 0, ZERO32, Signer(By.DEVICE, device), 0, ZERO32, 0, ops), key)
    await relay.found(founding_code(relay_key), genesis)
    return relay.circle(Credential(circle_id(parse_entry(genesis).core_bytes), By.DEVICE, device, key))


async def _serve_relay(path: Path, seed: str) -> None:
    log = await SqliteRelayLog.open(path)
    limits = replace(Limits(), device_rate=NO_CAP, device_burst=NO_CAP, address_rate=NO_CAP, address_burst=NO_CAP)
    key = SigningKey(SigningSeed(bytes.fromhex(seed)))
    server = await serve(RelayService(log, key, limits=limits), Listen())
    await _until_told(server.port)
    await server.stop()
    await log.close()


# --- the floor ---


@asynccontextmanager
async def _bare(folder: Path) -> AsyncIterator[Append]:
    async with _process("bare", folder / "bare.db") as port, ClientSession() as session:
        url = f"http://127.0.0.1:{port}/append"

        async def append(wire: bytes) -> object:
            async with session.post(url, data=wire) as response:
                return await response.read()

        yield append


async def _serve_bare(path: Path) -> None:
    writer = ThreadPoolExecutor(1)
    loop = asyncio.get_running_loop()
    database = await loop.run_in_executor(writer, _bare_database, path)

    def insert(wire: bytes) -> int | None:
        database.execute("BEGIN IMMEDIATE")
        row = database.execute("INSERT INTO record (wire) VALUES (?)", (wire,)).lastrowid
        database.execute("COMMIT")
        return row

    async def append(request: web.Request) -> web.Response:
        row = await loop.run_in_executor(writer, insert, await request.read())
        return web.Response(body=str(row).encode("ascii"))

    app = web.Application()
    app.router.add_post("/append", append)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await _until_told(runner.addresses[0][1])
    await runner.cleanup()
    await loop.run_in_executor(writer, database.close)


def _bare_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, wire BLOB)")
    return database


# --- processes ---


@asynccontextmanager
async def _process(*arguments: str | Path) -> AsyncIterator[int]:
    """A server in a process of its own; yields its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.relay",
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    told, end = process.stdout, process.stdin
    if told is None or end is None:
        raise RuntimeError("the server has no pipes")
    yield int(await told.readline())
    end.close()
    await process.wait()


async def _until_told(port: int) -> None:
    """Say where we listen, and wait for the end of our input."""
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main(kind: str, path: str, *more: str) -> None:
    """What one of the processes does."""
    asyncio.run(_serve_relay(Path(path), *more) if kind == "relay" else _serve_bare(Path(path)))


if __name__ == "__main__":
    main(*sys.argv[1:])

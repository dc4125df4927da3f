"""A relay that is killed or restarted loses nothing it acknowledged, and a retry finds its place (attack 26)."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from peerbot.core.ports import CircleRelay, Relay
from peerbot.errors import RelayError
from peerbot.protocol.log import Kind, open_receipt
from peerbot.protocol.primitives import SigningKey, random_bytes
from peerbot.relay.client import HttpRelay
from peerbot.relay.founding import founding_code
from peerbot.relay.local import LocalRelay
from peerbot.relay.service import RelayService
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.support.circle_builder import CircleBuilder

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Machine:
    """A relay's disk and key, and a circle on it."""

    path: Path
    key: SigningKey
    circle: CircleBuilder

    @asynccontextmanager
    async def running(self, when: str = "never") -> AsyncIterator[tuple[HttpRelay, asyncio.subprocess.Process]]:
        """The relay in a process of its own, which dies by itself `when` told to."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.crashing_relay",
            str(self.path),
            self.key.seed().reveal().hex(),
            when,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        relay = HttpRelay(f"http://127.0.0.1:{port}", expected_key=self.key.public)
        try:
            yield relay, process
        finally:
            await relay.close()
            process.stdin.close()
            async with asyncio.timeout(30):
                await process.wait()

    def owner(self, relay: Relay) -> CircleRelay:
        return relay.circle(self.circle.credential(self.circle.owner))

    def place(self, receipt: bytes) -> tuple[int, bytes]:
        opened = open_receipt(receipt, self.key.public, self.circle.cid)
        return opened.p, opened.head


@pytest.fixture
async def machine(tmp_path: Path) -> Machine:
    """A circle founded earlier, with its first epoch open."""
    key = SigningKey.generate()
    made = Machine(tmp_path / "relay.db", key, CircleBuilder(key.public))
    log = await SqliteRelayLog.open(made.path)
    relay = LocalRelay(RelayService(log, key), "http://127.0.0.1")
    await relay.found(founding_code(key), made.circle.genesis)
    opening = made.circle.opening()
    await made.owner(relay).append(Kind.ENTRY, opening.wire, envelopes=opening.envelopes)
    made.circle.took(Kind.ENTRY, opening.wire)
    await log.close()
    return made


async def test_a_restart_loses_nothing(machine: Machine) -> None:
    wires = [machine.circle.message(machine.circle.owner, str(i)) for i in range(20)]
    async with machine.running() as (relay, process):
        receipts = [await machine.owner(relay).append(Kind.MESSAGE, wire, if_seq=1) for wire in wires]
        await machine.owner(relay).send_mail([machine.circle.owner.device], b"direct")
        await machine.owner(relay).put_note(b"p" * 32, b"note", 2**40)
    assert process.returncode == 0
    async with machine.running() as (relay, _):
        page = await machine.owner(relay).read(2, 100)
        assert [r.wire for r in page.records] == wires
        assert [await machine.owner(relay).append(Kind.MESSAGE, wire, if_seq=1) for wire in wires] == receipts
        assert [m.wire for m in await machine.owner(relay).mail(9)] == [b"direct"]
        assert await relay.note(b"p" * 32) == b"note"
        assert len(await machine.owner(relay).envelopes(1)) == 1


@pytest.mark.parametrize("when", ["before-message", "after-message"])
async def test_killed_around_a_message_a_retry_makes_exactly_one(machine: Machine, when: str) -> None:
    wire = machine.circle.message(machine.circle.owner)
    async with machine.running(when) as (relay, process):
        with pytest.raises(RelayError, match="relay-unreachable"):
            await machine.owner(relay).append(Kind.MESSAGE, wire, if_seq=1)
    assert process.returncode == -signal.SIGKILL
    async with machine.running() as (relay, _):
        owner = machine.owner(relay)
        assert (await owner.read(0, 100)).head == (3 if when == "after-message" else 2)
        receipt = await owner.append(Kind.MESSAGE, wire, if_seq=1)
        machine.circle.took(Kind.MESSAGE, wire)
        assert machine.place(receipt) == (3, machine.circle.head)
        assert [r.wire for r in (await owner.read(2, 100)).records] == [wire]


@pytest.mark.parametrize("when", ["before-entry", "after-entry"])
async def test_killed_around_an_entry_it_stands_whole_or_not_at_all(machine: Machine, when: str) -> None:
    rotation = machine.circle.rotation()
    async with machine.running(when) as (relay, process):
        with pytest.raises(RelayError, match="relay-unreachable"):
            await machine.owner(relay).append(Kind.ENTRY, rotation.wire, envelopes=rotation.envelopes)
    assert process.returncode == -signal.SIGKILL
    async with machine.running() as (relay, _):
        owner = machine.owner(relay)
        stands = (await owner.read(0, 100)).head == 3
        assert stands == (when == "after-entry")
        assert bool(await owner.envelopes(2)) == stands, "its envelopes are there exactly when it is"
        receipt = await owner.append(Kind.ENTRY, rotation.wire, envelopes=rotation.envelopes)
        machine.circle.took(Kind.ENTRY, rotation.wire)
        assert machine.place(receipt) == (3, machine.circle.head)
        assert (await owner.envelopes(2)) == list(rotation.envelopes)
        assert (await owner.read(0, 100)).head == 3
        await owner.append(Kind.MESSAGE, machine.circle.message(machine.circle.owner), if_seq=2)


async def test_killed_under_load_what_was_acknowledged_is_there_in_one_chain(machine: Machine) -> None:
    acknowledged: dict[bytes, bytes] = {}
    enough = asyncio.Event()

    async def write(relay: HttpRelay) -> None:
        circle = machine.owner(relay)
        while True:
            wire = random_bytes(300)
            acknowledged[wire] = await circle.append(Kind.MESSAGE, wire, if_seq=1)
            if len(acknowledged) >= 150:
                enough.set()

    async with machine.running() as (relay, process):
        writers = [asyncio.create_task(write(relay)) for _ in range(8)]
        async with asyncio.timeout(30):
            await enough.wait()
        process.kill()
        ends = await asyncio.gather(*writers, return_exceptions=True)
    assert all(isinstance(end, RelayError) and end.code == "relay-unreachable" for end in ends)
    async with machine.running() as (relay, _):
        page = await machine.owner(relay).read(2, 1000)
        for record in page.records:
            assert record.wire is not None
            machine.circle.took(record.kind, record.wire)
            if record.wire in acknowledged:
                receipt = acknowledged.pop(record.wire)
                assert machine.place(receipt) == (record.p, machine.circle.head)
        assert acknowledged == {}
        assert machine.place(page.receipt) == (machine.circle.p, machine.circle.head)

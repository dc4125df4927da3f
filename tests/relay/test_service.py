"""The service by itself: several on one store, callers that go away, and memory that stays bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from peerbot.core.ports import LogHead, NewRecord, Placed, RelayLog, Wake
from peerbot.errors import RelayError
from peerbot.protocol.epochs import parse_envelope
from peerbot.protocol.keys import unspell
from peerbot.protocol.log import Kind, open_receipt
from peerbot.protocol.primitives import SigningKey, sha256
from peerbot.protocol.roster.entry import Reason
from peerbot.protocol.roster.ops import AddMember, Op
from peerbot.protocol.secret import SigningSeed
from peerbot.protocol.wire import ZERO16
from peerbot.relay.envelopes import read_address
from peerbot.relay.founding import founding_code, is_founding_code
from peerbot.relay.limits import Limits
from peerbot.relay.local import LocalRelay
from peerbot.relay.rosters import LARGE, Rosters
from peerbot.relay.service import RelayService
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.relay.conftest import World, founded
from tests.support.circle_builder import POLICY, CircleBuilder, Person
from tests.support.fake_clock import FakeClock
from tests.support.memory_log import MemoryRelayLog


async def a_world(store: RelayLog, clock: FakeClock) -> World:
    service = RelayService(store, SigningKey.generate(), clock=clock)
    return await founded(LocalRelay(service, "https://relay.example"), service, store, clock, POLICY)


@pytest.fixture(params=["sqlite", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RelayLog]:
    made: RelayLog
    made = await SqliteRelayLog.open(tmp_path / "relay.db") if request.param == "sqlite" else MemoryRelayLog()
    yield made
    await made.close()


# --- several processes on one store ---


async def test_a_device_removed_through_another_process_is_out_here_too(store: RelayLog, clock: FakeClock) -> None:
    here = await a_world(store, clock)
    gone = await here.admit()
    await here.by(gone).read(0, 1)
    there = RelayService(store, here.service.key, clock=clock)
    elsewhere = World(LocalRelay(there, here.relay.url), there, store, clock, here.circle)
    removal = here.circle.removal(gone)
    await elsewhere.append(Kind.ENTRY, removal.wire, removal.envelopes)
    for if_seq in (here.circle.roster.seq, None):
        with pytest.raises(RelayError, match="relay-denied"):
            await here.by(gone).append(Kind.MESSAGE, b"not any more", if_seq=if_seq)
    assert await store.find(here.circle.cid, sha256(b"not any more")) is None


async def test_entries_are_judged_by_what_other_processes_appended(store: RelayLog, clock: FakeClock) -> None:
    here = await a_world(store, clock)
    member = await here.admit()
    there = RelayService(store, here.service.key, clock=clock)
    elsewhere = World(LocalRelay(there, here.relay.url), there, store, clock, here.circle)
    await elsewhere.append(Kind.SUBKEY, here.circle.subkey(member), through=elsewhere.by(member))
    rotation = here.circle.rotation()
    await here.append(Kind.ENTRY, rotation.wire, rotation.envelopes)
    await elsewhere.append(Kind.SUBKEY, here.circle.subkey(member, 3), through=elsewhere.by(member))
    await here.append(Kind.MESSAGE, b"m")
    await elsewhere.append(Kind.MESSAGE, b"n")


class Overtaken(MemoryRelayLog):
    """A store in which another process always appends a moment earlier."""

    async def append_control(self, cid: bytes, *rest: object) -> Placed | LogHead:
        head = await self.head(cid)
        assert head is not None
        return replace(head, p=head.p + 1)


async def test_a_record_that_is_always_overtaken_gives_up_and_says_so(clock: FakeClock) -> None:
    store = Overtaken()
    service = RelayService(store, SigningKey.generate(), clock=clock)
    circle = CircleBuilder(service.key.public)
    relay = LocalRelay(service, "https://relay.example")
    await relay.found(founding_code(service.key), circle.genesis)
    with pytest.raises(RelayError, match="relay-busy"):
        await relay.circle(circle.credential(circle.owner)).append(Kind.ENTRY, circle.opening().wire)


async def test_a_crowd_is_admitted_in_one_large_entry(store: RelayLog, clock: FakeClock) -> None:
    """Large wires and rosters are worked on in threads, and the outcome is the same."""
    world = await a_world(store, clock)
    crowd = [Person() for _ in range(60)]
    adds: list[Op] = []
    for person in crowd:
        adds += [AddMember(person.member, 0, ZERO16, ZERO16, b""), person.added(world.circle.cid, ZERO16)]
    built = world.circle.entry(world.owner, *adds, rotate=Reason.JOIN)
    assert len(built.wire) > LARGE
    await world.append(Kind.ENTRY, built.wire, built.envelopes)
    await world.append(Kind.SUBKEY, world.circle.subkey(crowd[0]), through=world.by(crowd[0]))
    again = RelayService(store, world.service.key, clock=clock)
    for person in crowd[:2]:
        circle = LocalRelay(again, world.relay.url).circle(world.circle.credential(person))
        assert len(await circle.envelopes(1)) == 1


async def test_a_message_that_another_processes_entry_overtakes_goes_after_it(clock: FakeClock) -> None:
    store = MemoryRelayLog()
    here = await a_world(store, clock)
    there = RelayService(store, here.service.key, clock=clock)
    elsewhere = World(LocalRelay(there, here.relay.url), there, store, clock, here.circle)
    rotation = here.circle.rotation()
    await elsewhere.append(Kind.ENTRY, rotation.wire, rotation.envelopes)
    receipt = await here.by(here.owner).append(Kind.MESSAGE, b"whatever the roster is by now")
    assert open_receipt(receipt, here.service.key.public, here.circle.cid).p == here.circle.p + 1


async def test_one_genesis_stands_whatever_signature_another_bears(clock: FakeClock) -> None:
    """Ed25519 lets the founder sign the same core in other bytes."""
    store = MemoryRelayLog()
    service = RelayService(store, SigningKey.generate(), clock=clock)
    circle = CircleBuilder(service.key.public)
    other = NewRecord(Kind.ENTRY, b"the same core, signed otherwise", bytes(32), 0)
    await store.found(circle.cid, other, b"roster")
    with pytest.raises(RelayError, match="relay-refused"):
        await service.found(founding_code(service.key), circle.genesis)


# --- an entry at work ---


class Held(MemoryRelayLog):
    """A store whose appends wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.leave = asyncio.Event()
        self.leave.set()

    async def append_control(self, *given: Any) -> Placed | LogHead:
        self.entered.set()
        await self.leave.wait()
        return await super().append_control(*given)

    async def append_message(self, cid: bytes, record: NewRecord, if_seq: int) -> Placed | LogHead:
        self.entered.set()
        await self.leave.wait()
        return await super().append_message(cid, record, if_seq)


async def test_messages_wait_while_an_entry_takes_its_place(clock: FakeClock) -> None:
    """Nobody can keep a removal out by writing, and who was removed meanwhile writes nothing."""
    store = Held()
    world = await a_world(store, clock)
    gone = await world.admit()
    removal = world.circle.removal(gone)
    store.leave.clear()
    store.entered.clear()
    entry = asyncio.create_task(world.append(Kind.ENTRY, removal.wire, removal.envelopes))
    await store.entered.wait()
    last_words = asyncio.create_task(world.by(gone).append(Kind.MESSAGE, b"last words"))
    message = asyncio.create_task(world.by(world.owner).append(Kind.MESSAGE, b"after it"))
    lock = world.service._rosters._cells[world.circle.cid].lock
    async with asyncio.timeout(10):
        while len(lock._waiters or ()) < 2:  # noqa: ASYNC110 - asyncio's lock tells nobody who waits
            await asyncio.sleep(0)
    store.leave.set()
    assert (await entry).p == world.circle.p
    assert open_receipt(await message, world.service.key.public, world.circle.cid).p == world.circle.p + 1
    with pytest.raises(RelayError, match="relay-denied"):
        await last_words
    assert await store.find(world.circle.cid, sha256(b"last words")) is None


# --- callers that go away ---


async def test_a_cancelled_append_still_stands_and_wakes_the_others(clock: FakeClock) -> None:
    store = Held()
    world = await a_world(store, clock)
    other = await world.admit()
    async with world.by(other).watch() as wakes:
        store.leave.clear()
        store.entered.clear()
        append = asyncio.create_task(world.by(world.owner).append(Kind.MESSAGE, b"m"))
        await store.entered.wait()
        append.cancel()
        with pytest.raises(asyncio.CancelledError):
            await append
        store.leave.set()
        async with asyncio.timeout(10):
            assert await anext(wakes) is Wake.LOG
    found = await store.find(world.circle.cid, sha256(b"m"))
    assert found is not None
    again = await world.by(world.owner).append(Kind.MESSAGE, b"m")
    assert (await world.by(world.owner).read(found.p - 1, 1)).receipt == again, "a retry gets where it stands"


# --- memory ---


async def test_rosters_in_memory_are_bounded_and_come_back(clock: FakeClock) -> None:
    store = MemoryRelayLog()
    service = RelayService(store, SigningKey.generate(), clock=clock, limits=replace(Limits(), rosters=2))
    relay = LocalRelay(service, "https://relay.example")
    circles = [CircleBuilder(service.key.public) for _ in range(5)]
    for circle in circles:
        await relay.found(founding_code(service.key), circle.genesis)
    for circle in circles * 2:
        assert (await relay.circle(circle.credential(circle.owner)).read(0, 10)).head == 1
    cells = Rosters(store, 2)
    for circle in circles:
        await cells.get(circle.cid)
    assert len(cells._cells) == 2


async def test_a_roster_in_use_is_not_put_away(clock: FakeClock) -> None:
    store = MemoryRelayLog()
    service = RelayService(store, SigningKey.generate(), clock=clock)
    circles = [CircleBuilder(service.key.public) for _ in range(4)]
    for circle in circles:
        await service.found(founding_code(service.key), circle.genesis)
    cells = Rosters(store, 1)
    used = await cells.get(circles[0].cid)
    assert used is not None
    async with used.lock:
        for circle in circles:
            await cells.get(circle.cid)
        assert await cells.get(circles[0].cid) is used


# --- what the relay knows by itself ---


async def test_the_relays_files_hold_no_words_and_no_keys(tmp_path: Path, clock: FakeClock) -> None:
    """Attack 40, for what goes through a relay: posts, the founding code, and the key that signs receipts."""
    canary = "canary-forty-two"
    store = await SqliteRelayLog.open(tmp_path / "relay.db")
    world = await a_world(store, clock)
    for _ in range(5):
        await world.append(Kind.MESSAGE, world.circle.message(world.owner, canary))
    secrets = [
        canary.encode(),
        founding_code(world.service.key).encode(),
        unspell(founding_code(world.service.key)),
        world.service.key.seed().reveal(),
        world.owner.key.seed().reveal(),
        *(secret.reveal() for secret in world.circle.secrets.values()),
    ]
    written = contents(tmp_path)
    assert world.circle.cid in written
    assert not [secret for secret in secrets if secret in written]
    await store.close()


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_the_relay_reads_an_envelopes_address_as_devices_do() -> None:
    """It may not import what opens envelopes, so it has the layout a second time."""
    circle = CircleBuilder(SigningKey.generate().public)
    built = circle.opening()
    assert built.envelopes
    for raw in built.envelopes:
        theirs, ours = parse_envelope(raw), read_address(raw, circle.cid)
        assert (ours.e, ours.sender, ours.to, ours.wire) == (theirs.e, theirs.sender, theirs.to, raw)


def test_the_founding_code_belongs_to_the_key() -> None:
    key = SigningKey(SigningSeed(bytes(32)))
    code = founding_code(key)
    assert len(unspell(code)) == 16
    assert founding_code(SigningKey(SigningSeed(bytes(32)))) == code
    assert is_founding_code(key, code.lower().replace("-", ""))
    assert not is_founding_code(SigningKey.generate(), code)

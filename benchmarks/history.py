"""A circle with a long history, written straight into a relay's database, and the keys of one device that missed it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec

from benchmarks.texts import post_text
from peerbot.core.ports import NewCircle, NewRecord
from peerbot.protocol import labels, log
from peerbot.protocol.bodies import AnyBody, Post, Thread, encode_body
from peerbot.protocol.epochs import Built, EpochKeys, keys_of
from peerbot.protocol.log import Kind
from peerbot.protocol.message import Header, parse, seal_message
from peerbot.protocol.primitives import SigningKey, random_bytes, sha256
from peerbot.protocol.secret import SealingSeed, SigningSeed
from peerbot.protocol.wire import ZERO32
from peerbot.relay.founding import founding_code
from peerbot.relay.local import LocalRelay
from peerbot.relay.service import RelayService
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.support.circle_builder import START, CircleBuilder, Person
from tests.support.fake_clock import FakeClock

AUTHORS = 12
THREADS = 80
EPOCH = 5000
"""Messages between two rotations."""
_TOGETHER = 500
_URL = "http://127.0.0.1"


class Absent(msgspec.Struct, frozen=True):
    """A member's device that has read nothing yet: all its vault has to know."""

    cid: bytes
    member: bytes
    signing: bytes
    sealing: bytes
    subkey_hash: bytes
    relay_key: bytes
    last: int

    def new_circle(self, relay_url: str) -> NewCircle:
        return NewCircle(
            self.cid,
            "forum",
            relay_url,
            self.member,
            SigningSeed(self.signing),
            SealingSeed(self.sealing),
            self.subkey_hash,
            random_bytes(16),
            ready=True,
        )


async def write_history(database: Path, relay_seed: bytes, messages: int) -> Absent:
    """A circle of people who wrote `messages` posts of 200 to 275 characters while one of them was away."""
    relay_key = SigningKey(SigningSeed(relay_seed))
    store = await SqliteRelayLog.open(database)
    service = RelayService(store, relay_key, clock=FakeClock(START))
    try:
        history = _History(store, service, CircleBuilder(relay_key.public, url=_URL.encode()))
        await history.found()
        await history.fill(messages)
        return history.absent(relay_key.public)
    finally:
        await service.close()
        await store.close()


@dataclass(slots=True)
class _Chain:
    dseq: int = 0
    last: bytes = ZERO32


class _History:
    def __init__(self, store: SqliteRelayLog, service: RelayService, circle: CircleBuilder) -> None:
        self._store = store
        self._service = service
        self._circle = circle
        self._relay = LocalRelay(service, _URL).circle(circle.credential(circle.owner))
        self._authors = [Person() for _ in range(AUTHORS)]
        self._away = Person()
        self._chains: dict[bytes, _Chain] = {}
        self._rng = Random(1)  # noqa: S311 - the same words in every run
        self._threads = [random_bytes(16) for _ in range(THREADS)]

    async def found(self) -> None:
        code = founding_code(self._service.key)
        await LocalRelay(self._service, _URL).found(code, self._circle.genesis)
        await self._enter(self._circle.opening())
        for person in (self._away, *self._authors):
            await self._enter(self._circle.admission(person))

    async def _enter(self, built: Built) -> None:
        await self._relay.append(Kind.ENTRY, built.wire, envelopes=built.envelopes)
        self._circle.took(Kind.ENTRY, built.wire)

    async def fill(self, messages: int) -> None:
        for first in range(0, messages, EPOCH):
            if first:
                await self._enter(self._circle.rotation())
            for at in range(first, min(first + EPOCH, messages), _TOGETHER):
                await self._append(range(at, min(at + _TOGETHER, first + EPOCH, messages)))

    async def _append(self, numbers: range) -> None:
        circle = self._circle
        epoch = circle.roster.epochs[max(circle.secrets)]
        keys = keys_of(circle.secrets[epoch.e], circle.cid, epoch)
        p, head, records = circle.p, circle.head, []
        for number in numbers:
            record = self._record(keys, number, p, head)
            p += 1
            head = log.link(head, p, Kind.MESSAGE, record.digest)
            records.append(record)
        seq = circle.roster.seq
        placed = await asyncio.gather(*(self._store.append_message(circle.cid, record, seq) for record in records))
        if placed[-1].p != p or placed[-1].head != head:
            raise RuntimeError("the relay put the messages into another order")
        # Older ones are never asked for here.
        circle.heads = {p: head}

    def _record(self, keys: EpochKeys, number: int, p: int, head: bytes) -> NewRecord:
        """The next message, by anybody who has seen the log up to `p`; the first ones begin the threads."""
        circle, rng = self._circle, self._rng
        author = rng.choice(self._authors)
        chain = self._chains.setdefault(author.device, _Chain())
        body: AnyBody = Post(rng.choice(self._threads), post_text(rng, rng.randint(200, 275)))
        if number < THREADS:
            body = Thread(self._threads[number], f"Topic {number}")
        header = Header(
            labels.SUITE,
            circle.cid,
            keys.e,
            circle.roster.seq,
            circle.roster.head,
            p,
            head,
            author.member,
            author.device,
            author.device,
            chain.dseq + 1,
            chain.last,
            START + number,
        )
        wire = seal_message(keys, author.key, header, encode_body(body))
        chain.dseq, chain.last = chain.dseq + 1, parse(wire).id
        return NewRecord(Kind.MESSAGE, wire, sha256(wire), START + number)

    def absent(self, relay_key: bytes) -> Absent:
        away, circle = self._away, self._circle
        device = circle.roster.devices[away.device]
        return Absent(
            circle.cid,
            away.member,
            away.key.seed().reveal(),
            away.sealing.seed().reveal(),
            device.subkeys[0].hash,
            relay_key,
            circle.p,
        )

"""A relay reached both ways, in the process and over HTTP, with a circle in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from peerbot.core.ports import CircleRelay, Credential, Relay, RelayLog
from peerbot.protocol.log import Kind, Receipt, open_receipt
from peerbot.protocol.primitives import SigningKey
from peerbot.protocol.roster.ops import SetPolicy
from peerbot.relay.client import HttpRelay
from peerbot.relay.founding import founding_code
from peerbot.relay.limits import MIB, Limits
from peerbot.relay.local import LocalRelay
from peerbot.relay.server.server import Listen, RelayServer
from peerbot.relay.service import RelayService
from tests.support.circle_builder import POLICY, START, CircleBuilder, Person
from tests.support.fake_clock import FakeClock
from tests.support.memory_log import MemoryRelayLog


@dataclass
class World:
    """A relay, and a circle that follows what it took."""

    relay: Relay
    service: RelayService
    log: RelayLog
    clock: FakeClock
    circle: CircleBuilder
    signed_in: dict[Credential, CircleRelay] = field(default_factory=dict)

    @property
    def owner(self) -> Person:
        return self.circle.owner

    def seen_by(self, credential: Credential) -> CircleRelay:
        """The circle as one credential reaches it, always through the same session."""
        if credential not in self.signed_in:
            self.signed_in[credential] = self.relay.circle(credential)
        return self.signed_in[credential]

    def by(self, person: Person) -> CircleRelay:
        return self.seen_by(self.circle.credential(person))

    async def append(
        self, kind: Kind, wire: bytes, envelopes: tuple[bytes, ...] = (), through: CircleRelay | None = None
    ) -> Receipt:
        """Append by the owner (or `through` another) what the relay must take, and check its receipt."""
        relay = through if through is not None else self.by(self.owner)
        seq = self.circle.roster.seq if kind is Kind.MESSAGE else None
        receipt = await relay.append(kind, wire, envelopes=envelopes, if_seq=seq)
        self.circle.took(kind, wire)
        opened = open_receipt(receipt, self.service.key.public, self.circle.cid)
        assert (opened.p, opened.head) == (self.circle.p, self.circle.head)
        return opened

    async def admit(self, person: Person | None = None) -> Person:
        """A new member, admitted by the owner."""
        person = person if person is not None else Person()
        built = self.circle.admission(person)
        await self.append(Kind.ENTRY, built.wire, built.envelopes)
        return person


def limits() -> Limits:
    """Room for tests that knock often, and mailboxes that are soon full."""
    return replace(Limits(), door_burst=10_000.0, mailbox_bytes=3 * MIB)


async def founded(relay: Relay, service: RelayService, store: RelayLog, clock: FakeClock, policy: SetPolicy) -> World:
    circle = CircleBuilder(service.key.public, policy)
    world = World(relay, service, store, clock, circle)
    await relay.found(founding_code(service.key), circle.genesis)
    built = circle.opening()
    await world.append(Kind.ENTRY, built.wire, built.envelopes)
    return world


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def service(clock: FakeClock) -> RelayService:
    return RelayService(MemoryRelayLog(), SigningKey.generate(), clock=clock, limits=limits())


@pytest.fixture
async def server(service: RelayService, clock: FakeClock) -> AsyncIterator[RelayServer]:
    server = RelayServer(service, Listen(), now=clock.steady)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(params=["local", "http"])
async def world(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[World]:
    """A founded circle with its first epoch open."""
    store = MemoryRelayLog()
    service = RelayService(store, SigningKey.generate(), clock=clock, limits=limits())
    if request.param == "local":
        yield await founded(LocalRelay(service, "https://relay.example"), service, store, clock, POLICY)
        return
    server = RelayServer(service, Listen(), now=clock.steady)
    await server.start()
    relay = HttpRelay(server.url, expected_key=service.key.public, clock=clock)
    yield await founded(relay, service, store, clock, POLICY)
    await relay.close()
    await server.stop()

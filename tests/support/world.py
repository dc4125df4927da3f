"""Nodes on vaults of their own around one relay, for tests of what people see."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from peerbot.clock import epoch_seconds
from peerbot.core.founding import DEFAULT_POLICY, found_circle
from peerbot.core.inviting import Community, ShownInvite, make_invite
from peerbot.core.joining import join_circle, look_up
from peerbot.core.node import Circle, Node
from peerbot.core.people import set_profile
from peerbot.core.ports import Relay, RelayLog
from peerbot.core.threads import read_posts
from peerbot.protocol.keys import new_recovery_code
from peerbot.protocol.primitives import SigningKey
from peerbot.protocol.roster.ops import Role, SetPolicy
from peerbot.relay.founding import founding_code
from peerbot.relay.local import LocalRelay
from peerbot.relay.service import RelayService
from peerbot.store.vault.keyfile import create_key_file, read_key_file
from peerbot.store.vault.vault import SqlVault
from tests.support.memory_log import MemoryRelayLog
from tests.support.turns import TurnRelay, Turns

URL = "http://127.0.0.1:8440"
COMMUNITY = Community("Canary Community", "Canary Operator", "canary@example.org", "en")


class MovableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def forward(self, **by: float) -> None:
        self._now += timedelta(**by)

    async def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's node and their view of the circle."""

    name: str
    node: Node
    circle: Circle

    async def texts(self) -> list[str]:
        """What they can read, oldest first."""
        return [post.text for post in await read_posts(self.node, self.circle, None, limit=1000)]

    async def sync(self) -> None:
        await self.node.sync(self.circle)


class World:
    """One relay in this process, and the people around it."""

    def __init__(self, folder: Path, log: RelayLog | None = None, relay_key: SigningKey | None = None) -> None:
        self.folder = folder
        self.clock = MovableClock()
        self.relay_key = relay_key or SigningKey.generate()
        self.log = log if log is not None else MemoryRelayLog()
        self.service = RelayService(self.log, self.relay_key, clock=self.clock)
        self.executor = ThreadPoolExecutor(4)
        self._vaults: dict[str, SqlVault] = {}

    def relay(self) -> Relay:
        return LocalRelay(self.service, URL)

    async def node(self, name: str, turns: Turns | None = None) -> Node:
        """A node on the vault of this name, made on first use. With `turns`, its relay calls wait for them."""
        key_file = self.folder / f"{name}.key"
        if key_file.exists():
            vault = await SqlVault.open(self.folder / f"{name}.db", read_key_file(key_file), readers=1)
        else:
            vault = await SqlVault.create(self.folder / f"{name}.db", create_key_file(key_file), readers=1)
        self._vaults[name] = vault
        node = Node(vault, lambda _url, _key: TurnRelay(self.relay(), turns), self.clock, self.executor)
        await node.load()
        return node

    async def person(self, name: str) -> Person:
        """Somebody who is in the circle already, on their vault as it is on disk."""
        node = await self.node(name)
        return Person(name, node, node.circle("forum"))

    async def stop(self, name: str) -> None:
        """Close a node's vault, as a clean exit does."""
        await self._vaults.pop(name).close()

    async def founder(self, name: str = "Heron", policy: SetPolicy = DEFAULT_POLICY) -> Person:
        node = await self.node(name)
        code = founding_code(self.relay_key)
        circle = await found_circle(
            node, "forum", relay_url=URL, relay_key=self.relay_key.public, founding_code=code, policy=policy
        )
        await set_profile(node, circle, name)
        return Person(name, node, circle)

    async def invite(self, by: Person, *, role: Role = Role.MEMBER, uses: int = 1, days: float = 14) -> ShownInvite:
        expires = epoch_seconds(self.clock.now()) + int(days * 86_400)
        return await make_invite(by.node, [by.circle], COMMUNITY, role=role, uses=uses, expires=expires)

    async def join(self, name: str, invite: ShownInvite) -> Person:
        node = await self.node(name)
        assert invite.link is not None
        invitation = await look_up(node, invite.link)
        circle = await join_circle(node, invitation, invitation.note.circles[0], new_recovery_code())
        await set_profile(node, circle, name)
        return Person(name, node, circle)

    async def newcomer(self, name: str, by: Person, *, role: Role = Role.MEMBER) -> Person:
        return await self.join(name, await self.invite(by, role=role))

    async def close(self) -> None:
        for name in list(self._vaults):
            await self.stop(name)
        await self.log.close()
        self.executor.shutdown()

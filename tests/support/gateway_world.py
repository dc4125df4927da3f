"""A world with a gateway: a node on a vault that also keeps events, guests and deliveries."""

from __future__ import annotations

from dataclasses import dataclass

from peerbot.core.doors import Guest, Platform, Step
from peerbot.core.fanout import FanOut
from peerbot.core.hosting import admit_hosted, name_hosted
from peerbot.core.node import Node
from peerbot.protocol.primitives import random_bytes
from peerbot.protocol.roster.ops import Role
from peerbot.store.vault.gateway.store import GatewayVault
from peerbot.store.vault.keyfile import create_key_file, read_key_file
from tests.support.turns import Turns
from tests.support.world import Person, World

GATEWAY = "Gateway"


@dataclass(frozen=True, slots=True)
class Gateway(Person):
    """The gateway's node, its store, and what fans posts out."""

    store: GatewayVault
    fan: FanOut

    async def work(self) -> int:
        """Fetch what is new and fan it out; returns how many deliveries that made."""
        await self.sync()
        return await self.fan.fan_out(self.circle)


class GatewayWorld(World):
    """A world in which the node called "Gateway" has a gateway's vault."""

    async def node(self, name: str, turns: Turns | None = None) -> Node:
        if name != GATEWAY:
            return await super().node(name, turns)
        key_file = self.folder / f"{name}.key"
        if key_file.exists():
            vault = await GatewayVault.open(self.folder / f"{name}.db", read_key_file(key_file), readers=1)
        else:
            vault = await GatewayVault.create(self.folder / f"{name}.db", create_key_file(key_file), readers=1)
        self._vaults[name] = vault
        node = Node(vault, lambda _url, _key: self.relay(), self.clock, self.executor)
        await node.load()
        return node

    async def gateway(self, by: Person | None = None) -> Gateway:
        """The gateway; let in by somebody where it isn't in the circle yet."""
        if by is not None:
            person = await self.newcomer(GATEWAY, by, role=Role.GATEWAY)
        else:
            person = await self.person(GATEWAY)
        store = self._vaults[GATEWAY]
        assert isinstance(store, GatewayVault)
        fan = FanOut(person.node, store, self.clock)
        return Gateway(person.name, person.node, person.circle, store, fan)

    async def host(self, by: Person, gateway: Gateway, chat: str, platform: Platform = Platform.TELEGRAM) -> bytes:
        """Admit a guest as a hosted member, the way a dialogue does: the mapping first."""
        invite = await self.invite(by)
        assert invite.link is not None
        member = random_bytes(16)
        await gateway.store.step(Step(0, Guest(platform, chat, b"", {gateway.circle.cid: member})))
        await admit_hosted(gateway.node, gateway.circle, invite.link.token, member)
        await name_hosted(gateway.node, gateway.circle, member, chat.title())
        await by.sync()
        return member

"""Runs one action of one node and kills its own process at a named point: `python -m tests.support.crash_node`.

Arguments: folder, relay seed in hex, action, its argument, point. A point is "vault.save:before:2": the method, whether
the kill comes before or after it, and at which call. "never" lets the action end. The relay is in the same process, on
its file, so that it dies too and has to keep what it acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from peerbot.core.inviting import ShownInvite
from peerbot.core.node import Node
from peerbot.core.people import remove_member
from peerbot.core.threads import post
from peerbot.protocol.invite import parse_link
from peerbot.protocol.primitives import SigningKey
from peerbot.protocol.roster.entry import Reason
from peerbot.protocol.roster.ops import Role
from peerbot.protocol.secret import SigningSeed
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.support.world import Person, World


class Deadly:
    """Passes every call on, and kills the process at the chosen one."""

    def __init__(self, inner: object, name: str, point: str) -> None:
        self._inner = inner
        self._name = name
        self._method, self._when, count = (*point.split(":"), "", "")[:3]
        self._left = int(count or 0)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if f"{self._name}.{name}" != self._method:
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = await found(*args, **kwargs)
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call


class DeadlyWorld(World):
    """A world in which one node's vault or relay kills."""

    point = "never"

    async def node(self, name: str, turns: object = None) -> Node:
        node = await super().node(name)
        inner = node._relay_at
        node.vault = Deadly(node.vault, "vault", self.point)

        def relay_at(url: str, key: bytes | None) -> Any:
            relay = inner(url, key)
            circle = relay.circle
            relay.circle = lambda credential: Deadly(circle(credential), "relay", self.point)  # type: ignore[method-assign]
            return Deadly(relay, "relay", self.point)

        node._relay_at = relay_at
        node._relays.clear()
        node.circles.clear()
        await node.load()
        return node


async def act(world: World, action: str, argument: str) -> None:
    if action == "found":
        await world.founder()
        return
    if action == "join":
        link = parse_link(argument)
        await world.join("Wren", ShownInvite("", link, Role.MEMBER, 1, 0, ("forum",), False))
        return
    person = await world.person("Heron")
    todo: dict[str, Callable[[], Awaitable[object]]] = {
        "post": lambda: post(person.node, person.circle, "new thread", argument),
        "remove": lambda: remove_member(person.node, person.circle, argument),
        "rotate": lambda: rotate(person),
        "sync": person.sync,
    }
    await todo[action]()


async def rotate(person: Person) -> None:
    await person.sync()
    async with person.circle.follower.lock:
        await person.circle.outbox.append_entry((), Reason.DUE)


async def main(folder: str, seed: str, action: str, argument: str, point: str) -> None:
    log = await SqliteRelayLog.open(Path(folder) / "relay.db")
    world = DeadlyWorld(Path(folder), log, SigningKey(SigningSeed(bytes.fromhex(seed))))
    world.point = point
    try:
        await act(world, action, argument)
    finally:
        await world.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:6]))

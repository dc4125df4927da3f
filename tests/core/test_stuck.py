"""What goes wrong for one doesn't hold up the others, nor one's own words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from peerbot.core.people import remove_member
from peerbot.core.ports import CircleRelay
from peerbot.core.threads import post
from peerbot.errors import RelayError, UserError
from peerbot.protocol.log import Kind
from peerbot.protocol.request import Request, make_request
from peerbot.protocol.roster.ops import Role
from tests.support.world import Person, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


@pytest.fixture
async def heron(world: World) -> Person:
    heron = await world.founder()
    await say(heron, "old words")
    return heron


async def say(person: Person, text: str) -> None:
    posted = await post(person.node, person.circle, "talk", text)
    assert posted.sent


class Hooked:
    """A relay connection that does something else first, or instead, when a method is called."""

    def __init__(self, inner: CircleRelay, method: str, before: Callable[..., Awaitable[None]]) -> None:
        self._inner = inner
        self._method = method
        self._before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._method:
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._before(*args)
            return await found(*args, **kwargs)

        return call


async def fill(person: Person) -> None:
    """Write to one's own mailbox until it is full."""
    for i in range(10_000):
        await person.circle.follower.relay.send_mail(
            [person.circle.follower.state.me.device], i.to_bytes(4, "big") * 99
        )


async def away(*_: object) -> None:
    raise RelayError("relay-unreachable")


async def test_a_request_to_somebody_who_was_removed_meanwhile_is_given_up(world: World, heron: Person) -> None:
    gateway = await world.newcomer("Gateway", heron, role=Role.GATEWAY)
    await gateway.sync()
    wren = await world.newcomer("Wren", heron)
    cable = wren.circle.follower.relay

    async def no_requests(kind: Kind, *_: object) -> None:
        if kind is Kind.REQUEST:
            raise RelayError("relay-unreachable")

    world.clock.forward(minutes=5)
    wren.circle.follower.relay = Hooked(cable, "append", no_requests)
    with suppress(RelayError):
        await wren.sync()
    wren.circle.follower.relay = cable
    await remove_member(heron.node, heron.circle, "Gateway")
    world.clock.forward(minutes=5)
    await wren.sync()
    await say(wren, "hello from Wren")
    assert wren.circle.outbox.waiting == 0
    await heron.sync()
    assert await heron.texts() == ["old words", "hello from Wren"]


async def test_a_mailbox_somebody_filled_on_purpose_silences_nobody(world: World, heron: Person) -> None:
    wren = await world.newcomer("Wren", heron)
    crow = await world.newcomer("Crow", heron)
    for person in (heron, wren, crow):
        await person.sync()
    state = crow.circle.follower.state
    with pytest.raises(RelayError, match="relay-busy"):
        await fill(crow)
    victim = wren.circle.follower.state.me.device
    asked = make_request(state.me.key, Request(state.cid, state.me.device, state.epoch, victim))
    await crow.circle.follower.relay.append(Kind.REQUEST, asked)
    await wren.sync()
    await say(wren, "can you hear me?")
    await remove_member(heron.node, heron.circle, "Crow")
    await wren.sync()
    await say(wren, "and now?")
    await heron.sync()
    assert await heron.texts() == ["old words", "can you hear me?", "and now?"]
    assert await wren.node.vault.directs(wren.circle.cid) == []


async def test_an_answer_to_somebody_who_was_removed_meanwhile_keeps_no_other_answer(
    world: World, heron: Person
) -> None:
    gateway = await world.newcomer("Gateway", heron, role=Role.GATEWAY)
    await heron.sync()
    await gateway.sync()
    await world.newcomer("Wren", heron)
    cable = gateway.circle.follower.relay
    gateway.circle.follower.relay = Hooked(cable, "send_mail", away)
    with pytest.raises(RelayError, match="relay-unreachable"):
        await gateway.sync()
    gateway.circle.follower.relay = cable
    await remove_member(heron.node, heron.circle, "Wren")
    await gateway.sync()
    owl = await world.newcomer("Owl", heron)
    await gateway.sync()
    await owl.sync()
    assert await owl.texts() == ["old words"]


async def test_history_sealed_in_a_roster_newer_than_ones_own_is_read_all_the_same(world: World, heron: Person) -> None:
    wren = await world.newcomer("Wren", heron)
    cable = wren.circle.follower.relay
    once = [1]

    async def meanwhile(*_: object) -> None:
        if once:
            once.clear()
            async with heron.node.holding(heron.circle):
                await heron.circle.follower.catch_up()
            await world.invite(heron)
            await heron.sync()

    wren.circle.follower.relay = Hooked(cable, "mail", meanwhile)
    await wren.sync()
    wren.circle.follower.relay = cable
    await wren.sync()
    assert await wren.texts() == ["old words"]


async def test_who_was_removed_is_told_so_when_posting_and_when_joining_again(world: World, heron: Person) -> None:
    wren = await world.newcomer("Wren", heron)
    await heron.sync()
    await remove_member(heron.node, heron.circle, "Wren")
    wren.circle.synced = False
    with pytest.raises(UserError, match="removed"):
        await post(wren.node, wren.circle, "talk", "is anybody there?")
    assert [text for _, _, text in await wren.node.vault.drafts()] == ["is anybody there?"]
    await world.stop("Wren")
    with pytest.raises(UserError, match="join-removed"):
        await world.newcomer("Wren", heron)

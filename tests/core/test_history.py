"""What newcomers may read, who hands it to them, and how a broken epoch heals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from peerbot.core.founding import DEFAULT_POLICY
from peerbot.core.people import list_members
from peerbot.core.ports import CircleRelay
from peerbot.core.threads import post, search
from peerbot.protocol.epochs import parse_envelope
from peerbot.protocol.log import Kind
from peerbot.protocol.roster.entry import Reason
from peerbot.protocol.roster.ops import SetPolicy
from tests.support.world import Person, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


async def say(person: Person, text: str) -> None:
    await post(person.node, person.circle, "talk", text)


async def visit(*people: Person) -> None:
    """Everybody's machine comes online once, in this order."""
    for person in people:
        await person.sync()


async def test_a_newcomer_reads_the_last_thirty_days_once_somebody_was_online(world: World) -> None:
    heron = await world.founder()
    await say(heron, "long ago")
    world.clock.forward(days=40)
    await say(heron, "last week")
    world.clock.forward(days=5)
    wren = await world.newcomer("Wren", heron)
    assert await wren.texts() == []
    await visit(heron, wren)
    assert await wren.texts() == ["last week"]


async def test_a_circle_without_history_shows_a_newcomer_nothing_from_before(world: World) -> None:
    heron = await world.founder(policy=replace(DEFAULT_POLICY, history_days=0))
    await say(heron, "before")
    wren = await world.newcomer("Wren", heron)
    await visit(heron, wren, heron, wren)
    await say(heron, "after")
    await visit(wren)
    assert await wren.texts() == ["after"]


async def test_a_policy_that_is_loosened_later_does_not_open_older_epochs(world: World) -> None:
    heron = await world.founder(policy=replace(DEFAULT_POLICY, history_days=0))
    await say(heron, "said while history was closed")
    looser: SetPolicy = replace(DEFAULT_POLICY, history_days=30)
    async with heron.circle.follower.lock:
        await heron.circle.outbox.append_entry((looser,), Reason.POLICY)
    await say(heron, "said since it is open")
    wren = await world.newcomer("Wren", heron)
    await visit(heron, wren)
    assert await wren.texts() == ["said since it is open"]


async def test_a_second_device_is_asked_when_the_first_does_not_answer(world: World) -> None:
    heron = await world.founder()
    wren = await world.newcomer("Wren", heron)
    await visit(heron, wren)
    await say(heron, "hello")
    await visit(wren)
    owl = await world.newcomer("Owl", heron)
    await visit(wren, owl)
    assert await owl.texts() == [], "the owner was asked first and isn't online"
    world.clock.forward(seconds=31)
    await visit(owl, wren, owl)
    assert await owl.texts() == ["hello"]


async def test_late_history_is_found_by_search_and_shows_edits_names_and_order(world: World) -> None:
    heron = await world.founder()
    for i in range(5):
        await say(heron, f"stone {i}")
    wren = await world.newcomer("Wren", heron)
    await visit(heron, wren)
    assert await wren.texts() == [f"stone {i}" for i in range(5)]
    assert [p.text for p in await search(wren.node, "stone 3", None)] == ["stone 3"]
    assert [m.name for m in await list_members(wren.circle)] == ["Heron", "Wren"]


async def test_names_and_titles_outlive_their_epoch_for_those_who_come_later(world: World) -> None:
    heron = await world.founder()
    await say(heron, "old words")
    for _ in range(4):
        world.clock.forward(days=8)
        await say(heron, "so that epochs go by")
        await visit(heron)
    world.clock.forward(days=8)
    wren = await world.newcomer("Wren", heron)
    await visit(heron, wren, heron, wren)
    texts = await wren.texts()
    assert "old words" not in texts
    assert [m.name for m in await list_members(wren.circle)] == ["Heron", "Wren"]
    threads = await wren.node.vault.threads(wren.circle.cid)
    assert [t.title for t in threads] == ["talk"]


def broken(person: Person) -> bool:
    return person.circle.follower.state.broken


class GarbageFor:
    """A relay connection of a rotator who seals garbage to one device."""

    def __init__(self, inner: CircleRelay, victim: bytes) -> None:
        self._inner = inner
        self._victim = victim

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def append(
        self, kind: Kind, wire: bytes, *, envelopes: tuple[bytes, ...] = (), if_seq: int | None = None
    ) -> bytes:
        spoiled = [raw[:-8] + bytes(8) if parse_envelope(raw).to == self._victim else raw for raw in envelopes]
        return await self._inner.append(kind, wire, envelopes=spoiled, if_seq=if_seq)


async def test_a_rotator_who_seals_garbage_to_one_device_is_healed_by_another(world: World) -> None:
    heron = await world.founder()
    wren = await world.newcomer("Wren", heron)
    owl = await world.newcomer("Owl", heron)
    await visit(heron, wren, owl)
    honest = wren.circle.follower.relay
    wren.circle.follower.relay = GarbageFor(honest, owl.circle.follower.state.me.device)  # type: ignore[assignment]
    async with wren.circle.follower.lock:
        await wren.circle.outbox.append_entry((), Reason.DUE)
    wren.circle.follower.relay = honest
    await say(wren, "can Owl read this?")
    await visit(owl)
    assert broken(owl)
    assert await owl.texts() == []
    await visit(heron, owl)
    assert not broken(owl)
    assert await owl.texts() == ["can Owl read this?"]

"""A relay that lies: it is noticed, sending stops, and what was read stays."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peerbot.core.threads import post
from peerbot.errors import Fork, PeerbotError, RelayError
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import SigningKey
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.support.world import Person, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path, await SqliteRelayLog.open(tmp_path / "relay.db"), SigningKey.generate())
    yield world
    await world.close()


async def say(person: Person, text: str) -> None:
    await post(person.node, person.circle, "talk", text)


async def swap_log(world: World, path: Path) -> World:
    """The relay goes on with the same key on another database."""
    other = World(world.folder, await SqliteRelayLog.open(path), world.relay_key)
    other.clock = world.clock
    return other


async def test_a_relay_that_goes_back_to_last_night_raises_the_alarm_and_stops_sending(world: World) -> None:
    heron = await world.founder()
    await say(heron, "before the backup")
    await world.close()
    shutil.copy(world.folder / "relay.db", world.folder / "night.db")
    world = await swap_log(world, world.folder / "relay.db")
    heron = await world.person("Heron")
    await say(heron, "after the backup")
    await world.close()
    world = await swap_log(world, world.folder / "night.db")
    heron = await world.person("Heron")
    with pytest.raises(Fork, match="rollback"):
        await heron.sync()
    with pytest.raises(PeerbotError, match="rollback"):
        await say(heron, "into the void")
    assert await heron.texts() == ["before the backup", "after the backup"]
    assert [text for _, _, text in await heron.node.vault.drafts()] == ["into the void"]
    await world.close()


async def test_a_split_view_is_noticed_by_whoever_is_shown_the_other_side(world: World) -> None:
    heron = await world.founder()
    wren = await world.newcomer("Wren", heron)
    await heron.sync()
    await wren.sync()
    await world.close()
    shutil.copy(world.folder / "relay.db", world.folder / "other.db")
    world = await swap_log(world, world.folder / "relay.db")
    await say(await world.person("Heron"), "told to one side")
    await world.close()
    world = await swap_log(world, world.folder / "other.db")
    await say(await world.person("Wren"), "told to the other side")
    heron = await world.person("Heron")
    with pytest.raises((Fork, RelayError)):
        await heron.sync()
    await world.close()


async def test_records_that_do_not_hash_to_what_the_relay_signed_are_not_taken(world: World) -> None:
    heron = await world.founder()
    wren = await world.newcomer("Wren", heron)
    await heron.sync()
    await say(heron, "true words")
    page = await wren.circle.follower.relay.read(wren.circle.follower.state.p, 10)
    dropped = type(page)(page.records[:-1], page.receipt, page.head)
    before = wren.circle.follower.state
    with pytest.raises(RelayError, match="relay-garbage"):
        await wren.circle.follower.fold_page(dropped)
    assert wren.circle.follower.state is before
    await wren.sync()
    assert await wren.texts() == ["true words"]


async def test_two_messages_swapped_by_the_relay_are_noticed(world: World) -> None:
    heron = await world.founder()
    wren = await world.newcomer("Wren", heron)
    await heron.sync()
    await say(heron, "first")
    await say(heron, "second")
    page = await wren.circle.follower.relay.read(wren.circle.follower.state.p, 10)
    a, b = [r for r in page.records if r.kind is Kind.MESSAGE][-2:]
    swapped = {
        a.p: type(a)(a.p, b.kind, b.digest, b.wire, b.time),
        b.p: type(b)(b.p, a.kind, a.digest, a.wire, a.time),
    }
    records = tuple(swapped.get(r.p, r) for r in page.records)
    with pytest.raises(Fork, match="fork"):
        await wren.circle.follower.fold_page(type(page)(records, page.receipt, page.head))

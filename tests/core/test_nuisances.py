"""Members and relays who try to silence a circle, and what a device finds after a long absence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from peerbot.clock import epoch_seconds
from peerbot.core.people import remove_member
from peerbot.core.ports import Page
from peerbot.core.threads import post
from peerbot.errors import Fork, PeerbotError, RelayError
from peerbot.protocol import wire
from peerbot.protocol.bodies import Post, encode_body
from peerbot.protocol.direct import _HEADER, _WIRE
from peerbot.protocol.log import Kind
from peerbot.protocol.message import Header, seal_message
from tests.support.world import Person, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


@pytest.fixture
async def heron(world: World) -> Person:
    return await world.founder()


@pytest.fixture
async def wren(world: World, heron: Person) -> Person:
    wren = await world.newcomer("Wren", heron)
    await heron.sync()
    await wren.sync()
    return wren


async def send_forged(world: World, person: Person, **changes: Any) -> None:
    """A message of theirs, rightly signed, with header fields of their own choice."""
    state = person.circle.follower.state
    end, keys = state.chain_end(state.me.member), state.keys(state.epoch)
    assert end is not None
    assert keys is not None
    header = Header(
        1,
        state.cid,
        state.epoch,
        state.rules.seq,
        state.rules.head,
        state.p,
        state.head,
        state.me.member,
        state.me.device,
        state.me.chain,
        end.dseq + 1,
        end.id,
        epoch_seconds(world.clock.now()),
    )
    forged = msgspec.structs.replace(header, **changes)
    raw = seal_message(keys, state.me.key, forged, encode_body(Post(bytes(16), "boo")))
    await person.circle.follower.relay.append(Kind.MESSAGE, raw, if_seq=state.rules.seq)


async def test_a_member_who_signs_a_false_log_head_raises_the_alarm_and_can_be_removed(
    world: World, heron: Person, wren: Person
) -> None:
    await send_forged(world, wren, log_head=b"x" * 32)
    with pytest.raises(Fork, match="fork"):
        await heron.sync()
    with pytest.raises(PeerbotError, match="alarm-fork"):
        await post(heron.node, heron.circle, "talk", "is anybody there?")
    await remove_member(heron.node, heron.circle, "Wren")
    async with heron.node.holding(heron.circle):
        await heron.circle.follower.clear_alarm()
    assert (await post(heron.node, heron.circle, "talk", "we go on")).sent
    await world.stop("Heron")
    again = await world.person("Heron")
    assert (await post(again.node, again.circle, "talk", "tomorrow too")).sent
    assert await again.texts() == ["we go on", "tomorrow too"]


async def test_a_message_of_an_unknown_suite_silences_nobody(world: World, heron: Person, wren: Person) -> None:
    await send_forged(world, wren, suite=2)
    assert (await post(heron.node, heron.circle, "talk", "hello")).sent
    assert await heron.node.vault.refused(heron.circle.cid) == {"M03": 1}


async def test_a_direct_of_an_unknown_suite_silences_nobody(heron: Person, wren: Person) -> None:
    header = _HEADER.encode(2, heron.circle.cid, wire.encode_list(b"slots", []))
    raw = _WIRE.encode(header, bytes(32), b"")
    await wren.circle.follower.relay.send_mail([heron.circle.follower.state.me.device], raw)
    await heron.sync()
    assert (await post(heron.node, heron.circle, "talk", "hello")).sent


async def test_after_the_relay_has_pruned_newcomers_and_those_long_away_read_what_is_left(
    world: World, heron: Person, wren: Person
) -> None:
    for i in range(3):
        await post(heron.node, heron.circle, "talk", f"old {i}")
    await wren.sync()
    for text in ("middle", "new"):
        world.clock.forward(days=50)
        await post(heron.node, heron.circle, "talk", text)
    world.clock.forward(days=10)
    await world.service.sweep()
    await post(heron.node, heron.circle, "talk", "newest")
    await wren.sync()
    assert (await wren.texts())[-2:] == ["new", "newest"]
    assert await wren.node.vault.refused(wren.circle.cid) == {}
    owl = await world.newcomer("Owl", heron)
    await heron.sync()
    await owl.sync()
    assert await owl.texts() == ["new", "newest"]
    assert await owl.node.vault.refused(owl.circle.cid) == {}


async def test_a_relay_that_calls_a_young_message_pruned_is_caught(heron: Person, wren: Person) -> None:
    await post(heron.node, heron.circle, "talk", "do not drop this")
    follower = wren.circle.follower
    page = await follower.relay.read(follower.state.p, 10)
    records = tuple(replace(r, wire=None) if r.kind is Kind.MESSAGE else r for r in page.records)
    with pytest.raises(RelayError, match="relay-withholds"):
        await follower.fold_page(Page(records, page.receipt, page.head))
    await wren.sync()
    assert await wren.texts() == ["do not drop this"]


async def test_a_second_draft_does_not_take_the_place_of_the_first(heron: Person) -> None:
    for words in ("first " * 9000, "second " * 9000):
        with pytest.raises(PeerbotError, match="too-long"):
            await post(heron.node, heron.circle, "talk", words)
    ((_, _, kept),) = await heron.node.vault.drafts()
    assert "first" in kept
    assert "second" in kept

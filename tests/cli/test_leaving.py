"""Leaving a circle, and ending an alarm after comparing codes."""

from __future__ import annotations

import asyncio

import pytest

from peerbot.bootstrap import node_on, own_vault, place_at, relays
from peerbot.core.ports import Folded
from tests.cli.household import Machine


def test_who_leaves_is_gone_for_the_others_and_keeps_what_was_read(owner: Machine) -> None:
    wren = owner.newcomer("Wren", owner.link())
    owner.ok("post", "--circle", "forum", "--thread", "talk", "before you go")
    wren.ok("read")
    assert "You have left forum" in wren.ok("leave", "--circle", "forum", "--yes").out
    names = [m["name"] for m in owner.ok("members", "--circle", "forum", "--json").json]
    assert "Wren" not in names
    assert owner.ok("post", "--circle", "forum", "--thread", "talk", "after you went").code == 0
    assert [p["text"] for p in wren.ok("read", "--circle", "forum", "--json").json] == ["before you go"]
    refused = wren("post", "--circle", "forum", "--thread", "talk", "hello?")
    assert refused.code == 1
    assert "no longer in this circle" in refused.err


def test_the_last_owner_cannot_leave(owner: Machine) -> None:
    assert "Make somebody else an owner first" in owner("leave", "--circle", "forum", "--yes").line


def test_comparing_codes_ends_an_alarm(owner: Machine) -> None:
    asyncio.run(raise_alarm(owner))
    refused = owner("post", "--circle", "forum", "--thread", "talk", "hello")
    assert refused.code == 1
    assert "two histories" in refused.err
    assert owner("verify", "--same").code == 2
    assert "sends again" in owner.ok("verify", "--circle", "forum", "--same").out
    owner.ok("post", "--circle", "forum", "--thread", "talk", "hello")


async def raise_alarm(machine: Machine) -> None:
    """Store a fork alarm, as a fold that met one does."""

    def nobody(_new: bool) -> str:
        pytest.fail("this vault opens with a key file")

    place = place_at(machine.dir)
    async with own_vault(place, nobody) as vault, node_on(vault, relays()) as node:
        state = node.circle("forum").follower.state
        await vault.save(Folded(state.cid, state.p, state.head, alarm="fork"))

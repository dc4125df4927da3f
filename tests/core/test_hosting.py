"""A gateway admits, writes for and lets go of those who come by a chat app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peerbot.core.hosting import admit_hosted, let_go, name_hosted, write_for
from peerbot.core.people import list_members, remove_member
from peerbot.core.threads import post, read_posts, send
from peerbot.errors import Refused, UserError
from peerbot.protocol.primitives import random_bytes
from peerbot.protocol.roster.ops import Role
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
async def gateway(world: World, heron: Person) -> Person:
    return await world.newcomer("Gateway", heron, role=Role.GATEWAY)


async def host(world: World, heron: Person, gateway: Person, name: str) -> bytes:
    invite = await world.invite(heron)
    assert invite.link is not None
    member = random_bytes(16)
    await admit_hosted(gateway.node, gateway.circle, invite.link.token, member)
    await name_hosted(gateway.node, gateway.circle, member, name)
    return member


async def test_a_hosted_member_writes_and_the_others_see_name_and_door(
    world: World, heron: Person, gateway: Person
) -> None:
    wren = await host(world, heron, gateway, "Wren")
    await heron.sync()
    await post(heron.node, heron.circle, "talk", "who is here?")
    await gateway.sync()
    thread = await gateway.node.vault.find_thread(gateway.circle.cid, "talk")
    assert thread is not None
    await write_for(gateway.node, gateway.circle, wren, thread, "I am", "telegram")
    await send(gateway.node, gateway.circle)
    await heron.sync()
    said = (await read_posts(heron.node, heron.circle, None))[-1]
    assert (said.author, said.text, said.door) == ("Wren", "I am", "telegram")
    assert [(m.name, m.door) for m in await list_members(heron.circle)][-1] == ("Wren", "hosted")


async def test_one_invite_admits_one_hosted_member_and_the_same_twice_changes_nothing(
    world: World, heron: Person, gateway: Person
) -> None:
    invite = await world.invite(heron)
    assert invite.link is not None
    member = random_bytes(16)
    for _ in range(2):
        await admit_hosted(gateway.node, gateway.circle, invite.link.token, member)
    with pytest.raises(UserError, match="invite-used-up"):
        await admit_hosted(gateway.node, gateway.circle, invite.link.token, random_bytes(16))


async def test_an_invite_for_moderators_is_not_taken_over_a_chat_app(
    world: World, heron: Person, gateway: Person
) -> None:
    invite = await world.invite(heron, role=Role.MODERATOR)
    assert invite.link is not None
    with pytest.raises(UserError, match="invite-role"):
        await admit_hosted(gateway.node, gateway.circle, invite.link.token, random_bytes(16))


async def test_who_leaves_or_is_removed_is_not_written_for_any_more(
    world: World, heron: Person, gateway: Person
) -> None:
    wren = await host(world, heron, gateway, "Wren")
    owl = await host(world, heron, gateway, "Owl")
    await heron.sync()
    await let_go(gateway.node, gateway.circle, wren)
    await let_go(gateway.node, gateway.circle, wren)
    await remove_member(heron.node, heron.circle, "Owl")
    await gateway.sync()
    for member in (wren, owl):
        with pytest.raises(UserError, match="not-hosted"):
            await write_for(gateway.node, gateway.circle, member, random_bytes(16), "still me", "telegram")


async def test_a_member_who_is_no_gateway_cannot_host(world: World, heron: Person) -> None:
    wren = await world.newcomer("Wren", heron)
    invite = await world.invite(heron)
    assert invite.link is not None
    with pytest.raises(Refused, match="E10"):
        await admit_hosted(wren.node, wren.circle, invite.link.token, random_bytes(16))

"""From a post in a circle to a delivery for each reader: real nodes, a real vault, one relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from peerbot.clock import epoch_seconds
from peerbot.core.doors import Delivery, Platform, Step, What
from peerbot.core.fanout import BATCH, allowed, post_of, reads_since
from peerbot.core.founding import DEFAULT_POLICY
from peerbot.core.hosting import let_go
from peerbot.core.marking import edit, hide, retract
from peerbot.core.people import remove_member
from peerbot.core.ports import Folded
from peerbot.core.stepping import take_step, words_for
from peerbot.core.threads import post, send
from peerbot.errors import UserError
from peerbot.protocol.roster.ops import Door
from tests.core.test_deliveries_worker import FullDisk
from tests.support.gateway_world import Gateway, GatewayWorld
from tests.support.world import Person

TELEGRAM, MATRIX = Platform.TELEGRAM, Platform.MATRIX


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    world = GatewayWorld(tmp_path)
    yield world
    await world.close()


@pytest.fixture
async def heron(world: GatewayWorld) -> Person:
    return await world.founder()


@pytest.fixture
async def gateway(world: GatewayWorld, heron: Person) -> Gateway:
    made = await world.gateway(heron)
    await heron.sync()
    await made.work()
    return made


async def say(by: Person, text: str, thread: str = "talk") -> None:
    posted = await post(by.node, by.circle, thread, text)
    assert posted.sent


async def waiting(gateway: Gateway, platform: Platform = TELEGRAM) -> list[Delivery]:
    """What is due for a platform, one of each chat."""
    now = epoch_seconds(gateway.node.clock.now())
    return list((await gateway.store.claim(platform, now, 60, 100)).deliveries)


async def words(gateway: Gateway, deliveries: list[Delivery]) -> list[tuple[str, str]]:
    """(chat, text) as they would be sent now."""
    found = [(d.chat, await post_of(gateway.node, gateway.store, d)) for d in deliveries]
    return [(chat, shown.text) for chat, shown in found if shown is not None]


async def test_every_reader_gets_a_post_but_its_author(world: GatewayWorld, heron: Person, gateway: Gateway) -> None:
    await world.host(heron, gateway, "wren")
    owl = await world.host(heron, gateway, "owl")
    await world.host(heron, gateway, "jay", MATRIX)
    await say(heron, "good morning")
    assert await gateway.work() == 3
    assert await words(gateway, await waiting(gateway, MATRIX)) == [("jay", "good morning")]
    assert await words(gateway, await waiting(gateway)) == [("wren", "good morning"), ("owl", "good morning")]
    thread = await gateway.node.vault.find_thread(gateway.circle.cid, "talk")
    assert thread is not None
    row = words_for(gateway.circle, owl, thread, "to you too", TELEGRAM)
    await take_step(gateway.node, gateway.store, Step(0, await gateway.store.guest(TELEGRAM, "owl"), (), [row]))
    await send(gateway.node, gateway.circle)
    assert await gateway.work() == 2
    assert await gateway.work() == 0


async def test_what_stood_in_the_circle_before_is_nobodys_news(world: GatewayWorld, heron: Person) -> None:
    await say(heron, "long ago")
    gateway = await world.gateway(heron)
    await heron.sync()
    assert await gateway.work() == 0
    await world.host(heron, gateway, "wren")
    assert await gateway.work() == 0
    await say(heron, "now")
    assert await gateway.work() == 1


async def test_a_newcomer_gets_what_is_posted_after_they_came(
    world: GatewayWorld, heron: Person, gateway: Gateway
) -> None:
    await world.host(heron, gateway, "wren")
    await say(heron, "before")
    await world.host(heron, gateway, "owl")
    await say(heron, "after")
    await gateway.sync()
    assert await gateway.fan.fan_out(gateway.circle) == 3


async def test_a_guest_who_only_says_they_have_an_invite_gets_nothing(
    world: GatewayWorld, heron: Person, gateway: Gateway
) -> None:
    wren = await world.host(heron, gateway, "wren")
    stored = await gateway.store.guest(TELEGRAM, "wren")
    assert stored is not None
    stranger = replace(stored, chat="stranger", members={gateway.circle.cid: bytes(16)})
    await gateway.store.step(Step(0, stranger))
    await say(heron, "not for strangers")
    assert await gateway.work() == 1
    assert reads_since(gateway.circle.follower.state, wren) > 0
    assert reads_since(gateway.circle.follower.state, heron.circle.follower.state.me.member) == 0, "not hosted here"


async def test_who_left_or_was_removed_gets_nothing_more_not_even_what_waits(
    world: GatewayWorld, heron: Person, gateway: Gateway
) -> None:
    wren = await world.host(heron, gateway, "wren")
    await world.host(heron, gateway, "owl")
    await say(heron, "one")
    assert await gateway.work() == 2
    await let_go(gateway.node, gateway.circle, wren)
    await heron.sync()
    await remove_member(heron.node, heron.circle, "Owl")
    await say(heron, "two")
    assert await gateway.work() == 0
    left = await waiting(gateway)
    assert len(left) == 2
    assert [await allowed(gateway.node, gateway.store, d) for d in left] == [False, False]
    assert await words(gateway, left) == []


async def test_the_second_chat_of_a_member_reads_too(world: GatewayWorld, heron: Person, gateway: Gateway) -> None:
    await world.host(heron, gateway, "wren")
    assert await gateway.work() == 0
    stored = await gateway.store.guest(TELEGRAM, "wren")
    assert stored is not None
    await gateway.store.step(Step(0, replace(stored, platform=MATRIX, chat="!wren")))
    await say(heron, "hello twice")
    assert await gateway.work() == 2
    assert [d.chat for d in await waiting(gateway, MATRIX)] == ["!wren"]


async def test_behind_a_closed_door_only_a_notice_waits(world: GatewayWorld) -> None:
    heron = await world.founder(policy=replace(DEFAULT_POLICY, doors=int(Door.MATRIX)))
    gateway = await world.gateway(heron)
    await heron.sync()
    await gateway.work()
    await world.host(heron, gateway, "wren")
    await world.host(heron, gateway, "owl", MATRIX)
    await say(heron, "not by this door")
    await say(heron, "nor this")
    assert await gateway.work() == 3
    (news,) = await waiting(gateway)
    assert (news.what, news.cid) == (What.NEWS, gateway.circle.cid)
    assert await allowed(gateway.node, gateway.store, news)
    assert await post_of(gateway.node, gateway.store, news) is None
    assert await post_of(gateway.node, gateway.store, replace(news, what=What.POST)) is None, "the door was open once"
    assert await words(gateway, await waiting(gateway, MATRIX)) == [("owl", "not by this door")]


async def test_a_post_is_sent_as_it_reads_then_and_not_at_all_once_it_is_gone(
    world: GatewayWorld, heron: Person, gateway: Gateway
) -> None:
    await world.host(heron, gateway, "wren")
    p = []
    for text in ("edited", "retracted", "hidden"):
        await say(heron, text)
        p.append(heron.circle.follower.state.p)
    await gateway.work()
    await edit(heron.node, heron.circle, p[0], "better words")
    await retract(heron.node, heron.circle, p[1])
    await hide(heron.node, heron.circle, p[2], hidden=True, reason="a name")
    await send(heron.node, heron.circle)
    await gateway.work()
    (first,) = await waiting(gateway)
    three = [first, replace(first, p=p[1]), replace(first, p=p[2])]
    assert await words(gateway, three) == [("wren", "better words")]


async def test_what_was_taken_back_meanwhile_is_not_even_written(
    world: GatewayWorld, heron: Person, gateway: Gateway
) -> None:
    await world.host(heron, gateway, "wren")
    await say(heron, "stays")
    await say(heron, "goes")
    await retract(heron.node, heron.circle, heron.circle.follower.state.p)
    await send(heron.node, heron.circle)
    assert await gateway.work() == 1


async def test_a_gateway_that_was_away_catches_up_in_batches_without_a_gap(
    world: GatewayWorld, heron: Person, gateway: Gateway
) -> None:
    await world.host(heron, gateway, "wren")
    await gateway.work()
    for number in range(2 * BATCH + 3):
        await say(heron, f"post {number}")
    assert await gateway.work() == 2 * BATCH + 3
    assert await gateway.store.fanned(gateway.circle.cid) == gateway.circle.follower.state.p


async def test_a_restart_goes_on_where_it_was(world: GatewayWorld, heron: Person, gateway: Gateway) -> None:
    await world.host(heron, gateway, "wren")
    await say(heron, "one")
    assert await gateway.work() == 1
    await world.stop("Gateway")
    await say(heron, "two")
    again = await world.gateway()
    assert await again.work() == 1
    assert len(await waiting(again)) == 1


async def test_what_is_opened_late_is_fanned_out_then(world: GatewayWorld, heron: Person, gateway: Gateway) -> None:
    """The gateway's newest secret is missing for a while, as after an envelope that did not open."""
    await world.host(heron, gateway, "wren")
    await gateway.work()
    follower = gateway.circle.follower
    epoch, secret = follower.state.epoch, follower.state.secrets[follower.state.epoch]
    follower.state = replace(follower.state, secrets={}, _keys={})
    for text in ("one", "two"):
        await say(heron, text)
    await follower.catch_up()
    assert await gateway.fan.fan_out(gateway.circle) == 0
    assert len(await gateway.store.unread(gateway.circle.cid)) == 3, "a thread and two posts"
    await follower.learn([(epoch, secret)])
    assert await gateway.fan.fan_out(gateway.circle) == 2
    assert await gateway.store.unread(gateway.circle.cid) == []
    assert await words(gateway, await waiting(gateway)) == [("wren", "one")]


async def test_what_is_being_opened_at_this_moment_is_asked_for_again(
    world: GatewayWorld, heron: Person, gateway: Gateway
) -> None:
    await world.host(heron, gateway, "wren")
    await gateway.work()
    follower = gateway.circle.follower
    epoch, secret = follower.state.epoch, follower.state.secrets[follower.state.epoch]
    follower.state = replace(follower.state, secrets={}, _keys={})
    await say(heron, "one")
    await follower.catch_up()
    await gateway.fan.fan_out(gateway.circle)
    # Between the two writes of Follower.learn.
    state = follower.state
    follower.state = replace(state, secrets={epoch: secret}, _keys={})
    await follower.vault.save(Folded(state.cid, state.p, state.head, secrets=[(epoch, secret)]))
    assert await gateway.fan.fan_out(gateway.circle) == 0
    await follower.open_pending(epoch)
    assert await gateway.fan.fan_out(gateway.circle) == 1


async def test_it_listens_from_the_start_and_hears_of_everything(
    world: GatewayWorld, heron: Person, gateway: Gateway
) -> None:
    await world.host(heron, gateway, "wren")
    await say(heron, "before it runs")
    await gateway.sync()
    task = asyncio.create_task(gateway.fan.run())
    with gateway.store.departures.listen() as news:
        for number in range(1, 4):
            async with asyncio.timeout(20):
                while (await gateway.store.counts())["waiting"] < number:
                    await news.wait()
                    news.clear()
            await say(heron, f"post {number}")
            await gateway.sync()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_full_disk_is_told_and_tried_again(world: GatewayWorld, heron: Person, gateway: Gateway) -> None:
    await world.host(heron, gateway, "wren")
    await say(heron, "one")
    await gateway.sync()
    disk = FullDisk(gateway.store, "fan_out")
    gateway.fan._store = disk
    task = asyncio.create_task(gateway.fan.run())
    await disk.failed.wait()
    with gateway.store.departures.listen() as news:
        disk.full = False
        async with asyncio.timeout(20):
            while not (await gateway.store.counts())["waiting"]:
                await news.wait()
                news.clear()
    assert gateway.fan.trouble in ("", "vault-full")
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


# words for a circle


async def test_a_step_puts_words_into_the_outbox_and_the_node_sends_them(
    world: GatewayWorld, heron: Person, gateway: Gateway
) -> None:
    wren = await world.host(heron, gateway, "wren")
    await say(heron, "who is here?")
    await gateway.work()
    thread = await gateway.node.vault.find_thread(gateway.circle.cid, "talk")
    assert thread is not None
    guest = await gateway.store.guest(TELEGRAM, "wren")
    for text in (" I am ", "and again"):
        row = words_for(gateway.circle, wren, thread, text, TELEGRAM)
        await take_step(gateway.node, gateway.store, Step(0, guest, (), [row]))
    assert gateway.circle.outbox.waiting == 2
    await send(gateway.node, gateway.circle)
    await heron.sync()
    assert await heron.texts() == ["who is here?", "I am", "and again"]
    assert await gateway.node.vault.outbox(gateway.circle.cid) == []


async def test_words_that_may_not_be_said_are_not_stored(world: GatewayWorld, heron: Person, gateway: Gateway) -> None:
    wren = await world.host(heron, gateway, "wren")
    thread = bytes(16)
    for member, text, code in (
        (wren, " \n", "empty-post"),
        (wren, "x" * 40_000, "too-long"),
        (bytes(16), "x", "not-hosted"),
    ):
        with pytest.raises(UserError, match=code):
            words_for(gateway.circle, member, thread, text, TELEGRAM)

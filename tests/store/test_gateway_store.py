"""Events, guests and steps in a gateway's vault: kept once, handled in order, changed together or not at all."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from peerbot.core.doors import Button, GatewayStore, Saying, Sort, Step
from peerbot.core.ports import Outgoing
from peerbot.errors import VaultError
from peerbot.protocol.log import Kind
from peerbot.store.vault.gateway import inbox, models
from peerbot.store.vault.gateway.models import PLATFORMS, STATES
from peerbot.store.vault.gateway.store import GatewayVault
from peerbot.store.vault.vault import SqlVault
from tests.store.gateway_builders import (
    MATRIX,
    NOW,
    TELEGRAM,
    admit,
    claim,
    event,
    guest,
    names,
    new_gateway,
    saying,
    states,
    values,
)
from tests.store.vault_builders import CID, key, long, member, new_circle, new_vault, raw, short


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[GatewayVault]:
    async with new_gateway(tmp_path) as opened:
        yield opened


def outgoing(intent: bytes, cid: bytes = CID) -> Outgoing:
    return Outgoing(0, cid, Kind.MESSAGE, intent, short("author"))


def test_the_vault_fulfils_the_port_by_name_and_parameter(vault: GatewayVault) -> None:
    port: GatewayStore = vault
    for name, method in inspect.getmembers(GatewayStore, inspect.isfunction):
        if not name.startswith("_"):
            ours = inspect.signature(getattr(type(port), name))
            assert ours.parameters == inspect.signature(method).parameters


def test_every_platform_and_state_has_its_number() -> None:
    assert set(PLATFORMS) == {TELEGRAM, MATRIX}
    assert {state.name for state in STATES.values()} == {
        "WAITING",
        "LEASED",
        "SENT",
        "UNKNOWN",
        "FAILED",
        "DROPPED",
        "MAYBE",
    }


async def test_a_vault_that_was_no_gateways_becomes_one_and_stays_a_vault(tmp_path: Path) -> None:
    async with new_vault(tmp_path):
        pass
    for _ in range(2):
        gateway = await GatewayVault.open(tmp_path / "vault.db", key())
        assert await gateway.circles() == [(CID, "forum", True)]
        await gateway.take_in(TELEGRAM, [event(1)], "1")
        await gateway.close()
    plain = await SqlVault.open(tmp_path / "vault.db", key())
    assert await plain.circles() == [(CID, "forum", True)]
    await plain.close()


async def test_a_newer_gateways_vault_is_refused_and_can_be_opened_by_another_then(tmp_path: Path) -> None:
    async with new_gateway(tmp_path):
        pass
    with raw(tmp_path) as connection:
        connection.exec_driver_sql("UPDATE meta SET value = 99 WHERE key = 'gateway'")
    with pytest.raises(VaultError, match="vault-newer"):
        await GatewayVault.open(tmp_path / "vault.db", key())
    await (await SqlVault.open(tmp_path / "vault.db", key())).close()


async def test_an_event_comes_back_as_it_was_stored(vault: GatewayVault) -> None:
    full = event(
        1, "!room:hs", platform=MATRIX, sort=Sort.BUTTON, text="a", payload="b", message="c", about="d", topic="e"
    )
    assert await vault.take_in(MATRIX, [full], "s1") == 1
    (found,) = await vault.waiting(10)
    assert found == replace(full, id=found.id)
    assert found.id > 0


async def test_the_cursor_is_of_one_platform_and_is_stored_with_the_events(vault: GatewayVault) -> None:
    assert await vault.cursor(TELEGRAM) == ""
    await vault.take_in(TELEGRAM, [event(1)], "7")
    await vault.take_in(MATRIX, [], "s9")
    assert (await vault.cursor(TELEGRAM), await vault.cursor(MATRIX)) == ("7", "s9")


async def test_an_event_is_taken_in_once_even_after_it_was_handled(vault: GatewayVault) -> None:
    assert await vault.take_in(TELEGRAM, [event(1), event(2), event(1)], "2") == 2
    assert await vault.take_in(MATRIX, [replace(event(1), platform=MATRIX)], "s") == 1
    for found in [*await vault.waiting(9), *await vault.waiting(9)]:
        await vault.step(Step(found.id, guest(found.chat, found.platform)))
    await vault.step(Step((await vault.waiting(9))[0].id, guest()))
    assert await vault.waiting(9) == []
    assert await vault.take_in(TELEGRAM, [event(2), event(3)], "3") == 1


async def test_half_a_character_holds_nothing_up(vault: GatewayVault) -> None:
    broken = event(1, text="a\ud800b", payload="\udfff", message="\U0001f600\x00")
    assert await vault.take_in(TELEGRAM, [broken, event(2, "c")], "2") == 2
    first, second = await vault.waiting(9)
    assert (first.text, first.payload, first.message) == ("a?b", "?", "\U0001f600\x00")
    assert second.key == "event-2"
    assert await vault.take_in(TELEGRAM, [broken], "2") == 0


async def test_whoever_does_something_has_not_blocked_us_any_more(vault: GatewayVault) -> None:
    for n, sort in enumerate(Sort):
        await vault.step(Step(0, guest(sort.value, blocked=True)))
        await vault.take_in(TELEGRAM, [event(n, sort.value, sort=sort)], "1")
        found = await vault.guest(TELEGRAM, sort.value)
        assert found is not None
        assert found.blocked is (sort is Sort.GONE)


def test_only_so_many_keys_are_remembered(tmp_path: Path) -> None:
    with raw(tmp_path) as connection:
        models.ensure(connection)
        for number in range(4):
            inbox.take_in(connection, TELEGRAM, [event(number)], str(number), keys=2)
        assert inbox.take_in(connection, TELEGRAM, [event(2), event(3)], "4", keys=2) == 0
        assert inbox.take_in(connection, TELEGRAM, [event(0)], "4", keys=2) == 1


async def test_what_waits_is_the_oldest_of_each_chat(vault: GatewayVault) -> None:
    chats = ["b", "a", "b", "c", "a"]
    await vault.take_in(TELEGRAM, [event(n, chat) for n, chat in enumerate(chats)], "5")
    assert [e.key for e in await vault.waiting(10)] == ["event-0", "event-1", "event-3"]
    assert [e.key for e in await vault.waiting(2)] == ["event-0", "event-1"]
    await vault.step(Step((await vault.waiting(1))[0].id, guest("b")))
    assert [e.key for e in await vault.waiting(10)] == ["event-1", "event-2", "event-3"]


async def test_a_step_stores_guest_deliveries_and_outbox_rows_together(vault: GatewayVault) -> None:
    await vault.take_in(TELEGRAM, [event(1)], "1")
    (found,) = await vault.waiting(1)
    told = Saying("hello", ((Button("yes", "y:1"), Button("no", "n:1")),), about="m1", topic="t")
    stored = guest(number=1, dialogue=b"asked", language="nb")
    step = Step(found.id, stored, [saying("a", saying=told)], [outgoing(b"one"), outgoing(b"two")])
    ids = await vault.step(step)
    assert [(row.id, row.intent) for row in await vault.outbox(CID)] == list(zip(ids, [b"one", b"two"], strict=True))
    assert await vault.guest(TELEGRAM, "chat-1") == stored
    (delivery,) = await claim(vault)
    assert (delivery.key, delivery.chat, delivery.saying) == ("a", "chat-1", told)
    assert await vault.waiting(1) == []


async def test_a_step_that_was_taken_changes_nothing_a_second_time(vault: GatewayVault) -> None:
    await vault.take_in(TELEGRAM, [event(1)], "1")
    (found,) = await vault.waiting(1)
    await vault.step(Step(found.id, guest(dialogue=b"first"), [saying("a")], [outgoing(b"one")]))
    again = Step(found.id, guest(dialogue=b"second"), [saying("b")], [outgoing(b"two")])
    assert await vault.step(again) == []
    assert await vault.step(Step(found.id, None)) == []
    stored = await vault.guest(TELEGRAM, "chat-1")
    assert stored is not None
    assert stored.dialogue == b"first"
    assert names(await claim(vault)) == ["a"]
    assert [row.intent for row in await vault.outbox(CID)] == [b"one"]


async def test_a_step_that_fails_changes_nothing(vault: GatewayVault) -> None:
    await vault.take_in(TELEGRAM, [event(1)], "1")
    (found,) = await vault.waiting(1)
    for step in (
        Step(found.id, guest(), [saying("a")], [outgoing(b"one"), outgoing(b"two", long("elsewhere"))]),
        Step(found.id, replace(guest(), members={long("elsewhere"): member(1)}), [saying("a")]),
    ):
        with pytest.raises(VaultError, match="vault-no-circle"):
            await vault.step(step)
    with pytest.raises(ValueError, match="words and a key"):
        await vault.step(Step(found.id, guest(), [saying("")]))
    assert [e.id for e in await vault.waiting(1)] == [found.id]
    assert await vault.guest(TELEGRAM, "chat-1") is None
    assert await states(vault) == {}
    assert await vault.outbox(CID) == []


async def test_a_guest_is_replaced_as_a_whole(vault: GatewayVault) -> None:
    other = long("other circle")
    await vault.add_circle(new_circle(other, slug="other"), None)
    first = replace(guest(), members={CID: member(1), other: member(2)})
    await vault.step(Step(0, first))
    assert await vault.guest(TELEGRAM, "chat-1") == first
    second = replace(guest(language="nb"), members={other: member(3)})
    await vault.step(Step(0, second))
    assert await vault.guest(TELEGRAM, "chat-1") == second
    assert await vault.guest(MATRIX, "chat-1") is None
    assert await vault.members(CID) == []


async def test_a_new_member_reads_nothing_until_the_roster_was_asked(vault: GatewayVault) -> None:
    await vault.step(Step(0, guest("a", number=1)))
    await vault.step(Step(0, guest("b", MATRIX, number=2)))
    assert await vault.readers(CID) == []
    assert sorted(await vault.members(CID, fresh=True)) == sorted([member(1), member(2)])
    await vault.set_readers(CID, {member(1): 5, member(2): 0, member(9): 5})
    assert [g.chat for g in await vault.readers(CID)] == ["a"]
    assert await vault.members(CID, fresh=True) == []
    assert len(await vault.members(CID)) == 2
    # The same member comes by another chat, and asks anew.
    await vault.step(Step(0, guest("c", number=1)))
    assert await vault.members(CID, fresh=True) == [member(1)]
    assert [g.chat for g in await vault.readers(CID)] == ["a"]
    # A chat that says it is another member isn't trusted either.
    await vault.step(Step(0, guest("a", number=3)))
    assert await vault.readers(CID) == []


async def test_a_dialogues_step_leaves_what_is_known_of_a_reader(vault: GatewayVault) -> None:
    await admit(vault, 1, "a")
    await vault.step(Step(0, guest("a", number=1, dialogue=b"further")))
    assert [(g.chat, g.dialogue) for g in await vault.readers(CID)] == [("a", b"further")]


async def test_a_forgotten_guest_leaves_no_trace_of_their_address(vault: GatewayVault, tmp_path: Path) -> None:
    address = "canary-address"
    await admit(vault, 1, address)
    await admit(vault, 2, "stays")
    await vault.take_in(TELEGRAM, [event(1, address), event(2, address)], "2")
    await vault.enqueue_deliveries([saying("a", address), saying("later", address, due=NOW + 99)])
    await claim(vault)
    assert any(value == address for value in values(tmp_path))
    await vault.forget(TELEGRAM, address)
    await vault.forget(TELEGRAM, address)
    assert not any("canary" in str(value) for value in values(tmp_path))
    assert await vault.guest(TELEGRAM, address) is None
    assert await vault.waiting(9) == []
    assert await states(vault) == {}
    assert [g.chat for g in await vault.readers(CID)] == ["stays"]


async def test_the_last_words_to_one_who_leaves_go_out_and_then_the_address_is_gone(
    vault: GatewayVault, tmp_path: Path
) -> None:
    await admit(vault, 1, "canary-address")
    await vault.take_in(TELEGRAM, [event(1, "canary-address")], "1")
    await vault.enqueue_deliveries([saying("unread", "canary-address")])
    (found,) = await vault.waiting(1)
    await vault.step(Step(found.id, None, [saying("goodbye", "canary-address")]))
    (goodbye,) = await claim(vault)
    assert (goodbye.key, goodbye.chat) == ("goodbye", "canary-address")
    await vault.settle_deliveries([replace(goodbye, state=goodbye.state.SENT, platform_id="m1", due=NOW)])
    assert not any("canary" in str(value) for value in values(tmp_path))
    assert await states(vault) == {}


async def test_a_chat_that_was_forgotten_begins_anew(vault: GatewayVault) -> None:
    await admit(vault, 1, "a")
    await vault.enqueue_deliveries([saying("x", "a")])
    (held,) = await claim(vault)
    await vault.forget(TELEGRAM, "a")
    await vault.step(Step(0, guest("a")))
    await vault.enqueue_deliveries([saying("x", "a")])
    await vault.settle_deliveries([replace(held, state=held.state.SENT, platform_id="m1")])
    assert await states(vault) == {"waiting": 1}, "a worker that still held the old one touches nothing"
    assert await vault.delivered(TELEGRAM, "a", "m1") is None


async def test_listeners_hear_of_arrivals_and_departures_also_where_the_caller_has_gone(vault: GatewayVault) -> None:
    with vault.arrivals.listen() as came, vault.departures.listen() as goes:
        await vault.take_in(TELEGRAM, [event(1)], "1")
        assert (came.is_set(), goes.is_set()) == (True, False)
        gone = asyncio.ensure_future(vault.enqueue_deliveries([saying("a")]))
        await asyncio.sleep(0)
        gone.cancel()
        async with asyncio.timeout(20):
            await goes.wait()
        assert names(await claim(vault)) == ["a"]
        goes.clear()
        with pytest.raises(VaultError):
            await vault.step(Step(0, guest(), [], [outgoing(b"x", long("elsewhere"))]))
        assert not goes.is_set()
    await vault.enqueue_deliveries([saying("b")])
    assert not goes.is_set(), "nobody rings for one who doesn't listen any more"

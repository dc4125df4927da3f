"""Deliveries in a gateway's vault: written once, claimed in order, settled, found again, forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from peerbot.core.doors import DeliveryState, Priority, Saying, Step, What
from peerbot.errors import VaultError
from peerbot.store.vault.gateway import models, posts, queue
from peerbot.store.vault.gateway.store import GatewayVault
from tests.store.gateway_builders import (
    LEASE,
    MATRIX,
    NOW,
    TELEGRAM,
    admit,
    as_sent,
    claim,
    fan,
    guest,
    names,
    new_gateway,
    saying,
    states,
    values,
)
from tests.store.vault_builders import CID, folded, long, member, post, raw

WAITING, FAILED, UNKNOWN, MAYBE = (
    DeliveryState.WAITING,
    DeliveryState.FAILED,
    DeliveryState.UNKNOWN,
    DeliveryState.MAYBE,
)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[GatewayVault]:
    async with new_gateway(tmp_path) as opened:
        yield opened


async def send_all(vault: GatewayVault) -> list[str]:
    """Claim and settle one by one; the keys in the order they went."""
    order = []
    while claimed := await claim(vault, 1):
        order += names(claimed)
        await vault.settle_deliveries([as_sent(d) for d in claimed])
    return order


# writing


async def test_the_same_key_is_one_delivery_in_each_chat_and_stays_so_once_sent(vault: GatewayVault) -> None:
    await vault.step(Step(0, guest("a")))
    assert await vault.enqueue_deliveries([saying("x", "a"), saying("x", "a"), saying("x", "b")]) == 2
    await send_all(vault)
    assert await vault.enqueue_deliveries([saying("x", "a")]) == 0


async def test_a_delivery_has_words_and_a_key_or_names_a_post(vault: GatewayVault) -> None:
    for wrong in (
        saying("x", saying=None),
        saying(""),
        saying("x", cid=CID, p=3),
        saying("x", saying=None, what=What.POST),
        saying("x", what=What.POST, cid=CID, p=3),
    ):
        with pytest.raises(ValueError, match="words and a key"):
            await vault.enqueue_deliveries([wrong])
    with pytest.raises(VaultError, match="vault-no-circle"):
        await vault.enqueue_deliveries([saying("x", saying=None, what=What.POST, cid=long("elsewhere"), p=3)])
    assert await states(vault) == {}


async def test_a_post_can_be_asked_for_again_under_another_key(vault: GatewayVault) -> None:
    await admit(vault, 1, "a")
    assert await vault.fan_out(fan(5)) == 1
    again = saying("again:1", "a", saying=None, what=What.POST, cid=CID, p=5)
    assert await vault.enqueue_deliveries([again, again, replace(again, key="again:2")]) == 2
    await send_all(vault)
    assert len(await vault.platform_ids(CID, 5)) == 3


async def test_everything_that_was_said_of_a_delivery_comes_back(vault: GatewayVault) -> None:
    words = Saying("words", automatic=False, topic="t")
    written = saying("x", "a", Priority.HELP, NOW - 1, saying=words, until=NOW + 9, platform=MATRIX)
    await vault.enqueue_deliveries([written])
    (found,) = await claim(vault, platform=MATRIX)
    assert found == replace(
        written,
        id=found.id,
        state=DeliveryState.LEASED,
        due=NOW + LEASE,
        attempts=1,
        handed=NOW,
        transaction=found.transaction,
    )
    assert len(found.transaction) == 24
    assert (await vault.leased(MATRIX), await vault.leased(TELEGRAM)) == ([found], [])


# claiming


async def test_what_is_due_goes_by_priority_then_age(vault: GatewayVault) -> None:
    await vault.enqueue_deliveries(
        [
            saying("broadcast", "a", Priority.BROADCAST),
            saying("answer-1", "b", Priority.ANSWER),
            saying("future", "c", Priority.HELP, NOW + 1),
            saying("answer-2", "d", Priority.ANSWER, NOW - 5),
            saying("help", "e", Priority.HELP, NOW),
            saying("matrix", "a", Priority.HELP, platform=MATRIX),
        ]
    )
    assert names(await claim(vault)) == ["help", "answer-1", "answer-2", "broadcast"]
    assert names(await claim(vault, now=NOW + 1)) == ["future"]


async def test_no_more_are_claimed_than_asked_for(vault: GatewayVault) -> None:
    await vault.enqueue_deliveries([saying(f"x{n}", f"chat-{n}") for n in range(5)])
    assert await claim(vault, 0) == []
    assert await claim(vault, -1) == []
    assert names(await claim(vault, 2)) == ["x0", "x1"]
    assert names(await claim(vault, 9)) == ["x2", "x3", "x4"]
    assert await claim(vault) == []


async def test_a_chat_has_one_under_way_and_keeps_its_order(vault: GatewayVault) -> None:
    await vault.enqueue_deliveries([saying("1", "a"), saying("2", "a"), saying("3", "b"), saying("4", "a")])
    first = await claim(vault)
    assert names(first) == ["1", "3"]
    assert await claim(vault) == []
    await vault.settle_deliveries([as_sent(d) for d in first])
    assert await send_all(vault) == ["2", "4"]


async def test_help_goes_before_what_was_written_earlier_for_the_same_chat(vault: GatewayVault) -> None:
    await vault.enqueue_deliveries([saying("post", priority=Priority.POST), saying("help", priority=Priority.HELP)])
    assert await send_all(vault) == ["help", "post"]


async def test_one_that_is_tried_again_later_holds_back_its_chat_but_not_help_nor_others(vault: GatewayVault) -> None:
    await vault.enqueue_deliveries([saying("1", "a"), saying("2", "a"), saying("3", "b")])
    one, three = await claim(vault)
    await vault.settle_deliveries([replace(one, state=WAITING, due=NOW + 30), as_sent(three)])
    await vault.enqueue_deliveries([saying("4", "b"), saying("help", "a", Priority.HELP)])
    assert await send_all(vault) == ["help", "4"]
    assert names(await claim(vault, now=NOW + 29)) == []
    assert names(await claim(vault, now=NOW + 30)) == ["1"]


async def test_one_that_was_never_tried_holds_nobody_back(vault: GatewayVault) -> None:
    await vault.enqueue_deliveries([saying("quiet"), saying("next")])
    (quiet,) = await claim(vault)
    await vault.settle_deliveries([replace(quiet, state=WAITING, due=NOW + 3600, attempts=0, handed=0)])
    assert await send_all(vault) == ["next"]


async def test_every_try_is_counted_under_the_same_transaction(vault: GatewayVault) -> None:
    await vault.enqueue_deliveries([saying("x"), saying("y", "other")])
    first, other = await claim(vault)
    assert first.transaction != other.transaction
    await vault.settle_deliveries([replace(first, state=WAITING, due=NOW + 5, lost=1, code="why")])
    (second,) = await claim(vault, now=NOW + 5)
    assert second == replace(first, due=NOW + 5 + LEASE, attempts=2, lost=1, code="why")
    assert second.handed == NOW


async def test_a_lease_that_ran_out_is_given_to_whoever_asks_unless_they_hold_it(vault: GatewayVault) -> None:
    await vault.enqueue_deliveries([saying("x")])
    (held,) = await claim(vault)
    early = await vault.claim(TELEGRAM, NOW + LEASE - 1, LEASE, 9)
    assert (list(early.overdue), early.next) == ([], NOW + LEASE)
    renewed = await vault.claim(TELEGRAM, NOW + LEASE, LEASE, 9, {held.id})
    assert (list(renewed.overdue), renewed.next) == ([], NOW + 2 * LEASE)
    late = await vault.claim(TELEGRAM, NOW + 2 * LEASE, LEASE, 9)
    assert [d.id for d in late.overdue] == [held.id]
    assert list(late.deliveries) == []
    assert await states(vault) == {"leased": 1}, "what becomes of it is for the worker to say"


async def test_claiming_tells_when_to_look_again(vault: GatewayVault) -> None:
    assert (await vault.claim(TELEGRAM, NOW, LEASE, 9)).next == 0
    await vault.enqueue_deliveries([saying("b", "b", due=NOW + 50), saying("c", "c", due=NOW + 40)])
    assert (await vault.claim(TELEGRAM, NOW, LEASE, 9)).next == NOW + 40
    assert (await vault.claim(MATRIX, NOW, LEASE, 9)).next == 0
    await vault.enqueue_deliveries([saying("a", "a")])
    assert (await vault.claim(TELEGRAM, NOW, 20, 9)).next == NOW + 20
    (lost,) = await vault.leased(TELEGRAM)
    await vault.settle_deliveries([replace(lost, state=UNKNOWN, due=NOW + 10)])
    assert (await vault.claim(TELEGRAM, NOW, LEASE, 9)).next == NOW + 10


async def test_unknown_becomes_maybe_when_its_time_is_over_and_loses_its_words(
    vault: GatewayVault, tmp_path: Path
) -> None:
    await vault.step(Step(0, guest("chat-1")))
    await vault.enqueue_deliveries([saying("canary")])
    (lost,) = await claim(vault)
    await vault.settle_deliveries([replace(lost, state=UNKNOWN, due=NOW + 10, code="lost")])
    await claim(vault, now=NOW + 9)
    assert [d.state for d in await vault.unknown(TELEGRAM, 9)] == [UNKNOWN]
    assert any("words of canary" in str(value) for value in values(tmp_path))
    await claim(vault, now=NOW + 10)
    (maybe,) = await vault.unknown(TELEGRAM, 9)
    assert (maybe.state, maybe.code, maybe.saying) == (MAYBE, "lost", None)
    assert not any("words of canary" in str(value) for value in values(tmp_path))


# settling


async def test_words_are_erased_at_the_end_and_kept_while_they_are_needed(vault: GatewayVault, tmp_path: Path) -> None:
    def kept() -> bool:
        return any("words of canary" in str(value) for value in values(tmp_path))

    await vault.step(Step(0, guest("chat-1")))
    for number, end in enumerate((DeliveryState.SENT, FAILED, DeliveryState.DROPPED)):
        await vault.enqueue_deliveries([saying(f"canary-{number}")])
        (d,) = await claim(vault)
        await vault.settle_deliveries([replace(d, state=WAITING, due=NOW)])
        (d,) = await claim(vault)
        await vault.settle_deliveries([replace(d, state=UNKNOWN, due=NOW + 99)])
        assert kept()
        await vault.settle_deliveries([replace(d, state=end, due=NOW)])
        assert not kept()
    assert await states(vault) == {"sent": 1, "failed": 1, "dropped": 1}


async def test_only_what_is_under_way_or_in_doubt_can_be_settled(vault: GatewayVault) -> None:
    await vault.step(Step(0, guest("chat-1")))
    await vault.enqueue_deliveries([saying("x")])
    (d,) = await claim(vault)
    await vault.settle_deliveries([replace(d, state=WAITING, due=NOW)])
    await vault.settle_deliveries([as_sent(d), as_sent(replace(d, id=999)), replace(d, state=FAILED)])
    assert await states(vault) == {"waiting": 1}
    (d,) = await claim(vault)
    await vault.settle_deliveries([as_sent(d)])
    await vault.settle_deliveries([replace(d, state=FAILED)])
    assert await states(vault) == {"sent": 1}
    with pytest.raises(ValueError, match="LEASED"):
        await vault.settle_deliveries([d])
    await vault.settle_deliveries([])


async def test_a_stranger_is_remembered_until_the_last_word_to_them_is_settled(
    vault: GatewayVault, tmp_path: Path
) -> None:
    await vault.enqueue_deliveries([saying("1", "canary"), saying("2", "canary")])
    (first,) = await claim(vault)
    await vault.settle_deliveries([as_sent(first)])
    assert "canary" in values(tmp_path)
    (second,) = await claim(vault)
    await vault.settle_deliveries([replace(second, state=UNKNOWN, due=NOW + 10)])
    assert "canary" in values(tmp_path)
    await claim(vault, now=NOW + 10)
    assert "canary" not in values(tmp_path)
    assert await states(vault) == {}


# blocking


async def test_nothing_waits_for_nor_is_written_to_one_who_blocked_us_until_they_write(vault: GatewayVault) -> None:
    await admit(vault, 1, "a")
    await vault.enqueue_deliveries([saying("now", "a"), saying("soon", "a"), saying("later", "a", due=NOW + 9)])
    (under_way,) = await claim(vault)
    await vault.block(TELEGRAM, "a")
    await vault.block(TELEGRAM, "nobody")
    assert await states(vault) == {"leased": 1, "dropped": 2}
    await vault.settle_deliveries([replace(under_way, state=DeliveryState.DROPPED, due=NOW, code="gone")])
    found = await vault.guest(TELEGRAM, "a")
    assert found is not None
    assert found.blocked
    assert await vault.enqueue_deliveries([saying("reminder", "a")]) == 0
    assert await vault.fan_out(fan(5)) == 0
    assert await vault.readers(CID) == []
    await vault.step(Step(0, replace(found, blocked=False), [saying("welcome back", "a")]))
    assert await vault.fan_out(fan(6)) == 1
    assert names(await claim(vault)) == ["welcome back"]


async def test_a_step_that_notes_a_block_drops_what_waits(vault: GatewayVault) -> None:
    await vault.step(Step(0, guest("a")))
    await vault.enqueue_deliveries([saying("x", "a")])
    await vault.step(Step(0, guest("a", blocked=True)))
    assert await states(vault) == {"dropped": 1}


# fan-out


async def test_a_post_goes_to_every_reader_but_its_author(vault: GatewayVault) -> None:
    for number, chat in enumerate(["a", "b", "c", "d"], 1):
        await admit(vault, number, chat)
    await admit(vault, 2, "b-too", MATRIX)
    await vault.step(Step(0, guest("not admitted", number=7)))
    await vault.set_readers(CID, {member(4): 0})
    assert await vault.fan_out(fan(10, author=1)) == 3
    on_telegram, on_matrix = await claim(vault), await claim(vault, platform=MATRIX)
    assert [d.chat for d in on_telegram + on_matrix] == ["b", "c", "b-too"]
    for d in on_telegram + on_matrix:
        assert (d.what, d.cid, d.p, d.priority, d.saying) == (What.POST, CID, 10, Priority.POST, None)
    assert len({d.key for d in on_telegram + on_matrix}) == 3


async def test_a_reader_gets_what_came_after_they_did(vault: GatewayVault) -> None:
    await admit(vault, 1, "a", since=10)
    assert await vault.fan_out(fan(9, 10, 11)) == 1
    assert [d.p for d in await claim(vault)] == [11]


async def test_fanning_out_again_writes_nothing_again_even_where_it_has_arrived(vault: GatewayVault) -> None:
    await admit(vault, 1, "a")
    assert await vault.fanned(CID) is None
    assert await vault.fan_out(fan(3, 4)) == 2
    assert await vault.fanned(CID) == 4
    await send_all(vault)
    assert await vault.fan_out(fan(3, 4, 5)) == 1
    assert await vault.fan_out(fan(reach=2)) == 0
    assert await vault.fanned(CID) == 5, "it never goes back"


async def test_behind_a_closed_door_one_notice_is_enough_until_it_was_sent(vault: GatewayVault) -> None:
    await admit(vault, 1, "a")
    await admit(vault, 2, "b", MATRIX)
    assert await vault.fan_out(fan(3, 4, open=[MATRIX])) == 3
    assert [d.what for d in await claim(vault, platform=MATRIX)] == [What.POST]
    (news,) = await claim(vault)
    assert (news.what, news.cid, news.p, news.saying) == (What.NEWS, CID, 3, None)
    await vault.settle_deliveries([as_sent(news)])
    assert await vault.fan_out(fan(5, open=[MATRIX])) == 2
    assert await vault.platform_ids(CID, 3) == [], "a notice shows no post that could be changed"


async def test_positions_that_could_not_be_opened_are_remembered_until_they_are(vault: GatewayVault) -> None:
    await vault.fan_out(fan(3, reach=9, unread=[5, 7]))
    await vault.fan_out(fan(reach=9, unread=[7]))
    assert await vault.unread(CID) == [5, 7]
    await vault.fan_out(fan(5, reach=0, read=[5]))
    assert await vault.unread(CID) == [7]
    assert await vault.fanned(CID) == 9


async def test_who_is_forgotten_before_a_post_is_fanned_out_gets_none(vault: GatewayVault, tmp_path: Path) -> None:
    await admit(vault, 1, "canary")
    assert len(await vault.readers(CID)) == 1
    await vault.forget(TELEGRAM, "canary")
    assert await vault.fan_out(fan(3)) == 0
    assert "canary" not in values(tmp_path)


# found again


async def test_a_message_id_finds_its_post_in_its_chat_only(vault: GatewayVault) -> None:
    await admit(vault, 1, "a")
    await admit(vault, 2, "b")
    await vault.fan_out(fan(3))
    to_a, to_b = await claim(vault)
    await vault.settle_deliveries([as_sent(to_a, "77"), as_sent(to_b, "[78, 79]")])
    found = await vault.delivered(TELEGRAM, "a", "77")
    assert found is not None
    assert (found.cid, found.p, found.platform_id) == (CID, 3, "77")
    for part in ("78", "79", "[78, 79]"):
        several = await vault.delivered(TELEGRAM, "b", part)
        assert several is not None
        assert several.id == to_b.id
    for platform, chat, id in ((TELEGRAM, "b", "77"), (MATRIX, "a", "77"), (TELEGRAM, "a", ""), (TELEGRAM, "z", "77")):
        assert await vault.delivered(platform, chat, id) is None
    assert [(d.chat, d.platform_id) for d in await vault.platform_ids(CID, 3)] == [("a", "77"), ("b", "[78, 79]")]
    assert await vault.platform_ids(CID, 4) == []
    await vault.forget(TELEGRAM, "b")
    assert "79" not in await all_parts(vault)


async def all_parts(vault: GatewayVault) -> list[str]:
    def read(connection: Connection) -> list[str]:
        return list(connection.exec_driver_sql("SELECT platform_id FROM delivery_part").scalars())

    return await vault._db.read(read)


async def test_what_is_in_doubt_is_listed_oldest_first_and_by_chat(vault: GatewayVault) -> None:
    await vault.enqueue_deliveries([saying("1", "a"), saying("2", "b"), saying("3", "c")])
    for d in await claim(vault):
        await vault.settle_deliveries([replace(d, state=UNKNOWN, due=NOW + 9)])
    assert names(await vault.unknown(TELEGRAM, 9)) == ["1", "2", "3"]
    assert names(await vault.unknown(TELEGRAM, 2)) == ["1", "2"]
    assert names(await vault.unknown(TELEGRAM, 9, "b")) == ["2"]
    assert await vault.unknown(TELEGRAM, 9, "nobody") == []
    assert await vault.unknown(MATRIX, 9) == []


async def test_old_ends_are_forgotten_and_nothing_else(vault: GatewayVault) -> None:
    await vault.step(Step(0, guest("a")))
    await vault.enqueue_deliveries([saying(str(n), "a") for n in range(3)])
    await vault.enqueue_deliveries([saying("due", "b"), saying("under way", "c", Priority.BROADCAST)])
    for n in range(3):
        (d,) = await claim(vault, 1)
        await vault.settle_deliveries([as_sent(d, now=NOW + n)])
    await claim(vault, 2)
    assert await vault.prune(NOW + 2) == 2
    assert await vault.prune(NOW + 2) == 0
    assert await states(vault) == {"sent": 1, "leased": 2}


# how they are found


def plan(connection: Connection, sql: str, count: int) -> str:
    rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + sql, tuple([1] * count))
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize(
    ("sql", "count", "wanted"),
    [
        (queue._CHOOSE, 1, ["d USING INDEX delivery_ready (platform=?)", "b USING COVERING INDEX delivery_chat"]),
        (queue._PROMOTE, 2, ["delivery_timed (platform=? AND due<?)"]),
        (queue._OVERDUE, 2, ["delivery_timed (platform=? AND due<?)"]),
        (queue._GIVE_UP, 2, ["delivery_timed (platform=? AND due<?)"]),
        (queue._NEXT, 1, ["delivery_timed (platform=?)"]),
        (queue._UNKNOWN_IN, 2, ["delivery_chat (chat=? AND state=?)"]),
        (posts._DELIVERED, 2, ["delivery_sent (chat=? AND platform_id=?)"]),
        (posts._WHERE, 2, ["delivery_post (circle=? AND p=? AND what=?)"]),
        (posts._NEWS, 7, ["w USING INDEX delivery_chat (chat=? AND state=?)", "m USING PRIMARY KEY (circle=?)"]),
    ],
)
def test_no_question_looks_at_every_delivery(tmp_path: Path, sql: str, count: int, wanted: list[str]) -> None:
    with raw(tmp_path) as connection:
        models.ensure(connection)
        found = plan(connection, sql, count)
    for part in wanted:
        assert part in found, found
    assert "SCAN d" not in found.replace("SCAN delivery_", "")


async def test_a_circles_posts_are_not_copied_into_deliveries(vault: GatewayVault, tmp_path: Path) -> None:
    await vault.save(folded(3, posts=[post(3, "canary words")]))
    await admit(vault, 1, "a")
    await vault.fan_out(fan(3))
    assert [str(value) for value in values(tmp_path)].count("canary words") == 1


async def test_nothing_of_a_person_is_in_the_repr_of_what_the_store_gives(vault: GatewayVault) -> None:
    await vault.step(Step(0, guest("canary-chat", dialogue=b"canary-state", number=1)))
    await vault.set_readers(CID, {member(1): 1})
    await vault.enqueue_deliveries([saying("x", "canary-chat", saying=Saying("canary-words"))])
    given: list[object] = [await vault.readers(CID), await vault.guest(TELEGRAM, "canary-chat"), await claim(vault)]
    assert all(given)
    assert "canary" not in repr(given)

"""What every RelayLog promises, whatever it keeps its rows in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peerbot.core.ports import (
    AddressedEnvelope,
    ControlChange,
    LogHead,
    LogRecord,
    NewRecord,
    Placed,
    RelayLog,
    Slice,
)
from peerbot.protocol import log
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import sha256
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.support.memory_log import MemoryRelayLog

CID = b"c" * 32
OTHER = b"o" * 32
ALL = frozenset(Kind)
A, B = b"a" * 16, b"b" * 16
PLACE = b"p" * 32


@pytest.fixture(params=["sqlite", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RelayLog]:
    made: RelayLog
    made = await SqliteRelayLog.open(tmp_path / "relay.db") if request.param == "sqlite" else MemoryRelayLog()
    yield made
    await made.close()


def record(kind: Kind, wire: bytes, time: int = 1000) -> NewRecord:
    return NewRecord(kind, wire, sha256(wire), time)


def message(wire: bytes) -> NewRecord:
    return record(Kind.MESSAGE, wire)


async def founded(store: RelayLog, cid: bytes = CID) -> LogHead:
    await store.found(cid, record(Kind.ENTRY, b"genesis of " + cid), b"roster 0")
    head = await store.head(cid)
    assert head is not None
    return head


async def entry(store: RelayLog, seq: int, **change: object) -> Placed:
    """Append entry number `seq` to a log at rest."""
    head = await store.head(CID)
    assert head is not None
    made = ControlChange(seq=seq, roster=b"roster %d" % seq, **change)  # type: ignore[arg-type]
    placed = await store.append_control(CID, record(Kind.ENTRY, b"entry %d" % seq), head, made)
    assert isinstance(placed, Placed)
    return placed


async def all_of(store: RelayLog, cid: bytes = CID) -> tuple[LogRecord, ...]:
    page = await store.read(cid, 0, 100_000, 2**40, ALL)
    assert page is not None
    return page.records


async def test_a_genesis_opens_a_log_at_position_one(store: RelayLog) -> None:
    genesis = record(Kind.ENTRY, b"genesis")
    placed = await store.found(CID, genesis, b"roster")
    link = log.link(log.LOG_START, 1, Kind.ENTRY, genesis.digest)
    assert placed == Placed(1, link, 1000)
    assert await store.roster(CID) == (LogHead(1, link, 0, 1), b"roster")
    assert await store.circles() == [CID]


async def test_founding_twice_is_one_and_another_genesis_changes_nothing(store: RelayLog) -> None:
    first = await store.found(CID, record(Kind.ENTRY, b"genesis", 1000), b"roster")
    assert await store.found(CID, record(Kind.ENTRY, b"genesis", 2000), b"roster") == first
    assert await store.found(CID, record(Kind.ENTRY, b"other"), b"other") is None
    assert await store.roster(CID) == (await store.head(CID), b"roster")
    assert len(await all_of(store)) == 1


async def test_what_is_not_there_is_not_found(store: RelayLog) -> None:
    await founded(store)
    assert await store.head(OTHER) is None
    assert await store.roster(OTHER) is None
    assert await store.find(OTHER, bytes(32)) is None
    assert await store.find(CID, bytes(32)) is None
    assert await store.at(CID, 2) is None
    assert await store.at(CID, 0) is None
    assert await store.at(OTHER, 1) is None
    assert await store.read(OTHER, 0, 10, 10, ALL) is None
    assert await store.envelopes(OTHER, A, 0, 10) == []
    assert await store.mail(OTHER, A, 10, 10) == []
    assert await store.add_mail(OTHER, [A], b"x", most=1, most_bytes=1) == []
    assert not await store.put_note(OTHER, PLACE, b"x", 2000, most=1)
    assert not await store.requested(OTHER, (A, 1, B))
    assert await store.prune(OTHER, 9, 9) == 0
    await store.drop_mail(OTHER, A, [1])
    await store.drop_note(OTHER, PLACE)
    with pytest.raises(KeyError):
        await store.append_message(OTHER, message(b"m"), 0)


async def test_messages_are_chained_in_the_order_they_come(store: RelayLog) -> None:
    head = await founded(store)
    expected = head.head
    for i in range(5):
        new = message(b"m%d" % i)
        expected = log.link(expected, i + 2, Kind.MESSAGE, new.digest)
        assert await store.append_message(CID, new, 0) == Placed(i + 2, expected, 1000)
        assert await store.at(CID, i + 2) == Placed(i + 2, expected, 1000)
    assert await store.head(CID) == LogHead(6, expected, 0, 1)


async def test_a_message_for_another_entry_number_gets_the_present_head(store: RelayLog) -> None:
    await founded(store)
    await entry(store, 1)
    head = await store.head(CID)
    assert await store.append_message(CID, message(b"late"), 0) == head
    assert await store.append_message(CID, message(b"early"), 2) == head
    assert len(await all_of(store)) == 2


async def test_the_same_bytes_again_give_the_place_where_they_stand(store: RelayLog) -> None:
    await founded(store)
    first = await store.append_message(CID, message(b"m"), 0)
    assert await store.append_message(CID, message(b"m"), 0) == first
    placed = await entry(store, 1)
    later = record(Kind.MESSAGE, b"m", 5000)
    assert await store.append_message(CID, later, 0) == first, "whatever entry number it names by now"
    again = record(Kind.ENTRY, b"entry 1", 5000)
    head = await store.head(CID)
    assert head is not None
    assert await store.append_control(CID, again, head, ControlChange(seq=2, roster=b"no")) == placed
    assert await store.head(CID) == head
    assert await store.roster(CID) == (head, b"roster 1")


async def test_circles_do_not_know_each_other(store: RelayLog) -> None:
    await founded(store)
    await founded(store, OTHER)
    await store.append_message(CID, message(b"m"), 0)
    await store.append_message(OTHER, message(b"m"), 0)
    await store.add_mail(CID, [A], b"mail", most=9, most_bytes=99)
    assert [r.wire for r in await all_of(store, OTHER)] == [b"genesis of " + OTHER, b"m"]
    assert await store.mail(OTHER, A, 9, 99) == []
    assert set(await store.circles()) == {CID, OTHER}


async def test_an_entry_comes_with_its_roster_and_envelopes_or_not_at_all(store: RelayLog) -> None:
    before = await founded(store)
    sealed = [AddressedEnvelope(1, A, to, b"to " + to) for to in (A, B)]
    placed = await entry(store, 1, envelopes=sealed)
    head = LogHead(2, placed.head, 1, 2)
    assert await store.roster(CID) == (head, b"roster 1")
    assert await store.envelopes(CID, B, 0, 10) == [b"to " + B]
    lost = ControlChange(seq=1, roster=b"lost", envelopes=[AddressedEnvelope(1, B, A, b"lost")], gone=[B])
    assert await store.append_control(CID, record(Kind.ENTRY, b"loser"), before, lost) == head
    assert await store.roster(CID) == (head, b"roster 1")
    assert await store.envelopes(CID, A, 0, 10) == [b"to " + A]
    assert await store.envelopes(CID, B, 0, 10) == [b"to " + B]


async def test_of_many_entries_for_one_place_one_wins(store: RelayLog) -> None:
    head = await founded(store)
    results = await asyncio.gather(
        *(
            store.append_control(
                CID, record(Kind.ENTRY, b"rival %d" % i), head, ControlChange(seq=1, roster=b"roster of %d" % i)
            )
            for i in range(20)
        )
    )
    [winner] = [i for i, result in enumerate(results) if isinstance(result, Placed)]
    now = await store.head(CID)
    assert now is not None
    assert all(result == now for i, result in enumerate(results) if i != winner)
    assert await store.roster(CID) == (now, b"roster of %d" % winner)
    assert [r.wire for r in await all_of(store)][1:] == [b"rival %d" % winner]


async def test_a_message_that_came_between_makes_a_control_record_lose(store: RelayLog) -> None:
    head = await founded(store)
    await store.append_message(CID, message(b"between"), 0)
    now = await store.head(CID)
    assert await store.append_control(CID, record(Kind.REQUEST, b"r"), head, ControlChange()) == now


async def test_a_subkey_changes_the_roster_and_not_the_entry_number(store: RelayLog) -> None:
    head = await founded(store)
    placed = await store.append_control(CID, record(Kind.SUBKEY, b"s"), head, ControlChange(roster=b"newer"))
    assert isinstance(placed, Placed)
    assert await store.roster(CID) == (LogHead(2, placed.head, 0, 2), b"newer")


async def test_a_request_is_known_afterwards_and_changes_no_roster(store: RelayLog) -> None:
    head = await founded(store)
    assert not await store.requested(CID, (A, 1, B))
    placed = await store.append_control(CID, record(Kind.REQUEST, b"r"), head, ControlChange(request=(A, 1, B)))
    assert isinstance(placed, Placed)
    assert await store.requested(CID, (A, 1, B))
    assert not await store.requested(CID, (A, 2, B))
    assert not await store.requested(CID, (B, 1, B))
    assert await store.roster(CID) == (LogHead(2, placed.head, 0, 1), b"roster 0")


async def test_pages_are_gapless_and_end_by_count_or_by_size(store: RelayLog) -> None:
    await founded(store)
    for i in range(9):
        await store.append_message(CID, message(b"%d" % i * 100), 0)
    page = await store.read(CID, 3, 4, 10_000, ALL)
    assert page is not None
    assert [r.p for r in page.records] == [4, 5, 6, 7]
    assert page.head == 10
    assert page.last == await store.at(CID, 7)
    small = await store.read(CID, 3, 100, 350, ALL)
    assert small is not None
    assert [r.p for r in small.records] == [4, 5, 6]
    assert small.last == await store.at(CID, 6)
    tiny = await store.read(CID, 3, 100, 1, ALL)
    assert tiny is not None
    assert [r.p for r in tiny.records] == [4], "one record at least, or a reader could never go on"
    end = await store.read(CID, 10, 100, 10_000, ALL)
    assert end == Slice((), await store.at(CID, 10), 10)  # type: ignore[arg-type]


async def test_wires_of_other_kinds_are_left_out_and_cost_no_size(store: RelayLog) -> None:
    await founded(store)
    big = b"m" * 1000
    await store.append_message(CID, message(big), 0)
    await entry(store, 1)
    page = await store.read(CID, 0, 10, 100, frozenset({Kind.ENTRY, Kind.SUBKEY}))
    assert page is not None
    genesis = b"genesis of " + CID
    assert page.records == (
        LogRecord(1, Kind.ENTRY, sha256(genesis), genesis, 1000),
        LogRecord(2, Kind.MESSAGE, sha256(big), None, 1000),
        LogRecord(3, Kind.ENTRY, sha256(b"entry 1"), b"entry 1", 1000),
    )


async def test_envelopes_come_by_epoch_and_one_sender_has_one(store: RelayLog) -> None:
    await founded(store)
    for e, sender, wire in [(2, A, b"2A"), (1, B, b"1B"), (1, A, b"1A"), (2, A, b"2A again"), (3, A, b"3A")]:
        await store.put_envelope(CID, AddressedEnvelope(e, sender, B, wire))
    await store.put_envelope(CID, AddressedEnvelope(1, A, A, b"not yours"))
    assert await store.envelopes(CID, B, 0, 10) == [b"1B", b"1A", b"2A again", b"3A"]
    assert await store.envelopes(CID, B, 2, 1) == [b"2A again"]


async def test_what_waits_for_a_device_goes_with_it(store: RelayLog) -> None:
    await founded(store)
    await entry(store, 1, envelopes=[AddressedEnvelope(1, A, A, b"a"), AddressedEnvelope(1, A, B, b"b")])
    await store.add_mail(CID, [A, B], b"mail", most=9, most_bytes=99)
    await entry(store, 2, gone=[B])
    assert await store.mail(CID, B, 9, 99) == []
    assert await store.envelopes(CID, B, 0, 9) == []
    assert len(await store.mail(CID, A, 9, 99)) == len(await store.envelopes(CID, A, 0, 9)) == 1


async def test_mail_waits_in_order_until_it_is_dropped(store: RelayLog) -> None:
    await founded(store)
    for i in range(4):
        assert await store.add_mail(CID, [A, B], b"mail %d" % i, most=9, most_bytes=99) == [A, B]
    waiting = await store.mail(CID, A, 3, 10_000)
    assert [m.wire for m in waiting] == [b"mail 0", b"mail 1", b"mail 2"]
    assert [m.wire for m in await store.mail(CID, A, 9, 13)] == [b"mail 0", b"mail 1"]
    assert [m.wire for m in await store.mail(CID, A, 9, 1)] == [b"mail 0"]
    await store.drop_mail(CID, B, [m.id for m in waiting])
    assert len(await store.mail(CID, A, 9, 99)) == 4, "nobody drops another's mail"
    await store.drop_mail(CID, A, [waiting[0].id, waiting[2].id, 12345])
    assert [m.wire for m in await store.mail(CID, A, 9, 99)] == [b"mail 1", b"mail 3"]


async def test_the_same_direct_twice_is_one_and_ids_are_never_used_again(store: RelayLog) -> None:
    await founded(store)
    for _ in range(2):
        assert await store.add_mail(CID, [A], b"mail", most=1, most_bytes=99) == [A]
    [first] = await store.mail(CID, A, 9, 99)
    await store.drop_mail(CID, A, [first.id])
    await store.add_mail(CID, [A], b"newer", most=1, most_bytes=99)
    [second] = await store.mail(CID, A, 9, 99)
    assert second.id > first.id


async def test_a_full_mailbox_takes_no_more_and_the_others_still_do(store: RelayLog) -> None:
    await founded(store)
    assert await store.add_mail(CID, [A], b"x" * 60, most=2, most_bytes=100) == [A]
    assert await store.add_mail(CID, [A, B], b"y" * 60, most=2, most_bytes=100) == [B]
    assert await store.add_mail(CID, [A], b"z", most=2, most_bytes=100) == [A]
    assert await store.add_mail(CID, [A], b"w", most=2, most_bytes=100) == []


async def test_a_note_lies_at_its_place_until_it_expires(store: RelayLog) -> None:
    await founded(store)
    assert await store.put_note(CID, PLACE, b"note", 2000, most=9)
    assert await store.note(PLACE, 1999) == b"note"
    assert await store.note(PLACE, 2000) is None
    assert await store.note(b"q" * 32, 1) is None
    assert await store.put_note(CID, PLACE, b"newer", 3000, most=9)
    assert await store.note(PLACE, 2000) == b"newer"
    assert await store.drop_expired(2999) == 0
    assert await store.drop_expired(3000) == 1
    assert await store.note(PLACE, 1) is None


async def test_a_place_belongs_to_the_circle_that_took_it(store: RelayLog) -> None:
    await founded(store)
    await founded(store, OTHER)
    await store.put_note(CID, PLACE, b"note", 2000, most=9)
    assert not await store.put_note(OTHER, PLACE, b"theirs", 2000, most=9)
    await store.drop_note(OTHER, PLACE)
    assert await store.note(PLACE, 1) == b"note"
    await store.drop_note(CID, PLACE)
    assert await store.put_note(OTHER, PLACE, b"theirs", 2000, most=9)


async def test_a_circle_has_room_for_so_many_notes(store: RelayLog) -> None:
    await founded(store)
    assert await store.put_note(CID, b"1" * 32, b"note", 2000, most=2)
    assert await store.put_note(CID, b"2" * 32, b"note", 2000, most=2)
    assert not await store.put_note(CID, b"3" * 32, b"note", 2000, most=2)
    assert await store.put_note(CID, b"2" * 32, b"newer", 2000, most=2), "replacing one takes no room"


async def test_pruning_forgets_old_messages_and_keeps_digests_entries_and_subkeys(store: RelayLog) -> None:
    head = await founded(store)
    await store.append_control(CID, record(Kind.SUBKEY, b"s"), head, ControlChange(roster=b"r"))
    for i in range(3):
        await store.append_message(CID, message(b"m%d" % i), 0)
    await entry(store, 1, envelopes=[AddressedEnvelope(1, A, A, b"1")])
    await entry(store, 2, envelopes=[AddressedEnvelope(2, A, A, b"2")])
    before = await all_of(store)
    assert await store.prune(CID, 5, 2) == 2
    assert await store.prune(CID, 5, 2) == 0
    after = await all_of(store)
    assert [r.digest for r in after] == [r.digest for r in before]
    assert [r.p for r in after if r.wire is None] == [3, 4]
    assert await store.envelopes(CID, A, 0, 9) == [b"2"]
    assert await store.append_message(CID, message(b"m0"), 0) == await store.at(CID, 3), "its digest is remembered"

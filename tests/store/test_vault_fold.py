"""A batch in the vault: the cursor, late history, marks, names, and that saying it twice changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from peerbot.core.ports import ChainRow, Folded, LivingRow, MarkRow, Outgoing, PostRow, RecordRow, Status, Vault
from peerbot.errors import VaultError
from peerbot.protocol.log import Kind
from peerbot.protocol.secret import EpochSecret
from peerbot.store.vault.vault import SqlVault
from tests.store.vault_builders import (
    CID,
    ME,
    THREAD,
    check_index,
    counters,
    everything,
    folded,
    key,
    long,
    mark,
    member,
    new_circle,
    new_vault,
    post,
    profile,
    raw,
    record,
    roster,
    short,
    thread,
)

PENDING = Status.PENDING
U64 = 2**64 - 1


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[SqlVault]:
    async with new_vault(tmp_path) as opened:
        yield opened


async def words(vault: Vault) -> dict[int, tuple[str, str]]:
    """(text, state) by position."""
    return {row.p: (row.text, row.state) for row in await vault.posts(CID, None, 2**40, 1000)}


async def test_the_cursor_and_what_came_with_it_are_there_after_the_call(vault: SqlVault) -> None:
    await vault.save(folded(3, posts=[post(3)], threads=[thread(2)]))
    stored = await vault.circle(CID)
    assert (stored.p, stored.head) == (3, long("head", 3))
    assert await vault.heads_at(CID, [1, 2, 3, 4]) == {p: long("head", p) for p in (1, 2, 3)}
    assert await vault.authors_at(CID, [2, 3]) == {3: member(1)}


async def test_what_survives_is_the_same_after_the_vault_was_closed(tmp_path: Path) -> None:
    async with new_vault(tmp_path) as vault:
        await vault.save(folded(3, posts=[post(3, "still here")], threads=[thread(2)], secrets=[(1, secret(1))]))
        before = await vault.posts(CID, None, 9, 9)
    again = await SqlVault.open(tmp_path / "vault.db", key())
    assert await again.posts(CID, None, 9, 9) == before
    assert (await again.circle(CID)).secrets[1].reveal() == secret(1).reveal()
    await again.close()


def secret(e: int) -> EpochSecret:
    return EpochSecret(long("secret", e))


async def test_a_batch_for_a_circle_that_is_not_here_is_a_typed_error(vault: SqlVault) -> None:
    with pytest.raises(VaultError, match="vault-no-circle"):
        await vault.save(folded(1, cid=long("another")))


async def test_a_batch_that_fails_leaves_nothing_behind(vault: SqlVault) -> None:
    await vault.save(folded(2, threads=[thread(2)]))
    broken = replace(post(3), text=None)  # type: ignore[arg-type]
    with pytest.raises(Exception, match=r"NoneType|vault"):
        await vault.save(folded(4, since=2, posts=[broken], secrets=[(7, secret(7))]))
    stored = await vault.circle(CID)
    assert (stored.p, dict(stored.secrets)) == (2, {})
    assert await vault.heads_at(CID, [3, 4]) == {}


async def test_positions_at_or_before_the_cursor_are_ignored(vault: SqlVault) -> None:
    await vault.save(folded(3))
    other = RecordRow(2, Kind.MESSAGE, long("other"), b"other", Status.PENDING, "", 1)
    await vault.save(folded(2, records=[other]))
    assert (await vault.circle(CID)).p == 3
    assert await vault.heads_at(CID, [2]) == {2: long("head", 2)}
    assert await vault.pending(CID, 1, 0, 10) == []
    await vault.save(folded(6, records=[record(6)]))
    await vault.save(folded(5, records=[record(5)]))
    assert await vault.heads_at(CID, [4, 5, 6]) == {6: long("head", 6)}


async def test_a_pending_message_waits_for_its_epoch_and_is_opened_once(vault: SqlVault) -> None:
    rows = [record(1, PENDING, e=4), record(2, PENDING, e=5), record(3, PENDING, e=4)]
    await vault.save(folded(3, records=rows))
    assert await vault.pending(CID, 4, 0, 10) == [(1, b"wire of 1"), (3, b"wire of 3")]
    assert await vault.pending(CID, 4, 1, 10) == [(3, b"wire of 3")]
    assert await vault.pending(CID, 4, 0, 1) == [(1, b"wire of 1")]
    await vault.save(folded(3, records=[], opened=[1, 3], posts=[post(1), post(3)]))
    assert await vault.pending(CID, 4, 0, 10) == []
    assert await vault.pending(CID, 5, 0, 10) == [(2, b"wire of 2")]
    assert list(await words(vault)) == [1, 3]


async def test_a_pending_message_that_fails_when_it_is_opened_is_refused_and_keeps_its_head(vault: SqlVault) -> None:
    await vault.save(folded(1, records=[record(1, PENDING)]))
    await vault.save(folded(1, records=[RecordRow(1, Kind.MESSAGE, b"", b"", Status.REFUSED, "M15", 1)]))
    assert await vault.refused(CID) == {"M15": 1}
    assert await vault.heads_at(CID, [1]) == {1: long("head", 1)}
    await vault.save(folded(1, records=[], opened=[1]))
    assert await vault.refused(CID) == {"M15": 1}


async def test_refused_records_are_counted_by_check(vault: SqlVault) -> None:
    codes = ["M06", "M06", "E10"]
    rows = [record(p, Status.REFUSED, code) for p, code in enumerate(codes, 1)]
    await vault.save(folded(4, records=[*rows, record(4)]))
    assert await vault.refused(CID) == {"M06": 2, "E10": 1}


async def test_a_pruned_record_keeps_its_head_and_has_no_wire(vault: SqlVault) -> None:
    row = RecordRow(1, Kind.MESSAGE, long("head", 1), None, Status.PRUNED)
    await vault.save(folded(1, records=[row], pruned=1))
    assert await vault.heads_at(CID, [1]) == {1: long("head", 1)}
    assert (await vault.circle(CID)).pruned
    await vault.save(folded(2, since=1))
    assert (await vault.circle(CID)).pruned


async def test_an_alarm_stays_and_broken_follows_the_newest_batch(vault: SqlVault) -> None:
    await vault.save(folded(2, broken=True))
    await vault.save(folded(2, records=[], alarm="fork", broken=True))
    await vault.save(folded(3, since=2, broken=True))
    await vault.save(folded(1, records=[], broken=False))
    stored = await vault.circle(CID)
    assert (stored.alarm, stored.broken, stored.p) == ("fork", True, 3)
    await vault.save(folded(3, records=[], broken=False))
    stored = await vault.circle(CID)
    assert (stored.alarm, stored.broken) == ("fork", False)


async def test_the_roster_comes_back_as_it_was_and_never_older(vault: SqlVault) -> None:
    await vault.save(folded(2, roster=roster(1)))
    await vault.save(folded(3, since=2, roster=roster(2, members=5)))
    await vault.save(folded(2, records=[], roster=roster(1)))
    await vault.save(folded(4, since=3))
    assert (await vault.circle(CID)).roster == roster(2, members=5)


async def test_chains_only_go_forward_even_past_half_of_the_numbers_there_are(vault: SqlVault) -> None:
    def chain(dseq: int) -> ChainRow:
        return ChainRow(short("device"), member(1), short("chain"), dseq, long("message", dseq))

    for dseq in (1, 2**63 - 1, 2**63, U64, 2**63 + 5, 7):
        await vault.save(folded(1, records=[], chains=[chain(dseq)]))
    assert (await vault.circle(CID)).chains == [chain(U64)]


async def test_everything_small_of_a_batch_comes_back(vault: SqlVault) -> None:
    whom = short("device", 2)
    await vault.save(
        folded(
            9,
            secrets=[(1, secret(1)), (2, secret(2))],
            pauses=[(4, True), (6, False)],
            locks=[(THREAD, 5, True), (short("other"), 3, True), (THREAD, 8, False)],
            requests=[(short("device", 1), 2, whom)],
            entry_hashes=[(0, long("e0")), (1, long("e1"))],
        )
    )
    stored = await vault.circle(CID)
    assert {e: s.reveal() for e, s in stored.secrets.items()} == {1: secret(1).reveal(), 2: secret(2).reveal()}
    assert stored.pauses == [(4, True), (6, False)]
    assert stored.locks == [(short("other"), 3, True), (THREAD, 5, True), (THREAD, 8, False)]
    assert stored.requests == [(short("device", 1), 2, whom)]
    assert stored.entry_hashes == {0: long("e0"), 1: long("e1")}


async def test_settled_rows_leave_the_outbox_with_the_batch_that_holds_them(vault: SqlVault) -> None:
    first, second = await vault.enqueue(
        [Outgoing(0, CID, Kind.MESSAGE, b"a", ME), Outgoing(0, CID, Kind.MESSAGE, b"b", ME)]
    )
    await vault.save(folded(1, settled=[first]))
    assert [row.id for row in await vault.outbox(CID)] == [second]
    (third,) = await vault.enqueue([Outgoing(0, CID, Kind.MESSAGE, b"c", ME)])
    await vault.save(folded(1, settled=[first]))
    assert [row.id for row in await vault.outbox(CID)] == [second, third]


# what is said about posts


Said = Sequence[PostRow | MarkRow]


async def say(vault: SqlVault, *rows: PostRow | MarkRow) -> None:
    """Each row in a batch of its own, at its position or, where that is past, late."""
    for row in rows:
        cursor = (await vault.circle(CID)).p
        p = max(row.p, cursor)
        if isinstance(row, PostRow):
            await vault.save(folded(p, since=cursor, posts=[row]))
        else:
            await vault.save(folded(p, since=cursor, marks=[row]))


EDITS: list[tuple[str, Said, tuple[str, str]]] = [
    ("an edit", [post(1, "old"), mark(2, "edit", 1, "new")], ("new", "edited")),
    ("the newest edit", [post(1), mark(2, "edit", 1, "b"), mark(3, "edit", 1, "c")], ("c", "edited")),
    ("the newest edit, late", [post(1), mark(3, "edit", 1, "c"), mark(2, "edit", 1, "b")], ("c", "edited")),
    ("an edit before its post is open", [mark(2, "edit", 1, "new"), post(1, "old")], ("new", "edited")),
    ("two edits before", [mark(3, "edit", 1, "c"), mark(2, "edit", 1, "b"), post(1)], ("c", "edited")),
    ("someone else's edit", [post(1, "mine"), mark(2, "edit", 1, "no", author=2)], ("mine", "")),
    ("someone else's, before", [mark(2, "edit", 1, "no", author=2), post(1, "mine")], ("mine", "")),
    ("taken back", [post(1), mark(2, "retract", 1)], ("", "retracted")),
    ("taken back before it is open", [mark(2, "retract", 1), post(1)], ("", "retracted")),
    ("taken back, edited after", [post(1), mark(2, "retract", 1), mark(3, "edit", 1, "x")], ("", "retracted")),
    ("edited, taken back", [post(1), mark(2, "edit", 1, "x"), mark(3, "retract", 1)], ("", "retracted")),
    ("someone else takes it back", [post(1, "mine"), mark(2, "retract", 1, author=2)], ("mine", "")),
    ("hidden by a moderator", [post(1), mark(2, "hide", 1, "spam", author=2)], ("", "hidden")),
    ("hidden before it is open", [mark(2, "hide", 1, "spam", author=2), post(1)], ("", "hidden")),
    ("shown again", [post(1, "hi"), mark(2, "hide", 1, author=2), mark(3, "show", 1, author=3)], ("hi", "")),
    ("shown again, out of order", [post(1, "hi"), mark(3, "show", 1, author=3), mark(2, "hide", 1)], ("hi", "")),
    ("hidden, edited", [post(1), mark(2, "hide", 1), mark(3, "edit", 1, "new")], ("", "hidden")),
    (
        "hidden, edited, shown",
        [post(1), mark(2, "hide", 1), mark(3, "edit", 1, "new"), mark(4, "show", 1)],
        ("new", "edited"),
    ),
    ("hidden and taken back", [post(1), mark(2, "hide", 1), mark(3, "retract", 1)], ("", "retracted")),
    ("acknowledged", [post(1, "hi"), mark(2, "acknowledge", 1, author=4)], ("hi", "")),
    ("of a kind nobody knows", [post(1, "hi"), mark(2, "applaud", 1)], ("hi", "")),
]


@pytest.mark.parametrize(("said", "shown"), [pytest.param(*rest, id=name) for name, *rest in EDITS])
async def test_a_post_shows_what_was_said_about_it(vault: SqlVault, said: Said, shown: tuple[str, str]) -> None:
    await say(vault, *said)
    assert await words(vault) == {1: shown}


async def test_a_mark_for_another_message_at_that_position_does_nothing(vault: SqlVault) -> None:
    wrong = [
        replace(mark(p, kind, 1, "x"), target_id=long("else")) for p, kind in ((2, "edit"), (3, "retract"), (4, "hide"))
    ]
    await say(vault, post(1, "mine"), *wrong)
    assert await words(vault) == {1: ("mine", "")}


@pytest.mark.parametrize("target", [0, 2, 2**40 - 1, 2**40, 2**40 + 1, 2**63, U64])
async def test_a_mark_for_a_position_nobody_has_reaches_no_post(vault: SqlVault, target: int) -> None:
    await vault.save(folded(1, posts=[post(1, "mine")]))
    await vault.save(folded(3, since=1, marks=[replace(mark(3, "retract", 1), target_p=target)]))
    assert await words(vault) == {1: ("mine", "")}


async def test_a_mark_never_reaches_a_post_of_another_circle(vault: SqlVault) -> None:
    other = long("other circle")
    await vault.add_circle(new_circle(other, slug="other"), None)
    await vault.save(folded(1, posts=[post(1, "mine")]))
    await vault.save(folded(2, cid=other, marks=[mark(2, "retract", 1)]))
    await vault.save(folded(3, since=2, cid=other, marks=[replace(mark(3, "retract", 1), target_p=1 - 2**40)]))
    assert await words(vault) == {1: ("mine", "")}


async def test_an_edit_is_found_by_its_new_words_and_not_by_the_old(vault: SqlVault) -> None:
    await say(vault, post(1, "walrus"), mark(2, "edit", 1, "narwhal"))
    assert await vault.search("walrus", CID, 9) == []
    assert [row.text for _, row in await vault.search("narwhal", CID, 9)] == ["narwhal"]


@pytest.mark.parametrize("kind", ["retract", "hide"])
async def test_what_was_taken_back_or_hidden_is_not_found(vault: SqlVault, kind: str) -> None:
    await say(vault, post(1, "walrus"), mark(2, kind, 1))
    assert await vault.search("walrus", CID, 9) == []


async def test_what_was_taken_back_is_not_in_the_projection_any_more(tmp_path: Path) -> None:
    gone = ("walrus", "narwhal", "dugong", "manatee")
    async with new_vault(tmp_path) as vault:
        await say(vault, mark(2, "edit", 1, "narwhal"), post(1, "walrus"), mark(3, "edit", 1, "dugong"))
        await say(vault, mark(4, "retract", 1), mark(5, "edit", 1, "manatee"))
        with raw(tmp_path) as connection:
            check_index(connection)
            for table in ("post", "mark"):
                rows = connection.exec_driver_sql(f"SELECT * FROM {table}").all()  # noqa: S608
                assert not any(word in repr(rows) for word in gone)


# values that senders choose


async def test_senders_may_choose_any_64_bit_number(vault: SqlVault) -> None:
    odd = replace(post(1), ts=U64, reply_p=U64, reply_id=long("x"))
    wild = RecordRow(2, Kind.MESSAGE, long("head", 2), b"", Status.REFUSED, "M09", U64)
    began = replace(thread(3, id=short("late")), ts=U64)
    await vault.save(
        folded(
            3,
            records=[record(1), wild, record(3)],
            posts=[odd],
            threads=[began],
            marks=[replace(mark(3, "edit", 1), ts=U64)],
        )
    )
    (shown,) = await vault.posts(CID, THREAD, 9, 9)
    assert (shown.ts, shown.reply_p) == (U64, U64)
    assert {row.last_ts for row in await vault.threads(CID)} == {U64}


@pytest.mark.parametrize("p", [2**40 - 1, 2**40, 2**63, U64])
async def test_what_claims_a_position_no_log_has_is_left_out(tmp_path: Path, p: int) -> None:
    async with new_vault(tmp_path) as vault:
        await vault.save(folded(1, posts=[post(1, "mine")]))
        with raw(tmp_path) as connection:
            before = everything(connection)
        await vault.save(
            folded(
                1,
                records=[],
                threads=[thread(p), thread(p, id=short("another"))],
                posts=[post(p)],
                marks=[mark(p, "retract", 1)],
                living=[profile(p, "Fox")],
                locks=[(THREAD, p, True)],
            )
        )
        with raw(tmp_path) as connection:
            assert everything(connection) == before


@pytest.mark.parametrize(
    "text", ["nul \x00 inside", "\x00", "\u202eright to left", "😀" * 500, "a" * 30_000, "\ufeff", " "]
)
async def test_words_come_back_exactly(vault: SqlVault, text: str) -> None:
    await vault.save(folded(1, posts=[post(1, text)]))
    assert (await words(vault))[1] == (text, "")
    await say(vault, mark(2, "edit", 1, text + "!"))
    assert (await words(vault))[1] == (text + "!", "edited")


# threads and names


async def test_the_earliest_record_of_a_thread_names_it(vault: SqlVault) -> None:
    await vault.save(folded(5, threads=[thread(5, "Taken over", author=2)]))
    await vault.save(folded(6, since=5, threads=[thread(2, "Sleep")]))
    await vault.save(folded(7, since=6, threads=[thread(7, "Again", author=3)]))
    (row,) = await vault.threads(CID)
    assert (row.title, row.author) == ("Sleep", member(1))


async def test_a_post_may_come_before_its_thread_has_a_title(vault: SqlVault) -> None:
    await vault.save(folded(5, posts=[post(5)]))
    (before,) = await vault.threads(CID)
    assert (before.title, before.posts) == ("", 1)
    assert (await vault.posts(CID, THREAD, 9, 9))[0].title == ""
    await vault.save(folded(6, since=5, threads=[thread(2, "Sleep")]))
    (after,) = await vault.threads(CID)
    assert (after.title, after.posts) == ("Sleep", 1)
    assert (await vault.posts(CID, THREAD, 9, 9))[0].title == "Sleep"


async def test_the_newest_profile_names_a_member(vault: SqlVault) -> None:
    await vault.save(folded(4, living=[profile(2, "Fox"), profile(4, "Badger", 2)]))
    await vault.save(folded(6, since=4, living=[profile(6, "Vixen")]))
    await vault.save(folded(8, since=6, living=[profile(2, "Fox", seen_p=8)]))
    assert await vault.names(CID) == {member(1): "Vixen", member(2): "Badger"}


async def test_a_profile_nobody_can_read_names_nobody(vault: SqlVault) -> None:
    await vault.save(folded(1, living=[replace(profile(1, "Fox"), body=b"\xc1")]))
    assert await vault.names(CID) == {}


def lives(kind: str, p: int, *, seen_p: int = 0, e: int = 1, author: int = 1) -> LivingRow:
    return LivingRow(kind, THREAD, p, seen_p or p, e, member(author), b"%d" % p, b"sealed", bytes(64), bytes(32))


async def test_living_records_are_the_newest_of_their_kind_and_know_where_they_were_seen(vault: SqlVault) -> None:
    await vault.save(folded(3, living=[lives("lock", 2, e=1), lives("lock", 3, e=2)]))
    assert await vault.living(CID, 3, 10) == [lives("lock", 3, e=2)]
    await vault.save(folded(5, since=3, living=[lives("lock", 2, seen_p=4, e=3), lives("lock", 3, seen_p=5, e=4)]))
    assert await vault.living(CID, 4, 10) == []
    assert await vault.living(CID, 5, 10) == [lives("lock", 3, seen_p=5, e=4)]
    await vault.save(folded(6, since=5, living=[lives("lock", 3, seen_p=4, e=3)]))
    assert await vault.living(CID, 5, 10) == [lives("lock", 3, seen_p=5, e=4)]


async def test_a_thread_lives_on_as_it_began(vault: SqlVault) -> None:
    await vault.save(folded(3, living=[lives("thread", 2), lives("thread", 3, author=2)]))
    assert await vault.living(CID, 9, 10) == [lives("thread", 2)]


async def test_living_records_seen_longest_ago_come_first(vault: SqlVault) -> None:
    rows = [replace(profile(p, "x", p), e=e) for p, e in ((1, 5), (2, 3), (3, 4), (4, 6))]
    await vault.save(folded(4, living=rows))
    assert [row.p for row in await vault.living(CID, 6, 10)] == [2, 3, 1]
    assert [row.p for row in await vault.living(CID, 6, 1)] == [2]
    assert [row.p for row in await vault.living(CID, 6, 0)] == []


# counters


async def test_what_others_wrote_is_unread_until_one_reads_it_and_ones_own_never_is(tmp_path: Path) -> None:
    async with new_vault(tmp_path) as vault:
        await vault.save(folded(4, threads=[thread(1)], posts=[post(2), post(3, author=0), post(4)]))
        assert [(row.posts, row.unread) for row in await vault.threads(CID)] == [(3, 2)]
        await vault.mark_read(CID, THREAD, 2)
        assert [row.unread for row in await vault.threads(CID)] == [1]
        await vault.mark_read(CID, THREAD, 4)
        await vault.mark_read(CID, THREAD, 1)
        assert [row.unread for row in await vault.threads(CID)] == [0]
        await vault.save(folded(6, since=4, posts=[post(5), post(6, author=0)]))
        assert [(row.posts, row.unread, row.last_p) for row in await vault.threads(CID)] == [(5, 1, 6)]
        with raw(tmp_path) as connection:
            assert counters(connection) == [(5, 1, 6, 5, 1, 6)]


async def test_history_that_is_opened_late_is_unread_only_behind_the_read_mark(vault: SqlVault) -> None:
    await vault.save(folded(5, records=[record(p, PENDING) for p in range(1, 6)], threads=[thread(1)]))
    await vault.mark_read(CID, THREAD, 3)
    await vault.save(folded(5, records=[], opened=[2, 4], posts=[post(2), post(4)]))
    assert [(row.posts, row.unread, row.last_p) for row in await vault.threads(CID)] == [(2, 1, 4)]


async def test_a_late_post_is_not_the_newest(vault: SqlVault) -> None:
    await vault.save(folded(5, records=[record(p, PENDING) for p in (1, 2, 3, 4)], posts=[post(5)]))
    await vault.save(folded(5, records=[], opened=[2], posts=[post(2)]))
    assert [(row.posts, row.last_p, row.last_ts) for row in await vault.threads(CID)] == [(2, 5, 1005)]


async def test_somebody_who_never_wrote_has_unread_posts_too(vault: SqlVault) -> None:
    await vault.save(folded(4, posts=[post(2), post(3), post(4)]))
    await vault.mark_read(CID, THREAD, 2)
    assert [row.unread for row in await vault.threads(CID)] == [2]


async def test_marking_a_thread_that_is_not_here_as_read_does_nothing(vault: SqlVault) -> None:
    await vault.mark_read(CID, short("nowhere"), 5)
    assert await vault.threads(CID) == []


async def test_folding_the_same_batch_object_twice_is_folding_it_once(vault: SqlVault) -> None:
    batch: Folded = folded(3, threads=[thread(1)], posts=[post(2), post(3)], marks=[mark(3, "edit", 2, "b")])
    await vault.save(batch)
    before = (await vault.threads(CID), await words(vault))
    await vault.save(batch)
    assert (await vault.threads(CID), await words(vault)) == before

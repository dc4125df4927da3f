"""What a person reads: threads, posts, search; and that nothing of it reads a whole table."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from peerbot.core.ports import ShownPost
from peerbot.errors import VaultError
from peerbot.store.vault import circles, fold, log, outbox, project, reading, rows, text
from peerbot.store.vault.vault import SqlVault
from tests.store.vault_builders import (
    CID,
    THREAD,
    folded,
    long,
    member,
    new_circle,
    new_vault,
    post,
    raw,
    short,
    thread,
)

OTHER = short("thread", 2)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[SqlVault]:
    async with new_vault(tmp_path) as opened:
        yield opened


@pytest.fixture
async def forum(vault: SqlVault) -> SqlVault:
    """Two threads, posts 3 to 12, the even ones in the first thread."""
    posts = [post(p, f"post {p}", thread=OTHER if p % 2 else THREAD) for p in range(3, 13)]
    await vault.save(folded(12, threads=[thread(1, "Sleep"), thread(2, "Work", OTHER)], posts=posts))
    return vault


def positions(shown: list[ShownPost]) -> list[int]:
    return [row.p for row in shown]


async def test_a_post_is_shown_with_its_thread_and_author(forum: SqlVault) -> None:
    shown = await forum.post_at(CID, 4)
    assert shown is not None
    assert (shown.id, shown.thread, shown.title, shown.author) == (long("message", 4), THREAD, "Sleep", member(1))
    assert (shown.text, shown.door, shown.ts, shown.state, shown.reply_p) == ("post 4", "device", 1004, "", 0)


@pytest.mark.parametrize("p", [0, 1, 13, -5, 2**40 - 1, 2**40, 2**64])
async def test_there_is_no_post_where_none_stands(forum: SqlVault, p: int) -> None:
    assert await forum.post_at(CID, p) is None


async def test_the_newest_posts_come_oldest_first(forum: SqlVault) -> None:
    assert positions(await forum.posts(CID, None, 2**64, 3)) == [10, 11, 12]
    assert positions(await forum.posts(CID, None, 10, 3)) == [7, 8, 9]
    assert positions(await forum.posts(CID, THREAD, 2**40, 3)) == [8, 10, 12]
    assert positions(await forum.posts(CID, THREAD, 8, 9)) == [4, 6]
    assert positions(await forum.posts(CID, None, 3, 9)) == []
    assert positions(await forum.posts(CID, short("nowhere"), 99, 9)) == []


async def test_posts_after_a_position_come_oldest_first(forum: SqlVault) -> None:
    assert positions(await forum.posts_after(CID, 9, 2)) == [10, 11]
    assert positions(await forum.posts_after(CID, 12, 2)) == []
    assert positions(await forum.posts_after(CID, 0, 99)) == list(range(3, 13))


@pytest.mark.parametrize(("limit", "count"), [(-1, 0), (0, 0), (1, 1), (2**64, 10)])
async def test_a_limit_is_a_limit(forum: SqlVault, limit: int, count: int) -> None:
    assert len(await forum.posts(CID, None, 99, limit)) == count
    assert len(await forum.posts_after(CID, 0, limit)) == count
    assert len(await forum.search("post", CID, limit)) == count
    assert len(await forum.search("post", None, limit)) == count


async def test_threads_with_the_newest_activity_come_first(forum: SqlVault) -> None:
    assert [row.title for row in await forum.threads(CID)] == ["Sleep", "Work"]
    await forum.save(folded(14, since=12, posts=[post(13, thread=OTHER)], threads=[thread(14, "New", short("t3"))]))
    rows = await forum.threads(CID)
    assert [(row.title, row.posts, row.last_p, row.last_ts) for row in rows] == [
        ("New", 0, 14, 1014),
        ("Work", 6, 13, 1013),
        ("Sleep", 5, 12, 1012),
    ]


async def test_circles_do_not_see_each_other(forum: SqlVault) -> None:
    other = long("other circle")
    await forum.add_circle(new_circle(other, slug="other"), None)
    assert await forum.threads(other) == []
    assert await forum.posts(other, None, 99, 9) == []
    assert await forum.posts(other, THREAD, 99, 9) == []
    assert await forum.posts_after(other, 0, 9) == []
    assert await forum.search("post", other, 9) == []
    assert await forum.find_thread(other, "Sleep") is None
    assert await forum.names(other) == {}


async def test_a_circle_that_is_not_here_is_a_typed_error(forum: SqlVault) -> None:
    for call in (forum.threads, forum.names, forum.circle, forum.outbox, forum.refused, forum.mark_ready):
        with pytest.raises(VaultError, match="vault-no-circle"):
            await call(long("nowhere"))
    with pytest.raises(VaultError, match="vault-no-circle"):
        await forum.search("post", long("nowhere"), 9)


# finding a thread


@pytest.mark.parametrize("said", ["Sleep", "sleep", "SLEEP", THREAD.hex(), THREAD.hex()[:8], THREAD.hex()[:9].upper()])
async def test_a_thread_is_found_by_id_prefix_or_title(forum: SqlVault, said: str) -> None:
    assert await forum.find_thread(CID, said) == THREAD


@pytest.mark.parametrize(
    "said", ["", "Slee", "Sleep ", THREAD.hex()[:7], THREAD.hex() + "00", "0" * 8, "%", "x' OR 1 --"]
)
async def test_a_thread_is_not_found_by_less(forum: SqlVault, said: str) -> None:
    assert await forum.find_thread(CID, said) is None


async def test_a_prefix_of_two_threads_names_neither(vault: SqlVault) -> None:
    twins = [b"\xab\xcd\xef\x01" + bytes((n,)) * 12 for n in (1, 2)]
    await vault.save(folded(2, threads=[thread(p, f"T{p}", id) for p, id in enumerate(twins, 1)]))
    assert await vault.find_thread(CID, "abcdef01") is None
    assert await vault.find_thread(CID, "abcdef0102") == twins[1]
    await vault.save(folded(3, since=2, threads=[thread(3, "abcdef01", OTHER)]))
    assert await vault.find_thread(CID, "abcdef01") == OTHER


async def test_of_two_threads_with_one_title_the_oldest_is_meant(vault: SqlVault) -> None:
    await vault.save(folded(5, threads=[thread(5, "Søvn", OTHER), thread(2, "SØVN", THREAD)]))
    assert await vault.find_thread(CID, "søvn") == THREAD


async def test_titles_compare_however_their_accents_are_composed(vault: SqlVault) -> None:
    await vault.save(folded(1, threads=[thread(1, "Ma\u030al og mening")]))
    assert await vault.find_thread(CID, "M\u00c5L og mening") == THREAD


async def test_a_thread_without_a_title_is_found_by_id_only(vault: SqlVault) -> None:
    await vault.save(folded(1, posts=[post(1)]))
    assert await vault.find_thread(CID, "") is None
    assert await vault.find_thread(CID, THREAD.hex()) == THREAD


# search


SENTENCES = [
    "I said AND you said OR nothing",
    'she wrote "never again" yesterday',
    "well-known foo-bar, e.g. this",
    "so happy🙂today",
    "coffee ☕️ at the café, blåbær too",
    "NEAR(the end) * ^start col:umn {set} -minus",
    "it's what it's",
    "👨‍👩‍👧 came along 👍🏽",
    "nul\x00byte",
    "unfinished \"quote plus 'apostrophe",
]


@pytest.fixture
async def talk(vault: SqlVault) -> SqlVault:
    said = [post(p, words) for p, words in enumerate(SENTENCES, 1)]
    await vault.save(folded(len(said), posts=said))
    return vault


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("AND", [1]),
        ("or", [1]),
        ("said nothing", [1]),
        ("nothing said", [1]),
        ("said missing", []),
        ('"never again"', [2]),
        ('"', []),
        ('wrote "', [2]),
        ("foo-bar", [3]),
        ("bar-foo", []),
        ("e.g.", [3]),
        ("happy", [4]),
        ("🙂", [4]),
        ("🙂 today", [4]),
        ("☕", [5]),
        ("cafe", [5]),
        ("CAFÉ", [5]),
        ("BLÅBÆR", [5]),
        ("NEAR(", [6]),
        ("*", []),
        ("the*", [6, 5]),
        ("^start", [6]),
        ("col:umn", [6]),
        ("{set}", [6]),
        ("-minus", [6]),
        ("it's", [7]),
        ("👨‍👩‍👧", [8]),
        ("👍", [8]),
        ("nul\x00byte", [9]),
        ("quote apostrophe", [10]),
        ("'", []),
        ("", []),
        (" \t\n", []),
        ("words MATCH text:", []),
        ("\ud800", []),
    ],
)
async def test_whatever_is_typed_is_words(talk: SqlVault, words: str, found: list[int]) -> None:
    assert [row.p for _, row in await talk.search(words, CID, 9)] == found


async def test_newest_hits_come_first_and_know_their_circle(forum: SqlVault) -> None:
    assert [(cid, row.p) for cid, row in await forum.search("post", CID, 3)] == [(CID, 12), (CID, 11), (CID, 10)]


async def test_a_search_in_all_circles_is_ordered_by_time(forum: SqlVault) -> None:
    other = long("other circle")
    await forum.add_circle(new_circle(other, slug="other"), None)
    late, early = (replace(post(p, "post"), ts=ts) for p, ts in ((1, 1011), (2, 5)))
    await forum.save(folded(2, cid=other, posts=[late, early]))
    hits = [(cid, row.p) for cid, row in await forum.search("post", None, 4)]
    assert hits == [(CID, 12), (CID, 11), (other, 1), (CID, 10)]
    assert len(await forum.search("post", None, 99)) == 12


async def test_a_search_may_be_thousands_of_words(talk: SqlVault) -> None:
    assert await talk.search(" ".join(f"w{i}" for i in range(5000)), CID, 9) == []
    assert [row.p for _, row in await talk.search("said " * 5000, CID, 9)] == [1]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with raw(tmp_path_factory.mktemp("index")) as connection:
        circles.add(connection, new_circle(), None)
        fold.save(connection, folded(1, posts=[post(1)]))
        connection.commit()
        yield connection


@given(st.text(st.characters(codec=None) | st.sampled_from(' "*^:(){}-+\x00')))
def test_no_input_is_a_syntax_error(index: Connection, words: str) -> None:
    reading.search(index, words, CID, 5)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_post_is_found_by_any_of_its_words(index: Connection, words: str) -> None:
    """A word is what stands between spaces and holds a letter, a digit or a symbol."""
    index.exec_driver_sql("BEGIN")
    fold.save(index, folded(2, since=1, posts=[post(2, words)]))
    try:
        for word in text.spaced(words.replace("\x00", " ")).split():
            if re.search(r"[a-zA-Z0-9]", word):
                assert [row.p for _, row in reading.search(index, word, CID, 5)][:1] == [2]
    finally:
        index.rollback()


# how it is read


def statements(*modules: ModuleType) -> list[str]:
    """Every query these modules are written with."""
    found = (value for module in modules for value in vars(module).values() if isinstance(value, str))
    return [sql for sql in found if re.match(r"INSERT |(SELECT|UPDATE|DELETE) .* WHERE ", sql)]


@pytest.mark.parametrize("sql", statements(circles, fold, log, outbox, project, reading, rows))
def test_no_query_reads_a_whole_table(index: Connection, sql: str) -> None:
    numbered = [int(n) for n in re.findall(r"\?(\d)", sql)]
    parameters = tuple(None for _ in range(max(numbered, default=sql.count("?"))))
    plan = [row[-1] for row in index.exec_driver_sql("EXPLAIN QUERY PLAN " + sql, parameters)]
    scans = [step for step in plan if step.startswith("SCAN")]
    assert all("json_each" in step or "words VIRTUAL TABLE INDEX" in step for step in scans), plan
    if re.search(r"FROM (post|words|record) .*ORDER BY key|ORDER BY (post|words)", sql):
        assert not any("TEMP B-TREE" in step for step in plan), plan


def test_there_are_queries_to_look_at() -> None:
    assert len(statements(circles, fold, log, outbox, project, reading, rows)) > 30

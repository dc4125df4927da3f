"""Threads, posts and what was said about posts, as the vault shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from peerbot.core.ports import MarkRow, PostRow, ThreadRow
from peerbot.store.vault import text
from peerbot.store.vault.models import EDITED, END_P, HIDDEN, RETRACTED
from peerbot.store.vault.rows import Place, hexes, member_numbers, numbers, position, signed

_THREADS: Final = (
    "SELECT id, n, p, read_p FROM thread WHERE circle = ? AND id IN (SELECT unhex(value) FROM json_each(?))"
)
_ADD_THREAD: Final = (
    "INSERT INTO thread (circle, id, title, folded, author, p, ts, posts, unread, last_p, last_ts, read_p) "
    "VALUES (?, ?, '', '', zeroblob(16), 0, 0, 0, 0, 0, 0, 0)"
)
_NAME_THREAD: Final = "UPDATE thread SET title = ?, folded = ?, author = ?, p = ?, ts = ? WHERE n = ?"
_COUNT: Final = (
    "UPDATE thread SET posts = posts + ?1, unread = unread + ?2, "
    "last_ts = CASE WHEN ?3 > last_p THEN ?4 ELSE last_ts END, last_p = max(last_p, ?3) WHERE n = ?5"
)
_KNOWN_POSTS: Final = "SELECT key FROM post WHERE key IN (SELECT value FROM json_each(?))"
_ADD_POST: Final = (
    "INSERT INTO post (key, thread, author, id, text, door, ts, reply_p, reply_id, edit_p, veil_p, state) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)"
)
_ADD_WORDS: Final = "INSERT INTO words (rowid, text) VALUES (?, ?)"
_DROP_WORDS: Final = "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)"
_WAITING: Final = (
    "SELECT key, kind, target, target_id, author, text FROM mark "
    "WHERE target IN (SELECT value FROM json_each(?)) AND kind <> 'acknowledge'"
)
_ADD_MARK: Final = (
    "INSERT INTO mark (key, kind, target, target_id, author, text, ts) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (key) DO NOTHING"
)
_TARGETS: Final = (
    "SELECT key, id, author, text, edit_p, veil_p, state FROM post WHERE key IN (SELECT value FROM json_each(?))"
)
_CHANGE_POST: Final = "UPDATE post SET text = ?, edit_p = ?, veil_p = ?, state = ? WHERE key = ?"
_FORGET_EDITS: Final = (
    "UPDATE mark SET text = '' WHERE kind = 'edit' AND target IN (SELECT value FROM json_each(?)) AND text <> ''"
)


@dataclass(slots=True)
class _Thread:
    """A thread's row, and what this batch adds to its counters."""

    n: int
    p: int
    read_p: int
    posts: int = 0
    unread: int = 0
    last_p: int = 0
    last_ts: int = 0


@dataclass(slots=True)
class _Post:
    """A post's row while marks are applied; `before` are the words in the index."""

    id: bytes
    author: int
    before: str
    text: str
    edit_p: int
    veil_p: int
    state: int


_Mark = tuple[int, str, int, bytes, int, str]
"""(key, kind, the target's key, target id, the author's number, text)."""


def project(
    connection: Connection,
    here: Place,
    threads: Sequence[ThreadRow],
    posts: Sequence[PostRow],
    marks: Sequence[MarkRow],
) -> None:
    """Store rows that are new, each position once, whatever order they come in: history is opened late."""
    fresh = _unknown(connection, here, posts)
    began = [row for row in threads if row.p < END_P]
    said = [mark for mark in marks if mark.p < END_P]
    if not (began or fresh or said):
        return
    authors = member_numbers(connection, here.n, {row.author for row in fresh} | {row.author for row in said})
    _posts(connection, here, began, fresh, authors)
    late = [here.key(row.p) for row in fresh if row.p <= here.p]
    if said or late:
        _marks(connection, here, said, late, authors)


def _unknown(connection: Connection, here: Place, posts: Sequence[PostRow]) -> list[PostRow]:
    """Those that aren't stored yet, by position: FTS5 is fast only while row ids grow."""
    if not posts:
        return []
    key = here.key
    by_key = {key(row.p): row for row in posts if row.p < END_P}
    for (known,) in connection.exec_driver_sql(_KNOWN_POSTS, (numbers(by_key),)):
        del by_key[known]
    return [by_key[found] for found in sorted(by_key)]


def _posts(
    connection: Connection,
    here: Place,
    began: Sequence[ThreadRow],
    posts: Sequence[PostRow],
    authors: dict[bytes, int],
) -> None:
    threads = _threads(connection, here.n, {row.thread for row in began} | {row.thread for row in posts})
    _name_threads(connection, began, threads)
    if not posts:
        return
    key, me = here.key, here.me
    rows, words = [], []
    for row in posts:
        thread = threads[row.thread]
        thread.posts += 1
        thread.unread += row.p > thread.read_p and row.author != me
        # Posts come in the order of their positions.
        thread.last_p, thread.last_ts = row.p, row.ts
        at, author = key(row.p), authors[row.author]
        rows.append(
            (at, thread.n, author, row.id, row.text, row.door, signed(row.ts), signed(row.reply_p), row.reply_id)
        )
        words.append((at, text.spaced(row.text)))
    connection.exec_driver_sql(_ADD_POST, rows)
    connection.exec_driver_sql(_ADD_WORDS, words)
    counts = [(t.posts, t.unread, t.last_p, signed(t.last_ts), t.n) for t in threads.values() if t.posts]
    connection.exec_driver_sql(_COUNT, counts)


def _threads(connection: Connection, n: int, ids: set[bytes]) -> dict[bytes, _Thread]:
    """The rows of these threads; those not met before get one without a title."""
    found = _find_threads(connection, n, ids)
    missing = sorted(ids - found.keys())
    if missing:
        connection.exec_driver_sql(_ADD_THREAD, [(n, thread) for thread in missing])
        found |= _find_threads(connection, n, missing)
    return found


def _find_threads(connection: Connection, n: int, ids: Iterable[bytes]) -> dict[bytes, _Thread]:
    return {row[0]: _Thread(*row[1:]) for row in connection.exec_driver_sql(_THREADS, (n, hexes(ids)))}


def _name_threads(connection: Connection, began: Sequence[ThreadRow], threads: dict[bytes, _Thread]) -> None:
    """The earliest record of a thread names it, so that nobody can rename another's."""
    changed: dict[int, tuple[Any, ...]] = {}
    for row in began:
        thread = threads[row.thread]
        if thread.p == 0 or row.p < thread.p:
            thread.p = row.p
            changed[thread.n] = (row.title, text.folded(row.title), row.author, row.p, signed(row.ts), thread.n)
    if changed:
        connection.exec_driver_sql(_NAME_THREAD, list(changed.values()))


def _marks(
    connection: Connection, here: Place, marks: Sequence[MarkRow], late: list[int], authors: dict[bytes, int]
) -> None:
    """Store marks, and apply them and those that waited for a post to be opened."""
    rows: list[_Mark] = [
        (here.key(m.p), m.kind, here.key(m.target_p), m.target_id, authors[m.author], m.text) for m in marks
    ]
    waited: list[_Mark] = []
    if late:
        waited = [tuple(row) for row in connection.exec_driver_sql(_WAITING, (numbers(late),))]
    effective = [row for row in (*waited, *rows) if row[1] != "acknowledge"]
    posts = _targets(connection, {row[2] for row in effective})
    if rows:
        times = [signed(m.ts) for m in marks]
        connection.exec_driver_sql(_ADD_MARK, [_stored(row, ts, posts) for row, ts in zip(rows, times, strict=True)])
    if waited:
        connection.exec_driver_sql(_FORGET_EDITS, (numbers({row[2] for row in waited}),))
    changed = {row[2] for row in effective if row[2] in posts and _apply(posts[row[2]], row)}
    _change(connection, {key: posts[key] for key in sorted(changed)})


def _stored(row: _Mark, ts: int, posts: dict[int, _Post]) -> tuple[Any, ...]:
    """An edit's words are kept with the mark only while there is no post to put them into."""
    key, kind, target, target_id, author, words = row
    return key, kind, target, target_id, author, "" if kind == "edit" and target in posts else words, ts


def _targets(connection: Connection, keys: set[int]) -> dict[int, _Post]:
    if not keys:
        return {}
    rows = connection.exec_driver_sql(_TARGETS, (numbers(keys),))
    return {key: _Post(id, author, words, words, *rest) for key, id, author, words, *rest in rows}


def _apply(post: _Post, mark: _Mark) -> bool:
    """Change the post as the mark says; False where the mark doesn't agree with it, or a newer one was there.

    The order in which marks are applied makes no difference.
    """
    key, kind, _, target_id, author, words = mark
    p = position(key)
    if target_id != post.id or (kind in ("edit", "retract") and author != post.author):
        return False
    if kind == "edit" and p > post.edit_p:
        post.edit_p = p
        post.state |= EDITED
        if not post.state & RETRACTED:
            post.text = words
    elif kind == "retract":
        post.state |= RETRACTED
        post.text = ""
    elif kind in ("hide", "show") and p > post.veil_p:
        post.veil_p = p
        post.state = post.state & ~HIDDEN | (HIDDEN if kind == "hide" else 0)
    else:
        return False
    return True


def _change(connection: Connection, posts: dict[int, _Post]) -> None:
    """Store changed posts. The index is told the exact old words, or they would stay in it."""
    if not posts:
        return
    connection.exec_driver_sql(
        _CHANGE_POST, [(post.text, post.edit_p, post.veil_p, post.state, key) for key, post in posts.items()]
    )
    reworded = [(key, post) for key, post in posts.items() if post.text != post.before]
    if reworded:
        connection.exec_driver_sql(_DROP_WORDS, [(key, text.spaced(post.before)) for key, post in reworded])
        connection.exec_driver_sql(_ADD_WORDS, [(key, text.spaced(post.text)) for key, post in reworded])

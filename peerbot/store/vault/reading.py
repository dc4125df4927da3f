"""What a person reads: names, threads, posts and search."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection

from peerbot.core.ports import ShownPost, ShownThread
from peerbot.store.vault import text
from peerbot.store.vault.models import EDITED, END_P, HIDDEN, RETRACTED
from peerbot.store.vault.rows import Place, place, position, unsigned

_PREFIX: Final = re.compile(r"[0-9a-fA-F]{8,32}")
_NAMES: Final = "SELECT id, name FROM member WHERE circle = ? AND name_p > 0"
_THREADS: Final = (
    "SELECT id, title, author, posts, unread, max(p, last_p) AS newest, "
    "CASE WHEN last_p > 0 THEN last_ts ELSE ts END FROM thread WHERE circle = ? ORDER BY newest DESC, n DESC"
)
_BY_ID: Final = "SELECT id FROM thread WHERE circle = ? AND id BETWEEN ? AND ? LIMIT 2"
_BY_TITLE: Final = "SELECT id FROM thread WHERE circle = ? AND folded = ? AND p > 0 ORDER BY p LIMIT 1"
_NUMBER: Final = "SELECT n FROM thread WHERE circle = ? AND id = ?"

_POST: Final = (
    "SELECT post.key, post.id, thread.id, thread.title, member.id, post.text, post.door, post.ts, post.state, "
    "post.reply_p FROM post CROSS JOIN thread ON thread.n = post.thread CROSS JOIN member ON member.n = post.author "
)
_BEFORE: Final = _POST + "WHERE post.key > ? AND post.key < ? ORDER BY post.key DESC LIMIT ?"
_IN_THREAD: Final = _POST + "WHERE post.thread = ? AND post.key > ? AND post.key < ? ORDER BY post.key DESC LIMIT ?"
_AFTER: Final = _POST + "WHERE post.key > ? AND post.key < ? ORDER BY post.key LIMIT ?"
_AT: Final = _POST + "WHERE post.key = ?"
# CROSS JOIN keeps the order: the index gives rows newest first, and only as many as are wanted are looked up.
_SEARCH: Final = (
    "SELECT post.key, post.id, thread.id, thread.title, member.id, post.text, post.door, post.ts, post.state, "
    "post.reply_p FROM words CROSS JOIN post ON post.key = words.rowid CROSS JOIN thread ON thread.n = post.thread "
    "CROSS JOIN member ON member.n = post.author WHERE words MATCH ? AND words.rowid > ? AND words.rowid < ? "
    "AND post.state & 6 = 0 ORDER BY words.rowid DESC LIMIT ?"
)
_READ: Final = (
    "UPDATE thread SET read_p = ?2, unread = (SELECT count(*) FROM post WHERE post.thread = thread.n AND post.key > ?3 "
    "AND post.author IS NOT (SELECT n FROM member WHERE circle = ?1 AND id = ?4)) "
    "WHERE circle = ?1 AND id = ?5 AND read_p < ?2"
)


def names(connection: Connection, cid: bytes) -> dict[bytes, str]:
    here = place(connection, cid)
    return {row[0]: row[1] for row in connection.exec_driver_sql(_NAMES, (here.n,))}


def threads(connection: Connection, cid: bytes) -> list[ShownThread]:
    here = place(connection, cid)
    rows = connection.exec_driver_sql(_THREADS, (here.n,))
    return [
        ShownThread(thread, title, author, posts, unread, last_p, unsigned(last_ts))
        for thread, title, author, posts, unread, last_p, last_ts in rows
    ]


def find_thread(connection: Connection, cid: bytes, title_or_id: str) -> bytes | None:
    """An id prefix that fits two threads names neither."""
    here = place(connection, cid)
    if _PREFIX.fullmatch(title_or_id):
        bounds = bytes.fromhex(title_or_id.ljust(32, "0")), bytes.fromhex(title_or_id.ljust(32, "f"))
        found = connection.exec_driver_sql(_BY_ID, (here.n, *bounds)).all()
        if len(found) == 1:
            return bytes(found[0][0])
    return connection.exec_driver_sql(_BY_TITLE, (here.n, text.folded(title_or_id))).scalar_one_or_none()


def posts(connection: Connection, cid: bytes, thread: bytes | None, before: int, limit: int) -> list[ShownPost]:
    here = place(connection, cid)
    span = (here.key(0), here.key(before), _limit(limit))
    if thread is None:
        rows = connection.exec_driver_sql(_BEFORE, span)
    else:
        n = connection.exec_driver_sql(_NUMBER, (here.n, thread)).scalar_one_or_none()
        rows = connection.exec_driver_sql(_IN_THREAD, (n, *span))
    return _shown(rows)[::-1]


def posts_after(connection: Connection, cid: bytes, after: int, limit: int) -> list[ShownPost]:
    here = place(connection, cid)
    return _shown(connection.exec_driver_sql(_AFTER, (here.key(after), here.key(END_P), _limit(limit))))


def post_at(connection: Connection, cid: bytes, p: int) -> ShownPost | None:
    here = place(connection, cid)
    found = _shown(connection.exec_driver_sql(_AT, (here.key(p),)))
    return found[0] if found else None


def mark_read(connection: Connection, cid: bytes, thread: bytes, p: int) -> None:
    """A read mark never goes back."""
    here = place(connection, cid)
    connection.exec_driver_sql(_READ, (here.n, min(p, END_P), here.key(p), here.me, thread))


def search(connection: Connection, words: str, cid: bytes | None, limit: int) -> list[tuple[bytes, ShownPost]]:
    """Newest first: by position in one circle, by signed time where several are searched."""
    wanted = text.query(words)
    if not wanted:
        return []
    cids = [row[0] for row in connection.exec_driver_sql("SELECT cid FROM circle")] if cid is None else [cid]
    found = [[(c, post) for post in _search(connection, place(connection, c), wanted, limit)] for c in cids]
    if cid is not None:
        return found[0]
    hits = (hit for circle in found for hit in circle)
    return heapq.nlargest(_limit(limit), hits, key=lambda hit: (hit[1].ts, hit[1].p))


def _search(connection: Connection, here: Place, wanted: str, limit: int) -> list[ShownPost]:
    return _shown(connection.exec_driver_sql(_SEARCH, (wanted, here.key(0), here.key(END_P), _limit(limit))))


def _limit(limit: int) -> int:
    """SQLite takes a negative limit for none."""
    return max(0, min(limit, END_P))


def _shown(rows: Iterable[Any]) -> list[ShownPost]:
    return [
        ShownPost(
            position(key),
            id,
            thread,
            title,
            author,
            "" if state & (HIDDEN | RETRACTED) else words,
            door,
            unsigned(ts),
            _state(state),
            unsigned(reply_p),
        )
        for key, id, thread, title, author, words, door, ts, state, reply_p in rows
    ]


def _state(bits: int) -> str:
    """What is shown: the strongest of "retracted", "hidden" and "edited", or ""."""
    if bits & RETRACTED:
        return "retracted"
    if bits & HIDDEN:
        return "hidden"
    return "edited" if bits & EDITED else ""

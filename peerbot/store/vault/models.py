"""The vault's tables. What is written per record is keyed by circle number and log position, which only grow."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from peerbot.errors import VaultError
from peerbot.store.vault.text import TOKENS

SCHEMA: Final = 1
"""Raised with each migration."""

POSITION_BITS: Final = 40
"""A row's key is circle number << 40 | p: at a thousand records a second, enough for 34 years."""
END_P: Final = (1 << POSITION_BITS) - 1
"""Positions are below this one, at which nothing ever stands."""

EDITED: Final = 1
HIDDEN: Final = 2
RETRACTED: Final = 4
"""Bits of post.state."""

METADATA: Final = MetaData()


def _circle() -> Column[int]:
    return Column("circle", Integer, ForeignKey("circle.n", ondelete="CASCADE"), primary_key=True)


def _blob(name: str, *, key: bool = False, null: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, primary_key=key, nullable=null)


def _int(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, Integer, primary_key=key, autoincrement=False, nullable=False)


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _small(name: str, *columns: Column[int] | Column[bytes] | Column[str]) -> Table:
    """A circle's rows under their natural key, stored in its b-tree."""
    return Table(name, METADATA, _circle(), *columns, sqlite_with_rowid=False)


meta = Table("meta", METADATA, _text("key", key=True), _int("value"))
setting = Table("setting", METADATA, _text("key", key=True), _text("value"), sqlite_with_rowid=False)

circle = Table(
    "circle",
    METADATA,
    Column("n", Integer, CheckConstraint("n < 4194304"), primary_key=True),
    Column("cid", LargeBinary, nullable=False, unique=True),
    _text("slug"),
    _text("relay_url"),
    _blob("member"),
    _blob("signing"),
    _blob("chain"),
    _int("ready"),
    _int("p"),
    _blob("head"),
    _int("pruned"),
    _text("alarm"),
    _int("broken"),
    # A number that was used is never used again: keys of a circle that was dropped must not come alive.
    sqlite_autoincrement=True,
)
# Apart from its circle, whose row changes with every batch: rosters grow to megabytes.
roster = Table("roster", METADATA, _circle(), _blob("value"))
sealing = _small("sealing", _int("n", key=True), _blob("seed"), _blob("hash"))
epoch = _small("epoch", _int("e", key=True), _blob("secret"))
entry = _small("entry", _int("seq", key=True), _blob("hash"))
# dseq is 8 bytes, the greatest first byte first: SQLite's integers are signed, and these are not.
chain = _small(
    "chain",
    _blob("device", key=True),
    _blob("author", key=True),
    _blob("chain", key=True),
    _blob("dseq"),
    _blob("id"),
    _int("p"),
)
pause = _small("pause", _int("p", key=True), _int("paused"))
lock = _small("lock", _blob("thread", key=True), _int("p", key=True), _int("locked"))
request = _small("request", _blob("device", key=True), _int("e", key=True), _blob("whom"))
counter_in = _small(
    "counter_in", _blob("sender", key=True), _blob("author", key=True), _blob("to", key=True), _blob("value")
)
counter_out = _small("counter_out", _blob("author", key=True), _blob("to", key=True), _int("value"))
draft = _small("draft", _text("thread", key=True), _text("text"))
living = Table(
    "living",
    METADATA,
    _circle(),
    _text("kind", key=True),
    _blob("key", key=True),
    _int("p"),
    _int("seen_p"),
    _int("e"),
    _blob("author"),
    _blob("body"),
    _blob("sealed"),
    _blob("signature"),
    _blob("key_bytes"),
    Index("living_e", "circle", "e"),
)

outbox = Table(
    "outbox",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("circle", ForeignKey("circle.n", ondelete="CASCADE"), nullable=False),
    _int("kind"),
    _blob("intent"),
    _blob("author"),
    _blob("wire"),
    _blob("dseq"),
    _blob("secret", null=True),
    _blob("envelopes"),
    Index("outbox_circle", "circle"),
    # A settled id is never given again: it may still be in a batch that is stored twice.
    sqlite_autoincrement=True,
)
direct = Table(
    "direct",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("circle", ForeignKey("circle.n", ondelete="CASCADE"), nullable=False),
    _blob("devices"),
    _blob("wire"),
    Index("direct_circle", "circle"),
    sqlite_autoincrement=True,
)
invite = Table(
    "invite",
    METADATA,
    Column("n", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    _blob("token"),
    _int("role"),
    _int("uses"),
    _int("expires"),
    _blob("circles"),
)

member = Table(
    "member",
    METADATA,
    Column("n", Integer, primary_key=True),
    Column("circle", ForeignKey("circle.n", ondelete="CASCADE"), nullable=False),
    _blob("id"),
    _text("name"),
    _int("name_p"),
    UniqueConstraint("circle", "id"),
)
# p is 0 for a thread of which only posts are here; last_p and last_ts are those of its newest post.
thread = Table(
    "thread",
    METADATA,
    Column("n", Integer, primary_key=True),
    Column("circle", ForeignKey("circle.n", ondelete="CASCADE"), nullable=False),
    _blob("id"),
    _text("title"),
    _text("folded"),
    _blob("author"),
    _int("p"),
    _int("ts"),
    _int("posts"),
    _int("unread"),
    _int("last_p"),
    _int("last_ts"),
    _int("read_p"),
    UniqueConstraint("circle", "id"),
    Index("thread_title", "circle", "folded", "p"),
)

record = Table(
    "record",
    METADATA,
    _int("key", key=True),
    _int("kind"),
    _blob("head"),
    _blob("wire", null=True),
    _int("status"),
    _text("code"),
    _int("e"),
    Index("record_pending", "e", sqlite_where=text("status = 3")),
    Index("record_refused", text("key >> 40"), "code", sqlite_where=text("status = 4")),
)
# author is member.n. edit_p and veil_p are the positions of the newest edit, and of the newest hide or show.
post = Table(
    "post",
    METADATA,
    _int("key", key=True),
    _int("thread"),
    _int("author"),
    _blob("id"),
    _text("text"),
    _text("door"),
    _int("ts"),
    _int("reply_p"),
    _blob("reply_id"),
    _int("edit_p"),
    _int("veil_p"),
    _int("state"),
    Index("post_thread", "thread"),
)
# target is the post's key. An edit's text is kept only while its target isn't here.
mark = Table(
    "mark",
    METADATA,
    _int("key", key=True),
    _text("kind"),
    _int("target"),
    _blob("target_id"),
    _int("author"),
    _text("text"),
    _int("ts"),
    Index("mark_target", "target"),
)

_SEARCH: Final = (
    "CREATE VIEW post_words AS SELECT key, spaced(text) AS text FROM post",
    "CREATE VIRTUAL TABLE words USING fts5(text, content='post_words', content_rowid='key', columnsize=0, "
    f'tokenize="{TOKENS}")',
    # Otherwise the words of what was taken back stay in the index until it is merged.
    "INSERT INTO words(words, rank) VALUES('secure-delete', 1)",
)


def create(connection: Connection) -> None:
    """Make the tables in an empty file."""
    METADATA.create_all(connection, checkfirst=False)
    for statement in _SEARCH:
        connection.exec_driver_sql(statement)
    connection.execute(meta.insert(), {"key": "schema", "value": SCHEMA})


def check(connection: Connection) -> None:
    """Refuse a file that isn't a vault ("vault-corrupt"), or that a newer version has written ("vault-newer")."""
    sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'meta'"
    if not connection.exec_driver_sql(sql).scalar_one():
        raise VaultError("vault-corrupt")
    found = connection.execute(meta.select().where(meta.c.key == "schema")).one_or_none()
    if found is None:
        raise VaultError("vault-corrupt")
    if found.value > SCHEMA:
        raise VaultError("vault-newer")

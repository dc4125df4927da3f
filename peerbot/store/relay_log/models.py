"""The tables of relay.db. Nothing in them opens a message."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

VERSION: Final = 1
"""Of the tables below. A file with a higher one was written by a newer peerbot and is left alone."""

POSITIONS: Final = 2**40
"""The positions one circle's log can have."""

metadata: Final = MetaData()


def _circle() -> Column[int]:
    return Column("circle", ForeignKey("circle.id"), nullable=False)


def place_of(circle: int, p: int) -> int:
    """The key of the record at position p."""
    return circle * POSITIONS + p


schema = Table("schema", metadata, Column("version", Integer, nullable=False))

# Short ids stand for the 32 bytes of a cid in every other table. Appending a message doesn't touch this row: where the
# log stands is told by its last record, and each page that a commit needn't write makes it faster.
circle = Table(
    "circle",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cid", LargeBinary, nullable=False, unique=True),
    Column("seq", Integer, nullable=False),
    Column("roster_p", Integer, nullable=False),
)

# A roster snapshot can be a megabyte, so it stands apart from the row that every append reads.
roster = Table(
    "roster",
    metadata,
    Column("circle", ForeignKey("circle.id"), primary_key=True),
    Column("snapshot", LargeBinary, nullable=False),
)

# The row's own key is its place, circle and position in one number, so that records lie in the order they are read and
# need no index for it.
record = Table(
    "record",
    metadata,
    Column("place", Integer, primary_key=True, autoincrement=False),
    _circle(),
    Column("kind", Integer, nullable=False),
    Column("time", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("wire", LargeBinary),
    UniqueConstraint("digest", "circle"),
)

entry = Table(
    "entry",
    metadata,
    _circle(),
    Column("seq", Integer, nullable=False),
    Column("p", Integer, nullable=False),
    PrimaryKeyConstraint("circle", "seq"),
    sqlite_with_rowid=False,
)

request = Table(
    "request",
    metadata,
    _circle(),
    Column("device", LargeBinary, nullable=False),
    Column("e", Integer, nullable=False),
    Column("whom", LargeBinary, nullable=False),
    PrimaryKeyConstraint("circle", "device", "e", "whom"),
    sqlite_with_rowid=False,
)

envelope = Table(
    "envelope",
    metadata,
    Column("id", Integer, primary_key=True),
    _circle(),
    Column("recipient", LargeBinary, nullable=False),
    Column("e", Integer, nullable=False),
    Column("sender", LargeBinary, nullable=False),
    Column("wire", LargeBinary, nullable=False),
    UniqueConstraint("circle", "recipient", "e", "sender"),
)

# Ids are never used twice, so that a late drop can't throw a newer direct away.
mail = Table(
    "mail",
    metadata,
    Column("id", Integer, primary_key=True),
    _circle(),
    Column("device", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("wire", LargeBinary, nullable=False),
    UniqueConstraint("circle", "device", "digest"),
    sqlite_autoincrement=True,
)

note = Table(
    "note",
    metadata,
    Column("place", LargeBinary, primary_key=True),
    _circle(),
    Column("expires", Integer, nullable=False, index=True),
    Column("note", LargeBinary, nullable=False),
)

"""The gateway's tables. A chat's address stands in one row; everything else knows the chat by number."""

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

from peerbot.core.doors import DeliveryState, Platform
from peerbot.errors import VaultError
from peerbot.store.vault import models as vault

SCHEMA: Final = 1
"""Raised with each migration of these tables."""
_SCHEMA_KEY: Final = "gateway"

READY: Final = 1
SENT: Final = 2
FAILED: Final = 3
DROPPED: Final = 4
MAYBE: Final = 5
LATER: Final = 11
HELD: Final = 12
LEASED: Final = 13
UNKNOWN: Final = 14
"""What delivery.state holds. WAITING is READY, or LATER until it is due, or HELD: it was tried, and those of its chat
behind it wait too. Those above 10 are looked at when they are due. Queries say these numbers literally, or SQLite would
not use the partial indexes.
"""
STATES: Final = {
    READY: DeliveryState.WAITING,
    LATER: DeliveryState.WAITING,
    HELD: DeliveryState.WAITING,
    LEASED: DeliveryState.LEASED,
    SENT: DeliveryState.SENT,
    UNKNOWN: DeliveryState.UNKNOWN,
    FAILED: DeliveryState.FAILED,
    DROPPED: DeliveryState.DROPPED,
    MAYBE: DeliveryState.MAYBE,
}
PLATFORMS: Final = {Platform.TELEGRAM: 1, Platform.MATRIX: 2}
PLATFORM_OF: Final = {number: platform for platform, number in PLATFORMS.items()}

METADATA: Final = MetaData()


def _int(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, Integer, primary_key=key, autoincrement=False, nullable=False)


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _chat(*, key: bool = False) -> Column[int]:
    return Column("chat", ForeignKey("chat.n", ondelete="CASCADE"), primary_key=key, nullable=False)


def _circle(*, key: bool = False) -> Column[int]:
    # The column itself: the circle's table is in other metadata.
    return Column("circle", ForeignKey(vault.circle.c.n, ondelete="CASCADE"), primary_key=key, nullable=False)


platform_cursor = Table("platform_cursor", METADATA, _int("platform", key=True), _text("value"))

chat = Table(
    "chat",
    METADATA,
    Column("n", Integer, primary_key=True),
    _int("platform"),
    _text("address"),
    UniqueConstraint("platform", "address"),
    # A number that was used is never used again: what is left of one who was forgotten must not become another's.
    sqlite_autoincrement=True,
)
inbox = Table(
    "inbox",
    METADATA,
    Column("id", Integer, primary_key=True),
    _chat(),
    _text("key"),
    _text("sort"),
    _int("at"),
    _text("text"),
    _text("payload"),
    _text("message"),
    _text("about"),
    _text("topic"),
    Index("inbox_chat", "chat", "id"),
    sqlite_autoincrement=True,
)
# Keys of events outlive them, so that a repeat is known.
inbox_key = Table(
    "inbox_key",
    METADATA,
    Column("n", Integer, primary_key=True),
    _int("platform"),
    _text("key"),
    UniqueConstraint("platform", "key"),
)
guest = Table(
    "guest",
    METADATA,
    _chat(key=True),
    Column("dialogue", LargeBinary, nullable=False),
    _text("language"),
    _int("blocked"),
)
# since is the position behind which they read, 0 for not at all, NULL until set_readers has said.
guest_member = Table(
    "guest_member",
    METADATA,
    _circle(key=True),
    Column("chat", ForeignKey("guest.chat", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("member", LargeBinary, nullable=False),
    Column("since", Integer, nullable=True),
    Index("guest_member_chat", "chat"),
    Index("guest_member_fresh", "circle", sqlite_where=text("since IS NULL")),
    sqlite_with_rowid=False,
)
fan = Table("fan", METADATA, _circle(key=True), _int("p"))
fan_unread = Table("fan_unread", METADATA, _circle(key=True), _int("p", key=True), sqlite_with_rowid=False)

# chat and circle are numbers without a foreign key, which would want an index over all rows by chat: a post for a
# thousand readers would touch a thousand of its pages. Live and sent rows have one each, and forget uses both.
delivery = Table(
    "delivery",
    METADATA,
    Column("id", Integer, primary_key=True),
    _int("platform"),
    _int("chat"),
    _int("state"),
    _int("priority"),
    _int("due"),
    _int("until"),
    _int("what"),
    _int("circle"),
    _int("p"),
    _text("key"),
    Column("saying", LargeBinary, nullable=True),
    _int("attempts"),
    _int("lost"),
    _int("handed"),
    _text("platform_id"),
    Column("tag", LargeBinary, nullable=False),
    _text("code"),
    CheckConstraint("p > 0 OR key <> ''"),
    # By what is said first: a post's thousand rows stand side by side.
    Index("delivery_post", "circle", "p", "what", "chat", "key", unique=True, sqlite_where=text("p > 0")),
    Index("delivery_key", "key", "chat", unique=True, sqlite_where=text("p = 0")),
    Index("delivery_ready", "platform", "priority", "id", sqlite_where=text("state = 1")),
    Index("delivery_timed", "platform", "due", sqlite_where=text("state > 10")),
    Index("delivery_chat", "chat", "state", sqlite_where=text("state <> 2")),
    Index("delivery_sent", "chat", "platform_id", sqlite_where=text("state = 2")),
    # An id that was used is never used again: a worker may still hold it.
    sqlite_autoincrement=True,
)
# Where a delivery took several messages, all their ids.
delivery_part = Table(
    "delivery_part",
    METADATA,
    _int("chat", key=True),
    _text("platform_id", key=True),
    Column("delivery", ForeignKey("delivery.id", ondelete="CASCADE"), nullable=False),
    Index("delivery_part_delivery", "delivery"),
    sqlite_with_rowid=False,
)


def ensure(connection: Connection) -> None:
    """Make the tables where they aren't here yet. Raises VaultError("vault-newer")."""
    meta = vault.meta
    found = connection.execute(meta.select().where(meta.c.key == _SCHEMA_KEY)).one_or_none()
    if found is None:
        METADATA.create_all(connection, checkfirst=False)
        connection.execute(meta.insert(), {"key": _SCHEMA_KEY, "value": SCHEMA})
    elif found.value > SCHEMA:
        raise VaultError("vault-newer")

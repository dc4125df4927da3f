"""What all queries share: a circle's number, keys made of it, and integers as SQLite takes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from peerbot.errors import VaultError
from peerbot.store.vault.models import END_P, POSITION_BITS

_CIRCLE = "SELECT n, member, p FROM circle WHERE cid = ?"
_MEMBERS = "SELECT id, n FROM member WHERE circle = ? AND id IN (SELECT unhex(value) FROM json_each(?))"
_ADD_MEMBER = "INSERT INTO member (circle, id, name, name_p) VALUES (?, ?, '', 0)"


class Place(NamedTuple):
    """A circle's number here, its owner's member id, and the cursor."""

    n: int
    me: bytes
    p: int

    def key(self, p: int) -> int:
        """The key of what stands at position p, or of END_P for anything that is no position."""
        return self.n << POSITION_BITS | max(0, min(p, END_P))


def place(connection: Connection, cid: bytes) -> Place:
    """Raises VaultError("vault-no-circle")."""
    row = connection.exec_driver_sql(_CIRCLE, (cid,)).one_or_none()
    if row is None:
        raise VaultError("vault-no-circle")
    return Place(*row)


def position(key: int) -> int:
    return key & END_P


def signed(value: int) -> int:
    """An unsigned integer of 64 bits as SQLite can hold it. Senders choose such values, so all of them must fit."""
    return value if value < 1 << 63 else value - (1 << 64)


def unsigned(value: int) -> int:
    return value & (1 << 64) - 1


def sortable(value: int) -> bytes:
    """An unsigned integer of 64 bits that SQLite can compare."""
    return value.to_bytes(8, "big")


def numbers(values: Iterable[int]) -> str:
    """Integers as one parameter, for json_each."""
    return msgspec.json.encode(list(values)).decode()


def hexes(values: Iterable[bytes]) -> str:
    """Ids as one parameter, for unhex and json_each."""
    return msgspec.json.encode([value.hex() for value in values]).decode()


def member_numbers(connection: Connection, n: int, ids: set[bytes]) -> dict[bytes, int]:
    """The numbers of these members of circle `n`; those not met before get one."""
    if not ids:
        return {}
    found = _member_numbers(connection, n, ids)
    missing = sorted(ids - found.keys())
    if missing:
        connection.exec_driver_sql(_ADD_MEMBER, [(n, member) for member in missing])
        found |= _member_numbers(connection, n, missing)
    return found


def _member_numbers(connection: Connection, n: int, ids: Iterable[bytes]) -> dict[bytes, int]:
    return {row[0]: row[1] for row in connection.exec_driver_sql(_MEMBERS, (n, hexes(ids)))}

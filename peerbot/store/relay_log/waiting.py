"""What waits at the relay for somebody: directs in mailboxes, and rendezvous notes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from peerbot.core.ports import Mail
from peerbot.protocol.primitives import sha256
from peerbot.store.relay_log import statements as sql
from peerbot.store.relay_log.appends import circle_of


def add_mail(
    connection: Connection, cid: bytes, devices: Sequence[bytes], wire: bytes, most: int, most_bytes: int
) -> list[bytes]:
    found = circle_of(connection, cid)
    if found is None:
        return []
    digest = sha256(wire)
    have = []
    for device in devices:
        box: dict[str, sql.Value] = {"circle": found[0], "device": device}
        if sql.HAS_MAIL(connection, digest=digest, **box).fetchone() is None:
            count, size = sql.MAILBOX(connection, **box).fetchone()
            if count >= most or size + len(wire) > most_bytes:
                continue
            sql.ADD_MAIL(connection, digest=digest, wire=wire, **box)
        have.append(device)
    return have


def mail(connection: Connection, cid: bytes, device: bytes, limit: int, size: int) -> list[Mail]:
    found = circle_of(connection, cid)
    if found is None:
        return []
    waiting: list[Mail] = []
    rows = sql.MAIL(connection, circle=found[0], device=device, limit=limit)
    for number, wire in rows:
        size -= len(wire)
        if waiting and size < 0:
            break
        waiting.append(Mail(number, wire))
    rows.close()
    return waiting


def drop_mail(connection: Connection, cid: bytes, device: bytes, ids: Sequence[int]) -> None:
    found = circle_of(connection, cid)
    if found is not None:
        sql.DROP_MAIL.many(connection, [{"circle": found[0], "device": device, "id": number} for number in ids])


def put_note(connection: Connection, cid: bytes, place: bytes, note: bytes, expires: int, most: int) -> bool:
    found = circle_of(connection, cid)
    if found is None:
        return False
    circle = found[0]
    owner = sql.NOTE_CIRCLE(connection, place=place).fetchone()
    if owner is not None and owner[0] != circle:
        return False
    if owner is None and sql.COUNT_NOTES(connection, circle=circle).fetchone()[0] >= most:
        return False
    sql.PUT_NOTE(connection, place=place, circle=circle, expires=expires, note=note)
    return True


def drop_note(connection: Connection, cid: bytes, place: bytes) -> None:
    found = circle_of(connection, cid)
    if found is not None:
        sql.DROP_NOTE(connection, circle=found[0], place=place)


def note(connection: Connection, place: bytes, now: int) -> bytes | None:
    found = sql.GET_NOTE(connection, place=place, now=now).fetchone()
    return None if found is None else found[0]


def drop_expired(connection: Connection, now: int) -> int:
    return sql.DROP_EXPIRED(connection, now=now).rowcount

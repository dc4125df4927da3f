"""What a person keeps beside the circles: settings, drafts, and the invites they made."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select
from sqlalchemy.dialects.sqlite import insert

from peerbot.core.ports import InviteRow
from peerbot.protocol.secret import InviteToken
from peerbot.store.vault import models as m
from peerbot.store.vault.rows import place, signed, unsigned

_BLOBS: Final = msgspec.msgpack.Decoder(list[bytes])


def get_setting(connection: Connection, key: str) -> str | None:
    return connection.execute(select(m.setting.c.value).where(m.setting.c.key == key)).scalar_one_or_none()


def set_setting(connection: Connection, key: str, value: str) -> None:
    statement = insert(m.setting).values(key=key, value=value)
    connection.execute(statement.on_conflict_do_update(set_={"value": value}))


def put_draft(connection: Connection, cid: bytes, thread: str, text: str) -> None:
    here = place(connection, cid)
    if not text:
        connection.execute(delete(m.draft).where(m.draft.c.circle == here.n, m.draft.c.thread == thread))
        return
    statement = insert(m.draft).values(circle=here.n, thread=thread, text=text)
    connection.execute(statement.on_conflict_do_update(set_={"text": text}))


def drafts(connection: Connection) -> list[tuple[bytes, str, str]]:
    query = (
        select(m.circle.c.cid, m.draft.c.thread, m.draft.c.text)
        .join_from(m.draft, m.circle)
        .order_by(m.circle.c.n, m.draft.c.thread)
    )
    return [(cid, thread, text) for cid, thread, text in connection.execute(query)]


def put_invite(connection: Connection, row: InviteRow) -> None:
    """One with the same id is replaced."""
    values = {
        "token": row.token.reveal(),
        "role": row.role,
        "uses": signed(row.uses),
        "expires": signed(row.expires),
        "circles": msgspec.msgpack.encode(list(row.circles)),
    }
    statement = insert(m.invite).values(id=row.id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


def invites(connection: Connection) -> list[InviteRow]:
    return [_invite(row) for row in connection.execute(select(m.invite).order_by(m.invite.c.n)).mappings()]


def _invite(row: RowMapping) -> InviteRow:
    return InviteRow(
        id=row["id"],
        token=InviteToken(row["token"]),
        role=row["role"],
        uses=unsigned(row["uses"]),
        expires=unsigned(row["expires"]),
        circles=_BLOBS.decode(row["circles"]),
    )


def drop_invite(connection: Connection, invite: bytes) -> None:
    connection.execute(delete(m.invite).where(m.invite.c.id == invite))

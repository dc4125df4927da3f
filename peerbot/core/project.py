"""What a verified message means for the vault's projections."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from peerbot.core.ports import LivingRow, MarkRow, PostRow, ThreadRow
from peerbot.protocol.bodies import (
    Acknowledge,
    Cafe,
    Edit,
    Hide,
    Lock,
    Pause,
    Post,
    Profile,
    Retract,
    Thread,
)
from peerbot.protocol.message import VerifiedMessage
from peerbot.protocol.secret import MessageKey
from peerbot.protocol.wire import ZERO32

_ENCODE = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Projection:
    """Rows collected from the messages of one batch."""

    threads: list[ThreadRow] = field(default_factory=list)
    posts: list[PostRow] = field(default_factory=list)
    marks: list[MarkRow] = field(default_factory=list)
    living: list[LivingRow] = field(default_factory=list)
    pauses: list[tuple[int, bool]] = field(default_factory=list)
    locks: list[tuple[bytes, int, bool]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a message came from, for those that live on: its sealed bytes, signature and own key, and the position and
    epoch of the record that brought it.
    """

    sealed: bytes
    signature: bytes
    key: MessageKey
    seen_p: int
    e: int


def project(message: VerifiedMessage, source: Source, into: Projection) -> None:
    """Add the rows a message stands for. A body of an unknown kind stands for none."""
    p, author, ts = message.p, message.author, message.ts
    match message.body:
        case Post(thread=thread, text=text, door=door, reply=reply):
            reply_p, reply_id = (reply.p, reply.id) if reply is not None else (0, ZERO32)
            into.posts.append(PostRow(p, message.id, thread, author, text, door, ts, reply_p, reply_id))
        case Thread(thread=thread, title=title):
            into.threads.append(ThreadRow(thread, title, author, p, ts))
            _live(message, source, "thread", thread, into)
        case Profile():
            _live(message, source, "profile", author, into)
        case Edit(target=target, text=text):
            into.marks.append(MarkRow(p, "edit", target.p, target.id, author, text, ts))
        case Retract(target=target):
            into.marks.append(MarkRow(p, "retract", target.p, target.id, author, "", ts))
        case Acknowledge(target=target):
            into.marks.append(MarkRow(p, "acknowledge", target.p, target.id, author, "", ts))
        case Hide(target=target, hidden=hidden, reason=reason):
            into.marks.append(MarkRow(p, "hide" if hidden else "show", target.p, target.id, author, reason, ts))
            _live(message, source, "hide", target.id, into)
        case Lock(thread=thread, locked=locked):
            into.locks.append((thread, p, locked))
            _live(message, source, "lock", thread, into)
        case Pause(paused=paused):
            into.pauses.append((p, paused))
        case Cafe(cafe=cafe):
            _live(message, source, "cafe", cafe, into)


def _live(message: VerifiedMessage, source: Source, kind: str, key: bytes, into: Projection) -> None:
    into.living.append(
        LivingRow(
            kind=kind,
            key=key,
            p=message.p,
            seen_p=source.seen_p,
            e=source.e,
            author=message.author,
            body=_ENCODE(message.body),
            sealed=source.sealed,
            signature=source.signature,
            key_bytes=source.key.reveal(),
        )
    )

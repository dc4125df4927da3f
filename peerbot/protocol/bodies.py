"""What a message can say: MessagePack bodies, a tagged union decoded strictly (M17)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

MAX_TEXT_BYTES: Final = 30_000
"""UTF-8 bytes of one post: a padded body of 32 KiB is the largest that fits under the 64 KiB of a message."""

Id = Annotated[bytes, Meta(min_length=16, max_length=16)]
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_BYTES)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Short = Annotated[str, Meta(max_length=500)]
DoorName = Annotated[str, Meta(min_length=1, max_length=32)]


class Ref(Struct, frozen=True, array_like=True):
    """Another message: its log position, which finds it, and its id, which proves it."""

    p: Annotated[int, Meta(ge=1)]
    id: Hash


class Body(Struct, frozen=True, tag_field="kind", omit_defaults=True):
    """Base of all message bodies. What people write stays out of reprs, and so out of logs and tracebacks."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Profile(Body, frozen=True, tag="profile"):
    """How a member is called in this circle. Names aren't in the roster."""

    pseudonym: Name
    town: Annotated[str, Meta(max_length=64)] = ""


class Thread(Body, frozen=True, tag="thread"):
    """A thread begins."""

    thread: Id
    title: Title


class Post(Body, frozen=True, tag="post"):
    """Words in a thread. `door` says how they came: "device", "telegram" or "matrix"."""

    thread: Id
    text: Text
    door: DoorName = "device"
    reply: Ref | None = None


class Edit(Body, frozen=True, tag="edit"):
    """New words for one's own post."""

    target: Ref
    text: Text


class Retract(Body, frozen=True, tag="retract"):
    """One's own post is taken back."""

    target: Ref


class Acknowledge(Body, frozen=True, tag="acknowledge"):
    """Seen, without words."""

    target: Ref


class Hide(Body, frozen=True, tag="hide"):
    """A moderator hides a post, or shows it again, and says why."""

    target: Ref
    hidden: bool
    reason: Short


class Lock(Body, frozen=True, tag="lock"):
    """A moderator closes a thread to new posts, or opens it again."""

    thread: Id
    locked: bool
    reason: Short


class Pause(Body, frozen=True, tag="pause"):
    """A moderator pauses the circle, or ends the pause."""

    paused: bool
    reason: Short


class Cafe(Body, frozen=True, tag="cafe"):
    """A café in the town of this circle. `starts` in seconds since 1970."""

    cafe: Id
    title: Title
    starts: Annotated[int, Meta(ge=0)]
    timezone: Annotated[str, Meta(min_length=1, max_length=64)]
    place: Short = ""
    cancelled: bool = False


class Carry(Body, frozen=True, tag="carry"):
    """A living record of an older epoch, re-posted so that newcomers have it. The first signature decides."""

    sealed: bytes
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]
    key: Hash
    p: Annotated[int, Meta(ge=1)]


class Unknown(Struct, frozen=True):
    """A kind this version doesn't know: kept, and shown as needing a newer version."""

    kind: str
    raw: bytes

    def __repr__(self) -> str:
        return f"<Unknown {self.kind!r}>"


AnyBody = Profile | Thread | Post | Edit | Retract | Acknowledge | Hide | Lock | Pause | Cafe | Carry
KINDS: Final[frozenset[str]] = frozenset(
    {"profile", "thread", "post", "edit", "retract", "acknowledge", "hide", "lock", "pause", "cafe", "carry"}
)


class _KindOnly(Struct):
    kind: Annotated[str, Meta(max_length=64)]


class BodyWrong(Exception):
    """Not a body of a known kind in its schema, nor one of an unknown kind (M17)."""


_DECODER: Final[msgspec.msgpack.Decoder[AnyBody]] = msgspec.msgpack.Decoder(AnyBody)
_KIND: Final = msgspec.msgpack.Decoder(_KindOnly)
_ENCODER: Final = msgspec.msgpack.Encoder()


def encode_body(body: AnyBody) -> bytes:
    return _ENCODER.encode(body)


def decode_body(raw: bytes) -> AnyBody | Unknown:
    """Raises BodyWrong."""
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        kind = _KIND.decode(raw).kind
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BodyWrong from None
    if kind in KINDS:
        raise BodyWrong
    return Unknown(kind, raw)

"""What a node answers to those who ask it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from peerbot.errors import Fact


class Line(Struct, frozen=True):
    """Base of what answers list."""

    def __repr__(self) -> str:
        # What people write and how they are called stays out of logs and tracebacks.
        return f"<{type(self).__name__}>"


class Stale(Struct, frozen=True):
    """A circle that could not be brought up to date, and why."""

    circle: str
    code: str
    facts: dict[str, Fact] = {}


class PostLine(Line, frozen=True):
    """A post as people read it; it passed every check. `at` in seconds since 1970, `p` its log position."""

    circle: str
    thread: str
    thread_id: str
    author: str
    text: str
    at: int
    door: str
    id: str
    p: int
    state: str


class CircleLine(Line, frozen=True):
    """How a circle is. `alarm` is "fork", "rollback" or "upgrade"; `broken` that its newest keys aren't here."""

    circle: str
    cid: str
    role: int
    name: str
    relay_url: str
    seq: int
    code: str
    members: int
    waiting: int
    alarm: str
    broken: bool
    removed: bool
    refused: dict[str, int]


class MemberLine(Line, frozen=True):
    circle: str
    id: str
    name: str
    role: int
    door: str
    devices: int
    me: bool
    suspended: bool


class DeviceLine(Line, frozen=True):
    """One of my devices; `this` is the one that answers."""

    circle: str
    id: str
    this: bool


class InviteLine(Line, frozen=True):
    """`link` and `code` are empty for invites that other devices made. `expires` in seconds since 1970."""

    id: str
    link: str
    code: str
    role: int
    uses: int
    expires: int
    circles: Sequence[str]
    revoked: bool


class InvitedTo(Line, frozen=True):
    """A circle an invite leads to; `name` is what I am called in it, if I have said so."""

    circle: str
    role: int
    joined: bool
    name: str


class DraftLine(Line, frozen=True):
    circle: str
    thread: str
    text: str


class Answer(Struct, frozen=True, tag_field="answer", tag=str.lower, kw_only=True):
    """Base of all replies."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Done(Answer, frozen=True, kw_only=True):
    """It is done. `text` is a name, where one was asked for; `count` how often."""

    text: str = ""
    count: int = 0


class Failed(Answer, frozen=True, kw_only=True):
    """A PeerbotError: the name of its class, its code and its facts."""

    kind: str
    code: str
    facts: dict[str, Fact] = {}


class Posts(Answer, frozen=True, kw_only=True):
    """Of so many `circles`. A later Read or Wait goes on from the log positions `reached`, by cid in hex."""

    posts: Sequence[PostLine]
    circles: int
    stale: Sequence[Stale] = ()
    reached: dict[str, int] = {}


class Written(Answer, frozen=True, kw_only=True):
    """A post was stored; `sent` is False while it waits for the relay, and `code` and `facts` say why."""

    circle: str
    thread: str
    sent: bool
    code: str = ""
    facts: dict[str, Fact] = {}


class CircleList(Answer, frozen=True, kw_only=True):
    circles: Sequence[CircleLine]
    stale: Sequence[Stale] = ()


class MemberList(Answer, frozen=True, kw_only=True):
    members: Sequence[MemberLine]
    stale: Sequence[Stale] = ()


class DeviceList(Answer, frozen=True, kw_only=True):
    devices: Sequence[DeviceLine]
    stale: Sequence[Stale] = ()


class InviteList(Answer, frozen=True, kw_only=True):
    invites: Sequence[InviteLine]
    stale: Sequence[Stale] = ()


class Invited(Answer, frozen=True, kw_only=True):
    community: str
    operator: str
    contact: str
    language: str
    gateways: str
    circles: Sequence[InvitedTo]


class DraftList(Answer, frozen=True, kw_only=True):
    drafts: Sequence[DraftLine]


class Code(Answer, frozen=True, kw_only=True):
    """The pending recovery code, spelled; empty where there is none."""

    code: str


AnyAnswer = (
    Done | Failed | Posts | Written | CircleList | MemberList | DeviceList | InviteList | Invited | DraftList | Code
)

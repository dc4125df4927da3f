"""What can be asked of a node: the same in one process and over its socket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

VERSION: Final = 1
"""Of these structures. A node and a command line of different versions don't talk to each other."""


class Ask(Struct, frozen=True, tag_field="ask", tag=str.lower, kw_only=True):
    """Base of all requests. `circle` is a slug or the beginning of an id; None is every circle."""

    def __repr__(self) -> str:
        # What people write and how they are called, invites and codes stay out of logs and tracebacks.
        return f"<{type(self).__name__}>"


class Hello(Ask, frozen=True, kw_only=True):
    """Who is there?"""

    version: int = VERSION


class Circles(Ask, frozen=True, kw_only=True):
    """How my circles are; with `fresh`, after asking the relay."""

    fresh: bool = False


class Read(Ask, frozen=True, kw_only=True):
    """The newest posts of each circle; with `after` (by cid in hex), those behind these log positions."""

    circle: str | None = None
    thread: str | None = None
    limit: int = 50
    after: dict[str, int] = {}


class Wait(Ask, frozen=True, kw_only=True):
    """Answer as soon as a circle stands behind one of these log positions, or after `seconds`."""

    after: dict[str, int]
    seconds: float = 20.0


class Search(Ask, frozen=True, kw_only=True):
    words: str
    circle: str | None = None
    limit: int = 50


class Write(Ask, frozen=True, kw_only=True):
    """Post a text."""

    circle: str
    thread: str
    text: str


class Drafts(Ask, frozen=True, kw_only=True):
    """Words that could not be posted."""


class DropDraft(Ask, frozen=True, kw_only=True):
    circle: str
    thread: str


class Members(Ask, frozen=True, kw_only=True):
    circle: str | None = None


class Remove(Ask, frozen=True, kw_only=True):
    circle: str
    member: str


class Leave(Ask, frozen=True, kw_only=True):
    """Take me out of a circle."""

    circle: str


class ClearAlarm(Ask, frozen=True, kw_only=True):
    """The codes were compared, and are the same."""

    circle: str


class Devices(Ask, frozen=True, kw_only=True):
    """My own devices."""

    circle: str | None = None


class Invite(Ask, frozen=True, kw_only=True):
    """Make an invite. Without circles it leads to all that suit the role. `gateways` names the chat apps, if any."""

    circles: Sequence[str] = ()
    role: int
    uses: int
    expires: int
    name: str
    operator: str
    contact: str
    language: str
    gateways: str = ""


class Invites(Ask, frozen=True, kw_only=True):
    """The invites that are open."""


class Revoke(Ask, frozen=True, kw_only=True):
    invite: str


class LookUp(Ask, frozen=True, kw_only=True):
    """What an invite leads to, before anyone says yes to it."""

    link: str


class PendingCode(Ask, frozen=True, kw_only=True):
    """The recovery code that is being handed out. `make` one if there is none; `given` is one they have already."""

    make: bool = False
    given: str = ""


class Join(Ask, frozen=True, kw_only=True):
    """Join one circle of an invite with the pending recovery code, or finish doing so.

    `consent` is the version of what the person said yes to.
    """

    link: str
    circle: str
    consent: int


class SettleCode(Ask, frozen=True, kw_only=True):
    """Put the pending recovery code into every circle and forget it."""


class Rename(Ask, frozen=True, kw_only=True):
    """Say in a circle how I am called, after waiting for at most `patience` seconds to know the others' names."""

    circle: str
    name: str
    patience: float = 0.0


AnyAsk = (
    Hello
    | Circles
    | Read
    | Wait
    | Search
    | Write
    | Drafts
    | DropDraft
    | Members
    | Remove
    | Leave
    | ClearAlarm
    | Devices
    | Invite
    | Invites
    | Revoke
    | LookUp
    | PendingCode
    | Join
    | SettleCode
    | Rename
)

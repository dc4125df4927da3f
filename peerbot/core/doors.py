"""What core and the chat adapters say to each other, whatever the platform.

An adapter turns what a platform sends into `Incoming`, stores it through GatewayStore.take_in before it confirms it,
and carries out a `Delivery` when the delivery worker asks. The dialogue stands between: events in, effects out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

import msgspec

from peerbot.core.bell import Bell
from peerbot.core.ports import Outgoing


class Platform(StrEnum):
    """A chat app; also the `door` of what comes through it."""

    TELEGRAM = "telegram"
    MATRIX = "matrix"


class Sort(StrEnum):
    """What somebody did in a chat."""

    TEXT = "text"
    START = "start"
    """Opened the chat, perhaps by an invite: `payload` holds the code."""
    BUTTON = "button"
    """Pressed a button of ours: `payload` holds its data."""
    EDIT = "edit"
    """Changed an earlier message of theirs: `about` names it."""
    UNSENT = "unsent"
    """Took one back: `about` names it."""
    OTHER = "other"
    """Sent what we can't read: a picture, a sticker, something undecryptable."""
    GONE = "gone"
    """Blocked the bot or left the room."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event of a chat. `key` is the platform's own id of the event, by which a repeat is known; `message` its
    message id, for replies to it; `topic` the platform's thread, "" for none. `about` is the platform id of the message
    that an EDIT or UNSENT changes; of a TEXT or BUTTON the message of ours that it answers, "" for none of ours: that
    they have it is taken from this. `at` in seconds since 1970. `id` is given by the store.
    """

    platform: Platform
    key: str
    chat: str = field(repr=False)
    sort: Sort
    at: int
    text: str = field(default="", repr=False)
    payload: str = field(default="", repr=False)
    message: str = ""
    about: str = ""
    topic: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class Button:
    """A choice under a message. `data` at most 64 bytes."""

    label: str = field(repr=False)
    data: str


@dataclass(frozen=True, slots=True)
class Saying:
    """Words for a chat. `automatic` marks what no person wrote (Matrix: m.notice). `about` is the platform id it
    answers, `topic` the platform's thread.
    """

    text: str = field(repr=False)
    buttons: tuple[tuple[Button, ...], ...] = ()
    automatic: bool = True
    about: str = ""
    topic: str = ""


class DeliveryState(IntEnum):
    """Where a delivery stands. See docs/decisions/0016-lost-answers.md for the last but three."""

    WAITING = 1
    LEASED = 2
    """Handed over, or about to be: whoever finds it so after a crash can't tell."""
    SENT = 3
    UNKNOWN = 4
    """The answer was lost, so it may have arrived or not. What they do next may still tell."""
    FAILED = 5
    DROPPED = 6
    """Not wanted any more: they blocked us, it came too late, or there is nothing left to say."""
    MAYBE = 7
    """It was UNKNOWN, and nothing told in time."""


class Priority(IntEnum):
    """Lower goes first."""

    HELP = 0
    ANSWER = 1
    POST = 2
    REMINDER = 3
    BROADCAST = 4


class What(IntEnum):
    """What a delivery says."""

    SAYING = 0
    """The words in `saying`."""
    POST = 1
    """The post at (cid, p)."""
    NEWS = 2
    """That there is something new in circle cid, which this door doesn't show."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing that leaves for one chat. `key` makes a repeat harmless: two for one chat with the same `key`, `what`,
    `cid` and `p` are one. A SAYING must have one; what is fanned out gets one from the store. It holds no address.

    `saying` holds words of our own until they have gone; a post is named by (cid, p) and never copied. `due` in seconds
    since 1970, 0 for at once; once LEASED, when the lease ends; once UNKNOWN, until when something may tell; at the
    end, when that was. After `until` it is worth nothing any more, 0 for never. `platform_id` is what Adapter.send
    returned, once it is SENT; `transaction` is the delivery's own and the same at every try, for platforms that know
    repeats by it. `attempts` counts the tries, `lost` those whose answer was lost; `handed` is when the first began, 0
    for not yet. `code` says why it waits, failed or was dropped.
    """

    key: str
    platform: Platform
    chat: str = field(repr=False)
    priority: Priority
    due: int = 0
    saying: Saying | None = field(default=None, repr=False)
    cid: bytes = b""
    p: int = 0
    id: int = 0
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    platform_id: str = ""
    transaction: str = ""
    what: What = What.SAYING
    until: int = 0
    lost: int = 0
    handed: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who comes by a chat. `members` are their member ids by circle; `dialogue` is the dialogue's state as
    bytes; `language` a code such as "en". Chat addresses stand here and nowhere else, and go when they leave.
    """

    platform: Platform
    chat: str = field(repr=False)
    dialogue: bytes = field(repr=False)
    members: dict[bytes, bytes] = field(default_factory=dict)
    language: str = "en"
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What handling one Incoming changes, in one transaction: the event is done, the guest is as given (None: forget
    whoever the event came from), deliveries and outbox rows are written. `incoming` is 0 where no event led to it.
    """

    incoming: int
    guest: Guest | None
    deliveries: Sequence[Delivery] = ()
    outgoing: Sequence[Outgoing] = ()


@dataclass(frozen=True, slots=True)
class Fan:
    """Posts of one circle to be written to all its readers: (position, author) each, up to log position `reach`.

    Platforms in `open` get the post, the others NEWS. Positions in `unread` can't be opened yet; those in `read` were
    `unread` once and aren't any more.
    """

    cid: bytes
    reach: int
    now: int
    open: Collection[Platform] = ()
    posts: Sequence[tuple[int, bytes]] = ()
    unread: Sequence[int] = ()
    read: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """What a delivery worker has to do now: carry out `deliveries`, decide about those whose lease ran out, and look
    again at `next` (0 for not before something is written).
    """

    deliveries: Sequence[Delivery]
    overdue: Sequence[Delivery]
    next: int


class GatewayStore(Protocol):
    """What a gateway's vault keeps besides its circles. Each method is one transaction. Raises VaultError, which has
    the code "vault-no-circle" for a circle that isn't here.

    `arrivals` rings after events were taken in, `departures` after deliveries were written or settled.
    """

    arrivals: Bell
    departures: Bell

    async def cursor(self, platform: Platform) -> str:
        """How far this platform has been read: what `take_in` was last given, "" at first."""

    async def take_in(self, platform: Platform, events: Sequence[Incoming], cursor: str) -> int:
        """Store events and the cursor together; returns how many were new. Only then may the platform be told. Whoever
        did something, other than going, has not blocked us any more.
        """

    async def waiting(self, limit: int) -> list[Incoming]:
        """Events not done yet, oldest first, at most one of each chat, so that each chat is handled in order."""

    async def guest(self, platform: Platform, chat: str) -> Guest | None: ...

    async def step(self, step: Step) -> list[int]:
        """Store a step; returns the ids of its outbox rows, which core.stepping.take_step makes the circle's outbox
        know. A step of an event that is done already changes nothing.

        A new (circle, member) of a guest reads nothing before set_readers says so. Nothing is written to a guest who is
        `blocked`, and what waits for them is dropped.
        """

    async def members(self, cid: bytes, *, fresh: bool = False) -> list[bytes]:
        """Member ids of guests in a circle; with `fresh` those about whom set_readers hasn't said anything yet."""

    async def set_readers(self, cid: bytes, readers: Mapping[bytes, int]) -> None:
        """Say behind which position each of these members may read, as the circle's roster has it; 0 for not at all."""

    async def readers(self, cid: bytes) -> list[Guest]:
        """Guests who may read a circle and haven't blocked us."""

    async def fanned(self, cid: bytes) -> int | None:
        """Up to which position posts of a circle have deliveries; None where nothing has been fanned out yet."""

    async def unread(self, cid: bytes) -> list[int]:
        """Positions that could not be opened when they were fanned out."""

    async def fan_out(self, fan: Fan) -> int:
        """Write the deliveries of posts to all readers but the author, and how far that reaches; returns how many are
        new. Where NEWS of the circle waits for a chat already, that is enough.
        """

    async def enqueue_deliveries(self, deliveries: Sequence[Delivery]) -> int:
        """Write deliveries; returns how many were new. Guests who blocked us get none. Raises ValueError for a SAYING
        without key or words.
        """

    async def claim(self, platform: Platform, now: int, lease: int, limit: int, holding: Collection[int] = ()) -> Claim:
        """Lease what is due, by priority, then age, at most one of each chat, and none for a chat that has one leased,
        or has one before it that is tried again later. The attempt is counted, and `handed` set, before anything is
        sent. Leases of those in `holding` are renewed; UNKNOWN ones whose time is over become MAYBE.
        """

    async def leased(self, platform: Platform) -> list[Delivery]:
        """All that are LEASED."""

    async def settle_deliveries(self, settled: Sequence[Delivery]) -> None:
        """Store state, due, attempts, lost, handed, platform_id and code of deliveries that are LEASED, UNKNOWN or
        MAYBE; of others nothing. Words that aren't needed for another try are erased.
        """

    async def unknown(self, platform: Platform, limit: int, chat: str = "") -> list[Delivery]:
        """Deliveries that are UNKNOWN or MAYBE, oldest first; with `chat` only those for it."""

    async def delivered(self, platform: Platform, chat: str, platform_id: str) -> Delivery | None:
        """Which delivery a platform's message id belongs to, so that a reply finds its post."""

    async def platform_ids(self, cid: bytes, p: int) -> list[Delivery]:
        """Where a post has been delivered to, for edits and removals."""

    async def block(self, platform: Platform, chat: str) -> None:
        """They don't want to hear from us: what waits is dropped, and nothing more is written until they come back."""

    async def forget(self, platform: Platform, chat: str) -> None:
        """Erase a guest, their deliveries and their events."""

    async def prune(self, before: int) -> int:
        """Forget deliveries that came to their end before this time; returns how many. Replies to them find no post any
        more.
        """

    async def counts(self) -> dict[str, int]:
        """How many deliveries stand where, by state's name, for doctor."""


class Adapter(Protocol):
    """One platform. `run` reads events into the store until cancelled; `send` carries out one delivery.

    `send` raises core.doors.SendFailed. It is called for several chats at once, never twice at once for one. Cancelled,
    or ended by any other exception, it counts as if the answer had been lost.
    """

    platform: Platform

    async def run(self) -> None: ...

    async def send(self, delivery: Delivery, saying: Saying) -> str:
        """Returns the platform's id of the message; where it took several, a JSON list of their ids."""


def message_ids(platform_id: str) -> list[str]:
    """The ids of the messages that a delivery took, by what Adapter.send returned."""
    if platform_id.startswith("["):
        with suppress(msgspec.DecodeError):
            return [str(id) for id in msgspec.json.decode(platform_id, type=list[int | str])]
    return [platform_id] if platform_id else []


class SendFailed(Exception):
    """A send that didn't work: `again` in seconds when it may be tried again (0 where the platform names no time), None
    for never; `gone` when the person blocked us; `unknown` when it may have arrived all the same; `wide` when it isn't
    about this delivery: nothing can be sent there now. `code` is stable and says nothing of the person.
    """

    def __init__(
        self,
        code: str,
        *,
        again: float | None = None,
        gone: bool = False,
        unknown: bool = False,
        wide: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.again = again
        self.gone = gone
        self.unknown = unknown
        self.wide = wide

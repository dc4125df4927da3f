"""What core and the chat adapters say to each other, whatever the platform.

An adapter turns what a platform sends into `Incoming`, stores it through GatewayStore.take_in before it confirms it,
and carries out a `Delivery` when the delivery worker asks. The dialogue stands between: events in, effects out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

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
    message id, for replies to it; `about` the platform id of the message that a reply, edit or removal is about, "" for
    none; `topic` the platform's thread, "" for none. `at` in seconds since 1970. `id` is given by the store.
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
    """Where a delivery stands. UNKNOWN: it was handed over and the answer was lost; it may have arrived or not."""

    WAITING = 1
    LEASED = 2
    SENT = 3
    UNKNOWN = 4
    FAILED = 5
    DROPPED = 6


class Priority(IntEnum):
    """Lower goes first."""

    HELP = 0
    ANSWER = 1
    POST = 2
    REMINDER = 3
    BROADCAST = 4


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing that leaves for one chat. `key` makes a repeat harmless: a second one with it is not written.

    Either `saying` holds the words, or (cid, p) names the post they are in: a delivery never copies a post. `due` and
    `lease_until` in seconds since 1970; `platform_id` is the platform's id once it is SENT; `transaction` is the same
    at every try, for platforms that know repeats by it.
    """

    key: str
    platform: Platform
    chat: str = field(repr=False)
    priority: Priority
    due: int
    saying: Saying | None = None
    cid: bytes = b""
    p: int = 0
    id: int = 0
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    lease_until: int = 0
    platform_id: str = ""
    transaction: str = ""


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
    the guest), deliveries and outbox rows are written.
    """

    incoming: int
    guest: Guest | None
    deliveries: Sequence[Delivery] = ()
    outgoing: Sequence[Outgoing] = ()


class GatewayStore(Protocol):
    """What a gateway's vault keeps besides its circles. Each method is one transaction. Raises VaultError."""

    async def cursor(self, platform: Platform) -> str:
        """How far this platform has been read: what `take_in` was last given, "" at first."""

    async def take_in(self, platform: Platform, events: Sequence[Incoming], cursor: str) -> int:
        """Store events and the cursor together; returns how many were new. Only then may the platform be told."""

    async def waiting(self, limit: int) -> list[Incoming]:
        """Events not done yet, oldest first, at most one of each chat, so that each chat is handled in order."""

    async def guest(self, platform: Platform, chat: str) -> Guest | None: ...

    async def step(self, step: Step) -> list[int]:
        """Store a step; returns the ids of its outbox rows."""

    async def readers(self, cid: bytes) -> list[Guest]:
        """Guests who are members of a circle and haven't blocked us."""

    async def fanned(self, cid: bytes) -> int:
        """Up to which position posts of a circle have deliveries."""

    async def fan_out(self, cid: bytes, p: int, deliveries: Sequence[Delivery]) -> int:
        """Write deliveries and how far that reaches; those whose key is there already are left out."""

    async def enqueue_deliveries(self, deliveries: Sequence[Delivery]) -> int: ...

    async def claim(self, platform: Platform, now: int, lease: int, limit: int) -> list[Delivery]:
        """Lease what is due, by priority, then age, at most one of each chat, and none for a chat that has one leased.

        A lease that ran out is UNKNOWN, not waiting: it may have been sent.
        """

    async def settle_delivery(
        self, delivery: int, state: DeliveryState, *, platform_id: str = "", due: int = 0, code: str = ""
    ) -> None:
        """SENT with the platform's id; WAITING again at `due`; or FAILED, DROPPED, UNKNOWN with a code."""

    async def unknown(self, platform: Platform, limit: int) -> list[Delivery]:
        """Deliveries whose answer was lost, oldest first."""

    async def delivered(self, platform: Platform, chat: str, platform_id: str) -> Delivery | None:
        """Which delivery a platform's message id belongs to, so that a reply finds its post."""

    async def platform_ids(self, cid: bytes, p: int) -> list[Delivery]:
        """Where a post has been delivered to, for edits and removals."""

    async def block(self, platform: Platform, chat: str) -> None:
        """They don't want to hear from us: nothing more is sent there until they write."""

    async def forget(self, platform: Platform, chat: str) -> None:
        """Erase a guest, their deliveries and their events."""

    async def counts(self) -> dict[str, int]:
        """How many deliveries stand where, by state's name, for doctor."""


class Adapter(Protocol):
    """One platform. `run` reads events into the store until cancelled; `send` carries out one delivery.

    `send` raises core.doors.SendFailed.
    """

    platform: Platform

    async def run(self) -> None: ...

    async def send(self, delivery: Delivery, saying: Saying) -> str:
        """Returns the platform's id of the message."""


class SendFailed(Exception):
    """A send that didn't work: `again` in seconds when it may be tried again, None for never; `gone` when the person
    blocked us; `unknown` when it may have arrived all the same. `code` is stable and says nothing of the person.
    """

    def __init__(self, code: str, *, again: float | None = None, gone: bool = False, unknown: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.again = again
        self.gone = gone
        self.unknown = unknown

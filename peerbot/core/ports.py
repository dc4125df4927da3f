"""What core needs of the world: the relay as a node sees it, and the vault. Store and relay fulfil these."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import SigningKey
from peerbot.protocol.roster.entry import By
from peerbot.protocol.roster.state import Roster
from peerbot.protocol.secret import EpochSecret, InviteToken, SealingSeed, SigningSeed
from peerbot.protocol.wire import ZERO32

# --- the relay, as a node sees it ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record of a circle's log. `wire` is None where the relay has pruned it or may not show it to this reader;
    `digest` is H(wire) either way. `time` is the relay's, in seconds since 1970, and decides nothing.
    """

    p: int
    kind: Kind
    digest: bytes
    wire: bytes | None
    time: int


@dataclass(frozen=True, slots=True)
class Page:
    """Records after a position, oldest first and without a gap. `receipt` is for the last record here (for the log's
    head where there is none); `head` is the newest position the relay has.
    """

    records: tuple[LogRecord, ...]
    receipt: bytes
    head: int


@dataclass(frozen=True, slots=True)
class Mail:
    """A direct in this device's mailbox. `id` names it for `drop_mail`."""

    id: int
    wire: bytes


class Wake(IntEnum):
    """Something new waits at the relay."""

    LOG = 1
    MAIL = 2


@dataclass(frozen=True, slots=True)
class Credential:
    """Who signs in to one circle at the relay: a device, an invite or a recovery key, named by id, and its key."""

    cid: bytes
    by: By
    id: bytes
    key: SigningKey = field(repr=False)


class CircleRelay(Protocol):
    """One circle at a relay, seen by one signed-in credential.

    Every method may raise RelayError: "relay-unreachable", "relay-slow", "relay-garbage" (it answered something a relay
    doesn't say), "relay-denied" (this credential may not), "relay-busy" (rate cap; facts: seconds), "relay-refused"
    (facts: check), "relay-clock" (its clock and ours differ by more than an hour; facts: seconds). An invite or
    recovery credential reads entries and subkeys, of other records the digest, and may append one entry.
    """

    async def append(
        self, kind: Kind, wire: bytes, *, envelopes: Sequence[bytes] = (), if_seq: int | None = None
    ) -> bytes:
        """Append one record and return the relay's receipt, still unverified.

        Bytes already in the log give the receipt of where they stand, whatever `if_seq` says: a retry is harmless.
        Otherwise raises Conflict where the circle's newest entry isn't number `if_seq` (for messages), or where an
        entry's seq or prev don't fit. An entry, its envelopes and its log row are stored in one transaction.
        """

    async def read(self, after: int, limit: int) -> Page: ...

    async def envelopes(self, first: int) -> list[bytes]:
        """The envelopes sealed to this device for epochs from `first` on, oldest first, at most 1,000."""

    async def put_envelope(self, wire: bytes) -> None:
        """Add an envelope for a device that can't open its own."""

    async def mail(self, limit: int) -> list[Mail]:
        """The oldest directs in this device's mailbox."""

    async def send_mail(self, devices: Sequence[bytes], wire: bytes) -> None:
        """Put a direct into the mailboxes of these devices. The same bytes twice are one."""

    async def drop_mail(self, ids: Sequence[int]) -> None: ...

    async def put_note(self, place: bytes, note: bytes, expires: int) -> None:
        """Leave an invite's sealed note at the rendezvous `place` (32 bytes) until `expires`."""

    async def drop_note(self, place: bytes) -> None: ...

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[Wake]]:
        """Wakes, at least one after each change since the watch began. Several changes may make one wake. Ends with
        RelayError when the connection is lost.
        """


class Relay(Protocol):
    """A relay, before anyone has signed in."""

    url: str

    async def key(self) -> bytes:
        """The relay's public signing key. Raises RelayError."""

    async def found(self, code: str, genesis: bytes) -> bytes:
        """Open a circle's log with its genesis; returns the receipt. `code` is the relay's founding code.

        The same genesis twice is one. Raises RelayError("relay-founding") for a wrong code.
        """

    async def note(self, place: bytes) -> bytes | None:
        """The sealed note at a rendezvous, or None."""

    def circle(self, credential: Credential) -> CircleRelay: ...

    async def close(self) -> None: ...


# --- the vault --------------------------------------------------------------------------------------------------------


class Status(IntEnum):
    """How far a record in the vault has come."""

    CONTROL = 1
    """An entry, subkey or request that passed its checks."""
    OPEN = 2
    """A message that passed every check."""
    PENDING = 3
    """A message that passed M01 to M13, in an epoch whose secret isn't here."""
    REFUSED = 4
    """A record that failed the check named by `code`. It is kept and never shown."""
    PRUNED = 5
    """Only the digest came."""


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One log position in the vault; `head` is L_p."""

    p: int
    kind: Kind
    head: bytes
    wire: bytes | None
    status: Status
    code: str = ""
    e: int = 0


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A thread begins at p."""

    thread: bytes
    title: str = field(repr=False)
    author: bytes
    p: int
    ts: int


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post, as its verified message said it. `reply_p` is 0 for none."""

    p: int
    id: bytes
    thread: bytes
    author: bytes
    text: str = field(repr=False)
    door: str
    ts: int
    reply_p: int = 0
    reply_id: bytes = ZERO32


@dataclass(frozen=True, slots=True)
class MarkRow:
    """Something said about the message at target_p: "edit" and its text, "retract", "hide" or "show" and the reason,
    "acknowledge". It takes effect when the target is here and its id and, for edit and retract, its author agree.
    """

    p: int
    kind: str
    target_p: int
    target_id: bytes
    author: bytes
    text: str = field(repr=False)
    ts: int


@dataclass(frozen=True, slots=True)
class LivingRow:
    """The newest record of a kind that outlives its epoch (see rules.CARRIED), by kind and key (member, thread, café,
    or the id of the message a hide is about), with what a CARRY needs. `p` is the record's own position, `seen_p`
    where it or its newest CARRY stands, `e` that one's epoch. `key_bytes` opens this record only.
    """

    kind: str
    key: bytes
    p: int
    seen_p: int
    e: int
    author: bytes
    body: bytes = field(repr=False)
    sealed: bytes
    signature: bytes
    key_bytes: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChainRow:
    """The newest record of a chain."""

    device: bytes
    author: bytes
    chain: bytes
    dseq: int
    id: bytes
    p: int = 0


@dataclass(frozen=True, slots=True)
class Folded:
    """What one batch of records changes, stored in one transaction together with the cursor (p, head).

    `roster` is None where no entry or subkey was in it. `opened` are PENDING positions that are OPEN now. `pauses` are
    (p, paused), `locks` (thread, p, locked), `requests` (device, e, whom). `settled` are outbox ids that are done.
    `pruned` is the newest position at which a message was gone, 0 for none. `alarm` stops sending: "", "fork",
    "rollback", "upgrade"; `broken` that my envelope for the newest epoch didn't open.
    """

    cid: bytes
    p: int
    head: bytes
    roster: Roster | None = None
    records: Sequence[RecordRow] = ()
    opened: Sequence[int] = ()
    threads: Sequence[ThreadRow] = ()
    posts: Sequence[PostRow] = ()
    marks: Sequence[MarkRow] = ()
    living: Sequence[LivingRow] = ()
    chains: Sequence[ChainRow] = ()
    secrets: Sequence[tuple[int, EpochSecret]] = ()
    pauses: Sequence[tuple[int, bool]] = ()
    locks: Sequence[tuple[bytes, int, bool]] = ()
    requests: Sequence[tuple[bytes, int, bytes]] = ()
    entry_hashes: Sequence[tuple[int, bytes]] = ()
    settled: Sequence[int] = ()
    pruned: int = 0
    alarm: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class NewCircle:
    """A circle this person founds or joins: written before anything is sent, so that a crash costs no key.

    `sealing` is SUBKEY 1. `ready` is False until the join stands in the log.
    """

    cid: bytes
    slug: str
    relay_url: str
    member: bytes
    signing: SigningSeed
    sealing: SealingSeed
    subkey_hash: bytes
    chain: bytes
    ready: bool


@dataclass(frozen=True, slots=True)
class SealingRow:
    """One of my numbered sealing keys, with H(SUBKEY)."""

    n: int
    seed: SealingSeed
    hash: bytes


@dataclass(frozen=True, slots=True)
class StoredCircle:
    """Everything a node needs to go on with a circle. `roster` is None before the genesis is folded."""

    cid: bytes
    slug: str
    relay_url: str
    member: bytes
    signing: SigningSeed
    sealing: Sequence[SealingRow]
    chain: bytes
    ready: bool
    p: int
    head: bytes
    roster: Roster | None
    secrets: Mapping[int, EpochSecret]
    chains: Sequence[ChainRow]
    pauses: Sequence[tuple[int, bool]]
    locks: Sequence[tuple[bytes, int, bool]]
    requests: Sequence[tuple[bytes, int, bytes]]
    entry_hashes: Mapping[int, bytes]
    counters_in: Mapping[tuple[bytes, bytes, bytes], int]
    pruned: int
    alarm: str
    broken: bool


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A row of the outbox. `intent` is what was meant (a body, or ops), kept so that it can be sealed anew; `wire` is
    empty until it has been sealed, and is stored before it is sent. `author` is the member a message speaks for,
    `dseq` its number in the chain. Entries carry their epoch's secret and envelopes.
    """

    id: int
    cid: bytes
    kind: Kind
    intent: bytes = field(repr=False)
    author: bytes
    wire: bytes = b""
    dseq: int = 0
    secret: EpochSecret | None = None
    envelopes: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class DirectOut:
    """A direct on its way to mailboxes, stored before it is sent."""

    id: int
    cid: bytes
    devices: Sequence[bytes]
    wire: bytes


@dataclass(frozen=True, slots=True)
class InviteRow:
    """An invite made here. The token is kept so that the link can be shown again until the invite ends."""

    id: bytes
    token: InviteToken
    role: int
    uses: int
    expires: int
    circles: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ShownPost:
    """A post as `read` shows it: the words after edits, "" where hidden or taken back (`state` says which)."""

    p: int
    id: bytes
    thread: bytes
    title: str = field(repr=False)
    author: bytes
    text: str = field(repr=False)
    door: str
    ts: int
    state: str
    reply_p: int


@dataclass(frozen=True, slots=True)
class ShownThread:
    """A thread in a list: how many posts it has, how many are unread, and the newest position."""

    thread: bytes
    title: str = field(repr=False)
    author: bytes
    posts: int
    unread: int
    last_p: int
    last_ts: int


class Vault(Protocol):
    """One person's encrypted store. Each method is one transaction; raises VaultError ("vault-full" for a full disk,
    "vault-corrupt", "vault-io"). What a method has returned from is on disk.
    """

    async def close(self) -> None: ...

    async def get_setting(self, key: str) -> str | None: ...

    async def set_setting(self, key: str, value: str) -> None: ...

    async def add_circle(self, new: NewCircle, first: Outgoing | None) -> None:
        """Store a new circle and, where given, the entry that opens or joins it."""

    async def drop_circle(self, cid: bytes) -> None:
        """Forget a circle that was never ready (its join was refused)."""

    async def circles(self) -> list[tuple[bytes, str, bool]]:
        """(cid, slug, ready), in the order they were added."""

    async def circle(self, cid: bytes) -> StoredCircle: ...

    async def mark_ready(self, cid: bytes) -> None: ...

    async def save(self, folded: Folded) -> None:
        """Store a batch. Positions at or before the stored cursor are ignored, except those in `opened`."""

    async def clear_alarm(self, cid: bytes) -> None:
        """The person has made sure, by other means, that all is well."""

    async def heads_at(self, cid: bytes, positions: Iterable[int]) -> dict[int, bytes]:
        """L at each of these positions that is known."""

    async def authors_at(self, cid: bytes, positions: Iterable[int]) -> dict[int, bytes]:
        """Who wrote the post at each of these positions."""

    async def pending(self, cid: bytes, e: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        """(p, wire) of PENDING messages of epoch e after a position, oldest first."""

    async def living(self, cid: bytes, before_e: int, limit: int) -> list[LivingRow]:
        """Living records last seen in an epoch older than `before_e`."""

    async def enqueue(self, rows: Sequence[Outgoing]) -> list[int]:
        """Put rows at the end of the outbox; their `id` is given by the vault and returned."""

    async def outbox(self, cid: bytes, limit: int = 100) -> list[Outgoing]:
        """The oldest unsettled rows."""

    async def store_sealed(self, row: Outgoing) -> None:
        """Update wire, dseq, secret and envelopes of a row."""

    async def settle(self, ids: Sequence[int]) -> None:
        """Remove rows that are done, or that can never be."""

    async def next_counter(self, cid: bytes, author: bytes, to: bytes) -> int:
        """The next DIRECT counter for (this device, author, to); it is used up by asking."""

    async def post_direct(self, cid: bytes, devices: Sequence[bytes], wire: bytes) -> int: ...

    async def directs(self, cid: bytes, limit: int = 100) -> list[DirectOut]: ...

    async def settle_direct(self, direct: int) -> None: ...

    async def fold_direct(
        self, cid: bytes, key: tuple[bytes, bytes, bytes], counter: int, secrets: Sequence[tuple[int, EpochSecret]]
    ) -> None:
        """Store what a direct brought and its counter, in one transaction, before the mailbox row is dropped."""

    async def add_sealing(self, cid: bytes, row: SealingRow) -> None: ...

    async def new_chain(self, cid: bytes, chain: bytes) -> None: ...

    async def put_invite(self, row: InviteRow) -> None: ...

    async def invites(self) -> list[InviteRow]: ...

    async def drop_invite(self, invite: bytes) -> None: ...

    async def names(self, cid: bytes) -> dict[bytes, str]:
        """Pseudonyms by member id."""

    async def threads(self, cid: bytes) -> list[ShownThread]:
        """Newest activity first."""

    async def find_thread(self, cid: bytes, title_or_id: str) -> bytes | None:
        """By hex id or exact id prefix of at least 8 digits, else by title (case doesn't matter; the oldest wins)."""

    async def posts(self, cid: bytes, thread: bytes | None, before: int, limit: int) -> list[ShownPost]:
        """The newest `limit` posts before position `before`, oldest first; of all threads where `thread` is None."""

    async def posts_after(self, cid: bytes, after: int, limit: int) -> list[ShownPost]:
        """Posts after a position, oldest first."""

    async def post_at(self, cid: bytes, p: int) -> ShownPost | None: ...

    async def mark_read(self, cid: bytes, thread: bytes, p: int) -> None: ...

    async def search(self, words: str, cid: bytes | None, limit: int) -> list[tuple[bytes, ShownPost]]:
        """(cid, post) of posts that hold all the words, newest first. Any input is taken as words, never as syntax."""

    async def put_draft(self, cid: bytes, thread: str, text: str) -> None:
        """Keep words that could not be posted, by circle and thread title; "" removes them."""

    async def drafts(self) -> list[tuple[bytes, str, str]]:
        """(cid, thread, text)."""

    async def refused(self, cid: bytes) -> dict[str, int]:
        """How many records were refused, by check."""


# --- the relay's own store --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogHead:
    """Where a circle's log stands: its newest position and L there, the number of its newest entry, and the position
    of the record that last changed the roster.
    """

    p: int
    head: bytes
    seq: int
    roster_p: int


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a record stands: its position, L there, and the relay's time in seconds since 1970."""

    p: int
    head: bytes
    time: int


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to be appended; `digest` is H(wire), `time` the relay's."""

    kind: Kind
    wire: bytes
    digest: bytes
    time: int


@dataclass(frozen=True, slots=True)
class AddressedEnvelope:
    """An envelope with what its wire says about itself: who sealed epoch `e` to whom."""

    e: int
    sender: bytes
    to: bytes
    wire: bytes


@dataclass(frozen=True, slots=True)
class ControlChange:
    """What comes with an entry, subkey or request. `seq` is an entry's number. `roster` is the snapshot after it, None
    where it doesn't change. `request` is (device, epoch, whom), which a log holds once. What waits for the devices
    `gone` is thrown away.
    """

    seq: int | None = None
    roster: bytes | None = None
    envelopes: Sequence[AddressedEnvelope] = ()
    request: tuple[bytes, int, bytes] | None = None
    gone: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class Slice:
    """Records after a position without a gap, where the last of them stands (the newest record of the log where there
    are none), and the newest position.
    """

    records: tuple[LogRecord, ...]
    last: Placed
    head: int


class RelayLog(Protocol):
    """What a relay stores: circle logs, envelopes, mailboxes, rendezvous notes. It knows no rules.

    Each method is one transaction, and what it has returned from is on disk. Raises RelayError: "relay-full" for a full
    disk, "relay-io" for any other failure of the store. Methods of a circle that isn't there find nothing; appends to
    it raise KeyError. The newest state is always compared inside the transaction, so that several processes may share
    one store.
    """

    async def close(self) -> None: ...

    async def found(self, cid: bytes, genesis: NewRecord, roster: bytes) -> Placed | None:
        """Open a log with its genesis at position 1. The same again changes nothing; None where another stands."""

    async def circles(self) -> list[bytes]:
        """The cids of all logs."""

    async def head(self, cid: bytes) -> LogHead | None: ...

    async def roster(self, cid: bytes) -> tuple[LogHead, bytes] | None:
        """The head and the roster snapshot, of one moment."""

    async def find(self, cid: bytes, digest: bytes) -> Placed | None:
        """Where a record with this digest stands."""

    async def at(self, cid: bytes, p: int) -> Placed | None:
        """What stands at a position."""

    async def append_message(self, cid: bytes, record: NewRecord, if_seq: int) -> Placed | LogHead:
        """Append where the newest entry is number `if_seq`; the present head where it isn't.

        A record whose digest stands in the log already gives its place, whatever `if_seq` says.
        """

    async def append_control(
        self, cid: bytes, record: NewRecord, after: LogHead, change: ControlChange
    ) -> Placed | LogHead:
        """Append at position `after.p` + 1 with all that comes with it; the present head where the log has moved on.

        A record whose digest stands in the log already gives its place, and changes nothing.
        """

    async def requested(self, cid: bytes, request: tuple[bytes, int, bytes]) -> bool:
        """Whether the log holds this request."""

    async def read(self, cid: bytes, after: int, limit: int, size: int, shown: Collection[Kind]) -> Slice | None:
        """At most `limit` records and `size` bytes of wires after a position, but one record at least where there is
        one. Wires of kinds that aren't in `shown` are left out.
        """

    async def put_envelope(self, cid: bytes, envelope: AddressedEnvelope) -> None:
        """Store an envelope; it takes the place of an earlier one by the same sender to the same device and epoch."""

    async def envelopes(self, cid: bytes, to: bytes, first: int, limit: int) -> list[bytes]:
        """Envelopes to a device for epochs from `first` on, by epoch, then oldest first."""

    async def add_mail(
        self, cid: bytes, devices: Sequence[bytes], wire: bytes, *, most: int, most_bytes: int
    ) -> list[bytes]:
        """Put a direct into mailboxes; returns the devices that have it now. A mailbox with `most` directs or
        `most_bytes` takes no more. The same bytes twice are one.
        """

    async def mail(self, cid: bytes, device: bytes, limit: int, size: int) -> list[Mail]:
        """The oldest directs for a device, at most `limit` and `size` bytes, but one at least where there is one."""

    async def drop_mail(self, cid: bytes, device: bytes, ids: Sequence[int]) -> None: ...

    async def put_note(self, cid: bytes, place: bytes, note: bytes, expires: int, *, most: int) -> bool:
        """Leave a note; False where another circle's lies there, or the circle has `most` already."""

    async def drop_note(self, cid: bytes, place: bytes) -> None: ...

    async def note(self, place: bytes, now: int) -> bytes | None:
        """The note at a place, unless it has expired."""

    async def drop_expired(self, now: int) -> int:
        """Throw expired notes away; returns how many."""

    async def prune(self, cid: bytes, p: int, e: int) -> int:
        """Forget the wires of messages and requests before position p, and the envelopes of epochs before e; returns
        how many wires. Digests and everything else stay.
        """

"""The outbox of one circle: everything is stored before it is sent, sent until it stands in the log, and sealed anew
where the circle has moved on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from peerbot.clock import Clock, epoch_seconds
from peerbot.core.follow import Follower
from peerbot.core.ports import LogRecord, Outgoing, Page
from peerbot.errors import Conflict, PeerbotError, Refused, RelayError, UserError
from peerbot.protocol import labels
from peerbot.protocol.bodies import AnyBody, encode_body
from peerbot.protocol.epochs import Built, build_entry
from peerbot.protocol.log import Kind, open_receipt
from peerbot.protocol.message import MAX_PLAINTEXT, Header, parse, seal_message
from peerbot.protocol.primitives import sha256
from peerbot.protocol.request import DAY
from peerbot.protocol.roster.checks import admit
from peerbot.protocol.roster.entry import Reason, parse_entry
from peerbot.protocol.roster.ops import Op, RemoveDevice, RemoveMember, decode_op, encode_op
from peerbot.protocol.wire import ZERO32

FUTURE = 3600
"""Seconds a signed time may lie ahead of the local clock before it is taken for wrong."""
MOST_WAITING = 10_000
"""Records that may wait for the relay."""
MOST_TRIES = 50
"""How often an entry may lose the race for its place before we say that the circle is too busy."""


class Intent(msgspec.Struct, frozen=True, array_like=True):
    """What an entry is meant to do, so that it can be built again on a newer roster. `rotate` is a Reason or 0."""

    ops: list[bytes]
    rotate: int


_INTENT = msgspec.msgpack.Decoder(Intent)


def intent_of(ops: Sequence[Op], rotate: Reason | None) -> bytes:
    return msgspec.msgpack.encode(Intent([encode_op(op) for op in ops], rotate or 0))


class Outbox:
    """Sends what the vault's outbox holds for one circle, in order. Call with the follower's lock held.

    The rows are held in memory too: a vault belongs to one process, so the two can't differ.
    """

    def __init__(self, follower: Follower, clock: Clock) -> None:
        self._f = follower
        self._clock = clock
        self._rows: deque[Outgoing] = deque()

    @property
    def waiting(self) -> int:
        """How many records have not been sent yet."""
        return len(self._rows)

    async def load(self) -> None:
        """Take over what an earlier run left, and tell the fold which records on their way are mine."""
        self._rows = deque(await self._f.vault.outbox(self._f.state.cid, MOST_WAITING))
        for row in self._rows:
            self._expect(row)

    def _expect(self, row: Outgoing) -> None:
        if not row.wire:
            return
        state, digest = self._f.state, sha256(row.wire)
        secrets = {**state.own_secrets, digest: row.secret} if row.secret is not None else state.own_secrets
        self._f.state = replace(state, own_rows={**state.own_rows, digest: row.id}, own_secrets=secrets)

    async def post(self, author: bytes, bodies: Sequence[AnyBody]) -> None:
        """Store messages to be sent; from here on they go out, whatever happens.

        Raises UserError("too-long"), or ("outbox-full") where the relay has been out of reach for too long.
        """
        raws = [encode_body(body) for body in bodies]
        if any(len(raw) > MAX_PLAINTEXT for raw in raws):
            raise UserError("too-long")
        if len(self._rows) + len(raws) > MOST_WAITING:
            raise UserError("outbox-full")
        rows = [Outgoing(0, self._f.state.cid, Kind.MESSAGE, raw, author) for raw in raws]
        if not self._rows and self._may_seal_now():
            # The usual case: nothing waits, so the first goes to disk as it will go out, in one transaction.
            rows[0] = self._seal(rows[0])
        ids = await self._f.vault.enqueue(rows)
        for row, row_id in zip(rows, ids, strict=True):
            stored = replace(row, id=row_id)
            self._expect(stored)
            self._rows.append(stored)

    async def pump(self) -> None:
        """Send until the outbox is empty. Raises RelayError and leaves the rest for later; nothing is lost."""
        while self._rows:
            row = self._rows[0]
            if not self._stands(row):
                if row.kind is Kind.MESSAGE:
                    await self._send_message(row)
                elif row.kind is Kind.ENTRY:
                    await self._resend_entry(row)
                else:
                    await self._append_until_known(row)
            self._rows.popleft()

    def _stands(self, row: Outgoing) -> bool:
        """It is in the log already: the fold has seen its bytes and settled it."""
        return bool(row.wire) and sha256(row.wire) not in self._f.state.own_rows

    async def _send_message(self, row: Outgoing) -> None:
        for _ in range(MOST_TRIES):
            self.check_may_send()
            await self._rotate_if_due()
            if self._stands(row):
                return
            if not self._fits(row):
                row = self._seal(row)
                await self._f.vault.store_sealed(row)
                self._rows[0] = row
                self._expect(row)
            if await self._append(row):
                return
        raise RelayError("relay-busy", seconds=1)

    def _may_seal_now(self) -> bool:
        state = self._f.state
        return (
            not (state.alarm or state.broken or state.removed)
            and not self._due()
            and state.keys(state.epoch) is not None
        )

    def _next_in_chain(self, author: bytes) -> tuple[int, bytes]:
        end = self._f.state.chain_end(author)
        return (end.dseq + 1, end.id) if end is not None else (1, ZERO32)

    def _fits(self, row: Outgoing) -> bool:
        """Whether a wire sealed earlier still fits the present epoch and chain: then the same bytes go out again."""
        if not row.wire:
            return False
        header = parse(row.wire).header
        return header.e == self._f.state.epoch and (header.dseq, header.prev_own) == self._next_in_chain(row.author)

    def _seal(self, row: Outgoing) -> Outgoing:
        state = self._f.state
        keys = state.keys(state.epoch)
        if keys is None:
            raise PeerbotError("no-epoch-key")
        dseq, prev = self._next_in_chain(row.author)
        header = Header(
            labels.SUITE,
            state.cid,
            state.epoch,
            state.rules.seq,
            state.rules.head,
            state.p,
            state.head,
            row.author,
            state.me.device,
            state.me.chain,
            dseq,
            prev,
            epoch_seconds(self._clock.now()),
        )
        return replace(row, wire=seal_message(keys, state.me.key, header, row.intent), dseq=dseq)

    async def _append(self, row: Outgoing) -> bool:
        """One try. True when the record stands in the log and is folded; False when the circle had moved on."""
        seq = self._f.state.rules.seq if row.kind is Kind.MESSAGE else None
        try:
            receipt = await self._f.relay.append(row.kind, row.wire, envelopes=row.envelopes, if_seq=seq)
        except Conflict:
            await self._f.catch_up()
            return False
        await self._fold_own(row, receipt)
        return True

    async def _fold_own(self, row: Outgoing, receipt: bytes) -> None:
        """Fold my own record at once where it is the next one; otherwise fetch what came in between too."""
        state = self._f.state
        digest = sha256(row.wire)
        try:
            p = open_receipt(receipt, state.rules.relay_key, state.cid).p
        except Refused:
            p = 0
        if p == state.p + 1:
            await self._f.fold_page(Page((LogRecord(p, row.kind, digest, row.wire, 0),), receipt, p))
        else:
            await self._f.catch_up()
        if digest in self._f.state.own_rows:
            # The relay said it has it, but it isn't in the log it shows.
            raise RelayError("relay-garbage")

    async def send_now(self, kind: Kind, wire: bytes) -> None:
        """Store and append a record that no later state can make invalid, ahead of what waits."""
        row = Outgoing(0, self._f.state.cid, kind, b"", self._f.state.me.member, wire=wire)
        (row_id,) = await self._f.vault.enqueue([row])
        row = replace(row, id=row_id)
        self._expect(row)
        try:
            await self._append_until_known(row)
        except RelayError:
            self._rows.append(row)
            raise

    async def _append_until_known(self, row: Outgoing) -> None:
        """Append a request or subkey. One that the relay refuses is given up: whom it asks may be gone by now (R03),
        and it must not keep what waits behind it.
        """
        try:
            stands = await self._append(row)
        except RelayError as error:
            if error.code != "relay-refused":
                raise
            await self._forget(row)
            return
        if not stands:
            raise RelayError("relay-garbage")

    def check_may_send(self, ops: tuple[Op, ...] = ()) -> None:
        """Raises PeerbotError: "removed", "alarm-fork", "alarm-rollback", "alarm-upgrade", or "no-epoch-key".

        After a fork alarm somebody can still be removed: a member who signs false log heads raises it too, and must
        not be able to keep everybody silent that way.
        """
        state = self._f.state
        if state.removed:
            raise UserError("removed")
        removal = bool(ops) and all(isinstance(op, RemoveMember | RemoveDevice) for op in ops)
        if state.alarm and not (removal and state.alarm == "fork"):
            raise PeerbotError("alarm-" + state.alarm)
        if state.broken:
            raise PeerbotError("no-epoch-key")

    def _due(self) -> Reason | None:
        """Why a new epoch is the next sender's duty, if it is: someone left, or the present one is old."""
        rules = self._f.state.rules
        if rules.rekey_required:
            return Reason.REMOVAL
        now = epoch_seconds(self._clock.now())
        # A time from the future would keep an epoch young for ever.
        age = now - rules.epoch.time if rules.epoch is not None else 0
        old = rules.epoch is None or age >= rules.policy.epoch_days * DAY or age < -FUTURE
        return Reason.DUE if old else None

    async def _rotate_if_due(self) -> None:
        if (reason := self._due()) is not None:
            await self.append_entry((), reason, unless_rotated=self._f.state.epoch)

    async def append_entry(self, ops: tuple[Op, ...], rotate: Reason | None, *, unless_rotated: int = -1) -> None:
        """Build, store and append an entry of mine, anew on each newer roster until it stands.

        With `unless_rotated` an epoch-only entry is given up once another has opened an epoch above that number.
        Raises Refused where the roster doesn't allow it, RelayError, VaultError.
        """
        for _ in range(MOST_TRIES):
            self.check_may_send(ops)
            state = self._f.state
            if unless_rotated >= 0 and state.epoch > unless_rotated and not state.rules.rekey_required:
                return
            row = await self._store_entry(intent_of(ops, rotate), self._build(ops, rotate))
            try:
                stands = await self._append(row)
            except RelayError:
                # It may stand or not: the next pump finds out.
                self._rows.append(row)
                raise
            if stands:
                return
            await self._forget(row)
        raise RelayError("relay-busy", seconds=1)

    def _build(self, ops: tuple[Op, ...], rotate: Reason | None) -> Built:
        state = self._f.state
        built = build_entry(
            state.rules,
            state.me.signer,
            state.me.key,
            ops,
            log=(state.p, state.head),
            ts=epoch_seconds(self._clock.now()),
            rotate=rotate,
        )
        # What we wouldn't accept from another we don't send.
        admit(state.rules, parse_entry(built.wire), state.p + 1, state.heads.get)
        return built

    async def _store_entry(self, intent: bytes, built: Built) -> Outgoing:
        state = self._f.state
        row = Outgoing(
            0,
            state.cid,
            Kind.ENTRY,
            intent,
            state.me.member,
            built.wire,
            secret=built.secret,
            envelopes=built.envelopes,
        )
        (row_id,) = await self._f.vault.enqueue([row])
        row = replace(row, id=row_id)
        self._expect(row)
        return row

    async def _forget(self, row: Outgoing) -> None:
        """A record that can never stand, such as an entry that lost its place: its `prev` is no longer the head."""
        state, digest = self._f.state, sha256(row.wire)
        if digest not in state.own_rows:
            return
        await self._f.vault.settle([row.id])
        self._f.state = replace(
            state,
            own_rows={d: i for d, i in state.own_rows.items() if d != digest},
            own_secrets={d: s for d, s in state.own_secrets.items() if d != digest},
        )

    async def _resend_entry(self, row: Outgoing) -> None:
        """An entry left over from before a crash: the same bytes first, else the same intent on today's roster."""
        if await self._append(row) or self._stands(row):
            return
        await self._forget(row)
        intent = _INTENT.decode(row.intent)
        ops = tuple(decode_op(op) for op in intent.ops)
        opens = parse_entry(row.wire).core.epoch
        meant = opens.e - 1 if opens is not None and not ops else -1
        try:
            await self.append_entry(ops, Reason(intent.rotate) if intent.rotate else None, unless_rotated=meant)
        except Refused:
            # Another did the same, or took away the right to do it: there is nothing left to do.
            return

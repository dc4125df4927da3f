"""The relay's rules over its store: who may read, append, leave mail, and watch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from peerbot.clock import Clock, SystemClock, epoch_seconds
from peerbot.core.ports import LogHead, Mail, NewRecord, Page, Placed, RelayLog, Wake
from peerbot.errors import Refused, RelayError, UpgradeNeeded
from peerbot.protocol import wire as wires
from peerbot.protocol.log import MAX_WIRE, Kind, sign_receipt
from peerbot.protocol.primitives import SigningKey, sha256
from peerbot.protocol.roster.checks import found as found_roster
from peerbot.protocol.roster.entry import By, circle_id, parse_entry
from peerbot.protocol.roster.state import Roster, dump
from peerbot.relay.access import Session, denied, key_of, stands
from peerbot.relay.envelopes import of_device
from peerbot.relay.founding import is_founding_code
from peerbot.relay.judge import conflict, judge, open_case, refused
from peerbot.relay.limits import Limits
from peerbot.relay.retention import horizon
from peerbot.relay.rosters import Cell, Rosters
from peerbot.relay.wakes import Hub, Watch

SIZE_CHECK: Final = {Kind.ENTRY: "E01", Kind.SUBKEY: "S01", Kind.MESSAGE: "M01", Kind.REQUEST: "R01"}
ALL_KINDS: Final = frozenset(Kind)
ROSTER_KINDS: Final = frozenset({Kind.ENTRY, Kind.SUBKEY})
MOST_TRIES: Final = 8
"""For a record that other processes' records keep overtaking; within one process the second try succeeds."""
FAR: Final = 2**62
"""Beyond every position and id; a larger number would not fit the store."""


class RelayService:
    """One relay. `key` signs its receipts. The log belongs to whoever opened it.

    Methods that take a session raise RelayError("relay-denied") once the roster no longer knows its caller, and
    whatever the log raises. Rate caps are the server's affair.
    """

    def __init__(
        self, log: RelayLog, key: SigningKey, *, clock: Clock | None = None, limits: Limits | None = None
    ) -> None:
        self.key = key
        self.limits = limits if limits is not None else Limits()
        self._log = log
        self._clock = clock if clock is not None else SystemClock()
        self._rosters = Rosters(log, self.limits.rosters)
        self._hub = Hub(self.limits.watches)

    def now(self) -> int:
        """The relay's time, in seconds since 1970."""
        return epoch_seconds(self._clock.now())

    async def close(self) -> None:
        """End all watches."""
        self._hub.close()

    # --- before anyone has signed in ---

    async def found(self, code: str, genesis: bytes) -> bytes:
        """Open a circle; see core.ports.Relay.found."""
        if not is_founding_code(self.key, code):
            raise RelayError("relay-founding")
        try:
            cid = circle_id(parse_entry(genesis).core_bytes)
            roster = found_roster(genesis, cid)
        except (Refused, UpgradeNeeded) as error:
            raise refused(error.code) from None
        record = NewRecord(Kind.ENTRY, genesis, sha256(genesis), self.now())
        placed = await self._log.found(cid, record, dump(roster))
        if placed is None:
            # The same core under another signature; one genesis stands already.
            raise refused("E05")
        return self._receipt(cid, placed)

    async def note(self, place: bytes) -> bytes | None:
        """The sealed note at a rendezvous; whoever knows the place may have it."""
        return await self._log.note(place, self.now())

    async def key_of(self, cid: bytes, by: By, key_id: bytes) -> bytes | None:
        """The public key that may sign in by this name."""
        cell = await self._rosters.get(cid)
        return key_of(cell.roster, by, key_id, self.now()) if cell is not None else None

    # --- the log ---

    async def append(
        self, session: Session, kind: Kind, wire: bytes, envelopes: Sequence[bytes] = (), if_seq: int | None = None
    ) -> bytes:
        """Append a record; see core.ports.CircleRelay.append. A record whose append was begun may stand in the log
        even if this call is cancelled, and then nobody is woken: shield it.
        """
        cell = await self._enter(session)
        if not 0 < len(wire) <= MAX_WIRE[kind]:
            raise refused(SIZE_CHECK[kind])
        if envelopes and kind is not Kind.ENTRY:
            raise refused("E20")
        record = NewRecord(kind, wire, sha256(wire), self.now())
        if kind is Kind.MESSAGE:
            placed = await self._append_message(session, cell, record, if_seq)
        else:
            placed = await self._append_control(session, cell, record, envelopes)
        return self._receipt(session.caller.cid, placed)

    async def _append_message(self, session: Session, cell: Cell, record: NewRecord, if_seq: int | None) -> Placed:
        caller = session.caller
        if caller.by is not By.DEVICE:
            raise denied()
        if cell.lock.locked():
            # An entry is being judged for the next position; a flood of messages must not keep it from its place.
            async with cell.lock:
                pass
        for _ in range(MOST_TRIES):
            if if_seq is not None and cell.roster.seq < if_seq:
                # Another process took that entry, and it may have removed this very device.
                await self._rosters.newest(caller.cid, cell)
            self._check(session, cell.roster)
            seq = if_seq if if_seq is not None else cell.roster.seq
            result = await self._log.append_message(caller.cid, record, min(seq, FAR))
            if isinstance(result, Placed):
                self._hub.wake(caller.cid, Wake.LOG)
                return result
            if if_seq is not None:
                raise conflict(result)
            await self._rosters.newest(caller.cid, cell)
        raise RelayError("relay-busy", seconds=1)

    async def _append_control(
        self, session: Session, cell: Cell, record: NewRecord, envelopes: Sequence[bytes]
    ) -> Placed:
        caller = session.caller
        case = open_case(caller, record.kind, record.wire, envelopes)
        async with cell.lock:
            if session.entry not in (None, record.digest):
                raise denied()
            earlier = await self._log.find(caller.cid, record.digest)
            if earlier is not None:
                return earlier
            for _ in range(MOST_TRIES):
                head = await self._rosters.newest(caller.cid, cell)
                self._check(session, cell.roster)
                verdict = await judge(case, self._log, cell.roster, head, self.limits.envelopes)
                result = await self._log.append_control(caller.cid, record, head, verdict.change)
                if isinstance(result, LogHead):
                    continue
                if caller.by is not By.DEVICE:
                    session.entry = record.digest
                if verdict.after is not None:
                    cell.update(verdict.after, result.p)
                self._announce(caller.cid, cell.roster)
                return result
        raise RelayError("relay-busy", seconds=1)

    def _announce(self, cid: bytes, roster: Roster) -> None:
        """Wake everyone, after showing those out whom the roster doesn't know any more."""
        now = self.now()
        self._hub.expel(cid, lambda caller: stands(roster, caller, now))
        self._hub.wake(cid, Wake.LOG)

    async def read(self, session: Session, after: int, limit: int) -> Page:
        """Records after a position. Invite and recovery keys see wires of entries and subkeys only."""
        await self._enter(session)
        cid = session.caller.cid
        shown = ALL_KINDS if session.caller.by is By.DEVICE else ROSTER_KINDS
        most = min(max(limit, 1), self.limits.page_records)
        found = await self._log.read(cid, min(max(after, 0), FAR), most, self.limits.page_bytes, shown)
        if found is None:
            raise denied()
        return Page(found.records, self._receipt(cid, found.last), found.head)

    # --- what waits for a device ---

    async def envelopes(self, session: Session, first: int) -> list[bytes]:
        """This device's envelopes; see core.ports.CircleRelay.envelopes."""
        caller = (await self._device(session)).caller
        return await self._log.envelopes(caller.cid, caller.id, min(max(first, 0), FAR), self.limits.envelopes_read)

    async def put_envelope(self, session: Session, wire: bytes) -> None:
        """Add an envelope of this device for another one. Raises RelayError("relay-refused", check="E20")."""
        caller = (await self._device(session)).caller
        roster = (await self._enter(session)).roster
        try:
            envelope = of_device(wire, caller.id, roster)
        except Refused as error:
            raise refused(error.code) from None
        await self._log.put_envelope(caller.cid, envelope)
        self._hub.wake(caller.cid, Wake.LOG, frozenset({envelope.to}))

    async def mail(self, session: Session, limit: int) -> list[Mail]:
        """The oldest directs in this device's mailbox."""
        caller = (await self._device(session)).caller
        most = min(max(limit, 1), self.limits.page_records)
        return await self._log.mail(caller.cid, caller.id, most, self.limits.page_bytes)

    async def send_mail(self, session: Session, devices: Sequence[bytes], wire: bytes) -> None:
        """Put a direct into mailboxes. Devices that are gone, and mailboxes that are full, are passed over.

        Raises RelayError: "relay-refused" where no device is left, "relay-busy" where every mailbox is full.
        """
        await self._device(session)
        roster = (await self._enter(session)).roster
        if not 0 < len(wire) <= wires.MAX_DIRECT:
            raise refused("D01")
        if len(devices) > self.limits.mail_devices:
            raise refused("mailbox")
        there = [d for d in dict.fromkeys(devices) if d in roster.devices and roster.devices[d].active]
        if not there:
            raise refused("mailbox")
        most, size = self.limits.mailbox_count, self.limits.mailbox_bytes
        reached = await self._log.add_mail(roster.cid, there, wire, most=most, most_bytes=size)
        if not reached:
            raise RelayError("relay-busy", seconds=600)
        self._hub.wake(roster.cid, Wake.MAIL, frozenset(reached))

    async def drop_mail(self, session: Session, ids: Sequence[int]) -> None:
        """Throw directs of this device's mailbox away."""
        caller = (await self._device(session)).caller
        known = [number for number in ids if 0 < number < FAR]
        await self._log.drop_mail(caller.cid, caller.id, known[: self.limits.page_records])

    # --- rendezvous ---

    async def put_note(self, session: Session, place: bytes, note: bytes, expires: int) -> None:
        """Leave an invite's note. Raises RelayError("relay-refused", check="note") where it can't lie there."""
        await self._device(session)
        now = self.now()
        if len(place) != 32 or not 0 < len(note) <= self.limits.note_bytes or expires <= now:
            raise refused("note")
        until = min(expires, now + self.limits.note_seconds)
        if not await self._log.put_note(session.caller.cid, place, note, until, most=self.limits.notes):
            raise refused("note")

    async def drop_note(self, session: Session, place: bytes) -> None:
        """Take a note of this circle away."""
        await self._device(session)
        await self._log.drop_note(session.caller.cid, place)

    # --- watching, upkeep ---

    async def watch(self, session: Session) -> Watch:
        """Wakes from now on, until `unwatch`."""
        await self._device(session)
        return self._hub.add(session.caller)

    def unwatch(self, watch: Watch) -> None:
        self._hub.drop(watch)

    async def sweep(self) -> None:
        """Throw away expired notes, and what has left its circle's retention window. To be called now and then."""
        now = self.now()
        await self._log.drop_expired(now)
        for cid in await self._log.circles():
            cell = await self._rosters.get(cid)
            if cell is not None and (kept := await horizon(self._log, cell.roster, now)) is not None:
                await self._log.prune(cid, kept.p, kept.e)

    # --- within ---

    async def _enter(self, session: Session) -> Cell:
        cell = await self._rosters.get(session.caller.cid)
        if cell is None:
            raise denied()
        self._check(session, cell.roster)
        return cell

    def _check(self, session: Session, roster: Roster) -> None:
        if not stands(roster, session.caller, self.now()):
            raise denied()

    async def _device(self, session: Session) -> Session:
        """The session, if it is a device's; the others may only read and append."""
        await self._enter(session)
        if session.caller.by is not By.DEVICE:
            raise denied()
        return session

    def _receipt(self, cid: bytes, placed: Placed) -> bytes:
        return sign_receipt(self.key, cid, placed.p, placed.head, placed.time).wire

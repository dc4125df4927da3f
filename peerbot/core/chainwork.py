"""First half of a fold: the hash chain, the relay's receipt, and the records that change the roster."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from peerbot.core.ports import LogRecord, Page, RecordRow, Status
from peerbot.core.state import CircleState
from peerbot.errors import Fork, Refused, RelayError, UpgradeNeeded
from peerbot.protocol.log import Kind, Receipt, link, open_receipt
from peerbot.protocol.primitives import sha256
from peerbot.protocol.request import DAY, admit_request
from peerbot.protocol.roster.checks import admit, admit_subkey, found, upgrade_wanted
from peerbot.protocol.roster.entry import parse_entry
from peerbot.protocol.roster.state import Epoch, Roster
from peerbot.protocol.secret import EpochSecret

SLACK = 2 * DAY
"""Seconds by which a relay's clock and the signers' may differ when it forgets what is old."""


@dataclass(slots=True)
class Control:
    """What the entries, subkeys and requests of a batch did. `timeline` holds each roster from its position on, `start`
    the one before; `pruned` are the positions at which messages are gone, the newest earlier one among them.
    """

    heads: dict[int, bytes]
    start: Roster | None
    timeline: list[tuple[int, Roster]] = field(default_factory=list)
    rows: list[RecordRow] = field(default_factory=list)
    entry_hashes: list[tuple[int, bytes]] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    secrets: list[tuple[int, EpochSecret]] = field(default_factory=list)
    requests: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    pruned: tuple[int, ...] = ()
    stop: str = ""
    end: int = 0

    def pruned_before(self, p: int) -> int:
        """The newest position before p at which a message is gone, 0 for none."""
        i = bisect_left(self.pruned, p)
        return self.pruned[i - 1] if i else 0

    def roster_at(self, p: int) -> Roster:
        """The roster in force for a record at position p."""
        i = bisect_left(self.timeline, p, key=lambda pair: pair[0])
        roster = self.timeline[i - 1][1] if i else self.start
        if roster is None:
            raise Refused("M05")
        return roster

    @property
    def newest(self) -> Roster | None:
        return self.timeline[-1][1] if self.timeline else self.start


def chain(state: CircleState, records: Sequence[LogRecord]) -> dict[int, bytes]:
    """L at each position of the batch. Raises RelayError where positions or digests don't fit."""
    heads, head, p = {}, state.head, state.p
    for record in records:
        p += 1
        if record.p != p or (record.wire is not None and sha256(record.wire) != record.digest):
            raise RelayError("relay-garbage")
        head = link(head, p, record.kind, record.digest)
        heads[p] = head
    return heads


def check_receipt(state: CircleState, page: Page, heads: dict[int, bytes], newest: Roster | None) -> Receipt:
    """The relay signed the head that its own records lead to. Raises Fork where it contradicts what we hold.

    Around a SET_RELAY the receipt may come from the old key or the new one.
    """
    keys = [roster.relay_key for roster in (newest, state.roster) if roster is not None]
    receipt = None
    for key in dict.fromkeys(keys):
        try:
            receipt = open_receipt(page.receipt, key, state.cid)
            break
        except Refused:
            continue
    if receipt is None:
        raise RelayError("relay-garbage")
    if receipt.p < state.p:
        raise Fork("rollback")
    expected = heads.get(receipt.p, state.head if receipt.p == state.p else None)
    if expected is None or (page.records and receipt.p != page.records[-1].p):
        raise RelayError("relay-garbage")
    if expected != receipt.head:
        raise Fork("fork")
    return receipt


def check_withheld(control: Control, before: int, now: int) -> None:
    """A relay may forget what has left the circle's retention window, and nothing younger: what it leaves out earlier
    would be a silent drop. `before` is the newest gap known already, `now` in seconds since 1970.

    Raises RelayError("relay-withholds").
    """
    roster = control.newest
    if roster is None or not control.pruned or control.pruned[-1] <= before:
        return
    epoch = roster.epoch_at(control.pruned[-1])
    # Each of these times is one signer's word; the smallest is what no single later one can stretch.
    ends = [e.time for e in roster.epochs.values() if epoch is not None and e.e > epoch.e]
    window = roster.policy.retention_days * DAY
    if not window or not ends or min(ends) > now - window + SLACK:
        raise RelayError("relay-withholds")


def fold_control(state: CircleState, records: Sequence[LogRecord], heads: dict[int, bytes]) -> Control:
    """Entries, subkeys and requests in log order. What fails its checks is kept as refused and changes nothing.

    Stops before a record that needs a newer version (`stop` is "upgrade"), and after one whose author saw another log
    (`stop` is "fork"); `end` is the last position that may be stored.
    """
    gone = (r.p for r in records if r.kind is Kind.MESSAGE and r.wire is None)
    control = Control(heads, state.roster, pruned=(state.pruned, *gone), end=records[-1].p if records else state.p)
    for record in records:
        if record.kind is Kind.MESSAGE:
            continue
        try:
            _control_record(state, control, record)
        except Refused as refused:
            control.rows.append(_row(record, heads, Status.REFUSED, refused.code))
        except UpgradeNeeded:
            control.stop, control.end = "upgrade", record.p - 1
            break
        except Fork:
            control.rows.append(_row(record, heads, Status.REFUSED, "E06"))
            control.stop, control.end = "fork", record.p
            break
    return control


def _row(record: LogRecord, heads: dict[int, bytes], status: Status, code: str = "") -> RecordRow:
    return RecordRow(record.p, record.kind, heads[record.p], record.wire, status, code)


def _control_record(state: CircleState, control: Control, record: LogRecord) -> None:
    before = control.newest
    if record.wire is None:
        if record.kind is Kind.REQUEST:
            control.rows.append(_row(record, control.heads, Status.PRUNED))
            return
        raise RelayError("relay-garbage")
    if before is None:
        if record.p != 1 or record.kind is not Kind.ENTRY:
            raise RelayError("relay-garbage")
        after = found(record.wire, state.cid)
    elif record.kind is Kind.ENTRY:
        after = _entry(state, control, before, record, record.wire)
    elif record.kind is Kind.SUBKEY:
        after = admit_subkey(before, record.wire, record.p)
    else:
        seen = {*state.requests, *control.requests}
        request = admit_request(record.wire, before, record.p, seen)
        control.requests.append((request.device, request.e, request.whom))
        after = before
    if after.seq != (before.seq if before is not None else -1):
        control.entry_hashes.append((after.seq, after.head))
    if after is not before:
        control.timeline.append((record.p, after))
    control.rows.append(_row(record, control.heads, Status.CONTROL))
    if (row := state.own_rows.get(record.digest)) is not None:
        control.settled.append(row)


def _entry(state: CircleState, control: Control, before: Roster, record: LogRecord, raw: bytes) -> Roster:
    def head_at(p: int) -> bytes | None:
        return control.heads.get(p) or state.heads.get(p)

    entry = parse_entry(raw)
    after = admit(before, entry, record.p, head_at)
    upgrade_wanted(after)
    if after.epoch is not None and after.epoch is not before.epoch:
        control.epochs.append(after.epoch)
        own = state.own_secrets.get(record.digest)
        if own is not None:
            control.secrets.append((after.epoch.e, own))
    return after

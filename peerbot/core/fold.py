"""Second half of a fold: messages, from bytes to verified, in three steps with the vault asked in between.

`check_signatures` needs no order and runs on several threads; `open_in_order` walks the log; `judge_all` applies M18.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from peerbot.core.chainwork import Control
from peerbot.core.ports import ChainRow, LogRecord, RecordRow, Status
from peerbot.core.project import Projection, Source, project
from peerbot.core.state import ChainKey, CircleState
from peerbot.errors import Fork, Refused, UpgradeNeeded
from peerbot.protocol.bodies import Carry, Edit, Post, Retract, Unknown
from peerbot.protocol.log import Kind
from peerbot.protocol.message import (
    AuthenticMessage,
    ChainEnd,
    OpenedMessage,
    PlacedMessage,
    authenticate,
    parse,
    place,
    unseal,
)
from peerbot.protocol.roster.state import Roster
from peerbot.protocol.rules import Around, judge, open_carried
from peerbot.protocol.secret import MessageKey

Checked = tuple[LogRecord, AuthenticMessage | Refused]


@dataclass(slots=True)
class Opening:
    """Messages of a batch on their way. `end` is the last position that may be stored, `stop` why if it isn't all."""

    end: int
    rows: list[RecordRow] = field(default_factory=list)
    opened: list[OpenedMessage] = field(default_factory=list)
    chains: dict[ChainKey, ChainEnd] = field(default_factory=dict)
    settled: list[int] = field(default_factory=list)
    stop: str = ""


def check_signatures(records: Sequence[LogRecord], roster: Roster) -> list[Checked]:
    """M01 to M06 on each message. `roster` is the newest of the batch: a device's key never changes, and whether it
    was there yet is asked in order, by M07.

    A message of an unknown suite is refused, not a reason to stop: the roster says when a circle moves on (min_suite,
    where we do stop), and no single member may halt the others by a byte (docs/decisions).
    """
    checked: list[Checked] = []
    for record in records:
        if record.wire is None:
            continue
        try:
            checked.append((record, authenticate(parse(record.wire), roster)))
        except Refused as refused:
            checked.append((record, refused))
        except UpgradeNeeded as unknown:
            checked.append((record, Refused(unknown.code)))
    return checked


def open_in_order(
    state: CircleState, control: Control, checked: Sequence[Checked], older_heads: Mapping[int, bytes]
) -> Opening:
    """M07 to M17 in log order. Chain ends move on with what passes M13, whatever fails later.

    `state` has the batch's newest roster and secrets already. `older_heads` are log heads that are neither in the batch
    nor in memory.
    """
    out = Opening(end=control.end)
    hashes = {**state.entry_hashes, **dict(control.entry_hashes)}

    def log_head_at(p: int) -> bytes | None:
        return control.heads.get(p) or state.heads.get(p) or older_heads.get(p)

    for record, message in checked:
        if record.p > control.end:
            break
        if isinstance(message, Refused):
            out.rows.append(_row(record, control, Status.REFUSED, message.code))
            continue
        header = message.message.header
        chain = (header.device, header.author, header.chain)
        roster = control.roster_at(record.p)
        end = out.chains.get(chain) or state.chains.get(chain)
        try:
            placed = place(
                message,
                roster,
                record.p,
                roster_head_at=hashes.get,
                log_head_at=log_head_at,
                end=end,
                pruned=control.pruned_before(record.p) > (end.p if end is not None else 0),
            )
        except Refused as refused:
            code = "M13-equivocation" if "equivocation" in refused.facts else refused.code
            out.rows.append(_row(record, control, Status.REFUSED, code))
            continue
        except Fork as fork:
            out.rows.append(_row(record, control, Status.REFUSED, fork.code))
            out.stop, out.end = "fork", record.p
            break
        out.chains[chain] = ChainEnd(header.dseq, message.message.id, record.p)
        if (row := state.own_rows.get(record.digest)) is not None:
            out.settled.append(row)
        _unseal(state, control, record, placed, out)
    return out


def _unseal(state: CircleState, control: Control, record: LogRecord, placed: PlacedMessage, out: Opening) -> None:
    e = placed.message.header.e
    keys = state.keys(e)
    if keys is None:
        out.rows.append(_row(record, control, Status.PENDING, e=e))
        return
    try:
        out.opened.append(unseal(placed, keys))
    except Refused as refused:
        out.rows.append(_row(record, control, Status.REFUSED, refused.code, e))
        return
    out.rows.append(_row(record, control, Status.OPEN, e=e))


def _row(record: LogRecord, control: Control, status: Status, code: str = "", e: int = 0) -> RecordRow:
    return RecordRow(record.p, record.kind, control.heads[record.p], record.wire, status, code, e)


def pruned_rows(records: Sequence[LogRecord], control: Control) -> list[RecordRow]:
    """Messages of which only the digest came."""
    gone = (r for r in records if r.kind is Kind.MESSAGE and r.wire is None and r.p <= control.end)
    return [_row(record, control, Status.PRUNED) for record in gone]


def targets(opened: Sequence[OpenedMessage]) -> set[int]:
    """Positions whose authors M18 needs to know."""
    return {m.body.target.p for m in opened if isinstance(m.body, Edit | Retract)}


def carried_from(opened: Sequence[OpenedMessage]) -> set[int]:
    """Positions whose log heads prove where carried records stand."""
    return {p for m in opened if isinstance(m.body, Carry) for p in (m.body.p - 1, m.body.p)}


@dataclass(slots=True)
class Judged:
    """What M18 let through, and the codes of what it didn't, by position."""

    projection: Projection = field(default_factory=Projection)
    refused: dict[int, str] = field(default_factory=dict)
    newer: list[int] = field(default_factory=list)


def judge_all(
    state: CircleState, opened: Sequence[OpenedMessage], authors: Mapping[int, bytes], heads: Mapping[int, bytes]
) -> Judged:
    """M18 on each opened message in log order, and its projection. `authors` are those of targets() in the vault,
    `heads` the log heads of carried_from().
    """
    out = Judged()
    known = dict(authors)
    for message in opened:
        around = _around(state, out.projection, message, known)
        source = Source(
            message.message.sealed, message.message.signature, message.key, message.p, message.message.header.e
        )
        try:
            verified = judge(message, around)
            if isinstance(message.body, Carry):
                verified = open_carried(message.body, state.rules, Around(), heads.get)
                source = Source(
                    message.body.sealed, message.body.signature, MessageKey(message.body.key), message.p, source.e
                )
        except Refused as refused:
            code = "carry-" + refused.code if isinstance(message.body, Carry) else refused.code
            out.refused[message.p] = code
            continue
        except UpgradeNeeded:
            out.newer.append(message.p)
            continue
        if isinstance(verified.body, Unknown):
            out.newer.append(message.p)
            continue
        if isinstance(verified.body, Post):
            known[verified.p] = verified.author
        project(verified, source, out.projection)
    return out


def _around(state: CircleState, batch: Projection, message: OpenedMessage, authors: Mapping[int, bytes]) -> Around:
    p, body = message.p, message.body
    paused = state.paused_at(p)
    if batch.pauses:
        paused = next((value for since, value in reversed(batch.pauses) if since < p), paused)
    if isinstance(body, Post):
        locked = state.locked_at(body.thread, p)
        if batch.locks:
            changes = (v for thread, since, v in reversed(batch.locks) if thread == body.thread and since < p)
            locked = next(changes, locked)
        return Around(paused, locked)
    if isinstance(body, Edit | Retract):
        return Around(paused, False, authors.get(body.target.p))
    return Around(paused)


def chain_rows(chains: Mapping[ChainKey, ChainEnd]) -> list[ChainRow]:
    return [ChainRow(device, author, chain, end.dseq, end.id, end.p) for (device, author, chain), end in chains.items()]

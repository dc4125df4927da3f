"""What one batch leads to: the rows to store, and the state that goes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from peerbot.core.chainwork import Control
from peerbot.core.fold import Judged, Opening, chain_rows, pruned_rows
from peerbot.core.ports import Folded, LogRecord, RecordRow, Status
from peerbot.core.state import RECENT_HEADS, CircleState
from peerbot.protocol.secret import EpochSecret


def with_projection(folded: Folded, judged: Judged) -> Folded:
    p = judged.projection
    return replace(
        folded, threads=p.threads, posts=p.posts, marks=p.marks, living=p.living, pauses=p.pauses, locks=p.locks
    )


def learned(state: CircleState, judged: Judged) -> CircleState:
    """The state with the pauses and locks a batch brought."""
    projection = judged.projection
    if not projection.pauses and not projection.locks:
        return state
    locks = dict(state.locks)
    for thread, p, locked in projection.locks:
        locks[thread] = (*locks.get(thread, ()), (p, locked))
    return replace(state, pauses=(*state.pauses, *projection.pauses), locks=locks)


def _rows(control: Control, opening: Opening, judged: Judged, records: Sequence[LogRecord]) -> list[RecordRow]:
    """Every record of the batch in log order, with what M18 had to say."""
    newer = set(judged.newer)

    def final(row: RecordRow) -> RecordRow:
        if row.p in judged.refused:
            return replace(row, status=Status.REFUSED, code=judged.refused[row.p])
        return replace(row, code="newer") if row.p in newer else row

    rows = (*control.rows, *opening.rows, *pruned_rows(records, control))
    return sorted((final(row) for row in rows if row.p <= opening.end), key=lambda row: row.p)


def to_store(
    ready: CircleState,
    control: Control,
    opening: Opening,
    judged: Judged,
    secrets: Sequence[tuple[int, EpochSecret]],
    records: Sequence[LogRecord],
) -> Folded:
    """The batch as one transaction. `ready` has the batch's newest roster and secrets already."""
    member = ready.rules.devices.get(ready.me.device)
    inside = member is not None and member.active and ready.epoch > 0
    rows = _rows(control, opening, judged, records)
    folded = Folded(
        cid=ready.cid,
        p=opening.end,
        head=control.heads.get(opening.end, ready.head),
        roster=control.newest if control.timeline else None,
        records=rows,
        chains=chain_rows(opening.chains),
        secrets=secrets,
        requests=control.requests,
        entry_hashes=control.entry_hashes,
        settled=[*control.settled, *opening.settled],
        pruned=control.pruned_before(opening.end + 1),
        alarm=control.stop or opening.stop,
        broken=inside and ready.epoch not in ready.secrets,
    )
    return with_projection(folded, judged)


def state_after(ready: CircleState, control: Control, opening: Opening, judged: Judged, folded: Folded) -> CircleState:
    """The state that goes with `folded`."""
    heads = {**ready.heads, **{p: h for p, h in control.heads.items() if p <= folded.p}}
    if len(heads) > 2 * RECENT_HEADS:
        heads = {p: h for p, h in heads.items() if p > folded.p - RECENT_HEADS}
    settled = set(folded.settled)
    after = replace(
        ready,
        p=folded.p,
        head=folded.head,
        chains={**ready.chains, **opening.chains},
        requests=ready.requests | set(control.requests),
        entry_hashes={**ready.entry_hashes, **dict(control.entry_hashes)},
        heads=heads,
        pruned=folded.pruned,
        own_rows={wire: row for wire, row in ready.own_rows.items() if row not in settled},
    )
    return learned(after, judged)

"""Following one circle: fetch, fold, store; mail; and what opens once a secret arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TypeVar

from peerbot.clock import Clock, epoch_seconds
from peerbot.core.batch import learned, state_after, to_store, with_projection
from peerbot.core.chainwork import Control, chain, check_receipt, check_withheld, fold_control
from peerbot.core.fold import (
    Checked,
    Judged,
    carried_from,
    check_signatures,
    judge_all,
    open_in_order,
    targets,
)
from peerbot.core.ports import CircleRelay, Folded, LogRecord, Page, RecordRow, Status, Vault
from peerbot.core.state import CircleState, with_secrets
from peerbot.errors import Fork, Refused, UpgradeNeeded
from peerbot.protocol.direct import History, open_direct
from peerbot.protocol.epochs import check_commit, open_envelope, parse_envelope
from peerbot.protocol.log import Kind
from peerbot.protocol.message import OpenedMessage, PlacedMessage, parse, unseal
from peerbot.protocol.roster.state import Epoch, Roster
from peerbot.protocol.secret import EpochSecret

R = TypeVar("R")
BATCH = 1000
FEW = 8
"""So few messages are worked on where we are: handing them to a thread and back takes longer than they do."""
MOST_MAIL = 100
"""Rounds of a hundred directs in one go; a relay that gives the same ones for ever is left at that."""
Progress = Callable[[int, int], None]
"""Called with (position reached, position to reach)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What folds need of their surroundings: threads for the slow parts, off the event loop, and the time."""

    executor: Executor
    lanes: int
    clock: Clock


class Follower:
    """One circle on this device. `state` is what the vault holds; everything here keeps the two together.

    The caller holds `lock` around whatever reads the state and acts on it.
    """

    def __init__(self, vault: Vault, relay: CircleRelay, state: CircleState, work: Work) -> None:
        self.vault = vault
        self.relay = relay
        self.state = state
        self.lock = asyncio.Lock()
        self._work = work

    async def catch_up(self, progress: Progress | None = None) -> int:
        """Fold everything the relay has; returns how many records that was. Raises RelayError, VaultError, or Fork
        after the alarm has been stored.
        """
        start = self.state.p
        ahead: asyncio.Task[Page] | None = None
        try:
            page = await self.relay.read(self.state.p, BATCH)
            while True:
                last = page.records[-1].p if page.records else self.state.p
                more = bool(page.records) and last < page.head
                ahead = asyncio.create_task(self.relay.read(last, BATCH)) if more else None
                await self.fold_page(page)
                if progress is not None:
                    progress(self.state.p, max(page.head, self.state.p))
                if ahead is None or self.state.alarm:
                    return self.state.p - start
                page = await ahead
        finally:
            if ahead is not None and not ahead.done():
                ahead.cancel()

    async def fold_page(self, page: Page) -> None:
        """Verify, open and store one page. The cursor and all it brought are one transaction."""
        state = self.state
        # An entry may be large and name a thousand devices.
        few = len(page.records) <= FEW and not any(r.kind is Kind.ENTRY for r in page.records)
        try:
            heads, control = await self._run(few, _control, state, page, epoch_seconds(self._work.clock.now()))
        except Fork as fork:
            await self._store(state, Folded(state.cid, state.p, state.head, alarm=fork.code))
            raise
        newest = control.newest
        if control.end == state.p or newest is None:
            _say(control.stop)
            return
        secrets = [*control.secrets, *await self._envelopes(control, newest)]
        ready = replace(with_secrets(state, secrets), roster=newest)
        messages = [r for r in page.records if r.kind is Kind.MESSAGE and r.p <= control.end]
        checked = await self._verify(messages, newest)
        older = await self._older_heads(state, control, checked)
        opening = await self._run(few, open_in_order, ready, control, checked, older)
        if opening.end < control.end:
            # A message stopped the fold: what stands behind it must not have changed the roster either.
            control = await self._run(few, fold_control, state, page.records[: opening.end - state.p], heads)
            ready = replace(ready, roster=control.newest)
        judged = await self._judge(ready, opening.opened, control.heads)
        folded = to_store(ready, control, opening, judged, secrets, page.records)
        await self._store(state_after(ready, control, opening, judged, folded), folded)
        _say(folded.alarm)

    async def _run(self, few: bool, work: Callable[..., R], *args: object) -> R:
        if few:
            return work(*args)
        return await asyncio.get_running_loop().run_in_executor(self._work.executor, work, *args)

    async def _verify(self, messages: Sequence[LogRecord], roster: Roster) -> list[Checked]:
        """Signatures on all lanes: verification releases the GIL and is most of the time."""
        if len(messages) <= FEW:
            return check_signatures(messages, roster)
        size = -(-len(messages) // self._work.lanes)
        parts = [messages[i : i + size] for i in range(0, len(messages), size)]
        done = await asyncio.gather(*(self._run(False, check_signatures, part, roster) for part in parts))
        return [checked for part in done for checked in part]

    async def _older_heads(self, state: CircleState, control: Control, checked: Sequence[Checked]) -> dict[int, bytes]:
        wanted = {m.message.header.log_pos for _, m in checked if not isinstance(m, Refused)}
        return await self._heads(state, wanted - control.heads.keys(), {})

    async def _heads(self, state: CircleState, wanted: set[int], batch: dict[int, bytes]) -> dict[int, bytes]:
        """Log heads at these positions: from the batch, from memory, else from the vault."""
        near = {p: head for p in wanted if (head := batch.get(p) or state.heads.get(p)) is not None}
        missing = wanted - near.keys()
        return {**near, **await self.vault.heads_at(state.cid, missing)} if missing else near

    async def _envelopes(self, control: Control, newest: Roster) -> list[tuple[int, EpochSecret]]:
        """E20 for the batch's epochs that were sealed to me; what doesn't open is healed by a request."""
        me = newest.devices.get(self.state.me.device)
        have = {e for e, _ in control.secrets}
        wanted = {
            epoch.e: epoch
            for epoch in control.epochs
            if me is not None and me.added_p <= epoch.p < me.removed_p and epoch.e not in have
        }
        if not wanted or me is None or not me.active:
            return []
        found: dict[int, EpochSecret] = {}
        first = min(wanted)
        # Bounded by what is wanted: a relay that never runs out of envelopes must not keep us here.
        while first <= max(wanted):
            batch = await self.relay.envelopes(first)
            for raw in batch:
                self._open_envelope(raw, wanted, found)
            highest = max((_epoch_of(raw) for raw in batch), default=0)
            if len(batch) < BATCH or highest < first:
                break
            first = highest + 1
        return list(found.items())

    def _open_envelope(self, raw: bytes, wanted: dict[int, Epoch], found: dict[int, EpochSecret]) -> None:
        me = self.state.me
        try:
            envelope = parse_envelope(raw)
            epoch = wanted.get(envelope.e)
            if epoch is None or envelope.e in found or envelope.n not in me.sealing:
                return
            key, subkey_hash = me.sealing[envelope.n]
            found[envelope.e] = open_envelope(raw, self.state.cid, epoch, me.device, key, subkey_hash)
        except Refused:
            return

    async def _judge(self, state: CircleState, opened: Sequence[OpenedMessage], batch: dict[int, bytes]) -> Judged:
        wanted = targets(opened)
        authors = await self.vault.authors_at(state.cid, wanted) if wanted else {}
        heads = await self._heads(state, carried_from(opened), batch)
        return judge_all(state, opened, authors, heads)

    async def _store(self, after: CircleState, folded: Folded) -> None:
        await self.vault.save(folded)
        self.state = replace(after, alarm=folded.alarm or after.alarm, broken=folded.broken)

    async def clear_alarm(self) -> None:
        """Send again: the person has compared codes with others, and they see the same roster."""
        await self.vault.clear_alarm(self.state.cid)
        self.state = replace(self.state, alarm="")

    async def heal_envelopes(self) -> bool:
        """Look again for envelopes of epochs I was in and couldn't open; true when the newest opens now."""
        state = self.state
        me = state.rules.devices.get(state.me.device)
        if me is None or not state.broken:
            return not state.broken
        missing = [e for e in state.rules.epochs.values() if e.e not in state.secrets and me.added_p <= e.p]
        control = Control({}, state.roster, epochs=missing)
        found = await self._envelopes(control, state.rules)
        await self.learn(found)
        return not self.state.broken

    async def learn(self, secrets: Sequence[tuple[int, EpochSecret]]) -> None:
        """Keep epoch secrets that came late, and open what was waiting for them. Each was checked by its commit."""
        state = self.state
        if not secrets:
            return
        after = with_secrets(state, secrets)
        broken = state.broken and state.epoch not in after.secrets
        await self._store(after, Folded(state.cid, state.p, state.head, secrets=secrets, broken=broken))
        for e, _ in sorted(secrets, key=lambda pair: pair[0]):
            await self.open_pending(e)

    async def open_pending(self, e: int) -> None:
        """Open the stored messages of epoch e that had no key (M14 to M18)."""
        if self.state.keys(e) is None:
            return
        after = 0
        while rows := await self.vault.pending(self.state.cid, e, after, BATCH):
            after = rows[-1][0]
            opened, refused = await self._run(len(rows) <= FEW, _open_rows, self.state, e, rows)
            judged = await self._judge(self.state, opened, {})
            state = self.state
            codes = {**refused, **judged.refused}
            records = [
                RecordRow(p, Kind.MESSAGE, b"", raw, Status.REFUSED, codes[p], e) for p, raw in rows if p in codes
            ]
            folded = with_projection(
                Folded(
                    state.cid,
                    state.p,
                    state.head,
                    records=records,
                    opened=[p for p, _ in rows if p not in codes],
                    broken=state.broken,
                ),
                judged,
            )
            await self._store(learned(state, judged), folded)

    async def fold_mail(self) -> int:
        """Open, store and then acknowledge the directs in my mailbox; returns how many were worth keeping."""
        kept = 0
        for _ in range(MOST_MAIL):
            mails = await self.relay.mail(100)
            for mail in mails:
                kept += await self._fold_mail(mail.wire)
            if mails:
                await self.relay.drop_mail([mail.id for mail in mails])
            if len(mails) < 100:
                break
        return kept

    async def _fold_mail(self, raw: bytes) -> bool:
        """Whether a direct was worth keeping."""
        try:
            return await self._fold_direct(raw)
        except Refused as refused:
            if "newer" not in refused.facts:
                return False
        except UpgradeNeeded:
            return False
        # Sealed in a roster that came after our last look; its entry stood in the log before this was sent.
        await self.catch_up()
        try:
            return await self._fold_direct(raw)
        except (Refused, UpgradeNeeded):
            return False

    async def _fold_direct(self, raw: bytes) -> bool:
        state = self.state
        direct = open_direct(raw, state.rules, state.me.device, state.me.sealing, state.counters_in)
        header = direct.header
        key = (header.sender, header.author, header.to)
        secrets: list[tuple[int, EpochSecret]] = []
        if isinstance(direct.body, History):
            secrets = _granted(state, direct.body)
        await self.vault.fold_direct(state.cid, key, header.counter, secrets)
        self.state = replace(state, counters_in={**state.counters_in, key: header.counter})
        await self.learn(secrets)
        return True


def _say(alarm: str) -> None:
    """Raise what stopped a fold, once it is stored."""
    if alarm == "upgrade":
        raise UpgradeNeeded("upgrade")
    if alarm:
        raise Fork(alarm)


def _control(state: CircleState, page: Page, now: int) -> tuple[dict[int, bytes], Control]:
    heads = chain(state, page.records)
    control = fold_control(state, page.records, heads)
    if not control.stop:
        check_receipt(state, page, heads, control.newest)
    check_withheld(control, state.pruned, now)
    return heads, control


def _epoch_of(raw: bytes) -> int:
    try:
        return parse_envelope(raw).e
    except Refused:
        return 0


def _granted(state: CircleState, body: History) -> list[tuple[int, EpochSecret]]:
    """The secrets of a bundle that match the roster's commit and are new here."""
    found = []
    for grant in body.grants:
        epoch = state.rules.epochs.get(grant.e)
        if epoch is None or grant.e in state.secrets:
            continue
        secret = EpochSecret(grant.secret)
        try:
            check_commit(secret, state.cid, epoch)
        except Refused:
            continue
        found.append((grant.e, secret))
    return found


def _open_rows(
    state: CircleState, e: int, rows: Sequence[tuple[int, bytes]]
) -> tuple[list[OpenedMessage], dict[int, str]]:
    opened: list[OpenedMessage] = []
    refused: dict[int, str] = {}
    keys = state.keys(e)
    if keys is None:
        return opened, {}
    for p, raw in rows:
        message = parse(raw)
        try:
            opened.append(unseal(PlacedMessage(message, p, state.rules.members[message.header.author]), keys))
        except Refused as failed:
            refused[p] = failed.code
    return opened, refused

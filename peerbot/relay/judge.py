"""What a relay asks of entries, subkeys and requests before it appends them.

Devices check all of it again and decide for themselves. The relay checks because one invalid entry in the log would
hold the place that every valid one must take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from peerbot.core.ports import ControlChange, LogHead, RelayLog
from peerbot.errors import Conflict, Fork, Refused, RelayError, UpgradeNeeded
from peerbot.protocol.log import LOG_START, Kind
from peerbot.protocol.request import admit_request
from peerbot.protocol.roster.checks import admit, admit_subkey
from peerbot.protocol.roster.entry import By, Entry, Signer, parse_entry
from peerbot.protocol.roster.state import Roster, dump
from peerbot.relay.access import Caller, denied
from peerbot.relay.envelopes import of_entry
from peerbot.relay.rosters import LARGE

MANY_DEVICES = 50
"""From so many on, a roster is written down in a thread, so that the others needn't wait for it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A record that may be appended, and the roster after it (None where it doesn't change)."""

    change: ControlChange
    after: Roster | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A control record as it came. `entry` is its parsed form, for entries."""

    caller: Caller
    kind: Kind
    wire: bytes
    envelopes: Sequence[bytes]
    entry: Entry | None


def open_case(caller: Caller, kind: Kind, wire: bytes, envelopes: Sequence[bytes]) -> Case:
    """Parse once, however often it must be judged. Raises RelayError("relay-refused", or "relay-denied")."""
    if kind is not Kind.ENTRY:
        if caller.by is not By.DEVICE:
            raise denied()
        return Case(caller, kind, wire, (), None)
    try:
        entry = parse_entry(wire)
    except (Refused, UpgradeNeeded) as error:
        raise refused(error.code) from None
    # A device may hand on what another device signed; an invite or recovery key speaks for itself only.
    if caller.by is not By.DEVICE and entry.core.signer != Signer(caller.by, caller.id):
        raise denied()
    return Case(caller, kind, wire, envelopes, entry)


async def judge(case: Case, log: RelayLog, roster: Roster, head: LogHead, most_envelopes: int) -> Verdict:
    """Judge a record that would stand right after `head`.

    Raises RelayError("relay-refused", check=its number), and Conflict for an entry that follows another one.
    """
    p = head.p + 1
    try:
        if case.entry is not None:
            return await _judge_entry(case, case.entry, log, roster, head, most_envelopes)
        if case.kind is Kind.SUBKEY:
            after = admit_subkey(roster, case.wire, p)
            return Verdict(ControlChange(roster=await _snapshot(after)), after)
        request = admit_request(case.wire, roster, p, set())
    except (Refused, UpgradeNeeded, Fork) as error:
        raise refused(error.code) from None
    key = (request.device, request.e, request.whom)
    if await log.requested(roster.cid, key):
        raise refused("R03")
    return Verdict(ControlChange(request=key))


async def _judge_entry(
    case: Case, entry: Entry, log: RelayLog, roster: Roster, head: LogHead, most_envelopes: int
) -> Verdict:
    core = entry.core
    if core.cid == roster.cid and (core.seq != roster.seq + 1 or core.prev != roster.head):
        raise conflict(head)
    heads = {0: LOG_START}
    if 0 < core.log_pos <= head.p:
        placed = await log.at(roster.cid, core.log_pos)
        assert placed is not None  # noqa: S101 - a log has no gaps
        heads[core.log_pos] = placed.head
    p = head.p + 1
    if len(case.wire) > LARGE:
        after = await asyncio.to_thread(admit, roster, entry, p, heads.get)
    else:
        after = admit(roster, entry, p, heads.get)
    envelopes = of_entry(case.envelopes, entry, after, most_envelopes)
    change = ControlChange(seq=core.seq, roster=await _snapshot(after), envelopes=envelopes, gone=_gone(roster, after))
    return Verdict(change, after)


def _gone(before: Roster, after: Roster) -> list[bytes]:
    return [device.id for device in before.active_devices() if not after.devices[device.id].active]


async def _snapshot(roster: Roster) -> bytes:
    return await asyncio.to_thread(dump, roster) if len(roster.devices) > MANY_DEVICES else dump(roster)


def refused(check: str) -> RelayError:
    """The record failed this check."""
    return RelayError("relay-refused", check=check)


def conflict(head: LogHead) -> Conflict:
    """The circle has moved on; the facts say where it stands."""
    return Conflict("relay-conflict", seq=head.seq, p=head.p)

"""What has left a circle's retention window."""

from __future__ import annotations

from typing import Final

from peerbot.core.ports import RelayLog
from peerbot.protocol.roster.state import Epoch, Roster

DAY: Final = 86_400


async def horizon(log: RelayLog, roster: Roster, now: int) -> Epoch | None:
    """The oldest epoch that is still kept, or None where nothing has left the window; `now` in seconds since 1970.

    An epoch ends when its successor begins, by the relay's own clock: the times in entries are their signers' word,
    and a false one must not throw away what others wrote. The present epoch is always kept. A policy of 0 days, which
    promises no time at all, makes the relay keep everything.
    """
    window = roster.policy.retention_days * DAY
    kept = roster.epoch
    if kept is None or not window:
        return None
    while (older := roster.epochs.get(kept.e - 1)) is not None:
        began = await log.at(roster.cid, kept.p)
        if began is not None and now - began.time > window:
            return kept
        kept = older
    return None

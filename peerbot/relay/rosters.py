"""The rosters of the circles in use, held in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from peerbot.core.ports import LogHead, RelayLog
from peerbot.protocol.roster.state import Roster, load

LARGE: Final = 64 * 1024
"""A snapshot or wire of so many bytes is worked on in a thread, so that the others needn't wait for it."""


class Cell:
    """One circle: its roster as of log position `roster_p`, and the turn to append entries, subkeys and requests."""

    __slots__ = ("lock", "roster", "roster_p")

    def __init__(self, roster: Roster, roster_p: int) -> None:
        self.roster = roster
        self.roster_p = roster_p
        self.lock = asyncio.Lock()

    def update(self, roster: Roster, roster_p: int) -> None:
        """Take a roster, unless a newer one is here."""
        if roster_p > self.roster_p:
            self.roster, self.roster_p = roster, roster_p


class Rosters:
    """A cache of at most `most` circles. Other processes may change the store, so what is here may be behind it;
    whoever appends compares with the store.
    """

    def __init__(self, log: RelayLog, most: int) -> None:
        self._log = log
        self._most = most
        self._cells: OrderedDict[bytes, Cell] = OrderedDict()

    async def get(self, cid: bytes) -> Cell | None:
        """The circle's cell, from the store if need be; None where there is no such circle."""
        cell = self._cells.get(cid)
        if cell is not None:
            self._cells.move_to_end(cid)
            return cell
        stored = await self._load(cid)
        if stored is None:
            return None
        return self._keep(cid, *stored)

    async def newest(self, cid: bytes, cell: Cell) -> LogHead:
        """Where the log stands now; the cell's roster is at least as new afterwards."""
        head = await self._log.head(cid)
        if head is None:
            raise KeyError("no such circle")
        if head.roster_p <= cell.roster_p:
            return head
        stored = await self._load(cid)
        if stored is None:
            raise KeyError("no such circle")
        head, roster = stored
        cell.update(roster, head.roster_p)
        return head

    async def _load(self, cid: bytes) -> tuple[LogHead, Roster] | None:
        stored = await self._log.roster(cid)
        if stored is None:
            return None
        head, snapshot = stored
        return head, await asyncio.to_thread(load, snapshot) if len(snapshot) > LARGE else load(snapshot)

    def _keep(self, cid: bytes, head: LogHead, roster: Roster) -> Cell:
        cell = self._cells.get(cid)
        if cell is None:
            cell = self._cells[cid] = Cell(roster, head.roster_p)
            # One in use would come back as a second cell with a second lock.
            idle = next((old for old, other in self._cells.items() if not other.lock.locked()), cid)
            if len(self._cells) > self._most and idle != cid:
                del self._cells[idle]
        cell.update(roster, head.roster_p)
        return cell

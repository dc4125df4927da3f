"""Sending from the thread that is open. Words stay a draft until the outbox has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.message import Message

from peerbot.core import threads
from peerbot.core.node import Circle, Node
from peerbot.errors import PeerbotError, RelayError
from peerbot.protocol.bodies import Ref
from peerbot.tui.messages import CircleMoved, Kept, NotKept

GAP = "\n\n"
Key = tuple[bytes, bytes]
"""(circle, thread)."""


def without(draft: str, text: str) -> str:
    """A draft less the words at its beginning that have been taken over."""
    return draft.removeprefix(text).removeprefix(GAP) if draft.startswith(text) else draft


class Sender:
    """Takes words over, in the order they were sent."""

    def __init__(self, node: Node, tell: Callable[[Message], object]) -> None:
        self._node = node
        self._tell = tell
        self._lock = asyncio.Lock()
        self.leaving: dict[Key, list[str]] = {}
        """Words that have left the text box and are not in the outbox yet."""

    def draft(self, key: Key, typed: str) -> str:
        """What must be on disk now: what is leaving, and what has been typed since."""
        return GAP.join([*self.leaving.get(key, ()), *([typed] if typed else ())])

    def typed(self, key: Key, draft: str) -> str:
        """The reverse: the part of a draft that belongs into the text box."""
        leaving = GAP.join(self.leaving.get(key, ()))
        return without(draft, leaving) if leaving else draft

    def leave(self, key: Key, text: str) -> None:
        """Note that words are on their way; `post` follows."""
        self.leaving.setdefault(key, []).append(text)

    async def post(self, circle: Circle, thread: bytes, text: str, answers_p: int) -> None:
        """Store the words, then send them. What comes of it is told by messages."""
        key = circle.cid, thread
        async with self._lock:
            try:
                await threads.keep(self._node, circle, thread, text, await self._ref(circle, answers_p))
            except PeerbotError as error:
                self.leaving[key].remove(text)
                self._tell(NotKept(circle.cid, thread, text, error))
                return
            self.leaving[key].remove(text)
            self._tell(Kept(circle.cid, thread, text))
        await self.send(circle)

    async def edit(self, circle: Circle, p: int, text: str) -> None:
        from peerbot.core.marking import edit

        await edit(self._node, circle, p, text)
        await self.send(circle)

    async def retract(self, circle: Circle, p: int) -> None:
        from peerbot.core.marking import retract

        await retract(self._node, circle, p)
        await self.send(circle)

    async def hide(self, circle: Circle, p: int, *, hidden: bool, reason: str) -> None:
        from peerbot.core.marking import hide

        await hide(self._node, circle, p, hidden=hidden, reason=reason)
        await self.send(circle)

    async def lock(self, circle: Circle, thread: bytes, *, locked: bool, reason: str) -> None:
        from peerbot.core.marking import lock

        await lock(self._node, circle, thread, locked=locked, reason=reason)
        await self.send(circle)

    async def send(self, circle: Circle) -> None:
        """Where the relay is away, what waits stays, and the list shows it."""
        try:
            await threads.send(self._node, circle)
        except RelayError:
            self._tell(CircleMoved(circle.cid))

    async def _ref(self, circle: Circle, p: int) -> Ref | None:
        row = await self._node.vault.post_at(circle.cid, p) if p else None
        return Ref(row.p, row.id) if row is not None else None

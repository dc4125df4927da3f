"""What happens in the node, read from the vault and told to the screen as messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from textual.message import Message

from peerbot.core.node import Changed, Node
from peerbot.errors import PeerbotError
from peerbot.tui.messages import CircleRead, Failed, LinkChanged, ShelfRead
from peerbot.tui.shelf import Shelf

Tell = Callable[[Message], object]


class Feed:
    """Brings the shelf up to date. Changes that come while it reads are read together."""

    def __init__(self, shelf: Shelf, tell: Tell) -> None:
        self._shelf = shelf
        self._tell = tell
        self._moved: set[bytes] = set()
        self._news = asyncio.Event()

    def note(self, cid: bytes) -> None:
        """A circle has something new."""
        self._moved.add(cid)
        self._news.set()

    async def run(self) -> None:
        """Read what is noted until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._moved:
                await self._read(self._moved.pop())

    async def _read(self, cid: bytes) -> None:
        try:
            rows = await self._shelf.update(cid)
        except PeerbotError as error:
            self._tell(Failed(error))
            return
        self._tell(CircleRead(cid, rows))
        self._tell(ShelfRead(whole=rows is None))

    async def listen(self, node: Node) -> None:
        """Take in the node's events until cancelled."""
        async with aclosing(node.events()) as events:
            async for event in events:
                if isinstance(event, Changed):
                    self.note(event.cid)
                else:
                    self._tell(LinkChanged(event.cid, "" if event.up else event.code))

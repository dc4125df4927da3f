"""Following the circles of a node, also those it joins later."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from peerbot.core.node import Node


class Following:
    """One task for each circle."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take_up(self) -> None:
        """Follow what isn't followed yet."""
        for circle in self._node.circles:
            if circle.cid not in self._tasks:
                task = self._tasks[circle.cid] = asyncio.create_task(self._node.follow(circle))
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def during(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; raises what a circle's task failed of, so that nobody goes on without noticing."""
        main = asyncio.create_task(work)
        try:
            done, _ = await asyncio.wait({main, self._failed}, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            main.cancel()

    async def stop(self) -> None:
        """No task is left running."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._failed.cancel()

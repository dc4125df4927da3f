"""Work beside the screen: what goes wrong in a foreseen way becomes a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.dom import DOMNode
from textual.worker import WorkType

from peerbot.errors import PeerbotError
from peerbot.tui.messages import Failed


def start(node: DOMNode, work: Callable[[], Awaitable[object]], group: str, *, alone: bool = False) -> None:
    """Do the work in the background; with `alone`, what the group still did is dropped."""

    async def watched() -> bool:
        try:
            await work()
            return True
        except PeerbotError as error:
            return node.post_message(Failed(error))

    todo: WorkType[bool] = watched
    node.run_worker(todo, group=group, exclusive=alone)

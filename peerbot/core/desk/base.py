"""The desk: a loaded node, how errors become answers, and bringing circles up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from peerbot.core.desk import answers
from peerbot.core.desk.answers import Stale
from peerbot.core.node import Circle, Node
from peerbot.errors import Conflict, Fork, PeerbotError, Refused, RelayError, UpgradeNeeded, UserError, VaultError

Progress = Callable[[str, int, int], None]
"""Called with (circle, position reached, position to reach)."""
_KINDS: Final = {
    kind.__name__: kind for kind in (Conflict, Fork, Refused, UpgradeNeeded, UserError, RelayError, VaultError)
}


@dataclass(frozen=True, slots=True)
class Desk:
    """A loaded node, and whom to tell how far it has come."""

    node: Node
    progress: Progress | None = None


def failed(error: PeerbotError) -> answers.Failed:
    """An error as an answer, for those behind a socket."""
    return answers.Failed(kind=type(error).__name__, code=error.code, facts=error.facts)


def error_of(answer: answers.Failed) -> PeerbotError:
    """The reverse of `failed`."""
    return _KINDS.get(answer.kind, PeerbotError)(answer.code, **answer.facts)


def circles_named(desk: Desk, name: str | None) -> list[Circle]:
    if name is not None:
        return [desk.node.circle(name)]
    if not desk.node.circles:
        raise UserError("no-circles")
    return list(desk.node.circles)


async def refresh(desk: Desk, circles: Sequence[Circle]) -> list[Stale]:
    """Bring circles up to date; those that can't be are named, and reading goes on with what is here."""
    found = await asyncio.gather(*(_sync(desk, circle) for circle in circles))
    return [stale for stale in found if stale is not None]


async def _sync(desk: Desk, circle: Circle) -> Stale | None:
    tell = desk.progress
    try:
        await desk.node.sync(circle, None if tell is None else lambda at, goal: tell(circle.slug, at, goal))
    except VaultError:
        raise
    except PeerbotError as error:
        return Stale(circle.slug, "removed" if circle.follower.state.removed else error.code, error.facts)
    return None

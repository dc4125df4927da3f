"""A list for dialogs: each row one line with something at its edge, and what belongs to it below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from textual.strip import Strip

from peerbot.tui.layout import Look, paragraphs, row
from peerbot.tui.widgets.blocks import BlockList


@dataclass(frozen=True, slots=True)
class Line:
    """One row. `key` says what it stands for; `below` are further lines, moved in."""

    key: str
    left: str = field(repr=False)
    right: str = ""
    below: tuple[str, ...] = field(default=(), repr=False)


class LineList(BlockList[str, Line]):
    """Rows one can go through and choose from."""

    def show(self, lines: Sequence[Line]) -> None:
        self.set_blocks([(line.key, line) for line in lines])

    def lay_out(self, key: str, value: Line, width: int, look: Look) -> list[Strip]:
        head = row(value.left, value.right, width, (look.strong if value.below else look.plain, look.quiet))
        return [head, *paragraphs(value.below, width, look.plain)]

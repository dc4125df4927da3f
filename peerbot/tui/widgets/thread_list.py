"""The list on the left: circles, and below each its threads."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from peerbot.i18n.catalogue import _
from peerbot.tui import words
from peerbot.tui.layout import Look, row
from peerbot.tui.views import CircleLine, ThreadLine
from peerbot.tui.widgets.blocks import BlockList

Key = tuple[bytes, bytes]
"""(circle, thread); a circle's own line has no thread."""


class ThreadList(BlockList[Key, tuple[CircleLine | ThreadLine, bool]]):
    """Each value comes with whether it is what is open on the right."""

    def show(self, circles: Sequence[CircleLine], opened: Key | None) -> None:
        blocks: list[tuple[Key, tuple[CircleLine | ThreadLine, bool]]] = []
        for circle in circles:
            key = (circle.cid, b"")
            blocks.append((key, (circle, key == opened)))
            blocks += [
                ((circle.cid, line.thread), (line, (circle.cid, line.thread) == opened)) for line in circle.threads
            ]
        self.set_blocks(blocks)

    def go_to(self, key: Key) -> None:
        if key in self.values:
            self.cursor = self.keys.index(key)
            self.show_cursor()

    def lay_out(self, key: Key, value: tuple[CircleLine | ThreadLine, bool], width: int, look: Look) -> list[Strip]:
        line, opened = value
        sign = "▸" if opened else " "
        if isinstance(line, CircleLine):
            said = _("see right") if line.trouble else (words.new_posts(line.unread) if line.unread else "")
            return [row(f"{sign}{line.slug}", said, width, (look.strong, look.strong))]
        if line.waits:
            return [row(f"{sign} {line.title}", _("waiting"), width, (look.plain, look.quiet))]
        if line.unread:
            return [row(f"{sign} {line.title}", words.new_posts(line.unread), width, (look.strong, look.strong))]
        return [row(f"{sign} {line.title}", "", width, (look.plain, look.plain))]

    def highlight(self, drawn: Strip) -> Strip:
        return drawn.apply_style(self._look.cursor) if self._look is not None else drawn

    def clicked(self) -> None:
        self.action_choose()

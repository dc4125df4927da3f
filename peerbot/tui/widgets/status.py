"""The line at the top: where one is, who one is there, and whether the relay is there."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from peerbot.tui.layout import fit


class StatusLine(Widget):
    """One line, the left part cut where there is no room for both."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.left = ""
        self.right = ""

    def say(self, left: str, right: str) -> None:
        if (left, right) != (self.left, self.right):
            self.left, self.right = left, right
            self.refresh()

    def render(self) -> Content:
        room = self.size.width - 2
        right = fit(self.right, room) if cell_len(self.right) > room else self.right
        left = fit(self.left, max(0, room - cell_len(right) - 1))
        return Content(f" {left} {right} " if cell_len(right) < room else f" {right} ")

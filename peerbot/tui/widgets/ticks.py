"""Boxes to tick and dots to choose, whose state is a sign and not only a colour."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Checkbox, RadioButton


class Tick(Checkbox):
    """[x] or [ ]."""

    @property
    def _button(self) -> Content:
        return Content("[x]" if self.value else "[ ]")


class Dot(RadioButton):
    """(•) or ( )."""

    @property
    def _button(self) -> Content:
        return Content("(•)" if self.value else "( )")

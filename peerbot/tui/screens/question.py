"""A question before something that can't be undone: it says what follows, and no is the first answer."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from peerbot.i18n.catalogue import _


class Question(ModalScreen[bool]):
    """Ends with True for yes."""

    AUTO_FOCUS = "#no"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", show=False),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(self, heading: str, follows: str, yes: str, no: str = "") -> None:
        super().__init__()
        self._heading = heading
        self._follows = follows
        self._yes = yes
        self._no = no or _("No, leave it as it is")

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog small"):
            yield Static(Content(self._heading), classes="dialog-title", markup=False)
            yield Static(Content(self._follows), classes="dialog-text", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(Content(self._no), id="no", compact=True)
                yield Button(Content(self._yes), id="yes", compact=True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)

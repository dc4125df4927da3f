"""Small dialogs that ask for words: new words for a post, or the reason for an intervention."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from peerbot.core.marking import MOST_REASON
from peerbot.i18n.catalogue import _
from peerbot.tui.widgets.compose import Compose
from peerbot.tui.widgets.keys import KeyLine


class EditPost(ModalScreen[str | None]):
    """Ends with the new words, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", _("Leave as it was"), key_display="Esc")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(_("Change your post. Others see that it was edited."), classes="dialog-title", markup=False)
            yield Compose(id="edit")
        yield KeyLine()

    def on_mount(self) -> None:
        box = self.query_one(Compose)
        box.say(_("Your post"))
        box.replace_text(self._text)
        box.focus()

    @on(Compose.Send)
    def _sent(self, message: Compose.Send) -> None:
        box = self.query_one(Compose)
        if box.size_in_bytes <= box.most:
            self.dismiss(message.text)

    def action_leave(self) -> None:
        self.dismiss(None)


class Reason(ModalScreen[str | None]):
    """Ends with a reason, which may be empty, or None for not doing it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", _("Don't"), key_display="Esc")]

    def __init__(self, heading: str, follows: str) -> None:
        super().__init__()
        self._heading = heading
        self._follows = follows

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog small"):
            yield Static(Content(self._heading), classes="dialog-title", markup=False)
            yield Static(Content(self._follows), classes="dialog-text", markup=False)
            yield Input(placeholder=_("The reason, for everyone to read. Enter does it."), max_length=MOST_REASON)
        yield KeyLine()

    @on(Input.Submitted)
    def _given(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_leave(self) -> None:
        self.dismiss(None)

"""Where one writes: a text box that says what it answers, how much room is left, and how to send."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import TextArea

from peerbot.i18n.catalogue import _
from peerbot.protocol.bodies import MAX_TEXT_BYTES

CLOSE = MAX_TEXT_BYTES * 8 // 10
"""From here on the room that is left is shown."""


class Compose(TextArea):
    """The words of one post."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,ctrl+enter", "send", _("Send"), key_display="^s"),
    ]

    most = MAX_TEXT_BYTES

    class Send(Message):
        """These words are to be posted."""

        def __init__(self, compose: Compose, text: str) -> None:
            super().__init__()
            self.compose = compose
            self.text = text

        @property
        def control(self) -> Compose:
            return self.compose

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id, soft_wrap=True, show_line_numbers=False, tab_behavior="focus", highlight_cursor_line=False
        )
        self.cursor_blink = False
        self._heading = ""

    def say(self, heading: str) -> None:
        """What these words are for; it may hold words of others."""
        self._heading = heading
        self._tell()

    def _tell(self) -> None:
        # Titles of borders are parsed as markup unless they are content already.
        self.border_title = Content(self._heading)
        self.border_subtitle = self.room

    @property
    def size_in_bytes(self) -> int:
        return len(self.text.strip().encode("utf-8", "surrogatepass"))

    @property
    def room(self) -> str:
        """How long the text is, once that matters, and the key that sends it."""
        size = self.size_in_bytes
        if size > MAX_TEXT_BYTES:
            return _("Too long by {n} bytes. Post it in parts.").format(n=size - MAX_TEXT_BYTES)
        if size > CLOSE:
            return _("Room for {n} bytes").format(n=MAX_TEXT_BYTES - size)
        return _("Ctrl+S sends")

    def on_text_area_changed(self) -> None:
        self.border_subtitle = self.room

    def action_send(self) -> None:
        if self.text.strip():
            self.post_message(self.Send(self, self.text))

    def replace_text(self, text: str) -> None:
        """New content with the cursor behind it."""
        self.load_text(text)
        self.move_cursor(self.document.end)


def shortened(text: str, width: int = 24) -> str:
    """A few cells of a title."""
    return text if cell_len(text) <= width else text[: width - 1] + "…"

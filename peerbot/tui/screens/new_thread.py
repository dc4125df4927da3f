"""Beginning a thread: a title and the first post. What is written here is kept until it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static, TextArea

from peerbot.core.text import clean_line
from peerbot.core.threads import MAX_TITLE
from peerbot.i18n.catalogue import _
from peerbot.i18n.errors import sentence_for
from peerbot.tui.drafts import Drafts
from peerbot.tui.widgets.compose import Compose
from peerbot.tui.widgets.keys import KeyLine


@dataclass(frozen=True, slots=True)
class Begun:
    """A thread to begin."""

    title: str = field(repr=False)
    text: str = field(repr=False)


class NewThread(ModalScreen[Begun | None]):
    """Ends with what was written, or None; the draft stays either way, until the thread is on its way."""

    AUTO_FOCUS = "#title"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", _("Back, keep what is written"), key_display="Esc")
    ]

    def __init__(self, cid: bytes, slug: str, drafts: Drafts) -> None:
        super().__init__()
        self._cid = cid
        self._slug = slug
        self._drafts = drafts
        self._ready = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            heading = _("A new thread in {circle}").format(circle=self._slug)
            yield Static(Content(heading), classes="dialog-title", markup=False)
            yield Input(id="title", placeholder=_("Title"), max_length=MAX_TITLE)
            yield Compose(id="text")
            yield Static(id="problem", markup=False)
        yield KeyLine()

    async def on_mount(self) -> None:
        title, text = await self._drafts.read_new(self._cid)
        self.query_one(Input).value = title
        self.query_one(Compose).replace_text(text)
        self.query_one(Compose).say(_("First post"))
        self._ready = True

    @on(Input.Submitted)
    def _to_text(self) -> None:
        self.query_one(Compose).focus()

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _typed(self) -> None:
        if self._ready:
            self._drafts.put_new(self._cid, self.query_one(Input).value, self.query_one(Compose).text)

    @on(Compose.Send)
    def _send(self, message: Compose.Send) -> None:
        box, title = self.query_one(Compose), clean_line(self.query_one(Input).value)
        if not title:
            self.query_one("#problem", Static).update(Content(sentence_for("empty-title")))
            self.query_one(Input).focus()
        elif box.size_in_bytes > box.most:
            self.query_one("#problem", Static).update(Content(box.room))
        else:
            self.dismiss(Begun(title, message.text))

    def action_leave(self) -> None:
        self.dismiss(None)

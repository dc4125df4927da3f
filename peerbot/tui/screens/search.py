"""Search in what is on this computer. Nothing that is typed here leaves it."""

from __future__ import annotations

from datetime import tzinfo
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from peerbot.core import threads
from peerbot.core.threads import ReadPost
from peerbot.i18n.catalogue import _, ngettext
from peerbot.tui import words
from peerbot.tui.messages import OpenThread
from peerbot.tui.plain import plain_line
from peerbot.tui.shelf import Shelf
from peerbot.tui.widgets.keys import KeyLine
from peerbot.tui.widgets.lines import Line, LineList
from peerbot.tui.work import start

MOST = 50
SHOWN = 300
"""Characters of a post in the list."""


class Found(Message):
    """Posts that hold the words."""

    def __init__(self, asked: str, posts: list[ReadPost]) -> None:
        super().__init__()
        self.asked = asked
        self.posts = posts


class Search(ModalScreen[OpenThread | None]):
    """Ends with the post to go to, or None."""

    AUTO_FOCUS = "#words"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", _("Back"), key_display="Esc"),
        Binding("down", "into_list", show=False),
    ]

    def __init__(self, shelf: Shelf, zone: tzinfo | None) -> None:
        super().__init__()
        self._shelf = shelf
        self._zone = zone
        self._posts: dict[str, ReadPost] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(_("Search in all your circles"), classes="dialog-title", markup=False)
            yield Input(id="words", placeholder=_("Words; posts that hold all of them are found"))
            yield Static(id="said", markup=False)
            yield LineList(id="found")
        yield KeyLine()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        start(self, partial(self._search, event.value), "search", alone=True)

    async def _search(self, asked: str) -> None:
        posts = await threads.search(self._shelf.node, asked, None, MOST) if asked.strip() else []
        self.post_message(Found(asked, posts))

    def on_found(self, message: Found) -> None:
        self._posts = {f"{post.circle}:{post.p}": post for post in message.posts}
        n = len(message.posts)
        if not message.asked.strip():
            said = ""
        elif n == 0:
            said = _("Nothing found. Only what is on this computer is searched.")
        elif n == MOST:
            said = _("The newest {n} posts. More words find fewer.").format(n=n)
        else:
            said = ngettext("{n} post, newest first", "{n} posts, newest first", n).format(n=n)
        self.query_one("#said", Static).update(said)
        self.query_one(LineList).show([self._line(key, post) for key, post in self._posts.items()])

    def _line(self, key: str, post: ReadPost) -> Line:
        head = f"{plain_line(post.author)} · {post.thread} · {plain_line(post.circle)}"
        return Line(key, head, words.until(post.at, self._zone), (plain_line(post.text)[:SHOWN],))

    @on(Input.Submitted)
    def action_into_list(self) -> None:
        if self._posts:
            self.query_one(LineList).focus()

    @on(LineList.Chosen)
    def _chosen(self, message: LineList.Chosen) -> None:
        post = self._posts[message.value.key]
        circle = self._shelf.node.circle(post.circle)
        self.dismiss(OpenThread(circle.cid, bytes.fromhex(post.thread_id), post.p))

    def action_leave(self) -> None:
        self.dismiss(None)

"""The open thread: its posts, and below them what one is writing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static, TextArea

from peerbot.core.node import Circle
from peerbot.core.ports import ShownPost
from peerbot.i18n.catalogue import _
from peerbot.i18n.errors import sentence
from peerbot.tui import words
from peerbot.tui.actions import ON_POSTS, bindings
from peerbot.tui.drafts import Draft, Drafts
from peerbot.tui.messages import CircleMoved, Kept, NotKept, PageRead, ShelfRead, Told
from peerbot.tui.reading import Page, Reader
from peerbot.tui.sending import GAP, Key, Sender, without
from peerbot.tui.shelf import Shelf
from peerbot.tui.views import PostView
from peerbot.tui.widgets.compose import Compose, shortened
from peerbot.tui.widgets.post_list import PostList
from peerbot.tui.work import start

Change = Callable[[Widget, Sender, Circle, PostView | None], None]


class ThreadPane(Vertical):
    """One thread at a time, or a few words where none is open."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ON_POSTS)]

    def __init__(self, shelf: Shelf, drafts: Drafts, zone: tzinfo | None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shelf = shelf
        self._drafts = drafts
        self._zone = zone
        self.sender = Sender(shelf.node, self.post_message)
        self.reader: Reader | None = None
        self.page: Page | None = None
        self._draft = Draft("", "", 0)
        self._answers: PostView | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="heading", markup=False)
        yield Static(id="trouble", markup=False)
        yield Static(id="empty", markup=False)
        yield PostList(self._shelf.node.clock, self._zone, id="posts")
        yield Compose(id="compose")

    @property
    def key(self) -> Key | None:
        """(circle, thread) of what is shown."""
        return (self.page.cid, self.page.thread) if self.page is not None else None

    @property
    def posts(self) -> PostList:
        return self.query_one(PostList)

    @property
    def box(self) -> Compose:
        return self.query_one(Compose)

    # opening and reading

    def open(self, cid: bytes, thread: bytes, p: int = 0) -> None:
        """Show a thread, at its newest posts or at position p."""
        self.reader = reader = Reader(self._shelf, cid, thread)
        start(self, partial(self._open, reader, p), "page", alone=True)

    async def _open(self, reader: Reader, p: int) -> None:
        self.post_message(await self._read(reader, p))

    async def _read(self, reader: Reader, p: int) -> PageRead:
        page = await reader.open(p)
        return PageRead(reader, page, await self._drafts.of(page.cid, page.thread, page.title), p)

    async def open_first(self, cid: bytes, thread: bytes) -> None:
        """The same while the screen is being made."""
        self.reader = Reader(self._shelf, cid, thread)
        self.on_page_read(await self._read(self.reader, 0))

    def close(self, why: str) -> None:
        """Show words instead of a thread."""
        self.reader, self.page = None, None
        self.query_one("#empty", Static).update(Content(why))
        self.set_class(True, "-empty")

    def update(self, cid: bytes, rows: list[ShownPost] | None) -> None:
        """Something has come in a circle: these posts, or None where anything may have changed."""
        reader = self.reader
        if reader is not None and reader.page.cid == cid:
            start(self, partial(self._read_on, reader, rows), "update")

    async def _read_on(self, reader: Reader, rows: list[ShownPost] | None) -> None:
        page = await (reader.add(rows) if rows is not None else reader.refresh())
        self.post_message(PageRead(reader, page))

    def on_page_read(self, message: PageRead) -> None:
        message.stop()
        if message.reader is not self.reader:
            return
        self.page = message.page
        self.set_class(False, "-empty")
        self.posts.show(message.page)
        if message.at:
            self.posts.go_to(message.at)
        if message.draft is not None:
            self._take_up(message.page, message.draft)
        self.tell_state()
        self.post_message(ShelfRead())

    def _take_up(self, page: Page, draft: Draft) -> None:
        self._draft = draft
        self._answers = next((post for post in page.posts if post.p == draft.answers_p), None)
        self.box.replace_text(self.sender.typed((page.cid, page.thread), draft.text))

    def tell_state(self) -> None:
        """The heading, what is wrong with the circle, and whether one can write."""
        if self.page is None:
            return
        circle, link = self._shelf.circle(self.page.cid), self._shelf.links.get(self.page.cid)
        locked = circle.follower.state.locked_at(self.page.thread, circle.follower.state.p + 1)
        heading = self.page.title + (f" ({_('closed to new posts')})" if locked else "")
        self.query_one("#heading", Static).update(Content(heading))
        trouble = words.trouble(circle, link)
        self.query_one("#trouble", Static).update(Content(trouble))
        self.set_class(bool(trouble), "-trouble")
        self.set_class(locked or not words.may_write(circle, link), "-no-writing")
        self._head_box()

    def _head_box(self) -> None:
        if self._answers is not None:
            self.box.say(_("Answer to {name} (Esc: no answer)").format(name=shortened(self._answers.author)))
        else:
            self.box.say(_("Write here"))

    @on(PostList.WantsOlder)
    def _more_before(self) -> None:
        if (reader := self.reader) is not None:
            start(self, partial(self._grow, reader, older=True), "grow")

    @on(PostList.WantsNewer)
    def _more_after(self) -> None:
        if (reader := self.reader) is not None:
            start(self, partial(self._grow, reader, older=False), "grow")

    async def _grow(self, reader: Reader, *, older: bool) -> None:
        before = reader.page
        page = await (reader.older() if older else reader.newer())
        if page != before:
            self.post_message(PageRead(reader, page))

    @on(PostList.Seen)
    def _seen(self, message: PostList.Seen) -> None:
        if (reader := self.reader) is not None:
            start(self, partial(self._mark_read, reader, message.p), "seen")

    async def _mark_read(self, reader: Reader, p: int) -> None:
        page = reader.page
        line = self._shelf.thread(page.cid, page.thread)
        if line is not None and line.unread and page.at_end:
            await self._shelf.mark_read(page.cid, page.thread, p, page.unread_after(p))
            self.post_message(ShelfRead())

    # writing

    def write(self) -> None:
        """Go to the text box, where there is one."""
        if self.key is None:
            self.post_message(Told(_("Open a thread first, or press n to begin one.")))
        elif self.has_class("-no-writing"):
            self.post_message(Told(_("Nothing can be posted here now.")))
        else:
            self.box.focus()

    def answer_chosen(self) -> None:
        post = self.posts.chosen_post
        if self.key is not None and post is None:
            self.post_message(Told(_("Choose the post to answer first, with the arrow keys.")))
            return
        self.answer(post)
        self.write()

    def action_edit(self) -> None:
        from peerbot.tui.changing import edit

        self._change(edit)

    def action_take_back(self) -> None:
        from peerbot.tui.changing import take_back

        self._change(take_back)

    def action_hide(self) -> None:
        from peerbot.tui.changing import hide

        self._change(hide)

    def _change(self, change: Change) -> None:
        if self.key is not None:
            change(self, self.sender, self._shelf.circle(self.key[0]), self.posts.chosen_post)

    def action_close_thread(self) -> None:
        from peerbot.tui.changing import close_thread

        if self.key is not None:
            close_thread(self, self.sender, self._shelf.circle(self.key[0]), self.key[1])

    @on(TextArea.Changed)
    def _typed(self) -> None:
        if (key := self.key) is not None:
            self._drafts.put(key[0], self._draft.name, self.sender.draft(key, self.box.text))

    def answer(self, post: PostView | None) -> None:
        """Write an answer to this post; with None, no answer to any."""
        if (key := self.key) is None:
            return
        self._answers = post
        self._head_box()
        start(self, partial(self._drafts.set_answered, *key, post.p if post is not None else 0), "answers")

    @property
    def answers(self) -> bool:
        return self._answers is not None

    @on(Compose.Send)
    def _send(self, message: Compose.Send) -> None:
        message.stop()
        if (key := self.key) is None:
            return
        if self.box.size_in_bytes > self.box.most:
            self.post_message(Told(self.box.room))
            return
        circle, answers_p = self._shelf.circle(key[0]), self._answers.p if self._answers is not None else 0
        self.sender.leave(key, message.text)
        self.box.replace_text("")
        self.answer(None)
        start(self, partial(self.sender.post, circle, key[1], message.text, answers_p), "send")

    def on_kept(self, message: Kept) -> None:
        self.post_message(CircleMoved(message.cid))
        if (message.cid, message.thread) == self.key:
            self._typed()
            self.posts.action_edge(-1)
        else:
            start(self, partial(self._clear_left, message), "answers")

    async def _clear_left(self, message: Kept) -> None:
        """The thread was left while its words were on their way."""
        line = self._shelf.thread(message.cid, message.thread)
        name = await self._drafts.name(message.cid, message.thread, line.title if line is not None else "")
        draft = await self._drafts.read(message.cid, name)
        self._drafts.put(message.cid, name, without(draft, message.text))

    def on_not_kept(self, message: NotKept) -> None:
        """Back into the box, before what has been typed since; in a thread that was left they are still the draft."""
        if (message.cid, message.thread) == self.key:
            self.box.replace_text(GAP.join(text for text in (message.text, self.box.text) if text))
        self.post_message(Told(sentence(message.error)))

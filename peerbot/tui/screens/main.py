"""The main screen: circles and threads, the open thread, and in a wide window who is there."""

from __future__ import annotations

from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from peerbot.core.inviting import Community
from peerbot.core.node import Circle
from peerbot.core.people import list_members
from peerbot.core.threads import post
from peerbot.i18n.catalogue import _, ngettext
from peerbot.i18n.errors import sentence_for
from peerbot.tui import words
from peerbot.tui.actions import GENERAL, bindings
from peerbot.tui.drafts import Drafts
from peerbot.tui.feed import Feed
from peerbot.tui.messages import CircleMoved, CircleRead, LinkChanged, MembersRead, OpenThread, ShelfRead, Told
from peerbot.tui.plain import plain_line
from peerbot.tui.shelf import Shelf
from peerbot.tui.views import CircleLine
from peerbot.tui.widgets.keys import KeyLine
from peerbot.tui.widgets.side import Side
from peerbot.tui.widgets.status import StatusLine
from peerbot.tui.widgets.thread_list import Key, ThreadList
from peerbot.tui.widgets.thread_pane import ThreadPane
from peerbot.tui.work import start

if TYPE_CHECKING:
    from peerbot.tui.screens.new_thread import Begun

OPENED = "tui.open"


class MainScreen(Screen[None]):
    """Shows what the shelf holds; the dialogs are opened by the app."""

    AUTO_FOCUS = "#threads"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(GENERAL), Binding("escape", "back", show=False)]

    def __init__(self, shelf: Shelf, drafts: Drafts, about: Community, zone: tzinfo | None) -> None:
        super().__init__()
        self.shelf = shelf
        self.drafts = drafts
        self.about = about
        self.feed = Feed(shelf, self.post_message)
        self._zone = zone
        self.opened: Key | None = None

    def compose(self) -> ComposeResult:
        yield StatusLine(id="status")
        with Horizontal(id="columns"):
            yield ThreadList(id="threads")
            yield ThreadPane(self.shelf, self.drafts, self._zone, id="pane")
            yield Side(id="side")
        yield KeyLine(palette=True)

    @property
    def pane(self) -> ThreadPane:
        return self.query_one(ThreadPane)

    @property
    def threads(self) -> ThreadList:
        return self.query_one(ThreadList)

    @property
    def circle(self) -> Circle | None:
        """The circle of what is open."""
        return self.shelf.circle(self.opened[0]) if self.opened is not None else None

    async def on_mount(self) -> None:
        start(self, partial(self.feed.listen, self.shelf.node), "listen")
        start(self, self.feed.run, "feed")
        await self.shelf.load()
        self.opened = await self._first()
        if self.opened is None:
            self.pane.close(sentence_for("no-circles"))
        elif self.opened[1]:
            # At once, so that the first thing that is painted is what one reads.
            await self.pane.open_first(*self.opened)
        self._show()
        self.threads.go_to(self.opened or (b"", b""))
        self.watch(self.app, "app_focus", self.pane.posts.look_around, init=False)

    async def _first(self) -> Key | None:
        """Where one was last, else where something is new, else the newest thread."""
        lines = [t for circle in self.shelf.lines() for t in circle.threads if not t.waits]
        cid, _sep, thread = (await self.shelf.node.vault.get_setting(OPENED) or "").partition(":")
        last = next((t for t in lines if (t.cid.hex(), t.thread.hex()) == (cid, thread)), None)
        chosen = last or next((t for t in lines if t.unread), None) or next(iter(lines), None)
        if chosen is not None:
            return chosen.cid, chosen.thread
        return next(((c.cid, b"") for c in self.shelf.node.circles), None)

    # what happens in the node

    def on_link_changed(self, message: LinkChanged) -> None:
        self.shelf.links[message.cid] = message.code
        # What waits may have gone out, or keys have come.
        self.feed.note(message.cid)

    def on_circle_moved(self, message: CircleMoved) -> None:
        self.feed.note(message.cid)

    def on_circle_read(self, message: CircleRead) -> None:
        self.pane.update(message.cid, message.rows)

    def on_shelf_read(self, message: ShelfRead) -> None:
        self._show()
        if message.whole:
            self._show_side()

    def _show(self) -> None:
        self.threads.show(self.shelf.lines(), self.opened)
        self.pane.tell_state()
        if self.opened is not None and not self.opened[1]:
            self.pane.close("\n\n".join(self._about(self.shelf.line(self.opened[0]))))
        self._tell_status()

    def _about(self, line: CircleLine) -> list[str]:
        """What there is to say about a circle while none of its threads is open."""
        circle = self.shelf.circle(line.cid)
        trouble = words.trouble(circle, self.shelf.links.get(line.cid))
        if line.threads:
            n = len(line.threads)
            said = ngettext("{circle}: {n} thread", "{circle}: {n} threads", n).format(circle=line.slug, n=n)
            todo = _("Choose one on the left and press Enter, or press n to begin another.")
        else:
            said = _("Nothing has been written in {circle} yet.").format(circle=line.slug)
            todo = _("Press n to begin the first thread. Reading without writing is fine too.")
        reads = words.readers(circle) if circle.follower.state.roster is not None else []
        return [text for text in (trouble, said, todo, "\n".join(reads)) if text]

    def _tell_status(self) -> None:
        if (circle := self.circle) is None:
            return
        me = self.shelf.names(circle.cid).get(circle.follower.state.me.member, "")
        parts = [plain_line(circle.slug), _("you are {name}").format(name=me) if me else ""]
        waits = [f"{words.waiting(n)}."] if (n := circle.outbox.waiting) else []
        link = words.link(self.shelf.links.get(circle.cid))
        self.query_one(StatusLine).say(" · ".join(p for p in parts if p), " ".join([*waits, link]))

    def _show_side(self) -> None:
        if self.circle is not None and self.has_class("-wide"):
            start(self, partial(self._read_side, self.circle), "side", alone=True)

    async def _read_side(self, circle: Circle) -> None:
        if circle.follower.state.roster is not None:
            self.post_message(MembersRead(circle.cid, await list_members(circle)))

    def on_members_read(self, message: MembersRead) -> None:
        circle = self.shelf.circle(message.cid)
        self.query_one(Side).show(plain_line(circle.slug), message.members, words.readers(circle))

    def on_resize(self) -> None:
        self._show_side()

    # going about

    @on(ThreadList.Chosen)
    def _chosen(self, message: ThreadList.Chosen) -> None:
        line, _opened = message.value
        self._open(line.cid, b"" if isinstance(line, CircleLine) else line.thread)
        self.set_class(True, "-reading")
        (self.threads if isinstance(line, CircleLine) else self.pane.posts).focus()

    def on_open_thread(self, message: OpenThread) -> None:
        self._open(message.cid, message.thread or b"", message.p)
        self.set_class(True, "-reading")
        self.pane.posts.focus()

    def _open(self, cid: bytes, thread: bytes, p: int = 0) -> None:
        other = self.opened is None or self.opened[0] != cid
        self.opened = (cid, thread)
        if thread:
            self.pane.open(cid, thread, p)
        self._show()
        self.threads.go_to((cid, thread))
        if other:
            self._show_side()
        remember = f"{cid.hex()}:{thread.hex()}"
        start(self, partial(self.shelf.node.vault.set_setting, OPENED, remember), "opened")

    def action_back(self) -> None:
        """One step out: from writing to reading, from reading to the list."""
        if self.pane.box.has_focus and self.pane.answers:
            self.pane.answer(None)
        elif self.pane.box.has_focus:
            self.pane.posts.focus()
        else:
            self.set_class(False, "-reading")
            self.threads.focus()

    def action_next_new(self) -> None:
        """The next thread below the open one that has something new, from the top again at the end."""
        lines = [t for circle in self.shelf.lines() for t in circle.threads]
        here = next((i for i, t in enumerate(lines) if (t.cid, t.thread) == self.opened), -1)
        found = next((t for t in [*lines[here + 1 :], *lines[: here + 1]] if t.unread), None)
        if found is not None:
            self.post_message(OpenThread(found.cid, found.thread))
        else:
            self.notify(_("Nothing new."), markup=False)

    def action_write(self) -> None:
        self.pane.write()

    def action_answer(self) -> None:
        self.pane.answer_chosen()

    def action_fetch(self) -> None:
        for circle in self.shelf.node.circles:
            start(self, partial(self.shelf.node.sync, circle), "fetch")

    # dialogs

    def action_help(self) -> None:
        from peerbot.tui.screens.help import Help

        self.app.push_screen(Help())

    def action_search(self) -> None:
        from peerbot.tui.screens.search import Search

        self.app.push_screen(Search(self.shelf, self._zone), self._go_to)

    def _go_to(self, chosen: OpenThread | None) -> None:
        if chosen is not None:
            self.post_message(chosen)

    def action_members(self) -> None:
        from peerbot.tui.screens.members import Members

        if (circle := self._here()) is not None:
            self.app.push_screen(Members(self.shelf.node, circle))

    def action_invites(self) -> None:
        from peerbot.tui.screens.invites import Invites

        self.app.push_screen(Invites(self.shelf.node, self.about, self.circle, self._zone))

    def action_new_thread(self) -> None:
        from peerbot.tui.screens.new_thread import NewThread

        if (circle := self._here()) is not None:
            screen = NewThread(circle.cid, plain_line(circle.slug), self.drafts)
            self.app.push_screen(screen, partial(self._begin, circle))

    def _here(self) -> Circle | None:
        """The circle that is open, or None after a word to the person."""
        circle = self.circle
        if circle is None or circle.follower.state.roster is None:
            self.post_message(Told(sentence_for("no-circles" if circle is None else "not-ready")))
            return None
        return circle

    def _begin(self, circle: Circle, begun: Begun | None) -> None:
        if begun is not None:
            start(self, partial(self._post_new, circle, begun), "send")

    async def _post_new(self, circle: Circle, begun: Begun) -> None:
        posted = await post(self.shelf.node, circle, begun.title, begun.text)
        await self.drafts.drop_new(circle.cid)
        await self.shelf.update(circle.cid)
        self.post_message(OpenThread(circle.cid, bytes.fromhex(posted.thread)))

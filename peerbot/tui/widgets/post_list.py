"""The posts of a thread, oldest above, with the days between them and a line where the new ones begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo

from textual.message import Message
from textual.strip import Strip

from peerbot.clock import Clock
from peerbot.i18n.catalogue import _
from peerbot.tui import words
from peerbot.tui.layout import Look, paragraphs, row, rule, wrap
from peerbot.tui.reading import Page
from peerbot.tui.views import PostView
from peerbot.tui.widgets.blocks import BlockList

NEAR = 3
"""Lines from either end at which more is asked for."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A post with what stands above it: the day where it begins, and whether the new ones do."""

    post: PostView = field(repr=False)
    day: str
    first_new: bool


class PostList(BlockList[int, Placed]):
    """One thread. Blocks are keyed by log position."""

    class WantsOlder(Message):
        """The reader is close to the first post that is here."""

    class WantsNewer(Message):
        """The reader is close to the last post that is here."""

    class Seen(Message):
        """Posts up to p have been in view."""

        def __init__(self, p: int) -> None:
            super().__init__()
            self.p = p

    def __init__(self, clock: Clock, zone: tzinfo | None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._clock = clock
        self._zone = zone
        self._page: Page | None = None
        self._seen = 0

    def show(self, page: Page) -> None:
        """Show a page: a new thread from where the new posts begin, the same one where the reader was."""
        fresh = self._page is None or (self._page.cid, self._page.thread) != (page.cid, page.thread)
        if fresh:
            self._seen = 0
            self.set_reactive(PostList.cursor, None)
            self.keys = []
        # What passes by while the view finds its place has not been seen.
        self._page = None
        self.set_blocks([(placed.post.p, placed) for placed in self._place(page)], to_end=page.at_end)
        if fresh:
            self._first_view(page)
        self._page = page
        self.call_after_refresh(self.look_around)

    def _first_view(self, page: Page) -> None:
        first_new = self.keys.index(page.unread_from) if page.unread_from in self.values else len(self.keys)
        if first_new < len(self.keys):
            self.cursor = first_new
        self.bring_up(first_new)

    def go_to(self, p: int) -> None:
        """Put the cursor on a post and bring it into view."""
        if p in self.values:
            self.cursor = self.keys.index(p)
            self.show_cursor()

    def _place(self, page: Page) -> list[Placed]:
        today, placed, last = self._clock.now().astimezone(self._zone).date(), [], None
        for post in (*page.posts, *page.waiting):
            date = words.local(post.at, self._zone).date()
            placed.append(Placed(post, words.day(date, today) if date != last else "", post.p == page.unread_from))
            last = date
        return placed

    def lay_out(self, key: int, value: Placed, width: int, look: Look) -> list[Strip]:
        post, lines = value.post, []
        if value.day:
            lines.append(rule(value.day, width, look.rule))
        if value.first_new:
            lines.append(rule(_("New from here"), width, look.mark))
        who = _("{name} (you)").format(name=post.author) if post.mine else post.author
        who = f"{who}, {post.leads}" if post.leads else who
        how = [words.door(post.door)]
        how += [words.state(post.state)] if post.state else []
        how += [words.clock(words.local(post.at, self._zone))] if post.state != "waiting" else []
        lines.append(row(who, " · ".join(how), width, (look.strong, look.quiet)))
        if post.answers:
            quoted = next(iter(wrap(post.answers, max(2, width - 4))), "")
            more = "…" if len(quoted) < len(post.answers) else ""
            lines += paragraphs([f"↳ {quoted}{more}"], width, look.note)
        if gone := words.gone(post.state):
            lines += paragraphs([gone], width, look.note)
        else:
            lines += paragraphs(post.text.split("\n"), width, look.quiet if post.state == "waiting" else look.plain)
        return lines

    @property
    def chosen_post(self) -> PostView | None:
        """The post under the cursor, unless it waits to be sent."""
        chosen = self.chosen
        return chosen.post if chosen is not None and chosen.post.p > 0 else None

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.look_around()

    def arranged(self) -> None:
        self.look_around()

    def look_around(self) -> None:
        """Ask for more near an end, and say what has been seen."""
        if self._page is None or not self.is_attached or not self.keys or not self.laid_out:
            return
        if not self.app.app_focus or not self.screen.is_current:
            return
        first, height = self.scroll_offset.y, self.scrollable_content_region.height
        if first <= NEAR and not self._page.at_start:
            self.post_message(self.WantsOlder())
        if first + height >= self.lines_in_all - NEAR and not self._page.at_end:
            self.post_message(self.WantsNewer())
        shown = [p for p, top in zip(self.keys, self._tops, strict=False) if top < first + height and p > 0]
        if shown and shown[-1] > self._seen:
            self._seen = shown[-1]
            self.post_message(self.Seen(self._seen))

"""A thread as it is read: a stretch of its posts, longer at either end as the reader gets there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from peerbot.clock import epoch_seconds
from peerbot.core import threads
from peerbot.core.ports import ShownPost
from peerbot.i18n.catalogue import _
from peerbot.protocol.roster.rights import LEADERS
from peerbot.tui import words
from peerbot.tui.plain import plain, plain_line
from peerbot.tui.shelf import Shelf
from peerbot.tui.views import PostView

FIRST, STEP, MOST = 30, 50, 300
"""Posts read at first, at each further step, and held at most; what is left out can be read again."""
CHUNK = 200
END = 2**40 - 1
QUOTE = 80


@dataclass(frozen=True, slots=True)
class Page:
    """The stretch that is held. `unread_from` is the first post that was new on opening, 0 for none."""

    cid: bytes
    thread: bytes
    title: str = field(repr=False)
    posts: tuple[PostView, ...]
    waiting: tuple[PostView, ...]
    at_start: bool
    at_end: bool
    unread_from: int

    @property
    def last_p(self) -> int:
        return self.posts[-1].p if self.posts else 0

    def unread_after(self, p: int) -> int:
        return sum(post.p > p and not post.mine for post in self.posts)


class Reader:
    """One open thread. `page` is replaced as a whole; calls wait for each other."""

    def __init__(self, shelf: Shelf, cid: bytes, thread: bytes) -> None:
        self._shelf = shelf
        self._vault = shelf.node.vault
        self._circle = shelf.circle(cid)
        self._lock = asyncio.Lock()
        self._counted = 0
        self.page = Page(cid, thread, "", (), (), False, False, 0)

    async def open(self, p: int = 0) -> Page:
        """The newest posts, or those around position p."""
        async with self._lock:
            line = self._shelf.thread(self.page.cid, self.page.thread)
            unread = line.unread if line is not None else 0
            limit = min(max(FIRST, unread + STEP // 5), MOST)
            if p:
                before = await self._rows(p + 1, FIRST // 2)
                after, ended = await self._after(p, FIRST // 2)
                rows, at_start = [*before, *after], len(before) < FIRST // 2
            else:
                rows, ended = await self._rows(END, limit), True
                at_start = len(rows) < limit
            await self._set(await self._views(rows), at_start=at_start, at_end=ended)
            self.page = replace(self.page, unread_from=self._first_unread(unread) if ended else 0)
            return self.page

    def _first_unread(self, unread: int) -> int:
        others = [post.p for post in self.page.posts if not post.mine]
        return others[-unread] if 0 < unread <= len(others) else (others[0] if unread and others else 0)

    async def older(self) -> Page:
        async with self._lock:
            page = self.page
            if page.at_start or not page.posts:
                return page
            rows = await self._rows(page.posts[0].p, STEP)
            posts = (*await self._views(rows), *page.posts)
            kept = posts[:MOST]
            await self._set(kept, at_start=len(rows) < STEP, at_end=page.at_end and len(kept) == len(posts))
            return self.page

    async def newer(self) -> Page:
        async with self._lock:
            page = self.page
            if page.at_end:
                return page
            rows, ended = await self._after(page.last_p, STEP)
            posts = (*page.posts, *await self._views(rows))
            await self._set(posts[-MOST:], at_start=page.at_start and len(posts) <= MOST, at_end=ended)
            return self.page

    async def add(self, rows: Iterable[ShownPost]) -> Page:
        """Posts that have just come. Those of other threads are passed over; far from the end nothing is added."""
        async with self._lock:
            page = self.page
            new = [row for row in rows if row.thread == page.thread and row.p > page.last_p]
            posts = (*page.posts, *await self._views(new)) if page.at_end else page.posts
            await self._set(posts[-MOST:], at_start=page.at_start and len(posts) <= MOST, at_end=page.at_end)
            return self.page

    async def refresh(self) -> Page:
        """The same stretch read again: posts may have been changed, names too."""
        async with self._lock:
            page = self.page
            before = END if page.at_end else page.last_p + 1
            came = max(0, self._count() - self._counted) if page.at_end else 0
            rows = await self._rows(before, min(max(FIRST, len(page.posts)) + came, MOST))
            at_start = page.at_start and (not page.posts or not rows or rows[0].p <= page.posts[0].p)
            await self._set(await self._views(rows), at_start=at_start or not rows, at_end=page.at_end)
            return self.page

    # what it is made of

    def _count(self) -> int:
        """How many posts the thread has in all."""
        line = self._shelf.thread(self.page.cid, self.page.thread)
        return line.posts if line is not None else 0

    async def _rows(self, before: int, limit: int) -> list[ShownPost]:
        return await self._vault.posts(self.page.cid, self.page.thread, before, limit)

    async def _after(self, p: int, limit: int) -> tuple[list[ShownPost], bool]:
        """Up to `limit` posts of this thread behind p, and whether these are the last ones."""
        found: list[ShownPost] = []
        while len(found) < limit:
            rows = await self._vault.posts_after(self.page.cid, p, CHUNK)
            found += [row for row in rows if row.thread == self.page.thread]
            if len(rows) < CHUNK:
                return found[:limit], len(found) <= limit
            p = rows[-1].p
        return found[:limit], False

    async def _set(self, posts: Sequence[PostView], *, at_start: bool, at_end: bool) -> None:
        line = self._shelf.thread(self.page.cid, self.page.thread)
        self._counted = self._count()
        self.page = replace(
            self.page,
            title=line.title if line is not None else self.page.title,
            posts=tuple(posts),
            waiting=await self._waiting() if at_end else (),
            at_start=at_start,
            at_end=at_end,
        )

    async def _waiting(self) -> tuple[PostView, ...]:
        found = (await threads.waiting(self._shelf.node, self._circle)).posts
        now, name = epoch_seconds(self._shelf.node.clock.now()), self._name(self._circle.follower.state.me.member)
        mine = [post for post in found if post.thread == self.page.thread]
        return tuple(
            [
                PostView(
                    -n, name, True, "", plain(post.text), now, "device", "waiting", await self._quote(post.reply_p)
                )
                for n, post in enumerate(mine, 1)
            ]
        )

    async def _views(self, rows: Iterable[ShownPost]) -> list[PostView]:
        return [await self._view(row) for row in rows]

    async def _view(self, row: ShownPost) -> PostView:
        state = self._circle.follower.state
        member = state.rules.members.get(row.author)
        leads = words.role(member.role) if member is not None and member.active and member.role in LEADERS else ""
        return PostView(
            p=row.p,
            author=self._name(row.author),
            mine=row.author == state.me.member,
            leads=leads,
            text=plain(row.text),
            at=row.ts,
            door=row.door,
            state=row.state,
            answers=await self._quote(row.reply_p if row.reply_p < row.p else 0),
            answers_p=row.reply_p,
        )

    def _name(self, member: bytes) -> str:
        return self._shelf.name(self.page.cid, member)

    async def _quote(self, p: int) -> str:
        if not p:
            return ""
        row = await self._vault.post_at(self.page.cid, p)
        if row is None:
            return _("answers a post that is not here")
        said = words.gone(row.state) or f"“{plain_line(row.text)[:QUOTE]}”"
        return _("answers {name}: {words}").format(name=self._name(row.author), words=said)

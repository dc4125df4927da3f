"""The circles, their threads and names as last read, kept up to date with little work for each new post."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from peerbot.core import threads
from peerbot.core.node import Circle, Node
from peerbot.core.people import display_names
from peerbot.core.ports import ShownPost
from peerbot.i18n.catalogue import _
from peerbot.tui import words
from peerbot.tui.plain import plain_line
from peerbot.tui.views import CircleLine, ThreadLine

MOST_AT_ONCE = 100
"""New posts that are counted one by one; where there are more, the list is read anew."""


class Shelf:
    """What the list of threads shows. Reads the vault, never the relay."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.links: dict[bytes, str] = {}
        """Why each circle's relay can't be reached, "" where it can; missing before the first try."""
        self._threads: dict[bytes, dict[bytes, ThreadLine]] = {}
        self._names: dict[bytes, dict[bytes, str]] = {}
        self._known: dict[bytes, int] = {}

    def circle(self, cid: bytes) -> Circle:
        return next(circle for circle in self.node.circles if circle.cid == cid)

    async def load(self) -> None:
        for circle in self.node.circles:
            await self._reload(circle)

    async def update(self, cid: bytes) -> list[ShownPost] | None:
        """Take in what is new; returns the new posts, or None where more may have changed than that."""
        circle, known = self.circle(cid), self._known.get(cid, 0)
        p = circle.follower.state.p
        rows = [r for r in await self.node.vault.posts_after(cid, known, MOST_AT_ONCE + 1) if r.p <= p]
        if p <= known or len(rows) != p - known or any(row.thread not in self._threads[cid] for row in rows):
            await self._reload(circle)
            return None
        await self._add_waiting(circle)
        self._count(circle, rows)
        self._known[cid] = p
        return rows

    async def _reload(self, circle: Circle) -> None:
        cid, p = circle.cid, circle.follower.state.p
        if circle.follower.state.roster is None:
            self._threads[cid], self._names[cid] = {}, {}
            return
        found = await self.node.vault.threads(cid)
        self._threads[cid] = {
            t.thread: ThreadLine(cid, t.thread, _title(t.title, t.thread), t.posts, t.unread, t.last_p) for t in found
        }
        self._names[cid] = {member: plain_line(name) for member, name in (await display_names(circle)).items()}
        # A fold may have got ahead of us while we read.
        self._known[cid] = max([p, *(t.last_p for t in found)])
        await self._add_waiting(circle)

    async def _add_waiting(self, circle: Circle) -> None:
        lines = self._threads[circle.cid]
        if any(line.waits for line in lines.values()):
            lines = {id: line for id, line in lines.items() if not line.waits}
        for id, title in (await threads.waiting(self.node, circle)).threads.items():
            lines.setdefault(id, ThreadLine(circle.cid, id, _title(title, id), 0, 0, 2**62, waits=True))
        self._threads[circle.cid] = lines

    def _count(self, circle: Circle, rows: Sequence[ShownPost]) -> None:
        lines, me = self._threads[circle.cid], circle.follower.state.me.member
        for row in rows:
            line = lines[row.thread]
            unread = line.unread + (row.author != me)
            lines[row.thread] = replace(line, posts=line.posts + 1, unread=unread, last_p=row.p)

    def lines(self) -> list[CircleLine]:
        """The circles in the order they were joined, each with its threads by newest activity."""
        return [self.line(circle.cid) for circle in self.node.circles]

    def line(self, cid: bytes) -> CircleLine:
        circle = self.circle(cid)
        found = sorted(self._threads.get(cid, {}).values(), key=lambda t: -t.last_p)
        return CircleLine(cid, plain_line(circle.slug), bool(words.trouble(circle, self.links.get(cid))), tuple(found))

    def thread(self, cid: bytes, thread: bytes) -> ThreadLine | None:
        return self._threads.get(cid, {}).get(thread)

    def names(self, cid: bytes) -> dict[bytes, str]:
        """Names by member id, safe to show."""
        return self._names.get(cid, {})

    def name(self, cid: bytes, member: bytes) -> str:
        return self.names(cid).get(member) or f"{_('member')} {member.hex()[:4]}"

    async def mark_read(self, cid: bytes, thread: bytes, p: int, left: int) -> None:
        """Everything up to p has been seen, and `left` unread posts stand behind it."""
        await self.node.vault.mark_read(cid, thread, p)
        if (line := self.thread(cid, thread)) is not None:
            self._threads[cid][thread] = replace(line, unread=left)


def _title(title: str, thread: bytes) -> str:
    """A title for the list; one that isn't here is shown by the thread's id."""
    return plain_line(title) or _("thread {id}").format(id=thread.hex()[:8])

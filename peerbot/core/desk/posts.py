"""Reading, searching, writing: posts, and words that could not be posted."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import asdict
from typing import Final

from peerbot.core import people, threads
from peerbot.core.desk import answers, asks
from peerbot.core.desk.base import Desk, circles_named, refresh
from peerbot.core.node import Circle
from peerbot.core.text import clean_line
from peerbot.errors import UserError

_CHUNK: Final = 1000


async def read(desk: Desk, ask: asks.Read) -> answers.Posts:
    circles = circles_named(desk, ask.circle)
    stale = await refresh(desk, circles)
    found: list[threads.ReadPost] = []
    reached: dict[str, int] = {}
    missing: list[UserError] = []
    for circle in circles:
        try:
            posts, end = await _posts_of(desk, circle, ask)
        except UserError as error:
            missing.append(error)
            continue
        found += posts
        reached[circle.cid.hex()] = end
    if len(missing) == len(circles):
        raise missing[0]
    return answers.Posts(posts=[_post_line(post) for post in found], circles=len(circles), stale=stale, reached=reached)


async def _posts_of(desk: Desk, circle: Circle, ask: asks.Read) -> tuple[list[threads.ReadPost], int]:
    """A circle's posts, and the log position they reach to."""
    after = ask.after.get(circle.cid.hex())
    if after is not None:
        return await _posts_after(desk, circle, ask.thread, after)
    end = circle.follower.state.p
    posts = await threads.read_posts(desk.node, circle, ask.thread, limit=ask.limit)
    return [post for post in posts if post.p <= end], end


async def _posts_after(
    desk: Desk, circle: Circle, thread: str | None, after: int
) -> tuple[list[threads.ReadPost], int]:
    end = circle.follower.state.p
    rows = await desk.node.vault.posts_after(circle.cid, after, _CHUNK)
    if len(rows) == _CHUNK:
        end = rows[-1].p
    chosen = await desk.node.vault.find_thread(circle.cid, clean_line(thread)) if thread is not None else None
    names = await people.display_names(circle)
    wanted = [row for row in rows if row.p <= end and (thread is None or row.thread == chosen)]
    return [threads.shown(circle.slug, row, names) for row in wanted], end


def _post_line(post: threads.ReadPost) -> answers.PostLine:
    return answers.PostLine(**{**asdict(post), "author": clean_line(post.author), "door": clean_line(post.door)})


async def wait(desk: Desk, ask: asks.Wait) -> answers.Done:
    """A change between the look and the first event can't be missed: nothing is awaited in between."""
    async with aclosing(desk.node.events()) as events:
        try:
            async with asyncio.timeout(min(ask.seconds, 60.0)):
                while not any(c.follower.state.p > ask.after.get(c.cid.hex(), 0) for c in desk.node.circles):
                    await anext(events)
        except TimeoutError:
            return answers.Done()
    return answers.Done(count=1)


async def search(desk: Desk, ask: asks.Search) -> answers.Posts:
    circles = circles_named(desk, ask.circle)
    stale = await refresh(desk, circles)
    found = await threads.search(desk.node, ask.words, circles[0] if ask.circle is not None else None, ask.limit)
    return answers.Posts(posts=[_post_line(post) for post in found], circles=len(circles), stale=stale)


async def write(desk: Desk, ask: asks.Write) -> answers.Written:
    circle = desk.node.circle(ask.circle)
    posted = await threads.post(desk.node, circle, ask.thread, ask.text)
    facts = dict(posted.facts)
    return answers.Written(circle=circle.slug, thread=posted.thread, sent=posted.sent, code=posted.code, facts=facts)


async def drafts(desk: Desk, _: asks.Drafts) -> answers.DraftList:
    slugs = {circle.cid: circle.slug for circle in desk.node.circles}
    rows = await desk.node.vault.drafts()
    lines = [answers.DraftLine(slugs.get(cid, cid.hex()[:8]), thread, text) for cid, thread, text in rows]
    return answers.DraftList(drafts=lines)


async def drop_draft(desk: Desk, ask: asks.DropDraft) -> answers.Done:
    circle = desk.node.circle(ask.circle)
    kept = {thread for cid, thread, _ in await desk.node.vault.drafts() if cid == circle.cid}
    if clean_line(ask.thread) not in kept:
        raise UserError("no-such-draft")
    await desk.node.vault.put_draft(circle.cid, clean_line(ask.thread), "")
    return answers.Done()

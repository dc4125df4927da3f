"""peerbot read: the posts of a circle or thread, for people, programs and screen readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from peerbot.cli import say, words
from peerbot.cli.options import Options, with_dir, with_json
from peerbot.cli.session import Session, run_session, tell_stale
from peerbot.core.desk import asks
from peerbot.core.desk.answers import PostLine, Posts
from peerbot.i18n.catalogue import _

NOWHERE = ("", "")
"""Before the first heading."""


@click.command(help=_("Read what was written: the newest posts of each circle, oldest first."))
@click.option("--circle", metavar="C", help=_("Only this circle."))
@click.option("--thread", metavar="T", help=_("Only this thread, by its title or id."))
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help=_("Posts of each circle."))
@click.option("--follow", is_flag=True, help=_("Stay, and show new posts as they come. Ctrl-C ends it."))
@with_json
@with_dir
@click.pass_obj
def read(options: Options, circle: str | None, thread: str | None, limit: int, follow: bool) -> None:
    ask = asks.Read(circle=circle, thread=thread, limit=limit)
    if follow:
        from peerbot.cli.follow import follow_posts

        follow_posts(options, ask)
        return

    async def work(session: Session) -> Posts:
        return await session.ask(ask, Posts)

    found = run_session(options, work)
    tell_stale(found.stale, found.circles)
    if options.json:
        say.json([as_json(post) for post in found.posts])
    elif found.posts:
        show(found.posts)
    else:
        say.line(_("Nothing has been written here yet."))


def as_json(post: PostLine) -> dict[str, object]:
    """A post for programs. `verified` is always true: what failed a check is never shown."""
    return {
        "circle": post.circle,
        "thread": post.thread,
        "author": post.author,
        "text": post.text,
        "at": say.iso(post.at),
        "door": post.door,
        "verified": True,
        "id": post.id,
        "thread_id": post.thread_id,
        "state": post.state or "shown",
    }


def show(posts: Sequence[PostLine], before: tuple[str, str] = NOWHERE) -> tuple[str, str]:
    """Print posts under a heading for each run of one thread; returns the last heading."""
    for post in posts:
        heading = (post.circle, post.thread_id)
        if heading != before:
            if before != NOWHERE:
                say.line()
            say.line(f"{post.circle}: {post.thread}")
            before = heading
        say.indented(", ".join(_byline(post)), 2)
        say.indented(post.text or _("(no words)"), 6)
    return before


def _byline(post: PostLine) -> Iterable[str]:
    yield post.author
    yield say.when(post.at)
    yield words.post_door(post.door)
    states = {"edited": _("edited"), "hidden": _("hidden by a moderator"), "retracted": _("taken back")}
    if post.state in states:
        yield states[post.state]

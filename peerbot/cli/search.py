"""peerbot search: posts that hold all the words."""

from __future__ import annotations

import click

from peerbot.cli import say
from peerbot.cli.options import Options, with_dir, with_json
from peerbot.cli.read import as_json, show
from peerbot.cli.session import run_session, tell_stale
from peerbot.core.desk import asks
from peerbot.core.desk.answers import Posts
from peerbot.i18n.catalogue import _


@click.command(help=_("Find posts that hold all these WORDS, newest first."))
@click.argument("words", nargs=-1, required=True)
@click.option("--circle", metavar="C", help=_("Only this circle."))
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help=_("At most so many."))
@with_json
@with_dir
@click.pass_obj
def search(options: Options, words: tuple[str, ...], circle: str | None, limit: int) -> None:
    ask = asks.Search(words=" ".join(words), circle=circle, limit=limit)
    found = run_session(options, lambda session: session.ask(ask, Posts))
    tell_stale(found.stale, found.circles)
    if options.json:
        say.json([as_json(post) for post in found.posts])
    elif found.posts:
        show(found.posts)
    else:
        say.line(_("Nothing found."))

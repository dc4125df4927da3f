"""peerbot read --follow: a running node that shows posts as they come and answers other commands meanwhile."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import msgspec

from peerbot.bootstrap import Place, place_at
from peerbot.cli import logs, nodesock, say
from peerbot.cli.following import Following
from peerbot.cli.options import Options
from peerbot.cli.read import NOWHERE, as_json, show
from peerbot.cli.session import OwnNode, Session, session_at, tell_stale
from peerbot.core.desk import asks
from peerbot.core.desk.answers import Done, Posts


def follow_posts(options: Options, ask: asks.Read) -> None:
    """Until Ctrl-C or SIGTERM."""
    logs.set_up(debug=options.debug)
    with suppress(asyncio.CancelledError):
        asyncio.run(_until_told(options, ask))


async def _until_told(options: Options, ask: asks.Read) -> None:
    """SIGTERM ends it as Ctrl-C does, so that no socket is left behind."""
    task = asyncio.ensure_future(_follow(options, ask))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


async def _follow(options: Options, ask: asks.Read) -> None:
    place = place_at(options.dir)
    async with session_at(place) as session:
        found = await session.ask(ask, Posts)
        tell_stale(found.stale, found.circles)
        heading = _print(options, found, NOWHERE)
        await _running(place, session, _show_new(options, session, ask, found, heading))


async def _show_new(options: Options, session: Session, ask: asks.Read, found: Posts, heading: tuple[str, str]) -> None:
    while True:
        await session.ask(asks.Wait(after=found.reached), Done)
        found = await session.ask(msgspec.structs.replace(ask, after=found.reached), Posts)
        heading = _print(options, found, heading)


def _print(options: Options, found: Posts, heading: tuple[str, str]) -> tuple[str, str]:
    """With --json, one document for each post: a list would never end."""
    if not options.json:
        return show(found.posts, heading)
    for post in found.posts:
        say.json(as_json(post))
    return heading


async def _running(place: Place, session: Session, work: Coroutine[Any, Any, None]) -> None:
    """A node of our own follows its circles and answers on its socket meanwhile; somebody else's does so already."""
    if not isinstance(session, OwnNode):
        await work
        return
    following = Following(session.desk.node)
    try:
        async with nodesock.answering(session.desk, place.socket, following.take_up):
            following.take_up()
            await following.during(work)
    finally:
        await following.stop()

"""peerbot tui: the terminal UI, on a node of its own that answers other commands meanwhile."""

from __future__ import annotations

import asyncio
from zoneinfo import ZoneInfo

import click

from peerbot.bootstrap import place_at
from peerbot.cli import logs, nodesock
from peerbot.cli.founding import community_of
from peerbot.cli.options import Options, with_dir
from peerbot.cli.session import OwnNode, session_at
from peerbot.errors import VaultError
from peerbot.i18n.catalogue import _


@click.command(help=_("Read and write in the terminal: circles, threads, members and invites, all by keyboard."))
@with_dir
@click.pass_obj
def tui(options: Options) -> None:
    logs.set_up(debug=options.debug)
    asyncio.run(_show(options))


async def _show(options: Options) -> None:
    place = place_at(options.dir)
    async with session_at(place) as session:
        if not isinstance(session, OwnNode):
            # Two programs that follow the same circles would only get in each other's way.
            raise VaultError("vault-in-use")
        # Before the first screen, not before a passphrase is asked for: it takes a while to load.
        from peerbot.tui.app import run_tui

        known = place.config.community
        zone = ZoneInfo(known.timezone) if known.name else None
        async with nodesock.answering(session.desk, place.socket, _nothing_more):
            await run_tui(session.desk.node, community_of(place.config), zone=zone)


def _nothing_more() -> None:
    """The screen hears of changes from its node."""

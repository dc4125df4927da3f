"""peerbot serve: the relay and the gateway's node, until somebody stops it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import AsyncExitStack, suppress
from typing import Final

import click

from peerbot.bootstrap import (
    Place,
    gateway_vault,
    is_there,
    node_on,
    place_at,
    relay_server,
    relay_service,
    relay_signing_key,
    relays,
)
from peerbot.cli import logs, say
from peerbot.cli.following import Following
from peerbot.cli.founding import chat_apps
from peerbot.cli.options import Options, with_dir
from peerbot.core.node import Changed, Connection, Node
from peerbot.core.ports import Relay
from peerbot.errors import UserError
from peerbot.i18n.catalogue import _
from peerbot.i18n.errors import sentence_for
from peerbot.relay.local import LocalRelay

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@click.command(help=_("Run the relay and the gateway until Ctrl-C or SIGTERM."))
@click.option("--only", type=click.Choice(["relay", "gateway"]), help=_("Run one of the two."))
@with_dir
@click.pass_obj
def serve(options: Options, only: str | None) -> None:
    logs.set_up(debug=options.debug)
    logs.use_structlog(debug=options.debug)
    asyncio.run(_serve(place_at(options.dir), only))


async def _serve(place: Place, only: str | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        here: list[Relay] = []
        if only == "relay" or (only is None and place.relay_key.exists()):
            here.append(await _relay(stack, place))
        following = None
        if only == "gateway" or (only is None and is_there(place.gateway)):
            following = await _gateway(stack, place, here)
        elif not here:
            raise UserError("nothing-here")
        _notify("READY=1")
        await (following.during(_until(stop)) if following is not None else _until(stop))
        _notify("STOPPING=1")
        say.line(_("Stopping."))


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _relay(stack: AsyncExitStack, place: Place) -> Relay:
    service = await stack.enter_async_context(relay_service(place, relay_signing_key(place)))
    server = await stack.enter_async_context(relay_server(place, service))
    say.line(_("The relay listens on {url}").format(url=server.url))
    url = place.config.relay.url or server.url
    if url != server.url:
        say.line(_("Others reach it at {url}").format(url=url))
    return LocalRelay(service, url)


async def _gateway(stack: AsyncExitStack, place: Place, here: list[Relay]) -> Following:
    vault = await stack.enter_async_context(gateway_vault(place))
    node = await stack.enter_async_context(node_on(vault, relays(None, *here)))
    following = Following(node)
    stack.push_async_callback(following.stop)
    following.take_up()
    talking = asyncio.create_task(_tell(node))
    stack.push_async_callback(_cancel, talking)
    say.line(_("The gateway reads along in: {circles}").format(circles=", ".join(c.slug for c in node.circles)))
    say.line(_chat_apps(place))
    return following


def _chat_apps(place: Place) -> str:
    if apps := chat_apps(place.config):
        return _("This version can't serve chat apps yet: {apps}").format(apps=apps)
    return _("No chat app is configured: members read and write with peerbot itself.")


async def _tell(node: Node) -> None:
    """Say when the relay can't be reached, and when it can again; once, not at every try."""
    down: dict[bytes, str] = {}
    slugs = {circle.cid: circle.slug for circle in node.circles}
    async for event in node.events():
        if isinstance(event, Changed):
            continue
        before = down.get(event.cid, "")
        down[event.cid] = event.code
        if event.code != before:
            say.note(_said(slugs.get(event.cid, ""), event))


def _said(slug: str, event: Connection) -> str:
    what = _("connected again") if event.up else sentence_for(event.code)
    return f"{slug}: {what}"


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _notify(state: str) -> None:
    """Tell systemd, where it asked to be told (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
        told.sendto(state.encode(), address)

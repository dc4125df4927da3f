"""peerbot demo: the walk of two machines, step by step, with what the relay sees beside it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import tempfile
import textwrap
from contextlib import AsyncExitStack
from pathlib import Path

import click

from peerbot import bootstrap
from peerbot.cli import say
from peerbot.cli.options import with_dir
from peerbot.config.keys import Config, RelayConfig, VaultConfig
from peerbot.core.node import Node
from peerbot.core.text import clean_line
from peerbot.demo.stage import MachineStage
from peerbot.demo.walk import Step, Walk
from peerbot.i18n.catalogue import _

_WIDE = 100


@click.command(help=_("Two machines and a relay on this computer: see what the members see, and what the relay sees."))
@click.option("--pause/--no-pause", default=None, help=_("Wait for Enter after each step. By default in a terminal."))
@with_dir
def demo(pause: bool | None) -> None:
    waits = pause if pause is not None else sys.stdin.isatty() and sys.stdout.isatty()
    with tempfile.TemporaryDirectory(prefix="peerbot-demo-") as folder:
        asyncio.run(_play(Path(folder), waits=waits))
    say.line("")
    say.line(_("All of this was real, and its directories are gone again."))
    say.line(_("To found a community of your own: peerbot init"))


async def _play(folder: Path, *, waits: bool) -> None:
    listen = f"127.0.0.1:{_free_port()}"
    config = Config(relay=RelayConfig(url=f"http://{listen}", listen=listen), vault=VaultConfig(key_file="vault.key"))
    relay = bootstrap.Place(folder / "relay", config)
    bootstrap.make_folder(relay.dir)
    key = bootstrap.relay_signing_key(relay, make=True)
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(bootstrap.relay_service(relay, key))
        await stack.enter_async_context(bootstrap.relay_server(relay, service))
        log = await stack.enter_async_context(bootstrap.relay_log(relay))

        async def open_node(name: str) -> Node:
            place = bootstrap.Place(folder / name, config)
            bootstrap.make_folder(place.dir)
            vault = await stack.enter_async_context(bootstrap.own_vault(place, _no_passphrase, create=True))
            return await stack.enter_async_context(bootstrap.node_on(vault, bootstrap.relays()))

        files = [relay.relay.with_name(relay.relay.name + end) for end in ("", "-wal", "-shm")]
        code = bootstrap.founding_code_of(key)
        stage = MachineStage(config.relay.url, key.public, code, open_node, log, files)
        number = 0

        async def show(step: Step) -> None:
            nonlocal number
            number += 1
            _print(number, step)
            if waits:
                await asyncio.to_thread(click.prompt, _("Enter: next step"), "", prompt_suffix=" ", show_default=False)

        await Walk(stage, show).play()


def _no_passphrase(_new: bool) -> str:
    raise AssertionError("the demo's vaults open with key files")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _print(number: int, step: Step) -> None:
    """Two columns where there is room, else one below the other; the words say which is which."""
    width = min(shutil.get_terminal_size((80, 24)).columns, 160)
    say.line("")
    say.line(f"{number}. {step.title}")
    if width < _WIDE:
        _block(_("What the members see"), step.members, width)
        _block(_("What the relay sees"), step.relay, width)
        return
    half = width // 2 - 2
    left = _lines(_("What the members see"), step.members, half)
    right = _lines(_("What the relay sees"), step.relay, half)
    for i in range(max(len(left), len(right))):
        beside = right[i] if i < len(right) else ""
        click.echo(f"  {left[i] if i < len(left) else '':<{half}}| {beside}".rstrip())


def _block(title: str, lines: tuple[str, ...], width: int) -> None:
    for line in _lines(title, lines, width - 4):
        click.echo(f"  {line}")


def _lines(title: str, lines: tuple[str, ...], width: int) -> list[str]:
    found = [f"{title}:"]
    for line in lines:
        found += textwrap.wrap(clean_line(line), width - 2, initial_indent="  ", subsequent_indent="    ") or [""]
    return found

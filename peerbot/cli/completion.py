"""peerbot completion: the lines that teach a shell peerbot's commands."""

from __future__ import annotations

import click

from peerbot.cli.options import with_dir
from peerbot.i18n.catalogue import _


@click.command(help=_('Print completion for your shell. For bash: eval "$(peerbot completion bash)" in ~/.bashrc'))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@with_dir
def completion(shell: str) -> None:
    from click.shell_completion import get_completion_class

    from peerbot.cli.app import peerbot

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(peerbot, {}, "peerbot", "_PEERBOT_COMPLETE").source())

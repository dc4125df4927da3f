"""The command `peerbot` and its commands, each imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

import click

from peerbot.cli.options import with_dir, with_json
from peerbot.i18n.catalogue import N_, _

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "demo": ("demo", N_("See a whole community on this machine.")),
    "init": ("init", N_("Found a community.")),
    "serve": ("serve", N_("Run the relay and the gateway.")),
    "tui": ("tui", N_("The terminal UI.")),
    "invite": ("invite", N_("Invite someone, list invites, or take one back.")),
    "join": ("join", N_("Join by an invite.")),
    "read": ("read", N_("Read what was written.")),
    "post": ("post", N_("Write into a thread.")),
    "search": ("search", N_("Find posts by words.")),
    "members": ("members", N_("Who is in a circle.")),
    "remove": ("remove", N_("Remove someone from a circle.")),
    "leave": ("leave", N_("Leave a circle.")),
    "devices": ("members", N_("Your own devices.")),
    "verify": ("members", N_("A code to compare with another member.")),
    "doctor": ("doctor", N_("Check that all is well, and say what to do.")),
    "completion": ("completion", N_("Completion of commands in your shell.")),
}
"""Name: (module of peerbot.cli, what it does). Help lists these without importing anything."""


class LazyGroup(click.Group):
    """A group whose commands are imported one by one, when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"peerbot.cli.{COMMANDS[cmd_name][0]}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows: Sequence[tuple[str, str]] = [(name, _(said)) for name, (_module, said) in COMMANDS.items()]
        with formatter.section(_("Commands")):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = _nearest(args[0]) if args[0] not in COMMANDS and not args[0].startswith("-") else ""
        if near and not ctx.resilient_parsing:
            said = _("There is no command “{name}”. Did you mean “{near}”?")
            raise click.UsageError(said.format(name=args[0], near=near), ctx)
        return super().resolve_command(ctx, args)


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, list(COMMANDS), n=1)
    return found[0] if found else ""


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"peerbot {version('peerbot')}")
        context.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help=_("Peer support in sealed circles: nobody but its members can read a circle. It is not an emergency service."),
)
@with_dir
@with_json
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help=_("Show the version.")
)
def peerbot() -> None:
    pass

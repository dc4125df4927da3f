"""peerbot leave: go, of one's own will and without giving a reason."""

from __future__ import annotations

import sys

import click

from peerbot.cli import ask, say
from peerbot.cli.options import Options, with_dir, with_json
from peerbot.cli.session import run_session
from peerbot.core.desk import asks
from peerbot.core.desk.answers import Done
from peerbot.i18n.catalogue import _


@click.command(help=_("Leave a circle. Nobody is told why, and what you have read stays on this computer."))
@click.option("--circle", metavar="C", required=True, help=_("The circle to leave."))
@click.option("--yes", is_flag=True, help=_("Don't ask."))
@with_json
@with_dir
@click.pass_obj
def leave(options: Options, circle: str, yes: bool) -> None:
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(_("There is no terminal to ask at: add --yes."))
        question = _("Leave {circle}? To come back you would need a new invite.").format(circle=circle)
        if not ask.yes(question):
            return
    left = run_session(options, lambda session: session.ask(asks.Leave(circle=circle), Done))
    if options.json:
        say.json({"circle": left.text})
    else:
        say.line(
            _("You have left {circle}. Your words there stay with those who have read them.").format(circle=left.text)
        )

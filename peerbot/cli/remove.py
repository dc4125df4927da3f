"""peerbot remove: take somebody out of a circle, with new keys for all others."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from peerbot.cli import ask as asking
from peerbot.cli import say
from peerbot.cli.options import Options, with_dir, with_json
from peerbot.cli.session import Session, run_session
from peerbot.core.desk import asks
from peerbot.core.desk.answers import Done, MemberList
from peerbot.errors import PeerbotError, UserError
from peerbot.i18n.catalogue import _


@click.command(help=_("Remove MEMBER (a name or an id) from all circles. They can't read what is written afterwards."))
@click.argument("member")
@click.option("--circle", "circles", metavar="C", multiple=True, help=_("Only from this circle; can be repeated."))
@click.option("--yes", is_flag=True, help=_("Don't ask."))
@with_json
@with_dir
@click.pass_obj
def remove(options: Options, member: str, circles: tuple[str, ...], yes: bool) -> None:
    done, failure = run_session(options, lambda session: _remove(session, member, circles, yes))
    if options.json:
        say.json([{"circle": circle, "name": name} for circle, name in done])
    else:
        for circle, name in done:
            say.line(_("{name} is no longer in {circle}. The others have new keys.").format(name=name, circle=circle))
    if failure is not None:
        raise failure


async def _remove(
    session: Session, member: str, circles: Sequence[str], sure: bool
) -> tuple[list[tuple[str, str]], PeerbotError | None]:
    """Where it was done, by what name, and what went wrong first: one circle must not stand in the others' way."""
    wanted = list(dict.fromkeys(circles)) or await _places(session, member)
    if not sure:
        if not sys.stdin.isatty():
            raise click.UsageError(_("There is no terminal to ask at: add --yes."))
        question = _("Remove {name} from {circles}?").format(name=member, circles=", ".join(wanted))
        if not asking.yes(question):
            return [], None
    done: list[tuple[str, str]] = []
    failure: PeerbotError | None = None
    for circle in wanted:
        try:
            answer = await session.ask(asks.Remove(circle=circle, member=member), Done)
            done.append((circle, answer.text))
        except PeerbotError as error:
            failure = failure or error
    return done, failure


async def _places(session: Session, member: str) -> list[str]:
    """The circles in which somebody goes by this name: not always the same person."""
    found = await session.ask(asks.Members(), MemberList)
    wanted = member.strip().casefold()
    fitting = [
        m for m in found.members if m.name.casefold() == wanted or (len(wanted) >= 4 and m.id.startswith(wanted))
    ]
    if not fitting:
        raise UserError("no-such-member")
    places = dict.fromkeys(m.circle for m in fitting if not m.me)
    if not places:
        raise UserError("remove-self")
    return list(places)

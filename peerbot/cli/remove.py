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
from peerbot.errors import UserError
from peerbot.i18n.catalogue import _


@click.command(help=_("Remove MEMBER (a name or an id) from a circle. They can't read what is written afterwards."))
@click.argument("member")
@click.option("--circle", "circles", metavar="C", multiple=True, help=_("From this circle; can be repeated."))
@click.option("--yes", is_flag=True, help=_("Don't ask."))
@with_json
@with_dir
@click.pass_obj
def remove(options: Options, member: str, circles: tuple[str, ...], yes: bool) -> None:
    done = run_session(options, lambda session: _remove(session, member, circles, yes))
    if options.json:
        say.json([{"circle": circle, "name": name} for circle, name in done])
        return
    for circle, name in done:
        say.line(_("{name} is no longer in {circle}. The others have new keys.").format(name=name, circle=circle))


async def _remove(session: Session, member: str, circles: Sequence[str], sure: bool) -> list[tuple[str, str]]:
    wanted = list(dict.fromkeys(circles)) or await _places(session, member)
    if len(wanted) > 1 and not circles and not sure and not sys.stdin.isatty():
        raise UserError("which-circle", circles=", ".join(wanted))
    if not sure and sys.stdin.isatty():
        question = _("Remove {name} from {circles}?").format(name=member, circles=", ".join(wanted))
        if not asking.yes(question):
            return []
    done = []
    for circle in wanted:
        answer = await session.ask(asks.Remove(circle=circle, member=member), Done)
        done.append((circle, answer.text))
    return done


async def _places(session: Session, member: str) -> list[str]:
    """The circles in which somebody goes by this name: not always the same person."""
    found = await session.ask(asks.Members(), MemberList)
    wanted = member.strip().casefold()
    places = [
        m.circle
        for m in found.members
        if not m.me and (m.name.casefold() == wanted or (len(wanted) >= 4 and m.id.startswith(wanted)))
    ]
    if not places:
        raise UserError("no-such-member")
    return list(dict.fromkeys(places))

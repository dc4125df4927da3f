"""peerbot invite: make an invite and show it as a link, spoken and as a QR code; list; take back."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Final

import click

from peerbot.bootstrap import place_at
from peerbot.cli import say, words
from peerbot.cli.founding import community_of
from peerbot.cli.options import Options, with_dir, with_json
from peerbot.cli.session import Session, run_session, tell_stale
from peerbot.config.keys import Config
from peerbot.config.values import host_of, is_loopback, seconds_in, split_listen
from peerbot.core.desk import asks
from peerbot.core.desk.answers import CircleLine, CircleList, Done, InviteLine, InviteList
from peerbot.errors import UserError
from peerbot.i18n.catalogue import _, ngettext
from peerbot.i18n.errors import span
from peerbot.protocol.roster.ops import Role
from peerbot.protocol.roster.rights import LEADERS

_LONGEST: Final = 400 * 86_400
_ROLES: Final = {
    "member": Role.MEMBER,
    "organiser": Role.ORGANISER,
    "moderator": Role.MODERATOR,
    "gateway": Role.GATEWAY,
}


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    seconds = seconds_in(value)
    if not 60 <= seconds <= _LONGEST:
        raise click.BadParameter(_("a number and a unit, such as 14d, 36h or 2w (at most 400d)"))
    return seconds


@click.command(help=_("Make an invite. Whoever holds it can join, so give it only to whom it is for."))
@click.option("--circle", "circles", metavar="C", multiple=True, help=_("Where it leads to; can be repeated."))
@click.option("--role", type=click.Choice(list(_ROLES)), default="member", show_default=True, help=_("Their role."))
@click.option("--uses", type=click.IntRange(1, 10_000), default=1, show_default=True, help=_("For so many people."))
@click.option("--expires", default="14d", show_default=True, callback=_seconds, help=_("When it ends: 36h, 14d, 2w."))
@click.option("--list", "listing", is_flag=True, help=_("List the invites that are open."))
@click.option("--revoke", metavar="ID", help=_("Take an invite back."))
@click.option("--local", is_flag=True, help=_("An invite for this computer only is what I want."))
@click.option("--qr", is_flag=True, help=_("Show the QR code also where the output isn't a terminal."))
@with_json
@with_dir
@click.pass_obj
def invite(
    options: Options,
    /,
    circles: tuple[str, ...],
    role: str,
    uses: int,
    expires: int,
    listing: bool,
    revoke: str | None,
    local: bool,
    qr: bool,
) -> None:
    if listing and revoke is not None:
        raise click.UsageError(_("Either --list or --revoke."))
    if listing:
        _list(options)
    elif revoke is not None:
        _revoke(options, revoke)
    else:
        about = community_of(place_at(options.dir).config)
        ask = asks.Invite(
            circles=circles,
            role=_ROLES[role],
            uses=uses,
            expires=int(time.time()) + expires,
            name=about.name,
            operator=about.operator,
            contact=about.contact,
            language=about.language,
            gateways=about.gateways,
        )
        _make(options, ask, local=local, qr=qr)


def _make(options: Options, ask: asks.Invite, *, local: bool, qr: bool) -> None:
    config = place_at(options.dir).config

    async def work(session: Session) -> tuple[InviteLine, bool]:
        known = await session.ask(asks.Circles(), CircleList)
        here_only = _for_here_only(known.circles, config, local=local)
        return (await session.ask(ask, InviteList)).invites[0], here_only

    made, here_only = run_session(options, work)
    if options.json:
        say.json(_as_json(made))
        return
    show(made)
    if here_only:
        say.line(_("The relay listens on this computer only, so the invite works on this computer only."))
    if qr or sys.stdout.isatty():
        _show_qr(made.link)


def _for_here_only(circles: Sequence[CircleLine], config: Config, *, local: bool) -> bool:
    """Whether the invite works on this computer alone. Raises UserError("invite-loopback") where that is a mistake."""
    mine = (circle.relay_url for circle in circles if circle.role in LEADERS)
    url = next((url for url in mine if is_loopback(host_of(url))), "")
    if not url:
        return False
    listen = split_listen(config.relay.listen)
    if not local and (listen is None or not is_loopback(listen[0])):
        raise UserError("invite-loopback", url=url)
    return True


def show(made: InviteLine) -> None:
    """An invite in words."""
    say.line(
        _("Invite {id} to {circles}, as {role}:").format(
            id=made.id, circles=", ".join(made.circles), role=words.role(made.role)
        )
    )
    say.line()
    click.echo(f"  {made.link}")
    say.line()
    say.line(_("Spoken: {code}").format(code=made.code))
    people = ngettext("for {n} person", "for {n} people", made.uses).format(n=made.uses)
    left = span(made.expires - int(time.time()))
    say.line(
        _("It works {people} until {when} (for {left}).").format(people=people, when=say.when(made.expires), left=left)
    )


def _show_qr(link: str) -> None:
    import segno

    say.line()
    segno.make(link).terminal(sys.stdout, compact=True)


def _as_json(line: InviteLine) -> dict[str, object]:
    """An invite for programs. No chat app is served yet, so there is no link into one."""
    return {
        "id": line.id,
        "link": line.link or None,
        "code": line.code or None,
        "telegram": None,
        "uses": line.uses,
        "expires": say.iso(line.expires),
        "role": words.role_name(line.role),
        "circles": list(line.circles),
    }


def _list(options: Options) -> None:
    found = run_session(options, lambda session: session.ask(asks.Invites(), InviteList))
    tell_stale(found.stale, len(found.stale))
    now = time.time()
    still = [line for line in found.invites if not line.revoked and line.uses > 0 and line.expires > now]
    if options.json:
        say.json([_as_json(line) for line in still])
        return
    if not still:
        say.line(_("No invite is open."))
        return
    rows = [
        (line.id, words.role(line.role), str(line.uses), say.when(line.expires), ", ".join(line.circles))
        for line in still
    ]
    say.table([_("id"), _("role"), _("uses left"), _("until"), _("circles")], rows)


def _revoke(options: Options, invite_id: str) -> None:
    done = run_session(options, lambda session: session.ask(asks.Revoke(invite=invite_id), Done))
    if options.json:
        say.json({"id": invite_id, "circles": done.count})
    else:
        say.line(_("Invite {id} was taken back. Nobody can join by it any more.").format(id=invite_id))

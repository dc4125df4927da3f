"""peerbot members, devices and verify: who is there, and whether everyone sees the same."""

from __future__ import annotations

import click

from peerbot.cli import say, words
from peerbot.cli.options import Options, with_dir, with_json
from peerbot.cli.session import run_session, tell_stale
from peerbot.core.desk import asks
from peerbot.core.desk.answers import CircleList, DeviceList, Done, MemberLine, MemberList
from peerbot.errors import UserError
from peerbot.i18n.catalogue import _

_CIRCLE = click.option("--circle", metavar="C", help=_("Only this circle."))


@click.command(help=_("Who is in a circle, in the order they came."))
@_CIRCLE
@with_json
@with_dir
@click.pass_obj
def members(options: Options, circle: str | None) -> None:
    found = run_session(options, lambda session: session.ask(asks.Members(circle=circle), MemberList))
    tell_stale(found.stale, len({m.circle for m in found.members}))
    if options.json:
        say.json([_as_json(member) for member in found.members])
        return
    rows = [(m.circle, _name(m), words.role(m.role), words.member_door(m.door, m.role)) for m in found.members]
    say.table([_("circle"), _("name"), _("role"), _("reads with")], rows)


def _as_json(member: MemberLine) -> dict[str, object]:
    return {
        "circle": member.circle,
        "id": member.id,
        "name": member.name,
        "role": words.role_name(member.role),
        "door": member.door,
        "devices": member.devices,
        "me": member.me,
        "suspended": member.suspended,
    }


def _name(member: MemberLine) -> str:
    if member.me:
        return _("{name} (you)").format(name=member.name)
    return _("{name} (can't read now)").format(name=member.name) if member.suspended else member.name


@click.command(help=_("Your own devices in each circle."))
@_CIRCLE
@with_json
@with_dir
@click.pass_obj
def devices(options: Options, circle: str | None) -> None:
    found = run_session(options, lambda session: session.ask(asks.Devices(circle=circle), DeviceList))
    tell_stale(found.stale, len({d.circle for d in found.devices}))
    if options.json:
        say.json([{"circle": d.circle, "id": d.id, "this": d.this} for d in found.devices])
        return
    rows = [(d.circle, d.id[:8], _("this one") if d.this else "") for d in found.devices]
    say.table([_("circle"), _("device"), ""], rows)


@click.command(help=_("A code for each circle, to compare with another member: do you both see the same circle?"))
@_CIRCLE
@click.option("--same", is_flag=True, help=_("You compared, and the codes were the same: end the alarm of --circle C."))
@with_json
@with_dir
@click.pass_obj
def verify(options: Options, circle: str | None, same: bool) -> None:
    if same:
        if circle is None:
            raise click.UsageError(_("Say which circle: --circle C"))
        ended = run_session(options, lambda session: session.ask(asks.ClearAlarm(circle=circle), Done))
        say.line(_("{circle} sends again.").format(circle=ended.text))
        return
    found = run_session(options, lambda session: session.ask(asks.Circles(fresh=True), CircleList))
    wanted = [c for c in found.circles if circle is None or c.circle == circle or c.cid.startswith(circle)]
    if not wanted:
        raise UserError("no-such-circle", circle=circle) if circle is not None else UserError("no-circles")
    tell_stale([s for s in found.stale if s.circle in {c.circle for c in wanted}], len(wanted))
    if options.json:
        say.json([{"circle": c.circle, "code": c.code, "version": c.seq} for c in wanted])
        return
    for line in wanted:
        say.line(f"{line.circle}: {line.code}")
    say.line()
    say.line(_("Read a code to someone else in that circle, by phone or face to face, after both of you ran this."))
    say.line(
        _("The same digits: you see the same members. Other digits: tell a moderator, and write nothing meanwhile.")
    )

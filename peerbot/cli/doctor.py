"""peerbot doctor: is all well, and if not, what to do."""

from __future__ import annotations

import asyncio

import click

from peerbot.cli import logs, say
from peerbot.cli.checkup import check_up
from peerbot.cli.findings import Finding, State, look_at
from peerbot.cli.options import Options, with_dir, with_json
from peerbot.i18n.catalogue import _


@click.command(help=_("Check config, files, vaults, clock, relay and circles, and say what to do."))
@with_json
@with_dir
@click.pass_obj
def doctor(options: Options) -> int:
    logs.set_up(debug=options.debug)
    place, found = look_at(options.dir)
    if place is not None:
        found += asyncio.run(check_up(place))
    bad = any(finding.state is State.WRONG for finding in found)
    if options.json:
        say.json({"ok": not bad, "findings": [_as_json(finding) for finding in found]})
    else:
        _show(found)
    return 1 if bad else 0


def _as_json(finding: Finding) -> dict[str, str]:
    return {"about": finding.about, "state": finding.state, "says": finding.says, "do": finding.do}


def _show(found: list[Finding]) -> None:
    words = {State.FINE: _("fine"), State.NOTE: _("note"), State.WRONG: _("WRONG")}
    for finding in found:
        say.line(f"[{words[finding.state]}] {finding.about}: {finding.says}")
        if finding.do:
            say.indented(_("To do: {do}").format(do=finding.do), 4)

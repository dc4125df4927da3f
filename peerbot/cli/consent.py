"""What a newcomer is told before saying yes, one point at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from peerbot.cli import ask, say, words
from peerbot.core.community import READS_ALONG
from peerbot.core.desk.answers import Invited
from peerbot.errors import UserError
from peerbot.i18n.catalogue import _

VERSION: Final = 1
"""Of the points below. The vault keeps which one somebody said yes to."""


def obtain(invited: Invited, *, sure: bool) -> None:
    """Show each point and take a yes to it. Raises UserError("no-consent")."""
    say.line(_("“{community}” invites you.").format(community=invited.community))
    for number, point in enumerate(points(invited), 1):
        say.line()
        say.indented(f"{number}. {point}", 2)
        if not sure and not ask.yes(_("Is that all right with you?")):
            raise UserError("no-consent")
    say.line()


def points(invited: Invited) -> Sequence[str]:
    """Plain words, and no more promised than there is."""
    return [
        _who(invited),
        _("This is not an emergency service. Nobody watches it at all hours. In danger, call your emergency number."),
        _leads_to(invited),
        _(
            "The relay that passes messages on can't read them. It sees when your device is online, how much it sends, "
            "and which circles it belongs to."
        ),
        _reads_along(invited),
        _(
            "Everyone in a circle can read it, and could pass on what you write. Removing someone keeps new words from "
            "them, not those they have read. Newcomers can read the last weeks."
        ),
        _(
            "It is about health. The relay forgets what you write after some months; on the devices of those who have "
            "read it, it stays. You can leave at any time without giving a reason, and you need not write anything."
        ),
        _("It is for adults. By going on you say that you are 18 or older."),
    ]


def _who(invited: Invited) -> str:
    if not invited.operator:
        return _("The invite does not say who runs this. Ask whoever gave it to you.")
    if not invited.contact:
        return _("It is run by {operator}.").format(operator=invited.operator)
    return _("It is run by {operator}. You reach them at: {contact}").format(
        operator=invited.operator, contact=invited.contact
    )


def _leads_to(invited: Invited) -> str:
    each = _("{circle} (as {role})")
    circles = [each.format(circle=c.circle, role=words.role(c.role)) for c in invited.circles]
    return _("You would join: {circles}").format(circles=", ".join(circles))


def _reads_along(invited: Invited) -> str:
    if not invited.gateways:
        return _("No program reads along: only the devices of the members can open what is written.")
    reads = _(
        "A program of the community, the gateway, reads along and keeps the history for newcomers. Whoever runs its "
        "computer could read what is written."
    )
    if invited.gateways == READS_ALONG:
        return reads
    apps = _("It also passes posts on to members in these chat apps, whose companies may read them: {apps}.")
    return f"{reads} {apps.format(apps=invited.gateways)}"

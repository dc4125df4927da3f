"""Handing out the recovery code: shown once, and confirmed."""

from __future__ import annotations

from peerbot.cli import ask, say
from peerbot.core.text import clean_line
from peerbot.i18n.catalogue import _


def show_code(code: str, *, sure: bool) -> None:
    """Show the code, and wait until the person has it (unless they are `sure`)."""
    say.line()
    say.line(_("This is your recovery code. A later version lets you back in with it if you lose this computer:"))
    say.line()
    say.indented(code, 4)
    say.line()
    say.line(_("Write it on paper and keep it where only you find it. Nobody can look it up for you later."))
    if not sure:
        last = code.rpartition("-")[2]
        ask.until(_("When you have it on paper, type its last four signs"), lambda typed: _objection(typed, last))


def _objection(typed: str, last: str) -> str:
    if clean_line(typed).upper() == last:
        return ""
    return _("That is not the end of the code. Look again at what you wrote down.")

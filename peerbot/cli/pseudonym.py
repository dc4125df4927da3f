"""Choosing the name one is called by: suggested, checked, and decided by the person."""

from __future__ import annotations

import secrets
from typing import Final

from peerbot.cli import ask, say
from peerbot.core.pseudonym import check_pseudonym
from peerbot.core.text import clean_line
from peerbot.errors import UserError
from peerbot.i18n.catalogue import N_, _
from peerbot.i18n.errors import sentence_for

_HOW: Final = N_(
    "Quiet Early Gentle Northern Patient Wandering Autumn Morning Distant Steady Mossy Amber Silver Hidden Slow Winter"
)
_WHO: Final = N_(
    "heron wren otter birch lantern harbour pebble curlew juniper thistle plover rowan kettle lichen ferry swallow "
    "beacon willow marten tern"
)


def suggestion() -> str:
    """A name that leads to nobody."""
    return f"{secrets.choice(_(_HOW).split())} {secrets.choice(_(_WHO).split())}"


def choose(given: str | None, *, sure: bool, question: str, default: str = "") -> str:
    """The name from the command line, else asked for. Raises UserError("name-…") for one that can't be."""
    if given is not None:
        return _checked(given, sure=sure)
    if sure:
        return default or suggestion()
    while True:
        name = ask.until(question, _objection, default or suggestion())
        if _accepted(name):
            return clean_line(name)


def _checked(name: str, *, sure: bool) -> str:
    problems = check_pseudonym(name)
    for code in problems:
        if not code.startswith("may-"):
            raise UserError(code)
    if problems and sure:
        say.note(sentence_for(problems[0]))
    elif not _accepted(name):
        raise UserError(problems[0])
    return clean_line(name)


def _objection(name: str) -> str:
    """What forbids a name, or nothing."""
    hard = [code for code in check_pseudonym(name) if not code.startswith("may-")]
    return sentence_for(hard[0]) if hard else ""


def _accepted(name: str) -> bool:
    """Whether the person wants it in spite of what speaks against it."""
    soft = [code for code in check_pseudonym(name) if code.startswith("may-")]
    if not soft:
        return True
    say.note(sentence_for(soft[0]))
    return ask.yes(_("Take “{name}” all the same?").format(name=clean_line(name)))

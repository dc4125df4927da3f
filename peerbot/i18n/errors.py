"""An error as one line for a person."""

from __future__ import annotations

from collections.abc import Mapping

from peerbot.errors import Fact, PeerbotError
from peerbot.i18n.catalogue import N_, _, ngettext
from peerbot.i18n.checks import CHECKS
from peerbot.i18n.sentences import EXPECTED, REFUSED, SENTENCES


def sentence(error: PeerbotError) -> str:
    """One line for a person."""
    return sentence_for(error.code, error.facts)


def sentence_for(code: str, facts: Mapping[str, Fact] | None = None) -> str:
    """The same from the parts of an error."""
    given = dict(facts or {})
    if code in CHECKS:
        template = REFUSED.get(code) or N_("The circle's rules do not allow this: {why} (check {check}).")
        given["check"] = code
    elif code == "relay-refused" and given.get("check") in REFUSED:
        template = REFUSED[str(given["check"])]
    else:
        template = SENTENCES.get(
            code, N_("Something unforeseen went wrong ({code}). Run it again with --debug and report it.")
        )
    return _(template).format_map(_Filled(given, code))


def span(seconds: int) -> str:
    """A length of time in one unit, rounded."""
    seconds = abs(seconds)
    if seconds < 90:
        return ngettext("{n} second", "{n} seconds", seconds).format(n=seconds)
    if (minutes := round(seconds / 60)) < 90:
        return ngettext("{n} minute", "{n} minutes", minutes).format(n=minutes)
    if (hours := round(seconds / 3600)) < 48:
        return ngettext("{n} hour", "{n} hours", hours).format(n=hours)
    days = round(seconds / 86_400)
    return ngettext("{n} day", "{n} days", days).format(n=days)


class _Filled(dict[str, object]):
    """Facts as words. A fact that isn't there shows as a question mark: a gap must not hide the error itself."""

    def __init__(self, facts: Mapping[str, Fact], code: str) -> None:
        super().__init__(facts)
        self["code"] = code
        self["span"] = span(int(facts.get("seconds", 1)))
        self["why"] = _(CHECKS.get(str(facts.get("check")), N_("a rule was not kept")))
        self["expected"] = _(EXPECTED.get(str(facts.get("expected")), N_("something else")))
        self["hint"] = " " + _("Did you mean “{near}”?").format(near=facts["near"]) if facts.get("near") else ""

    def __missing__(self, key: str) -> str:
        return "?"

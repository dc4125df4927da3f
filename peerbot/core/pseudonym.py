"""Checks on a self-chosen name: it should not give the person away, nor pass for another's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from peerbot.core.text import clean_line

LEAST, MOST = 2, 32
_HANDLE = re.compile(r"@|://|www\.|\.(com|net|org|no)\b", re.IGNORECASE)
_DIGITS = re.compile(r"\d(?:[\s.\-]?\d){4,}")
_FALLEN_TOGETHER = {"1": "l", "i": "l", "|": "l", "0": "o"}
"""ASCII that is taken for each other."""


def skeleton(name: str) -> str:
    """What a name looks like at a glance: names with one skeleton can't be told apart (UTS #39, section 4)."""
    plain = unicodedata.normalize("NFKD", clean_line(name).casefold())
    letters = (c for c in plain if not unicodedata.combining(c) and not c.isspace())
    return "".join(_prototype(c) for c in letters)


def _prototype(letter: str) -> str:
    """The Latin letter or digit that `letter` can be taken for, else itself."""
    if letter.isascii():
        small = letter.casefold()
        return _FALLEN_TOGETHER.get(small, small)
    # Only here: its tables take longer to load than a first screen's names to read.
    from confusable_homoglyphs import confusables

    twins = {letter}
    for found in confusables.is_confusable(letter, greedy=True, preferred_aliases=[]) or []:
        twins |= {twin["c"] for twin in found["homoglyphs"]}
    ascii_twins = sorted(c for t in twins for c in [t.casefold()] if len(c) == 1 and c.isascii() and c.isalnum())
    first = ascii_twins[0] if ascii_twins else letter
    return _FALLEN_TOGETHER.get(first, first)


def check_pseudonym(name: str, others: Iterable[str] = ()) -> list[str]:
    """What speaks against a name: none, or codes. Those that begin with "may-" are for the person to decide.

    Codes: "name-short", "name-long", "name-letters", "name-hidden", "name-handle", "name-digits", "name-taken",
    "may-be-real".
    """
    line = clean_line(name)
    problems = []
    if line != " ".join(unicodedata.normalize("NFC", name).split()):
        problems.append("name-hidden")
    if len(line) > MOST:
        problems.append("name-long")
    elif sum(unicodedata.category(c).startswith("L") for c in line) < LEAST:
        problems.append("name-short" if len(line) < LEAST else "name-letters")
    if _HANDLE.search(line):
        problems.append("name-handle")
    if _DIGITS.search(line):
        problems.append("name-digits")
    shape = skeleton(line)
    if any(skeleton(other) == shape for other in others):
        problems.append("name-taken")
    if re.fullmatch(r"\w+\s\w+", line) and line.istitle():
        problems.append("may-be-real")
    return problems

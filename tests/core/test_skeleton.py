"""Plain letters are told apart without the tables of look-alikes, and just as with them."""

from __future__ import annotations

import string
import subprocess
import sys

from confusable_homoglyphs import confusables

from peerbot.core.pseudonym import skeleton


def twins(letter: str) -> set[str]:
    """The ASCII letters and digits the tables take it for."""
    found = confusables.is_confusable(letter, greedy=True, preferred_aliases=[]) or []
    names = {twin["c"].casefold() for entry in found for twin in entry["homoglyphs"]}
    return {c for c in names if len(c) == 1 and c.isascii() and c.isalnum()}


def test_plain_letters_come_out_as_the_tables_have_them() -> None:
    for letter in string.ascii_letters + string.digits:
        by_table = min(twins(letter) | {letter.casefold()})
        assert skeleton(letter) == skeleton(by_table), letter


def test_letters_that_differ_have_skeletons_that_differ() -> None:
    shapes = [skeleton(letter) for letter in string.ascii_lowercase + string.digits]
    assert len(set(shapes)) == len(shapes) - 3, "only i, l and 1, and o and 0, fall together"


def test_plain_names_load_no_tables() -> None:
    code = "import sys; from peerbot.core.pseudonym import skeleton; skeleton('Heron 1'); "
    code += "print('confusable_homoglyphs.confusables' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"

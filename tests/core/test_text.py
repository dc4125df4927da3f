"""Words before they are shown: what is dropped is a matter of Unicode's categories, whatever it is written as."""

from __future__ import annotations

import sys
import unicodedata

from peerbot.core.text import clean, clean_line

INVISIBLE = set("\u061c\u200b\u200c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")
BREAKS = set("\r\x0b\x0c\x85\u2028\u2029")


def test_what_is_dropped_is_controls_surrogates_private_use_and_the_invisible() -> None:
    everything = map(chr, range(sys.maxunicode + 1))
    gone = {c for c in everything if c not in BREAKS and not clean(c)}
    kinds = {"Cc", "Cs", "Co"}
    ought = {c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) in kinds and c not in "\n\t"}
    assert gone == (ought | INVISIBLE) - BREAKS


def test_every_line_break_is_one() -> None:
    assert clean("a\r\nb\rc\u2028d\u2029e\x0bf\x0cg\x85h") == "a\nb\nc\nd\ne\nf\ng\nh"
    assert clean_line(" a\r\n\tb  c ") == "a b c"


def test_letters_and_their_marks_are_one_character() -> None:
    assert clean("e\u0301 \u1100\u1161") == "\u00e9 \uac00"
    assert clean("\U0001f469\u200d\U0001f680") == "\U0001f469\u200d\U0001f680"

"""Text that is safe to show: no terminal escapes, no direction tricks, nothing invisible."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Controls but for \n and \t, lone surrogates and private use (categories Cc, Cs and Co, whose ranges Unicode has fixed
# for good); bidirectional controls (UAX #9), zero-width characters, the byte order mark. The joiner U+200D stays: emoji
# need it.
_DROPPED: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"
    "\u061c\u200b\u200c\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_BREAKS: Final = {"\r\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n", "\x0b": "\n", "\x0c": "\n", "\x85": "\n"}


def clean(text: str) -> str:
    """NFC, line breaks as \\n, without control characters, direction overrides and lone surrogates."""
    for found, meant in _BREAKS.items():
        text = text.replace(found, meant)
    return unicodedata.normalize("NFC", _DROPPED.sub("", text))


def clean_line(text: str) -> str:
    """`clean` on one line, blanks folded."""
    return " ".join(clean(text).split())

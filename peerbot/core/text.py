"""Text that is safe to show: no terminal escapes, no direction tricks, nothing invisible."""

from __future__ import annotations

import unicodedata
from typing import Final

_KEPT: Final = frozenset("\n\t")
# Bidirectional controls (UAX #9), zero-width characters, the byte order mark. The joiner U+200D stays: emoji need it.
_DROPPED: Final = frozenset(
    "\u061c\u200b\u200c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
_BREAKS: Final = {"\r\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n", "\x0b": "\n", "\x0c": "\n", "\x85": "\n"}


def clean(text: str) -> str:
    """NFC, line breaks as \\n, without control characters, direction overrides and lone surrogates."""
    for found, meant in _BREAKS.items():
        text = text.replace(found, meant)
    kept = (c for c in text if c in _KEPT or (c not in _DROPPED and unicodedata.category(c) not in ("Cc", "Cs", "Co")))
    return unicodedata.normalize("NFC", "".join(kept))


def clean_line(text: str) -> str:
    """`clean` on one line, blanks folded."""
    return " ".join(clean(text).split())

"""Words as the full-text index and titles take them: any input is words, never syntax."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Arrows to pictographs, and the planes of emoji: what people search for, and what may touch a word without a space.
_SYMBOL: Final = re.compile("[\u2190-\u2bff\U0001f000-\U0001fbff]")
TOKENS: Final = "unicode61 remove_diacritics 2 categories 'L* N* Co So'"
"""FTS5's tokenizer: letters, digits and symbols make words; case and accents don't matter."""


def spaced(text: str) -> str:
    """The text as it is indexed: each symbol is a word of its own."""
    return text if text.isascii() else _SYMBOL.sub(r" \g<0> ", text)


def query(words: str) -> str:
    """An FTS5 query for posts that hold all the words, or "" where there are none."""
    clean = spaced(words.replace("\x00", " ").encode(errors="replace").decode())
    return " ".join('"' + term.replace('"', '""') + '"' for term in dict.fromkeys(clean.split()))


def folded(title: str) -> str:
    """What titles are compared by: case and the way accents are composed don't matter."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", title).casefold())

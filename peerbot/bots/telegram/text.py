"""Words for Telegram: escaped, in parts it takes, with buttons it takes."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from typing import Final

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from peerbot.core.doors import Button, SendFailed
from peerbot.core.text import clean, clean_line

LONGEST_TEXT: Final = 4096
"""Telegram counts characters, its clients UTF-16 units, teremok the markup too. The strictest count fits all."""
LONGEST_DATA: Final = 64
_JOINERS: Final = frozenset("\u200d\ufe0e\ufe0f\u20e3")
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS: Final = range(0x1F1E6, 0x1F200)
_MOST_MARKS: Final = 32


def parts(text: str) -> list[str]:
    """Text as HTML in which nothing is markup, cut at line or word ends into messages; [] where nothing shows."""
    rest, found = clean(text).strip(), []
    while rest:
        cut = _cut(rest)
        found.append(html.escape(rest[:cut].rstrip(), quote=False))
        rest = rest[cut:].lstrip()
    return found


def keyboard(rows: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup | None:
    """Raises SendFailed("telegram-button") for a button that Telegram doesn't take."""
    made = []
    for row in rows:
        for button in row:
            if not clean_line(button.label) or not 1 <= len(button.data.encode()) <= LONGEST_DATA:
                raise SendFailed("telegram-button")
        made.append([InlineKeyboardButton(clean_line(b.label), callback_data=b.data) for b in row])
    return InlineKeyboardMarkup(made) if any(made) else None


def _cut(text: str) -> int:
    """How much goes into one message."""
    fits = _fitting(text)
    if fits == len(text):
        return fits
    for ends in ("\n", " \n\t"):
        # A break in the first half would leave a message nearly empty.
        if found := max(text.rfind(end, fits // 2, fits + 1) for end in ends) + 1:
            return found
    return _between_characters(text, fits)


def _fitting(text: str) -> int:
    if _size(text) <= LONGEST_TEXT:
        return len(text)
    size = 0
    for at, sign in enumerate(text):
        size += _size(sign)
        if size > LONGEST_TEXT:
            return at
    return len(text)


def _size(text: str) -> int:
    return len(html.escape(text, quote=False).encode("utf-16-le")) // 2


def _between_characters(text: str, at: int) -> int:
    """Back to where no accent, emoji or flag is torn from what it belongs to."""
    for earlier in range(at, max(at - _MOST_MARKS, 1), -1):
        if not _joined(text[earlier - 1], text[earlier]):
            return earlier
    return at


def _joined(before: str, after: str) -> bool:
    return (
        unicodedata.combining(after) > 0
        or ord(after) in _SKIN_TONES
        or after in _JOINERS
        or before == "\u200d"
        or (ord(before) in _FLAG_LETTERS and ord(after) in _FLAG_LETTERS)
    )

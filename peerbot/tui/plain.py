"""Words of others made fit for the screen: core's cleaning, and letters that stay in their own line."""

from __future__ import annotations

import unicodedata

from peerbot.core.text import clean, clean_line

MOST_MARKS = 3
"""Accents on one letter; more of them would cover the lines above and below."""


def plain(text: str) -> str:
    return calm(clean(text))


def plain_line(text: str) -> str:
    return calm(clean_line(text))


def calm(text: str) -> str:
    """Clean text without towers of accents."""
    if text.isascii():
        return text
    kept, marks = [], 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in ("Mn", "Me") else 0
        if marks <= MOST_MARKS:
            kept.append(letter)
    return "".join(kept)

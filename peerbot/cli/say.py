"""Printing for people and for programs. What others wrote can't move the cursor, and can't pass for our own words."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import click
import msgspec

from peerbot.clock import from_seconds
from peerbot.core.text import clean, clean_line

_NARROWEST: Final = 8


def line(text: str = "") -> None:
    """One line on stdout."""
    click.echo(clean_line(text) if text else "")


def indented(text: str, by: int, *, err: bool = False) -> None:
    """Words of others, each physical line moved in: however a terminal breaks it, none begins where ours do."""
    across = width()
    for row in rows(text, max(1, across - by) if across else 0):
        click.echo(" " * by + row, err=err)


def note(text: str) -> None:
    """One line on stderr, beside the output."""
    click.echo(clean_line(text), err=True)


def json(document: object) -> None:
    """One JSON document on stdout, on one line."""
    click.echo(msgspec.json.encode(document).decode())


def table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Columns side by side, wide enough for what is in them."""
    cells = [[clean_line(cell) for cell in row] for row in (columns, *lines)]
    widths = [max(cell_width(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        padded = [cell + " " * (size - cell_width(cell)) for cell, size in zip(row, widths, strict=True)]
        click.echo("  ".join(padded).rstrip())


def when(seconds: int) -> str:
    """A moment in this computer's time zone."""
    return from_seconds(max(0, seconds)).astimezone().strftime("%Y-%m-%d %H:%M")


def iso(seconds: int) -> str:
    """A moment in UTC, as programs like it."""
    return from_seconds(max(0, seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def width() -> int:
    """Of the terminal; 0 where there is none."""
    if not sys.stdout.isatty():
        return 0
    try:
        return max(_NARROWEST, os.get_terminal_size(sys.stdout.fileno()).columns)
    except OSError:
        return 80


def rows(text: str, limit: int) -> Iterator[str]:
    """Text in lines of at most `limit` columns (0: any number), broken at blanks where there are any."""
    for paragraph in clean(text).expandtabs(4).split("\n"):
        if not limit:
            yield paragraph
            continue
        yield from _broken(paragraph, limit)


def _broken(paragraph: str, limit: int) -> Iterator[str]:
    start = end = blank = used = 0
    for end, letter in enumerate(paragraph):
        used += _columns(letter)
        if used > limit:
            cut = blank if blank > start else end
            yield paragraph[start:cut].rstrip()
            start = cut
            used = cell_width(paragraph[start : end + 1])
        if letter == " ":
            blank = end + 1
    yield paragraph[start:]


def cell_width(text: str) -> int:
    return sum(_columns(letter) for letter in text)


def _columns(letter: str) -> int:
    """At least as many columns as any terminal gives it: too few would let it break our lines."""
    if unicodedata.combining(letter):
        return 0
    code = ord(letter)
    return 1 if code < 0x1100 or 0x2000 <= code < 0x2070 else 2

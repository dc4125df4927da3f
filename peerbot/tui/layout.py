"""From plain values to lines of a width. Nothing here reads markup, and words of others never begin where ours do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from peerbot.tui.plain import calm

INDENT = 2
TAB = 4


@dataclass(frozen=True, slots=True)
class Look:
    """The styles posts and threads are drawn in. No meaning hangs on them alone."""

    plain: Style
    strong: Style
    quiet: Style
    note: Style
    rule: Style
    cursor: Style
    mark: Style


def wrap(text: str, width: int) -> Iterator[str]:
    """Lines of at most `width` cells, broken at blanks where there are any."""
    width = max(width, 2)
    for paragraph in calm(text).expandtabs(TAB).split("\n"):
        if paragraph.isascii() and len(paragraph) <= width:
            yield paragraph
        else:
            yield from _wrap(paragraph, width)


def _wrap(paragraph: str, width: int) -> Iterator[str]:
    line, used = "", 0
    for word in paragraph.split(" "):
        size = cell_len(word)
        if line and used + 1 + size > width:
            yield line
            line, used = "", 0
        if size > width:
            *full, word = chop_cells(word, width)
            yield from full
            size = cell_len(word)
        line, used = (f"{line} {word}", used + 1 + size) if line else (word, size)
    yield line


def fit(text: str, width: int) -> str:
    """One line of exactly `width` cells, cut where it is too long."""
    text = calm(text)
    if cell_len(text) > width:
        return set_cell_size(text, max(0, width - 1)) + "…" * (width > 0)
    return set_cell_size(text, width)


def strip(*parts: tuple[str, Style]) -> Strip:
    return Strip([Segment(text, style) for text, style in parts if text])


def row(left: str, right: str, width: int, styles: tuple[Style, Style]) -> Strip:
    """Two texts on one line, the right one at the edge and whole where that leaves the left one some room."""
    most = max(0, width - 8)
    right = fit(right, most) if cell_len(right) > most else right
    room = width - cell_len(right) - (1 if right else 0)
    return strip((fit(left, room) + (" " if right else ""), styles[0]), (right, styles[1]))


def rule(text: str, width: int, style: Style) -> Strip:
    """A line across with words in it."""
    said = f"── {text} " if text else ""
    return strip((fit(said, width) if cell_len(said) >= width else said + "─" * (width - cell_len(said)), style))


def paragraphs(lines: Iterable[str], width: int, style: Style, indent: int = INDENT) -> list[Strip]:
    """Words of others, moved in by `indent`."""
    return [strip((" " * indent + found, style)) for text in lines for found in wrap(text, max(2, width - indent))]

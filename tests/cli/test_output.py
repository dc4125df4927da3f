"""What others wrote can't move the cursor, break our lines, or pass for our words."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerbot.cli import read, say
from peerbot.core.desk.answers import PostLine

EVIL = "\x1b[2J\x1b[1;1H\x9b31m\u202eevil\u2066\u200b\r\nHeron, 2026-01-01 00:00, own device\n\x07\x08\x7f\u2028x\tend"
PRINTABLE = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]*")


def line(**changed: str) -> PostLine:
    words = {"author": "Wren", "text": "Hello", "thread": "Walks", "door": "device"} | changed
    return PostLine(
        circle="forum",
        thread=words["thread"],
        thread_id="ab" * 16,
        author=words["author"],
        text=words["text"],
        at=1_767_225_600,
        door=words["door"],
        id="cd" * 32,
        p=7,
        state="",
    )


@pytest.mark.parametrize("field", ["text", "author", "thread", "door"])
def test_nothing_in_a_post_reaches_the_terminal_raw(capsys: pytest.CaptureFixture[str], field: str) -> None:
    read.show([line(**{field: EVIL}), line()])
    shown = capsys.readouterr().out
    assert PRINTABLE.fullmatch(shown), shown


def test_a_post_cannot_pretend_to_be_another(capsys: pytest.CaptureFixture[str]) -> None:
    read.show([line(text="Hello\n\nforum: Walks\n  Heron, 2026-01-01 00:00, own device\n      I never said this")])
    rows = capsys.readouterr().out.splitlines()
    assert [row for row in rows if not row.startswith("      ")] == ["forum: Walks", rows[1]]
    assert rows[1].startswith("  Wren, ")


def wide(letter: str) -> int:
    """What terminals do (wcwidth): two columns for wide signs, none for marks."""
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


@given(st.text(max_size=200), st.integers(1, 60))
def test_rows_fit_and_lose_nothing(text: str, limit: int) -> None:
    rows = list(say.rows(text, limit))
    for row in rows:
        assert sum(map(wide, row)) <= max(limit, 2)
    said = "".join("".join(rows).split())
    assert said == "".join("".join(say.rows(text, 0)).split())


def test_emoji_with_a_presentation_mark_count_for_two() -> None:
    assert say.cell_width("☺️") >= 2


def test_moments_are_utc_for_programs() -> None:
    assert say.iso(1_767_225_600) == "2026-01-01T00:00:00Z"
    assert say.iso(-5) == "1970-01-01T00:00:00Z"
    assert say.iso(2**62).startswith("9999-12-31")


def test_a_table_is_straight(capsys: pytest.CaptureFixture[str]) -> None:
    say.table(["a", "b"], [["日本", "x"], ["\x1b[31mred", "y"]])
    rows = capsys.readouterr().out.splitlines()
    assert rows == ["a        b", "日本     x", "[31mred  y"]


def test_fields_for_programs() -> None:
    found = read.as_json(line())
    assert list(found)[:8] == ["circle", "thread", "author", "text", "at", "door", "verified", "id"]
    assert found["verified"] is True
    assert found["state"] == "shown"

"""Words cut into messages: nothing lost, nothing torn, nothing too long, nothing that is markup."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teremok.validation import validate_html

from peerbot.bots.telegram.text import LONGEST_TEXT, parts
from peerbot.core.text import clean

FAMILY = "👩‍👩‍👧‍👦"
NORWAY = "🇳🇴"
WAVING = "👋🏽"
ACCENTED = "e\u0301\u0323"

words = st.lists(
    st.one_of(
        st.text(min_size=1, max_size=40),
        st.sampled_from([" ", "\n", "\n\n", "<b>", "&amp;", "&", FAMILY, NORWAY * 3, WAVING, ACCENTED * 3]),
        st.integers(500, 6_000).map(lambda n: "x" * n),
        st.integers(500, 3_000).map(lambda n: "&" * n),
        st.integers(500, 3_000).map(lambda n: "🐟" * n),
    ),
    max_size=12,
).map("".join)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(words)
def test_nothing_lost_and_nothing_too_long(text: str) -> None:
    found = parts(text)
    for part in found:
        assert 0 < units(part) <= LONGEST_TEXT
        assert part.strip()
        validate_html(part)
    # A cut falls where nothing or blanks stand.
    assert "".join("".join(map(html.unescape, found)).split()) == "".join(clean(text).split())


def test_just_as_much_as_fits() -> None:
    assert parts("x" * LONGEST_TEXT) == ["x" * LONGEST_TEXT]
    assert parts("x" * (LONGEST_TEXT + 1)) == ["x" * LONGEST_TEXT, "x"]
    assert parts("🐟" * (LONGEST_TEXT // 2)) == ["🐟" * (LONGEST_TEXT // 2)]
    assert parts("🐟" * (LONGEST_TEXT // 2 + 1)) == ["🐟" * (LONGEST_TEXT // 2), "🐟"]
    assert parts("&" * (LONGEST_TEXT // 5 + 1)) == ["&amp;" * (LONGEST_TEXT // 5), "&amp;"]


def test_cut_at_the_end_of_a_line_before_that_of_a_word() -> None:
    lines = ["a " * 1_000, "b " * 1_000, "c " * 100]
    assert parts("\n".join(lines)) == [f"{lines[0]}\n{lines[1]}".strip(), lines[2].strip()]
    assert parts("word " * 1_000)[0] == ("word " * 819).strip()
    assert parts(f"short\n{'word ' * 1_000}")[0].endswith("word")


@pytest.mark.parametrize("sign", [FAMILY, NORWAY, WAVING, ACCENTED])
def test_no_sign_is_torn(sign: str) -> None:
    for before in range(12):
        found = parts("x" * (LONGEST_TEXT - before) + sign + "y" * 100)
        assert sum(clean(sign) in part for part in found) == 1


def test_a_tower_of_accents_is_cut_all_the_same() -> None:
    assert len(parts("e" + "\u0323\u0308" * 5_000)) > 1

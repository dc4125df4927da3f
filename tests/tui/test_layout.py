"""Lines: never wider than there is room for, and nothing of the text is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from peerbot.core.text import clean
from peerbot.tui.layout import fit, row, rule, wrap
from peerbot.tui.plain import calm
from peerbot.tui.sending import GAP, without
from peerbot.tui.widgets.qr import QUIET, qr_lines

PLAIN = Style.null()
WIDTHS = st.integers(2, 120)
TEXTS = st.text().map(clean)


@given(TEXTS, WIDTHS)
def test_wrapped_lines_fit(text: str, width: int) -> None:
    assert all(cell_len(line) <= width for line in wrap(text, width))


@given(TEXTS, WIDTHS)
def test_wrapping_loses_no_word(text: str, width: int) -> None:
    kept = "".join("".join(wrap(text, width)).split())
    assert kept == "".join(calm(text).expandtabs(4).split())


@given(TEXTS, st.integers(0, 120))
def test_fitted_text_has_the_width(text: str, width: int) -> None:
    assert cell_len(fit(text.replace("\n", " ").replace("\t", " "), width)) == width


@given(TEXTS, TEXTS, st.integers(8, 120))
def test_rows_and_rules_have_the_width(left: str, right: str, width: int) -> None:
    left, right = (" ".join(text.split()) for text in (left, right))
    assert row(left, right, width, (PLAIN, PLAIN)).cell_length == width
    assert rule(left, width, PLAIN).cell_length == width


def test_words_break_at_blanks_where_they_can() -> None:
    assert list(wrap("one two three", 7)) == ["one two", "three"]
    assert list(wrap("one\n\ntwo", 7)) == ["one", "", "two"]
    assert list(wrap("unbroken", 3)) == ["unb", "rok", "en"]


def test_a_draft_loses_only_what_was_sent() -> None:
    assert without("sent" + GAP + "typed since", "sent") == "typed since"
    assert without("sent", "sent") == ""
    assert without("something else", "sent") == "something else"


def test_a_qr_code_in_half_blocks_has_the_modules_of_the_code() -> None:
    import segno

    text = "https://relay.example.org/join#ABCD-ABCD-ABCD-ABCD-ABCD-ABCD-ABCD"
    wanted = [[bool(dark) for dark in line] for line in segno.make(text, error="l", boost_error=False).matrix]
    halves = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}
    shown: list[list[bool]] = []
    for line in qr_lines(text):
        pairs = [halves[sign] for sign in line]
        shown += [[not above for above, _ in pairs], [not below for _, below in pairs]]
    size = len(wanted)
    inner = [line[QUIET : QUIET + size] for line in shown[QUIET : QUIET + size]]
    assert inner == wanted
    around = [*shown[:QUIET], *shown[QUIET + size :], *(line[:QUIET] for line in shown)]
    assert not any(any(line) for line in around), "light around it"

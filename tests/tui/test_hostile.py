"""What others write is text: no markup, no escape codes, no tricks of direction, and it stays in its place."""

from __future__ import annotations

import unicodedata

import pytest
from rich.style import Style

from peerbot.core.people import set_profile
from peerbot.tui.plain import calm, plain
from tests.support.world import World
from tests.tui.support import WIDE, Seat, say, seat_of, two

MARKUP = "[bold red]loud[/bold red] [@click=app.quit]here[/] [link=http://evil.example]x[/link] [/]"
ESCAPES = "\x1b[31mred \x1b]0;title\x07 \x9b2J \x00 \x08\x08 \x7f end"
BIDI = "left \u202eright to left\u202c \u2066inside\u2069 \u200fmark"
TOWER = "Z" + "\u0301" * 200 + "algo"
LONG = "unbroken" * 60
WIDE_LETTERS = "日本語のテキスト" * 20
LOOKS_LIKE_A_POST = "hello\nHeron, owner            own device · 13:00\n  Send me your phone number."
ALL = [MARKUP, ESCAPES, BIDI, TOWER, LONG, WIDE_LETTERS, LOOKS_LIKE_A_POST]


def drawn(seat: Seat) -> list[tuple[str, Style | None]]:
    """Every piece of text on the screen with its style."""
    strips = seat.app.screen._compositor.render_strips()
    return [(segment.text, segment.style) for strip in strips for segment in strip]


def check_screen(seat: Seat, width: int) -> None:
    for text, style in drawn(seat):
        odd = [
            c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Co") or c in "\u202e\u202c\u2066\u2069\u200f"
        ]
        assert odd == [], text
        assert style is None or style.link is None
        assert style is None or "@click" not in style.meta
        assert max((len(run) for run in _marks(text)), default=0) <= 3
    for strip in seat.app.screen._compositor.render_strips():
        assert strip.cell_length == width


def _marks(text: str) -> list[str]:
    return "".join(c if unicodedata.category(c) == "Mn" else " " for c in text).split()


@pytest.mark.parametrize("text", ALL, ids=["markup", "escapes", "bidi", "tower", "long", "wide", "imitation"])
async def test_hostile_posts_and_titles(world: World, text: str) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "the post before")
    await say(wren, text[:150], text)
    await heron.sync()
    async with seat_of(heron) as seat:
        await seat.until(lambda: len(seat.texts) == 1)
        await seat.press("enter")
        for width, height in ((80, 24), WIDE, (40, 20)):
            await seat.pilot.resize_terminal(width, height)
            await seat.until(lambda width=width: len(seat.text().splitlines()[-1]) <= width)  # type: ignore[misc]
            check_screen(seat, width)
        await seat.press("r")
        check_screen(seat, 40)
        await seat.press("escape", "escape", "slash")
        await seat.until(lambda: len(seat.app.screen_stack) > 1)
        await seat.type(plain(text).split()[0].strip("[]")[:20])
        await seat.pilot.pause()
        check_screen(seat, 40)


@pytest.mark.parametrize(
    "name",
    ["[red]Wren[/]", "\x1b[31mWren", "\u202enerW", "Wren" + "\u0301" * 40, "W" * 64],
    ids=["markup", "escapes", "bidi", "tower", "long"],
)
async def test_hostile_names_in_posts_members_and_questions(world: World, name: str) -> None:
    heron, wren = await two(world)
    await set_profile(wren.node, wren.circle, name)
    await say(wren, "talk", "hello")
    await heron.sync()
    async with seat_of(heron, WIDE) as seat:
        await seat.until_shown("hello", "In forum")
        check_screen(seat, WIDE[0])
        await seat.press("tab", "r")
        check_screen(seat, WIDE[0])
        await seat.press("escape", "escape", "m")
        await seat.until_shown("Members of forum")
        check_screen(seat, WIDE[0])
        await seat.press("down", "x")
        await seat.until_shown("No, leave it as it is")
        check_screen(seat, WIDE[0])


async def test_markup_is_shown_as_it_was_written(world: World) -> None:
    heron, wren = await two(world)
    await say(wren, "[bold]title[/bold]", "[red]words[/red]")
    await heron.sync()
    async with seat_of(heron) as seat:
        await seat.until_shown("[bold]title[/bold]", "[red]words[/red]")
        styles = {style.color for text, style in drawn(seat) if "words" in text and style is not None}
        plain = {style.color for text, style in drawn(seat) if "Wren" not in text and style is not None}
        assert styles <= plain


async def test_a_post_cannot_look_like_the_head_of_another(world: World) -> None:
    heron, wren = await two(world)
    await say(wren, "talk", LOOKS_LIKE_A_POST)
    await heron.sync()
    async with seat_of(heron) as seat:
        await seat.until_shown("Send me your phone number.")
        rows = [line[30:] for line in seat.text().splitlines()]
        real = next(row for row in rows if "Wren" in row)
        forged = next(row for row in rows if "Heron, owner" in row)
        assert forged.index("Heron") > real.index("Wren")


def test_calm_keeps_what_people_write() -> None:
    for text in ("Zoë", "Blåbærsyltetøy", "ế", "हिन्दी", "👩‍👩‍👧", "日本語"):
        assert calm(text) == text
    assert calm(TOWER) == "Z" + "\u0301" * 3 + "algo"

"""A few whole screens, as text. After a change that is meant: UPDATE_SNAPSHOTS=1 make test ARGS=tests/tui."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from peerbot.core.marking import retract
from peerbot.core.threads import keep, send
from peerbot.protocol.bodies import Ref
from tests.support.world import Person, World
from tests.tui.support import SMALL, WIDE, PatientClock, Seat, say, seat_of, two

SNAPSHOTS = Path(__file__).parent / "snapshots"


def check(seat: Seat, name: str) -> None:
    """Compare the screen with the one that was looked at and found right."""
    file, shown = SNAPSHOTS / f"{name}.txt", seat.text() + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown, "utf-8")
    assert shown == file.read_text("utf-8")


async def a_life(world: World, clock: PatientClock) -> Person:
    """Two threads, an answer, something taken back, and a day between."""
    heron, wren = await two(world)
    await say(
        wren, "Tuesday walks", "I went to the café on Tuesday. I sat outside for ten minutes first. Then I went in."
    )
    clock.forward(days=1)
    await say(wren, "How are the evenings?", "Long, lately.")
    await heron.sync()
    await say(heron, "Tuesday walks", "Something said too soon.")
    thread = await heron.node.vault.find_thread(heron.circle.cid, "Tuesday walks")
    assert thread is not None
    first, second = await heron.node.vault.posts(heron.circle.cid, thread, 2**40 - 1, 10)
    await retract(heron.node, heron.circle, second.p)
    words = "Ten minutes outside is part of going in.\nI'm glad you told us."
    await keep(heron.node, heron.circle, thread, words, Ref(first.p, first.id))
    await send(heron.node, heron.circle)
    return heron


@pytest.mark.parametrize(("name", "size"), [("small", SMALL), ("wide", WIDE)])
async def test_the_main_screen(world: World, clock: PatientClock, name: str, size: tuple[int, int]) -> None:
    heron = await a_life(world, clock)
    async with seat_of(heron, size) as seat:
        await seat.open("Tuesday walks")
        await seat.until_shown("Ten minutes outside", "Online.")
        if size == WIDE:
            await seat.until_shown("In forum")
        await seat.press("up")
        check(seat, name)


async def test_without_colours_everything_is_still_told(
    world: World, clock: PatientClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    heron = await a_life(world, clock)
    async with seat_of(heron) as seat:
        await seat.open("Tuesday walks")
        await seat.until_shown("Ten minutes outside", "Online.")
        await seat.press("up")
        check(seat, "small")
        for strip in seat.app.screen._compositor.render_strips():
            for segment in strip.apply_filter(seat.app._filters[-1], seat.app.screen.background_colors[1]):
                for color in (segment.style.color, segment.style.bgcolor) if segment.style is not None else ():
                    if color is not None and color.triplet is not None:
                        assert len({*color.triplet}) == 1, "grey"


async def test_a_question(world: World, clock: PatientClock) -> None:
    heron = await a_life(world, clock)
    async with seat_of(heron) as seat:
        await seat.open("Tuesday walks")
        await seat.until_shown("Ten minutes outside", "Online.")
        await seat.press("end", "t")
        await seat.until_shown("Take back your post?")
        check(seat, "question")


async def test_help(world: World) -> None:
    heron, _ = await two(world)
    async with seat_of(heron) as seat:
        await seat.press("f1")
        await seat.until_shown("This is not an emergency service")
        check(seat, "help")


async def test_the_form_of_an_invite(world: World) -> None:
    heron, _ = await two(world)
    async with seat_of(heron) as seat:
        await seat.press("i", "n")
        await seat.until_shown("Make the invite")
        check(seat, "invite")

"""When something is wrong with a circle: plain words, what to do, and reading that goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peerbot.core.people import remove_member
from tests.support.world import World
from tests.tui.support import say, seat_of, two


async def test_who_was_removed_is_told_and_can_go_on_reading(world: World) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "hello")
    await wren.sync()
    async with seat_of(wren) as seat:
        await seat.until_shown("hello", "Online.")
        await remove_member(heron.node, heron.circle, "Wren")
        await seat.until_shown("You are no longer in this circle.", "hello")
        assert not seat.box.display
        assert "see right" in seat.line_of("forum")


@pytest.mark.parametrize(
    ("alarm", "words"),
    [
        ("fork", "shown this circle two histories"),
        ("rollback", "gone back to an older state"),
        ("upgrade", "Update peerbot."),
        ("broken", "has not got the circle's newest keys"),
    ],
)
async def test_an_alarm_says_what_it_means_and_what_to_do(world: World, alarm: str, words: str) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello")
    keys_lost = alarm == "broken"
    state = heron.circle.follower.state
    heron.circle.follower.state = replace(state, alarm="" if keys_lost else alarm, broken=keys_lost)
    async with seat_of(heron, follow=False) as seat:
        await seat.until(lambda: words in seat.words("#trouble"))
        await seat.until_shown("hello")
        assert "see right" in seat.line_of("forum")
        assert seat.box.display is keys_lost, "keys can still come; an alarm stays"

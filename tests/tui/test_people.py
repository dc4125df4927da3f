"""Members and invites: who is there, making room for somebody, and taking it back."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from peerbot.core.joining import join_circle, look_up
from peerbot.core.people import list_members
from peerbot.protocol.invite import format_link, parse_link
from peerbot.protocol.keys import new_recovery_code, spell
from peerbot.protocol.roster.ops import Role
from peerbot.tui.screens.invite_form import InviteForm
from peerbot.tui.screens.invite_show import InviteShow
from peerbot.tui.screens.invites import Invites
from peerbot.tui.screens.members import Members
from peerbot.tui.screens.question import Question
from peerbot.tui.widgets.lines import LineList
from tests.support.world import COMMUNITY, URL, Person, World
from tests.tui.support import Cable, Seat, say, seat_of, two


async def names(person: Person) -> list[str]:
    await person.sync()
    return [member.name for member in await list_members(person.circle)]


async def test_members_are_listed_with_role_and_way_and_who_can_read(world: World) -> None:
    heron, _ = await two(world)
    await world.newcomer("Owl", heron, role=Role.MODERATOR)
    await heron.sync()
    async with seat_of(heron) as seat:
        await seat.press("m")
        await seat.until_shown("Members of forum", "Heron (you), owner", "Wren", "Owl, moderator", "own device")
        await seat.until_shown("You read here with 1 device", "Code to compare", "3 people can read this.")
        await seat.press("escape")
        assert len(seat.app.screen_stack) == 1


async def test_removing_asks_first_says_what_follows_and_does_it(world: World) -> None:
    heron, _wren = await two(world)
    async with seat_of(heron) as seat:
        await seat.until_shown("Online.")
        await seat.press("m")
        await seat.until_shown("Wren")
        await seat.press("x")
        assert seat.told() == ["You can't remove yourself."]
        await seat.press("down", "x")
        await seat.until_shown("Remove Wren from forum?", "can't be undone", "No, leave it as it is")
        await seat.press("enter")
        await seat.until(lambda: isinstance(seat.app.screen, Members))
        assert await names(heron) == ["Heron", "Wren"], "no is the first answer"
        await seat.press("x")
        await seat.until(lambda: isinstance(seat.app.screen, Question))
        await seat.press("right", "enter")
        await seat.until(lambda: "Wren is no longer in the circle." in seat.told())
        await seat.until(lambda: len(seat.app.screen.query_one(LineList).keys) == 1)
    assert await names(heron) == ["Heron"]


async def test_a_member_is_not_offered_what_only_leaders_do(world: World) -> None:
    _, wren = await two(world)
    async with seat_of(wren) as seat:
        await seat.press("m")
        await seat.until_shown("Wren (you)")
        assert "Remove" not in seat.text()
        await seat.press("up", "x")
        assert seat.text().count("Members of forum") == 1
        await seat.press("escape", "i")
        await seat.until_shown("Owners and moderators make invites.")
        await seat.press("n")
        await seat.until(lambda: isinstance(seat.app.screen, Invites))


async def make_invite(seat: Seat, *, uses: str = "1", days: str = "14") -> InviteShow:
    await seat.press("i")
    await seat.until(lambda: isinstance(seat.app.screen, Invites))
    await seat.press("n")
    await seat.until(lambda: isinstance(seat.app.screen, InviteForm))
    seat.app.screen.query_one("#uses", Input).value = uses
    seat.app.screen.query_one("#days", Input).value = days
    await seat.press("ctrl+s")
    await seat.until(lambda: isinstance(seat.app.screen, InviteShow))
    assert isinstance(seat.app.screen, InviteShow)
    return seat.app.screen


async def test_an_invite_that_is_shown_lets_somebody_in(world: World) -> None:
    heron, _ = await two(world)
    async with seat_of(heron) as seat:
        await seat.until_shown("Online.")
        shown = await make_invite(seat, uses="2", days="3")
        words = seat.words(".qr-words")
        link, code = (line for line in words.splitlines() if line.count("-") == 6)
        assert "for 2 people" in words
        assert "only on the computer the relay runs on" in words, "its address is this computer's"
        assert spell(parse_link(link).token.reveal()) == code
        assert format_link(parse_link(code, URL)) == link
        await seat.press("c")
        assert seat.app.clipboard == link == shown._link
        await seat.press("escape")
        await seat.until_shown("member: forum", "for 2 people, until 2026-03-04 13:00")
        owl = await world.node("Owl")
        invitation = await look_up(owl, parse_link(link))
        assert invitation.note.operator == COMMUNITY.operator
        await join_circle(owl, invitation, invitation.note.circles[0], new_recovery_code())
        await seat.press("escape", "m")
        await seat.until_shown("3 people can read this.")
    assert len(await names(heron)) == 3


async def test_an_invite_can_be_taken_back_after_a_question(world: World) -> None:
    heron, _ = await two(world)
    async with seat_of(heron) as seat:
        await seat.until_shown("Online.")
        await make_invite(seat)
        await seat.press("escape")
        await seat.until_shown("member: forum")
        await seat.press("x")
        await seat.until_shown("Take this invite back?", "can't join")
        await seat.press("right", "enter")
        await seat.until_shown("No invite is open.")
    assert all(i.revoked or i.uses == 0 for i in heron.circle.follower.state.rules.invites.values())


@pytest.mark.parametrize(
    ("uses", "days", "words"),
    [
        ("0", "14", "An invite is for 1 to 100 people."),
        ("101", "14", "An invite is for 1 to 100 people."),
        ("1", "", "An invite lasts for 1 to 400 days."),
        ("1", "401", "An invite lasts for 1 to 400 days."),
        ("99999999999", "1", "An invite is for 1 to 100 people."),
    ],
)
async def test_the_form_says_what_is_wrong(world: World, uses: str, days: str, words: str) -> None:
    heron, _ = await two(world)
    async with seat_of(heron) as seat:
        await seat.press("i", "n")
        await seat.until(lambda: isinstance(seat.app.screen, InviteForm))
        seat.app.screen.query_one("#uses", Input).value = uses
        seat.app.screen.query_one("#days", Input).value = days
        await seat.press("ctrl+s")
        assert seat.words("#problem") == words


async def test_the_form_can_be_filled_with_the_keyboard_alone(world: World) -> None:
    heron, _ = await two(world)
    async with seat_of(heron) as seat:
        await seat.until_shown("Online.")
        await seat.press("i", "n")
        await seat.until_shown("(•) member", "( ) moderator", "[x] forum")
        await seat.press("down", "down", "space")
        await seat.until_shown("( ) member", "(•) moderator")
        await seat.press("tab", "tab", "tab", "space")
        await seat.until_shown("[ ] forum")
        await seat.press("ctrl+s")
        await seat.until_shown("Choose at least one circle.")
        await seat.press("space", "tab", "enter")
        await seat.until_shown("An invite as moderator")


async def test_a_moderator_may_invite_members_only(world: World) -> None:
    heron, _ = await two(world)
    owl = await world.newcomer("Owl", heron, role=Role.MODERATOR)
    async with seat_of(owl) as seat:
        await seat.until_shown("Online.")
        await seat.press("i", "n")
        await seat.until_shown("(•) member")
        await seat.press("down", "space", "ctrl+s")
        await seat.until_shown("Only an owner can invite someone with more rights than a member.")


async def test_an_error_of_the_relay_is_told_in_words(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello")
    cable = Cable(heron)
    async with seat_of(heron, follow=False) as seat:
        cable.out = True
        await seat.press("i", "n", "ctrl+s")
        await seat.until(lambda: any("The relay can't be reached." in note for note in seat.told()))

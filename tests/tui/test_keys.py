"""Everything can be done with the keyboard, is in the palette and in the help; the mouse works too."""

from __future__ import annotations

import pytest
from textual.command import CommandPalette

from peerbot.tui.actions import GENERAL, ON_POSTS
from peerbot.tui.app import PeerbotApp
from peerbot.tui.screens.help import Help
from peerbot.tui.screens.invites import Invites
from peerbot.tui.screens.main import MainScreen
from peerbot.tui.screens.members import Members
from peerbot.tui.screens.new_thread import NewThread
from peerbot.tui.screens.search import Search
from peerbot.tui.screens.writing import EditPost, Reason
from peerbot.tui.widgets.keys import KeyLine
from peerbot.tui.widgets.lines import LineList
from peerbot.tui.widgets.thread_pane import ThreadPane
from tests.support.world import COMMUNITY, World
from tests.tui.support import Seat, say, seat_of, two


@pytest.mark.parametrize(
    ("key", "screen"),
    [
        ("n", NewThread),
        ("slash", Search),
        ("ctrl+f", Search),
        ("m", Members),
        ("i", Invites),
        ("f1", Help),
        ("question_mark", Help),
        ("e", EditPost),
        ("h", Reason),
        ("l", Reason),
        ("ctrl+p", CommandPalette),
    ],
)
async def test_a_key_opens_its_dialog_and_escape_leaves_it(world: World, key: str, screen: type) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "mine")
    async with seat_of(heron) as seat:
        await seat.until_shown("mine")
        await seat.press("tab", key)
        await seat.until(lambda: isinstance(seat.app.screen, screen))
        await seat.press("escape")
        await seat.until(lambda: isinstance(seat.app.screen, MainScreen))


def test_every_action_exists_where_its_key_is() -> None:
    for action in GENERAL:
        assert hasattr(MainScreen, f"action_{action.name}")
    for action in ON_POSTS:
        assert hasattr(ThreadPane, f"action_{action.name}")
    keys = [key for action in (*GENERAL, *ON_POSTS) for key in action.keys.split(",")]
    assert len(keys) == len(set(keys))


async def test_the_palette_has_every_action_and_does_it(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "mine")
    async with seat_of(heron) as seat:
        await seat.until_shown("mine")
        commands = list(seat.app.get_system_commands(seat.app.screen))
        assert [c.title.rpartition(" (")[0] for c in commands] == [
            *(a.words for a in (*GENERAL, *ON_POSTS)),
            "Quit",
        ]
        await seat.press("ctrl+p")
        await seat.until(lambda: isinstance(seat.app.screen, CommandPalette))
        await seat.press(*"members", "enter")
        await seat.until(lambda: isinstance(seat.app.screen, Members))
        await seat.press("escape", "ctrl+p")
        await seat.until(lambda: isinstance(seat.app.screen, CommandPalette))
        await seat.press(*"close this", "enter")
        await seat.until(lambda: isinstance(seat.app.screen, Reason))


async def test_help_names_every_key_and_says_that_this_is_no_emergency_service(world: World) -> None:
    heron, _ = await two(world)
    async with seat_of(heron) as seat:
        await seat.press("f1")
        await seat.until_shown("This is not an emergency service", "112")
        said = "\n".join(str(static.render()) for static in seat.app.screen.query(".help-text"))
        for action in (*GENERAL, *ON_POSTS):
            assert action.words in said
        top = seat.text()
        await seat.press("pagedown")
        await seat.until(lambda: seat.text() != top)


async def test_letters_are_text_while_one_writes(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello")
    async with seat_of(heron) as seat:
        await seat.until_shown("hello")
        await seat.press("w", *"nmiretlhu")
        assert seat.box.text == "nmiretlhu"
        assert "n New thread" not in seat.text()
        assert "^s Send" in seat.text()
        await seat.press("escape")
        assert "n New thread" in seat.text()


async def test_tab_goes_round_and_escape_steps_out(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello")
    async with seat_of(heron) as seat:
        await seat.until_shown("hello")
        order = []
        for _ in range(4):
            order.append(seat.app.focused)
            await seat.press("tab")
        assert order == [seat.threads, seat.posts, seat.box, seat.threads]
        seat.box.focus()
        for place in (seat.posts, seat.threads):
            await seat.press("escape")
            await seat.until(lambda place=place: seat.app.focused is place)  # type: ignore[misc]


async def test_the_mouse_opens_threads_and_does_what_the_keys_at_the_bottom_say(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "one", "first thread")
    await say(heron, "two", "second thread")
    async with seat_of(heron) as seat:
        await seat.until_shown("second thread")
        row = next(i for i, line in enumerate(seat.text().splitlines()) if "   one" in line)
        await seat.pilot.click(offset=(5, row))
        await seat.until(lambda: seat.heading == "one")
        await seat.until_shown("first thread")
        column = seat.text().splitlines()[-1].index("F1 Help")
        await seat.pilot.click(KeyLine, offset=(column + 3, 0))
        await seat.until(lambda: isinstance(seat.app.screen, Help))


async def test_search_finds_goes_there_and_reads_on_from_there(world: World) -> None:
    heron, wren = await two(world)
    await say(heron, "long", "the needle is here", *(f"number {i}" for i in range(120)))
    await say(heron, "other", "nothing of note")
    async with seat_of(heron) as seat:
        await seat.until_shown("nothing of note", "Online.")
        await seat.press("slash")
        await seat.until(lambda: isinstance(seat.app.screen, Search))
        await seat.type("no such words")
        await seat.until_shown("Nothing found.")
        seat.app.screen.query_one("#words").clear()  # type: ignore[attr-defined]
        await seat.type("needle")
        await seat.until_shown("1 post, newest first", "the needle is here", "Heron · long · forum")
        await seat.press("enter")
        await seat.until(lambda: isinstance(seat.app.focused, LineList))
        await seat.press("enter")
        await seat.until(lambda: seat.heading == "long")
        await seat.until_shown("the needle is here")
        assert seat.posts.chosen is not None
        assert seat.posts.chosen.post.text == "the needle is here"
        await say(wren, "long", "said meanwhile")
        await seat.until(lambda: seat.app.shelf.thread(*seat.main.pane.key).posts == 122)  # type: ignore[misc,union-attr]
        assert "said meanwhile" not in seat.texts, "far from the end nothing is put behind a gap"
        while "said meanwhile" not in seat.texts:
            await seat.press("end")
        assert seat.texts == ["the needle is here", *(f"number {i}" for i in range(120)), "said meanwhile"]


async def test_the_app_ends_in_the_open_with_what_went_wrong_and_nothing_of_what_was_said(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "CANARY-words")
    app = PeerbotApp(heron.node, COMMUNITY, follow=False)

    def broken(_: object) -> None:
        raise ZeroDivisionError("CANARY-words")

    async def use() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            seat = Seat(app, pilot)
            await seat.until_shown("CANARY-words")
            monkeypatch.setattr(MainScreen, "action_help", broken)
            await seat.press("f1")

    with pytest.raises(ZeroDivisionError):
        await use()
    assert isinstance(app.failure, ZeroDivisionError)
    said = capsys.readouterr()
    assert "CANARY" not in said.out + said.err

"""Writing: sending, answering, drafts that outlive everything, being offline, and second thoughts."""

from __future__ import annotations

import asyncio

import pytest

from peerbot.core.marking import lock
from peerbot.core.ports import Vault
from peerbot.core.threads import send
from peerbot.errors import VaultError
from peerbot.protocol.bodies import MAX_TEXT_BYTES
from peerbot.tui.app import PeerbotApp
from peerbot.tui.screens.new_thread import NewThread
from peerbot.tui.screens.question import Question
from peerbot.tui.screens.writing import EditPost, Reason
from peerbot.tui.widgets.compose import Compose
from tests.support.world import COMMUNITY, World
from tests.tui.support import ZONE, Cable, PatientClock, Seat, say, seat_of, two


async def drafts(vault: Vault) -> list[tuple[str, str]]:
    return [(thread, text) for _, thread, text in await vault.drafts()]


async def until_draft(seat: Seat, *kept: tuple[str, str]) -> None:
    """Wait for what is on disk."""
    async with asyncio.timeout(20):
        while await drafts(seat.app.node.vault) != list(kept):
            await seat.pilot.pause()


@pytest.mark.parametrize("key", ["ctrl+s", "ctrl+enter"])
async def test_what_is_sent_is_read_by_the_others(world: World, key: str) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "hello")
    async with seat_of(heron) as seat:
        await seat.until_shown("hello", "Online.")
        await seat.press("w")
        await seat.type("Good morning\nto all")
        await seat.press(key)
        await seat.until(lambda: "Good morning\nto all" in seat.texts and not seat.box.text)
        await until_draft(seat)
    await wren.sync()
    assert await wren.texts() == ["hello", "Good morning\nto all"]


async def test_nothing_is_sent_for_an_empty_box(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello")
    async with seat_of(heron) as seat:
        await seat.until_shown("hello")
        await seat.say(" \n ")
        assert heron.circle.outbox.waiting == 0
        assert len(seat.texts) == 1


async def test_an_answer_keeps_to_its_post_across_a_restart(world: World) -> None:
    heron, wren = await two(world)
    await say(wren, "talk", "shall we go together?", "or not?")
    await heron.sync()
    async with seat_of(heron) as seat:
        await seat.until_shown("or not?")
        await seat.press("tab", "home", "r")
        await seat.until_shown("Answer to Wren")
        await seat.type("Yes")
        await until_draft(seat, ("talk", "Yes"))
    async with seat_of(heron) as seat:
        await seat.until_shown("Answer to Wren", "Yes")
        await seat.press("w", "ctrl+s")
        await seat.until_shown("↳ answers Wren: “shall we go together?”", "Write here")


async def test_escape_makes_an_answer_a_post_of_its_own(world: World) -> None:
    heron, wren = await two(world)
    await say(wren, "talk", "hello")
    await heron.sync()
    async with seat_of(heron) as seat:
        await seat.until_shown("hello")
        await seat.press("tab", "r")
        await seat.until_shown("Answer to Wren")
        await seat.press("escape")
        await seat.until_shown("Write here")
        await seat.type("Just a thought")
        await seat.press("ctrl+s")
        await seat.until(lambda: "Just a thought" in seat.texts)
        assert "↳" not in seat.text()


async def test_drafts_are_kept_by_thread_and_come_back(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "one", "first thread")
    await say(heron, "two", "second thread")
    async with seat_of(heron) as seat:
        await seat.open("one")
        await seat.press("w")
        await seat.type("for the first")
        await seat.open("two")
        assert seat.box.text == ""
        await seat.press("w")
        await seat.type("for the second")
        await until_draft(seat, ("one", "for the first"), ("two", "for the second"))
        await seat.open("one")
        await seat.until(lambda: seat.box.text == "for the first")
    async with seat_of(heron) as seat:
        await seat.open("two")
        await seat.until(lambda: seat.box.text == "for the second")


async def test_a_draft_survives_a_screen_that_is_killed(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello")
    app = PeerbotApp(heron.node, COMMUNITY, zone=ZONE, draft_pause=0.01)
    async with app.run_test(size=(80, 24)) as pilot:
        seat = Seat(app, pilot)
        await seat.until_shown("hello")
        await seat.press("w")
        await seat.type("words in the middle of a sen")
        await until_draft(seat, ("talk", "words in the middle of a sen"))
    # Nothing was flushed on the way out; this is another run on the same file.
    await world.stop("Heron")
    again = await world.person("Heron")
    async with seat_of(again) as seat:
        await seat.until(lambda: seat.box.text == "words in the middle of a sen")


async def test_leaving_writes_what_was_typed_a_moment_ago(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello")
    app = PeerbotApp(heron.node, COMMUNITY, zone=ZONE, draft_pause=3600)
    async with app.run_test(size=(80, 24)) as pilot:
        seat = Seat(app, pilot)
        await seat.until_shown("hello")
        await seat.press("w")
        await seat.type("a moment ago")
        assert await drafts(heron.node.vault) == []
        await seat.press("ctrl+q")
    assert await drafts(heron.node.vault) == [("talk", "a moment ago")]


async def test_a_full_disk_is_told_and_the_words_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello")
    async with seat_of(heron) as seat:
        await seat.until_shown("hello", "Online.")

        async def full(*_: object) -> None:
            raise VaultError("vault-full")

        monkeypatch.setattr(heron.node.vault, "put_draft", full)
        monkeypatch.setattr(heron.node.vault, "enqueue", full)
        await seat.say("words for a full disk")
        await seat.until(lambda: any("disk is full" in note for note in seat.told()))
        await seat.until(lambda: seat.box.text == "words for a full disk")
        monkeypatch.undo()
        await seat.press("ctrl+s")
        await seat.until(lambda: "words for a full disk" in seat.texts)
        await until_draft(seat)


async def test_offline_words_wait_and_say_so_and_go_out_later(world: World, clock: PatientClock) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "hello")
    cable = Cable(heron)
    cable.out = True
    async with seat_of(heron) as seat:
        await seat.until_shown("Working offline. What you write is kept and sent later.")
        await seat.say("written on the train")
        await seat.until_shown("written on the train", "own device · waiting", "1 waiting to be sent.")
        assert heron.circle.outbox.waiting == 1
        cable.out = False
        clock.pass_time()
        await seat.until(lambda: "waiting" not in seat.text())
        await seat.until_shown("written on the train", "Online.")
    await wren.sync()
    assert (await wren.texts())[-1] == "written on the train"


async def test_a_thread_begun_offline_is_there_at_once_and_once(world: World, clock: PatientClock) -> None:
    heron, wren = await two(world)
    cable = Cable(heron)
    cable.out = True
    async with seat_of(heron) as seat:
        await seat.until_shown("Working offline.")
        await begin(seat, "On the train", "first words")
        await seat.until(lambda: "On the train" in seat.text() and "waiting" in seat.line_of("On the train"))
        await seat.until_shown("first words")
        await seat.say("second words")
        await seat.until_shown("second words", "3 waiting to be sent.")
        cable.out = False
        clock.pass_time()
        await seat.until(lambda: "waiting" not in seat.text())
    await wren.sync()
    assert await wren.texts() == ["first words", "second words"]
    assert len(await wren.node.vault.threads(wren.circle.cid)) == 1


async def begin(seat: Seat, title: str, text: str) -> None:
    await seat.press("n")
    await seat.until(lambda: isinstance(seat.app.screen, NewThread))
    await seat.type(title)
    await seat.press("enter")
    await seat.type(text)
    await seat.press("ctrl+s")


async def test_a_new_thread_is_opened_and_read_by_the_others(world: World) -> None:
    heron, wren = await two(world)
    async with seat_of(heron) as seat:
        await seat.until_shown("Nothing has been written", "Online.")
        await begin(seat, "Tuesday walks", "Who comes along?")
        await seat.until(lambda: seat.heading == "Tuesday walks" and seat.texts == ["Who comes along?"])
    await wren.sync()
    assert await wren.texts() == ["Who comes along?"]


async def test_a_new_thread_wants_a_title_and_keeps_what_is_written_meanwhile(world: World) -> None:
    heron, _ = await two(world)
    async with seat_of(heron) as seat:
        await seat.until_shown("Nothing has been written")
        await begin(seat, "", "words without a title")
        await seat.until_shown("A thread needs a title.")
        await seat.press("escape")
    async with seat_of(heron) as seat:
        await seat.until_shown("Nothing has been written", "Online.")
        await seat.press("n")
        await seat.until_shown("words without a title")
        await seat.type("Titled")
        await seat.press("enter", "ctrl+s")
        await seat.until(lambda: seat.heading == "Titled")
        await seat.press("n")
        await seat.until(lambda: isinstance(seat.app.screen, NewThread))
        assert seat.app.screen.query_one(Compose).text == "", "what was sent is no draft any more"


async def test_a_text_that_is_too_long_is_told_before_it_is_sent(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello")
    async with seat_of(heron) as seat:
        await seat.until_shown("hello")
        await seat.press("w")
        await seat.type("é" * (MAX_TEXT_BYTES // 2 - 10))
        assert seat.box.border_subtitle == "Room for 20 bytes"
        await seat.type("é" * 15)
        assert seat.box.border_subtitle == "Too long by 10 bytes. Post it in parts."
        await seat.press("ctrl+s")
        assert seat.told() == ["Too long by 10 bytes. Post it in parts."]
        assert len(seat.box.text) == MAX_TEXT_BYTES // 2 + 5, "nothing is lost"
        await seat.press(*["backspace"] * 5, "ctrl+s")
        await seat.until(lambda: len(seat.texts) == 2)


async def to_own_post(seat: Seat, text: str) -> None:
    """Put the cursor on a post."""
    await seat.until(lambda: text in seat.texts)
    while seat.app.focused is not seat.posts:
        await seat.press("escape" if seat.app.focused is seat.box else "tab")
    await seat.press("end")
    while seat.posts.chosen is None or seat.posts.chosen.post.text != text:
        await seat.press("up")


async def test_ones_own_post_can_be_changed(world: World) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "teh café")
    async with seat_of(heron) as seat:
        await seat.until_shown("teh café", "Online.")
        await to_own_post(seat, "teh café")
        await seat.press("e")
        await seat.until(lambda: isinstance(seat.app.screen, EditPost))
        seat.app.screen.query_one(Compose).replace_text("the café")
        await seat.press("ctrl+s")
        await seat.until_shown("the café", "edited")
    await wren.sync()
    assert await wren.texts() == ["the café"]


async def test_ones_own_post_can_be_taken_back_after_a_question(world: World) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "too much said")
    async with seat_of(heron) as seat:
        await seat.until_shown("too much said", "Online.")
        await to_own_post(seat, "too much said")
        for no in ("enter", "escape"):
            await seat.press("t")
            await seat.until_shown("This can't be undone.")
            await seat.press(no)
            await seat.until(lambda: not isinstance(seat.app.screen, Question))
            assert heron.circle.outbox.waiting == 0
            assert seat.texts == ["too much said"]
        await seat.press("t")
        await seat.until_shown("This can't be undone.")
        await seat.press("right", "enter")
        await seat.until_shown("Taken back by its writer.")
    await wren.sync()
    assert await wren.texts() == [""]


async def test_anothers_post_can_not_be_changed(world: World) -> None:
    heron, wren = await two(world)
    await say(wren, "talk", "mine alone")
    await heron.sync()
    async with seat_of(heron) as seat:
        await to_own_post(seat, "mine alone")
        await seat.press("e", "t")
        assert seat.told() == ["Choose a post of your own first, with the arrow keys."] * 2


async def test_a_moderator_hides_a_post_and_shows_it_again(world: World) -> None:
    heron, wren = await two(world)
    await say(wren, "talk", "a name")
    await heron.sync()
    async with seat_of(heron) as seat:
        await seat.until_shown("Online.")
        await to_own_post(seat, "a name")
        await seat.press("h")
        await seat.until(lambda: isinstance(seat.app.screen, Reason))
        await seat.type("somebody's name")
        await seat.press("enter")
        await seat.until_shown("A moderator has hidden this post.")
        await wren.sync()
        assert await wren.texts() == [""]
        await seat.press("h")
        await seat.until(lambda: isinstance(seat.app.screen, Reason))
        await seat.press("enter")
        await seat.until(lambda: "a name" in seat.texts)


async def test_a_closed_thread_can_be_read_and_not_written_in(world: World) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "enough said")
    await wren.sync()
    async with seat_of(heron) as seat:
        await seat.until_shown("enough said", "Online.")
        await seat.press("tab", "l")
        await seat.until(lambda: isinstance(seat.app.screen, Reason))
        await seat.press("enter")
        await seat.until_shown("talk (closed to new posts)")
        assert not seat.box.display
        await seat.press("w")
        assert seat.told()[-1] == "Nothing can be posted here now."
    await wren.sync()
    async with seat_of(wren) as seat:
        await seat.until_shown("talk (closed to new posts)")
        await seat.press("tab", "h", "l")
        assert seat.told() == [
            "Only owners and moderators can hide posts.",
            "Only owners and moderators can close threads.",
        ]


async def test_words_for_a_thread_that_was_closed_meanwhile_go_back_into_the_box(world: World) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "hello")
    await wren.sync()
    async with seat_of(wren, follow=False) as seat:
        await seat.until_shown("hello")
        await seat.press("w")
        await seat.type("my answer")
        thread = await heron.node.vault.find_thread(heron.circle.cid, "talk")
        assert thread is not None
        await lock(heron.node, heron.circle, thread, locked=True, reason="")
        await send(heron.node, heron.circle)
        await wren.sync()
        await seat.press("ctrl+s")
        await seat.until(lambda: any("closed this thread" in note for note in seat.told()))
        await seat.until(lambda: seat.box.text == "my answer")
        await until_draft(seat, ("talk", "my answer"))

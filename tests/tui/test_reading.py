"""Reading: what is there, what comes live, what is new, and what lies further back."""

from __future__ import annotations

import pytest

from peerbot.core import marking
from peerbot.core.threads import keep, send
from peerbot.protocol.bodies import Ref
from peerbot.tui.reading import FIRST
from peerbot.tui.widgets.post_list import PostList
from tests.support.world import Person, World
from tests.tui.support import WIDE, say, seat_of, two


async def test_the_first_screen_shows_the_circle_its_threads_and_the_newest_posts(world: World) -> None:
    heron, wren = await two(world)
    await say(wren, "Tuesday walks", "I went to the café.")
    await say(heron, "Tuesday walks", "Ten minutes outside is part of going in.")
    async with seat_of(heron) as seat:
        await seat.until_shown("forum", "Tuesday walks", "I went to the café.", "Ten minutes outside", "Online.")
        await seat.until_shown("you are Heron", "Wren", "Heron (you), owner", "own device · 13:00", "Today")


async def test_a_circle_without_posts_says_what_to_do(world: World) -> None:
    heron = await world.founder("Heron")
    async with seat_of(heron) as seat:
        await seat.until_shown("Nothing has been written in forum yet.", "Press n", "1 person can read this.")


async def test_a_vault_without_circles_says_what_to_do(world: World) -> None:
    heron = await world.founder("Heron")
    heron.node.circles.clear()
    async with seat_of(heron) as seat:
        await seat.until_shown("You are in no circle yet.", "peerbot join")
        await seat.press("n", "m", "w", "u")
        assert len(seat.app.screen_stack) == 1


async def test_posts_of_others_arrive_while_one_reads(world: World) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "hello")
    async with seat_of(heron) as seat:
        await seat.until_shown("hello", "Online.")
        await say(wren, "talk", "words that come by themselves")
        await seat.until_shown("words that come by themselves")
        await seat.until(lambda: not any(line.unread for line in seat.app.shelf.line(heron.circle.cid).threads))


async def test_a_post_in_another_thread_is_marked_in_words_until_it_is_read(world: World) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "hello")
    async with seat_of(heron) as seat:
        await seat.until_shown("hello", "Online.")
        await say(wren, "elsewhere", "one", "two")
        await seat.until(lambda: "elsewhere" in seat.text() and "2 new" in seat.line_of("elsewhere"))
        assert "2 new" in seat.line_of("forum")
        await seat.press("u")
        await seat.until_shown("New from here", "one", "two")
        await seat.until(lambda: "new" not in seat.line_of("elsewhere"))
        await seat.press("u")
        assert seat.told() == ["Nothing new."]


async def test_what_was_read_is_still_read_after_a_restart(world: World) -> None:
    heron, wren = await two(world)
    await say(wren, "talk", "one", "two")
    await heron.sync()
    async with seat_of(heron) as seat:
        await seat.until_shown("New from here", "two")
        await seat.until(lambda: "new" not in seat.line_of("talk"))
    assert [line.unread for line in await heron.node.vault.threads(heron.circle.cid)] == [0]
    async with seat_of(heron) as seat:
        await seat.until_shown("two")
        assert "New from here" not in seat.text()


async def test_posts_below_the_view_stay_new_until_one_gets_there(world: World) -> None:
    heron, wren = await two(world)
    await say(wren, "talk", *(f"post {i}\nof two lines" for i in range(20)))
    await heron.sync()
    async with seat_of(heron) as seat:
        await seat.until_shown("New from here", "post 0")
        await seat.until(lambda: "20 new" not in seat.line_of("talk"))
        assert "new" in seat.line_of("talk")
        await seat.open("talk")
        await seat.press("end")
        await seat.until_shown("post 19")
        await seat.until(lambda: "new" not in seat.line_of("talk"))


async def test_opening_a_thread_marks_only_what_is_in_view(world: World) -> None:
    heron, wren = await two(world)
    await say(heron, "long", *(f"number {i}" for i in range(FIRST)))
    await say(wren, "new", *(f"post {i}\nof two lines" for i in range(20)))
    await heron.sync()
    await heron.node.vault.set_setting("tui.open", f"{heron.circle.cid.hex()}:{await thread_id(heron, 'long')}")
    async with seat_of(heron) as seat:
        await seat.until_shown(f"number {FIRST - 1}")
        await seat.open("new")
        await seat.until_shown("New from here", "post 0")
        await seat.until(lambda: "20 new" not in seat.line_of("new"))
        line = seat.app.shelf.thread(heron.circle.cid, bytes.fromhex(await thread_id(heron, "new")))
        assert line is not None
        assert 10 < line.unread < 20


async def thread_id(person: Person, title: str) -> str:
    found = await person.node.vault.find_thread(person.circle.cid, title)
    assert found is not None
    return found.hex()


async def test_older_posts_come_as_one_scrolls_up_and_the_view_stays_where_it_is(world: World) -> None:
    heron = await world.founder("Heron")
    await say(heron, "long", *(f"number {i}" for i in range(FIRST * 3)))
    async with seat_of(heron) as seat:
        await seat.until_shown(f"number {FIRST * 3 - 1}")
        assert len(seat.texts) == FIRST
        await seat.press("tab")
        seat.posts.scroll_to(y=1, animate=False)
        top = seat.posts.scroll_offset.y
        before = seat.text().splitlines()[4:20]
        await seat.until(lambda: len(seat.texts) > FIRST)
        assert seat.posts.scroll_offset.y > top, "there is more above"
        assert [line[:70] for line in seat.text().splitlines()[4:20]] == [line[:70] for line in before]
        for _ in range(3):
            await seat.press("home")
        await seat.until(lambda: len(seat.texts) == FIRST * 3)
        await seat.press("home")
        await seat.until_shown("number 0")


async def test_one_more_post_lays_out_one_more_block(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    heron, wren = await two(world)
    await say(heron, "long", *(f"number {i}" for i in range(FIRST)))
    laid: list[str] = []
    lay_out = PostList.lay_out

    def counted(self: PostList, *given: object) -> object:
        laid.append(given[1].post.text)  # type: ignore[attr-defined]
        return lay_out(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(PostList, "lay_out", counted)
    async with seat_of(heron) as seat:
        await seat.until_shown(f"number {FIRST - 1}", "Online.")
        laid.clear()
        await say(wren, "long", "one more")
        await seat.until_shown("one more")
        assert laid == ["one more"]


async def test_an_answer_says_what_it_answers(world: World) -> None:
    heron, wren = await two(world)
    await say(heron, "talk", "shall we go together?")
    await wren.sync()
    thread = await wren.node.vault.find_thread(wren.circle.cid, "talk")
    assert thread is not None
    (asked,) = await wren.node.vault.posts(wren.circle.cid, thread, 2**40 - 1, 10)
    await keep(wren.node, wren.circle, thread, "Yes!", Ref(asked.p, asked.id))
    await send(wren.node, wren.circle)
    async with seat_of(heron) as seat:
        await seat.until_shown("↳ answers Heron: “shall we go together?”", "Yes!")


async def test_what_was_edited_hidden_or_taken_back_is_shown_so(world: World) -> None:
    heron, wren = await two(world)
    await say(wren, "talk", "first", "second", "third")
    await heron.sync()
    async with seat_of(heron) as seat:
        await seat.until_shown("first", "second", "third", "Online.")
        first, second, third = await wren.node.vault.posts(wren.circle.cid, None, 2**40 - 1, 10)
        await marking.edit(wren.node, wren.circle, first.p, "first, better said")
        await marking.retract(wren.node, wren.circle, second.p)
        await send(wren.node, wren.circle)
        await seat.until_shown("first, better said", "edited", "Taken back by its writer.", "taken back")
        await marking.hide(heron.node, heron.circle, third.p, hidden=True, reason="a name")
        await send(heron.node, heron.circle)
        await seat.until_shown("A moderator has hidden this post.", "hidden")
        assert not {"second", "third"} & set(seat.texts)


async def test_history_that_is_handed_over_later_appears_by_itself(world: World) -> None:
    heron = await world.founder("Heron")
    await say(heron, "talk", "said before Owl came")
    owl = await world.newcomer("Owl", heron)
    async with seat_of(owl) as seat:
        await seat.until_shown("forum", "Online.")
        assert "said before" not in seat.text()
        # Owl's device has asked; Heron's answers as soon as it looks.
        await heron.sync()
        await seat.until_shown("talk")
        await seat.open("talk")
        await seat.until_shown("said before Owl came")


async def test_a_wide_window_has_a_third_column(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello")
    async with seat_of(heron, WIDE) as seat:
        await seat.until_shown("In forum", "Heron (you), owner", "Who can read this", "2 people can read this.")
        await world.newcomer("Owl", heron)
        await seat.until_shown("3 people can read this.", "Owl")


async def test_a_narrow_window_shows_one_thing_at_a_time(world: World) -> None:
    heron, _ = await two(world)
    await say(heron, "talk", "hello there")
    async with seat_of(heron, (40, 20)) as seat:
        await seat.until_shown("talk")
        assert "hello there" not in seat.text()
        await seat.press("enter")
        await seat.until_shown("hello there")
        await seat.press("escape")
        await seat.until(lambda: "hello there" not in seat.text())

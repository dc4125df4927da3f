"""A seat at somebody's screen: keys in, text out, and waiting for what should happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from textual.pilot import Pilot
from textual.widgets import Input

from peerbot.core.ports import CircleRelay
from peerbot.core.threads import post
from peerbot.errors import RelayError
from peerbot.tui.app import PeerbotApp
from peerbot.tui.screens.main import MainScreen
from peerbot.tui.widgets.compose import Compose
from peerbot.tui.widgets.post_list import PostList
from peerbot.tui.widgets.thread_list import ThreadList
from tests.support.world import COMMUNITY, MovableClock, Person, World

SMALL, WIDE = (80, 24), (130, 34)
ZONE = ZoneInfo("Europe/Oslo")
PATIENCE = 20.0


class PatientClock(MovableClock):
    """Whoever sleeps does so until a test says that time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self._passed.wait()

    def pass_time(self) -> None:
        passed, self._passed = self._passed, asyncio.Event()
        passed.set()


class Cable:
    """A connection to the relay that can be pulled out and put back."""

    def __init__(self, person: Person) -> None:
        self._inner: CircleRelay = person.circle.follower.relay
        self.out = False
        person.circle.follower.relay = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> object:
        if self.out:
            raise RelayError("relay-unreachable")
        return getattr(self._inner, name)


class Seat:
    """Somebody in front of the screen."""

    def __init__(self, app: PeerbotApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def main(self) -> MainScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    @property
    def posts(self) -> PostList:
        return self.main.query_one(PostList)

    @property
    def threads(self) -> ThreadList:
        return self.main.query_one(ThreadList)

    @property
    def box(self) -> Compose:
        return self.main.query_one("#compose", Compose)

    @property
    def texts(self) -> list[str]:
        """The posts of the open thread that are held, oldest first."""
        return [placed.post.text for placed in self.posts.values.values()]

    @property
    def heading(self) -> str:
        return self.words("#heading")

    def words(self, selector: str) -> str:
        """What a piece of text says."""
        return str(self.app.screen.query_one(selector).render())

    def text(self) -> str:
        """What is on the screen, without colours."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something to become true."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not true():
                    await self.pilot.pause()
        except TimeoutError:
            raise AssertionError(f"this did not come to be; the screen says:\n{self.text()}") from None

    async def until_shown(self, *words: str) -> None:
        await self.until(lambda: all(word in self.text() for word in words))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Into whatever has the focus."""
        focused = self.app.focused
        if isinstance(focused, Compose):
            focused.insert(text)
        else:
            assert isinstance(focused, Input)
            focused.insert_text_at_cursor(text)
        await self.pilot.pause()

    async def say(self, text: str) -> None:
        """Post words in the open thread."""
        await self.press("w")
        await self.type(text)
        await self.press("ctrl+s")

    async def open(self, title: str) -> None:
        """Choose a thread from the list by its title."""
        await self.until(lambda: title in self._titles())
        while self.app.focused is not self.threads:
            await self.press("escape")
        await self.press("home")
        for _ in range(self._titles().index(title)):
            await self.press("down")
        await self.press("enter")
        await self.until(lambda: self.heading.startswith(title))

    def _titles(self) -> list[str]:
        return [getattr(line, "title", line.cid.hex()) for line, _opened in self.threads.values.values()]

    def line_of(self, title: str) -> str:
        """The line of the list on which a thread stands."""
        return next(line[:28] for line in self.text().splitlines()[1:] if title in line[:28])

    def told(self) -> list[str]:
        """What was said in passing."""
        return [note.message for note in self.app._notifications]


@asynccontextmanager
async def seat_of(person: Person, size: tuple[int, int] = SMALL, *, follow: bool = True) -> AsyncIterator[Seat]:
    """Somebody's screen, quit at the end as a person does."""
    app = PeerbotApp(person.node, COMMUNITY, zone=ZONE, follow=follow, draft_pause=0.01)
    async with app.run_test(size=size, notifications=True) as pilot:
        seat = Seat(app, pilot)
        await pilot.pause()
        yield seat
        await app.drafts.flush()


async def say(person: Person, thread: str, *texts: str) -> None:
    for text in texts:
        await post(person.node, person.circle, thread, text)


async def two(world: World) -> tuple[Person, Person]:
    """Heron, who founded the circle, and Wren."""
    heron = await world.founder("Heron")
    wren = await world.newcomer("Wren", heron)
    await heron.sync()
    await wren.sync()
    return heron, wren

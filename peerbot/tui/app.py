"""The app: it holds the node's screens together, follows the node, and says what went wrong."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from datetime import tzinfo
from functools import partial
from typing import ClassVar, Final

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from peerbot.core.inviting import Community
from peerbot.core.node import Node
from peerbot.i18n.catalogue import _
from peerbot.i18n.errors import sentence
from peerbot.tui.actions import GENERAL, ON_POSTS
from peerbot.tui.drafts import PAUSE, Drafts
from peerbot.tui.messages import Failed, Told
from peerbot.tui.screens.main import MainScreen
from peerbot.tui.shelf import Shelf
from peerbot.tui.work import start

WIDE, NARROW = 120, 64
"""Columns from which there is a third column, and below which there is only one."""

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
"""Of a system that shuts down, and of a terminal that is closed."""


class PeerbotApp(App[None]):
    """One person's screen on one node. The node is loaded already, and stays open when the app ends."""

    CSS_PATH = "peerbot.tcss"
    TITLE = "peerbot"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - declared by Textual in a way that bars ClassVar
        (0, "-narrow"),
        (NARROW, "-normal"),
        (WIDE, "-wide"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", _("Quit"), show=False, priority=True),
        Binding("ctrl+p", "command_palette", _("All actions"), show=False, priority=True),
    ]
    COMMAND_PALETTE_DISPLAY = "^p"

    def __init__(
        self,
        node: Node,
        about: Community,
        *,
        zone: tzinfo | None = None,
        follow: bool = True,
        draft_pause: float = PAUSE,
    ) -> None:
        super().__init__()
        # Nothing on the screen moves by itself.
        self.animation_level = "none"
        self.node = node
        self.about = about
        self.zone = zone
        self.drafts = Drafts(node.vault, lambda error: self.post_message(Failed(error)), draft_pause)
        self.shelf = Shelf(node)
        self._follow = follow

    def get_default_screen(self) -> Screen[None]:
        return MainScreen(self.shelf, self.drafts, self.about, self.zone)

    def on_ready(self) -> None:
        if self._follow:
            start(self, self.node.run, "follow")

    @property
    def failure(self) -> Exception | None:
        """What ended the app, if it wasn't the person."""
        return self._exception

    def _fatal_error(self) -> None:
        """Textual prints local variables, people's words and keys among them. Whoever runs the app says what it was."""
        self._close_messages_no_wait()

    def on_failed(self, message: Failed) -> None:
        self.notify(sentence(message.error), severity="error", timeout=12, markup=False)

    def on_told(self, message: Told) -> None:
        self.notify(message.text, timeout=8, markup=False)

    async def action_quit(self) -> None:
        await self.drafts.flush()
        self.exit()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        if isinstance(screen, MainScreen):
            for action in GENERAL:
                run = partial(screen.run_action, f"screen.{action.name}")
                yield SystemCommand(f"{_(action.words)} ({action.shown_key})", "", run)
            for action in ON_POSTS:
                run = partial(screen.pane.run_action, action.name)
                yield SystemCommand(f"{_(action.words)} ({action.shown_key})", "", run)
        yield SystemCommand(_("Quit (^q)"), "", self.action_quit)


async def run_tui(node: Node, about: Community, *, zone: tzinfo | None = None) -> None:
    """Show the screen until the person quits, or is asked to by a signal. Raises what else ended it."""
    app = PeerbotApp(node, about, zone=zone)
    loop = asyncio.get_running_loop()
    for sign in _ENDING:
        loop.add_signal_handler(sign, app.exit)
    try:
        await app.run_async()
    finally:
        for sign in _ENDING:
            loop.remove_signal_handler(sign)
        await app.drafts.flush()
    if app.failure is not None:
        raise app.failure

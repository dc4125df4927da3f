"""Help: what this is and isn't, what everything on the screen means, and all keys."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from peerbot.i18n.catalogue import N_, _
from peerbot.tui.actions import GENERAL, ON_POSTS, Action
from peerbot.tui.widgets.keys import KeyLine

PARTS = (
    (
        N_("This is not an emergency service"),
        N_(
            "Nobody here is on duty day and night. If you or someone else is in danger, call the emergency number of "
            "your country (112 in Europe)."
        ),
    ),
    (
        N_("What you see"),
        N_(
            "On the left are your circles and, below each, its threads; “3 new” means three posts you have not seen. "
            "On the right is the open thread. Each post says who wrote it, how it came (own device, via Telegram, via "
            "Matrix), and when, by your clock. In a wide window there is a third column: who is in the circle, and "
            "who can read it."
        ),
    ),
    (
        N_("Reading"),
        N_(
            "Reading without writing is full membership. Nobody sees what you have read. Older posts are fetched as "
            "you scroll up."
        ),
    ),
    (
        N_("Writing"),
        N_(
            "What you write is kept on this computer while you type, and is still there after closing or a power cut. "
            "Ctrl+S sends. Without a connection it waits here, marked “waiting”, and goes out by itself later. A post "
            "has at most 30,000 bytes; the box says when that is near."
        ),
    ),
    (
        N_("What others can see"),
        N_(
            "Everyone in the circle can read what is posted there, and can copy it. Members who come by a chat app "
            "read through a gateway; Telegram can read what passes through it. Leave out what could give away you or "
            "someone else: names, places, employers, what somebody told you at the café."
        ),
    ),
    (
        N_("When something is wrong"),
        N_(
            "The line at the top says whether the relay is there. If a circle has an alarm, its thread says what it "
            "means and what to do; reading goes on. The code to compare is among the members (m)."
        ),
    ),
)
MOVING = (
    ("Tab", N_("Go between the list, the posts and writing")),
    ("↑ ↓", N_("Go from line to line, or from post to post")),
    ("PgUp PgDn Home End", N_("Go in larger steps, to the first or the last")),
    ("Enter", N_("Open what the cursor is on")),
    ("Ctrl+S", N_("Send what you have written (Ctrl+Enter too, where the terminal can tell it from Enter)")),
    ("Esc", N_("One step back")),
    ("Ctrl+P", N_("All actions, to choose from by typing")),
    ("Ctrl+Q", N_("Quit")),
)
KEY_WIDTH = 20


class Help(ModalScreen[None]):
    """Text one can scroll through."""

    AUTO_FOCUS = "#help"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,question_mark", "leave", _("Back"), key_display="Esc")]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"), VerticalScroll(id="help"):
            for heading, text in PARTS:
                yield Static(Content(_(heading)), classes="help-title", markup=False)
                yield Static(Content(_(text)), classes="help-text", markup=False)
            yield Static(Content(_("Keys")), classes="help-title", markup=False)
            yield Static(Content("\n".join(self._keys())), classes="help-text", markup=False)
        yield KeyLine()

    def _keys(self) -> list[str]:
        lines = [_key(key, said) for key, said in MOVING]
        return [*lines, *(_action(action) for action in (*GENERAL, *ON_POSTS))]

    def action_leave(self) -> None:
        self.dismiss(None)


def _key(key: str, said: str) -> str:
    return f"{key:<{KEY_WIDTH}}{_(said)}"


def _action(action: Action) -> str:
    return _key(action.shown_key.replace("^", "Ctrl+").replace("Ctrl+r", "Ctrl+R"), action.words)

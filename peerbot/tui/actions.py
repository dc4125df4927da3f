"""Everything one can do, once: the keys, the words in the footer, the palette and the help come from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from textual.binding import Binding

from peerbot.i18n.catalogue import N_, _


@dataclass(frozen=True, slots=True)
class Action:
    """An action. `short` is for the footer, where it is shown at all."""

    name: str
    keys: str
    shown_key: str
    words: str
    short: str = ""


GENERAL: Final = (
    Action("write", "w", "w", N_("Write in this thread"), N_("Write")),
    Action("answer", "r", "r", N_("Answer the post under the cursor"), N_("Answer")),
    Action("new_thread", "n", "n", N_("Begin a new thread"), N_("New thread")),
    Action("next_new", "u", "u", N_("Go to the next thread with new posts"), N_("Next new")),
    Action("search", "slash,ctrl+f", "/", N_("Search in what is on this computer"), N_("Search")),
    Action("members", "m", "m", N_("Members of this circle, your device, who can read")),
    Action("invites", "i", "i", N_("Invites: make one, see them, take one back")),
    Action("fetch", "ctrl+r", "^r", N_("Fetch and send now")),
    Action("help", "f1,question_mark", "F1", N_("Help: what everything is"), N_("Help")),
)
"""Of the main screen."""

ON_POSTS: Final = (
    Action("edit", "e", "e", N_("Change your post under the cursor")),
    Action("take_back", "t", "t", N_("Take back your post under the cursor")),
    Action("hide", "h", "h", N_("Hide the post under the cursor, or show it again (moderators)")),
    Action("close_thread", "l", "l", N_("Close this thread to new posts, or open it again (moderators)")),
)
"""Of the thread that is open."""


def bindings(actions: tuple[Action, ...]) -> list[Binding]:
    """The keys of these actions; the footer shows the first of each."""
    made = []
    for action in actions:
        first, *others = action.keys.split(",")
        said = _(action.short or action.words)
        shown = bool(action.short)
        made.append(Binding(first, action.name, said, shown, action.shown_key, tooltip=_(action.words)))
        made += [Binding(key, action.name, said, show=False) for key in others]
    return made

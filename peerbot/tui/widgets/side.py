"""The third column of a wide window: who is in the circle, and who can read it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from peerbot.core.people import ShownMember
from peerbot.i18n.catalogue import _
from peerbot.protocol.roster.ops import Role
from peerbot.tui import words
from peerbot.tui.plain import plain_line


class Side(VerticalScroll, can_focus=False):
    """Plain lines; the screen of members has the same with more room."""

    def compose(self) -> ComposeResult:
        yield Static(id="side-members", markup=False)
        yield Static(id="side-readers", markup=False)

    def show(self, slug: str, members: Sequence[ShownMember], readers: Sequence[str]) -> None:
        people = [person(member) for member in members]
        self.query_one("#side-members", Static).update(
            Content("\n".join([_("In {circle}").format(circle=slug), *people]))
        )
        said = "\n\n".join([_("Who can read this"), *readers])
        self.query_one("#side-readers", Static).update(Content(said))

    def clear(self) -> None:
        for static in self.query(Static):
            static.update("")


def person(member: ShownMember) -> str:
    """A member on one line."""
    name = plain_line(member.name)
    name = _("{name} (you)").format(name=name) if member.me else name
    if member.suspended:
        name = _("{name} (can't read now)").format(name=name)
    return name if member.role is Role.MEMBER else f"{name}, {words.role(member.role)}"

"""What a new invite should be: as what, for how many, for how long, and to which circles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, RadioSet, Static

from peerbot.core.node import Circle, Node
from peerbot.i18n.catalogue import _
from peerbot.protocol.roster.ops import Role
from peerbot.protocol.roster.rights import LEADERS
from peerbot.tui import words
from peerbot.tui.plain import plain_line
from peerbot.tui.widgets.keys import KeyLine
from peerbot.tui.widgets.ticks import Dot, Tick

MOST_USES, MOST_DAYS = 100, 400
ROLES = (Role.MEMBER, Role.ORGANISER, Role.MODERATOR)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An invite to make."""

    circles: frozenset[bytes]
    role: Role
    uses: int
    days: int


def leads(circle: Circle) -> bool:
    """Whether I may invite members here."""
    state = circle.follower.state
    return state.member is not None and not state.removed and state.member.role in LEADERS


def may_invite(node: Node) -> bool:
    return any(leads(circle) for circle in node.circles)


class InviteForm(ModalScreen[Wanted | None]):
    """Ends with what is wanted, or None."""

    AUTO_FOCUS = "#role"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", _("Back"), key_display="Esc"),
        Binding("ctrl+s,ctrl+enter", "make", _("Make the invite"), key_display="^s"),
    ]

    def __init__(self, node: Node, circle: Circle | None) -> None:
        super().__init__()
        self._circles = [c for c in node.circles if leads(c)]
        self._first = circle if circle in self._circles else self._circles[0]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(_("A new invite"), classes="dialog-title", markup=False)
            with VerticalScroll(classes="form", can_focus=False):
                yield Label(_("As what do they come?"))
                with RadioSet(id="role", compact=True):
                    for role in ROLES:
                        yield Dot(words.role(role), value=role is Role.MEMBER, name=str(int(role)))
                yield Label(_("For how many people? (1 to {most})").format(most=MOST_USES))
                yield Input("1", id="uses", type="integer", compact=True)
                yield Label(_("For how many days? (1 to {most})").format(most=MOST_DAYS))
                yield Input("14", id="days", type="integer", compact=True)
                yield Label(_("To which circles?"))
                for n, circle in enumerate(self._circles):
                    slug = Content(plain_line(circle.slug))
                    yield Tick(slug, circle is self._first, id=f"circle-{n}", compact=True)
                yield Static(id="problem", markup=False)
                yield Button(_("Make the invite"), id="make", compact=True)
        yield KeyLine()

    @on(Button.Pressed)
    @on(Input.Submitted)
    def action_make(self) -> None:
        wanted = self._wanted()
        if isinstance(wanted, str):
            self.query_one("#problem", Static).update(Content(wanted))
        else:
            self.dismiss(wanted)

    def _wanted(self) -> Wanted | str:
        """What the form says, or what is wrong with it."""
        uses, days = _number(self.query_one("#uses", Input).value), _number(self.query_one("#days", Input).value)
        pressed = self.query_one(RadioSet).pressed_button
        role = Role(int(pressed.name or 1)) if pressed is not None else Role.MEMBER
        boxes = [self.query_one(f"#circle-{n}", Tick).value for n in range(len(self._circles))]
        circles = [circle for circle, ticked in zip(self._circles, boxes, strict=True) if ticked]
        if not 1 <= uses <= MOST_USES:
            return _("An invite is for 1 to {most} people.").format(most=MOST_USES)
        if not 1 <= days <= MOST_DAYS:
            return _("An invite lasts for 1 to {most} days.").format(most=MOST_DAYS)
        if not circles:
            return _("Choose at least one circle.")
        owned = all(c.follower.state.member is not None and c.follower.state.member.role is Role.OWNER for c in circles)
        if role is not Role.MEMBER and not owned:
            return _("Only an owner can invite someone with more rights than a member.")
        return Wanted(frozenset(circle.cid for circle in circles), role, uses, days)

    def action_leave(self) -> None:
        self.dismiss(None)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 6 else 0

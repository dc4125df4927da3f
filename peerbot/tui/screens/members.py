"""Who is in a circle, one's own device there, and who can read it."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from peerbot.core.node import Circle, Node
from peerbot.core.people import ShownMember, list_members, remove_member
from peerbot.i18n.catalogue import _, ngettext
from peerbot.protocol.keys import compare_code
from peerbot.protocol.roster.rights import LEADERS
from peerbot.tui import words
from peerbot.tui.messages import Failed, MembersRead, Told
from peerbot.tui.plain import plain_line
from peerbot.tui.screens.question import Question
from peerbot.tui.widgets.keys import KeyLine
from peerbot.tui.widgets.lines import Line, LineList
from peerbot.tui.widgets.side import person
from peerbot.tui.work import start


class Members(ModalScreen[None]):
    """The members in the order they came. Owners and moderators can remove them."""

    AUTO_FOCUS = "#members"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", _("Back"), key_display="Esc"),
        Binding("x,delete", "remove", _("Remove from the circle"), key_display="x"),
    ]

    def __init__(self, node: Node, circle: Circle) -> None:
        super().__init__()
        self._node = node
        self._circle = circle
        self._members: dict[str, ShownMember] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            heading = _("Members of {circle}").format(circle=plain_line(self._circle.slug))
            yield Static(Content(heading), classes="dialog-title", markup=False)
            yield LineList(id="members")
            yield Static(id="device", classes="dialog-text", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        self._read()

    def _read(self) -> None:
        start(self, self._read_members, "members")

    async def _read_members(self) -> None:
        self.post_message(MembersRead(self._circle.cid, await list_members(self._circle)))

    def on_members_read(self, message: MembersRead) -> None:
        self._members = {member.id: member for member in message.members}
        self.query_one(LineList).show([_line(member) for member in message.members])
        self.query_one("#device", Static).update(Content("\n".join(self._about())))
        self.refresh_bindings()

    def _about(self) -> list[str]:
        """This device, the code to compare, and who can read."""
        state = self._circle.follower.state
        devices = len(state.rules.devices_of(state.me.member))
        code = compare_code(state.cid, state.rules.seq, state.rules.head)
        return [
            ngettext(
                "You read here with {n} device, this one: {id}.",
                "You read here with {n} devices. This one: {id}.",
                devices,
            ).format(n=devices, id=state.me.device.hex()[:8]),
            _("Code to compare by phone or face to face, the same for all: {code}").format(code=code),
            " ".join(words.readers(self._circle)),
        ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        me = self._circle.follower.state.member
        return action != "remove" or (me is not None and me.role in LEADERS)

    def action_remove(self) -> None:
        chosen = self.query_one(LineList).chosen
        if chosen is None:
            return
        member = self._members[chosen.key]
        if member.me:
            self.post_message(Told(_("You can't remove yourself.")))
            return
        name, circle = plain_line(member.name), plain_line(self._circle.slug)
        question = Question(
            _("Remove {name} from {circle}?").format(name=name, circle=circle),
            _(
                "From then on {name} can't read or write anything new in this circle, with any device. What {name} has "
                "read or saved before can't be called back. This can't be undone: to come back, {name} needs a new "
                "invite. The others see that {name} is no longer a member."
            ).format(name=name),
            _("Yes, remove {name}").format(name=name),
        )
        self.app.push_screen(question, partial(self._answered, member.id))

    def _answered(self, member: str, yes: bool | None) -> None:
        if yes:
            start(self, partial(self._remove, member), "remove")

    async def _remove(self, member: str) -> None:
        name = await remove_member(self._node, self._circle, member)
        self.post_message(Told(_("{name} is no longer in the circle.").format(name=plain_line(name))))
        await self._read_members()

    def on_told(self, message: Told) -> None:
        """The app says it."""

    def on_failed(self, message: Failed) -> None:
        self._read()

    @on(LineList.Chosen)
    def _chosen(self, message: LineList.Chosen) -> None:
        message.stop()

    def action_leave(self) -> None:
        self.dismiss(None)


def _line(member: ShownMember) -> Line:
    how = words.comes_by(member.door)
    if member.role.name == "GATEWAY":
        how = _("opens and passes on")
    elif member.devices > 1:
        how = ngettext("{n} device", "{n} devices", member.devices).format(n=member.devices)
    return Line(member.id, person(member), how)

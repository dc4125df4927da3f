"""The invites that are open: make one, look at one again, take one back."""

from __future__ import annotations

from datetime import tzinfo
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from peerbot.clock import epoch_seconds
from peerbot.core.community import read_along
from peerbot.core.inviting import Community, ShownInvite, list_invites, make_invite, revoke_invite
from peerbot.core.node import Circle, Node
from peerbot.i18n.catalogue import _, ngettext
from peerbot.tui import words
from peerbot.tui.messages import Failed, Told
from peerbot.tui.plain import plain_line
from peerbot.tui.screens.invite_form import InviteForm, Wanted, may_invite
from peerbot.tui.screens.invite_show import InviteShow
from peerbot.tui.screens.question import Question
from peerbot.tui.widgets.keys import KeyLine
from peerbot.tui.widgets.lines import Line, LineList
from peerbot.tui.work import start

DAY = 86_400


class InvitesRead(Message):
    """The open invites, and the one that has just been made."""

    def __init__(self, invites: list[ShownInvite], made: ShownInvite | None = None) -> None:
        super().__init__()
        self.invites = invites
        self.made = made


class Invites(ModalScreen[None]):
    """Those made on this device come with their link."""

    AUTO_FOCUS = "#invites"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", _("Back"), key_display="Esc"),
        Binding("n", "make", _("New invite")),
        Binding("s", "look", _("Show")),
        Binding("x,delete", "revoke", _("Take back"), key_display="x"),
    ]

    def __init__(self, node: Node, about: Community, circle: Circle | None, zone: tzinfo | None) -> None:
        super().__init__()
        self._node = node
        self._about = about
        self._circle = circle
        self._zone = zone
        self._invites: dict[str, ShownInvite] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(_("Invites"), classes="dialog-title", markup=False)
            yield Static(id="none", classes="dialog-text", markup=False)
            yield LineList(id="invites")
        yield KeyLine()

    def on_mount(self) -> None:
        start(self, self._read, "invites")

    async def _read(self, made: ShownInvite | None = None) -> None:
        now = epoch_seconds(self._node.clock.now())
        found = [i for i in await list_invites(self._node) if not i.revoked and i.uses > 0 and i.expires >= now]
        self.post_message(InvitesRead(found, made))

    def on_invites_read(self, message: InvitesRead) -> None:
        self._invites = {invite.id: invite for invite in message.invites}
        self.query_one(LineList).show([self._line(invite) for invite in message.invites])
        if may_invite(self._node):
            none = _("No invite is open. Press n to make one; give it only to the person it is for.")
        else:
            none = _("Owners and moderators make invites. Ask one of them for the person you have in mind.")
        self.query_one("#none", Static).update(none)
        self.query_one("#none").set_class(not message.invites, "-said")
        if message.made is not None:
            self.app.push_screen(InviteShow(message.made, self._zone))

    def _line(self, invite: ShownInvite) -> Line:
        circles = ", ".join(plain_line(slug) for slug in invite.circles)
        uses = ngettext("for {n} person", "for {n} people", invite.uses).format(n=invite.uses)
        until = _("until {time}").format(time=words.until(invite.expires, self._zone))
        made = "" if invite.link is not None else _(" (made on another device)")
        return Line(invite.id, f"{words.role(invite.role)}: {circles}{made}", f"{uses}, {until}")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action not in ("make", "revoke") or may_invite(self._node)

    @on(LineList.Chosen)
    def _chosen(self, message: LineList.Chosen) -> None:
        message.stop()
        self.action_look()

    def _pointed_at(self) -> ShownInvite | None:
        chosen = self.query_one(LineList).chosen
        return self._invites[chosen.key] if chosen is not None else None

    def action_look(self) -> None:
        invite = self._pointed_at()
        if invite is not None and invite.link is not None:
            self.app.push_screen(InviteShow(invite, self._zone))
        elif invite is not None:
            self.post_message(Told(_("This invite was made on another device; its link is only there.")))

    def action_make(self) -> None:
        self.app.push_screen(InviteForm(self._node, self._circle), self._wanted)

    def _wanted(self, wanted: Wanted | None) -> None:
        if wanted is not None:
            start(self, partial(self._make, wanted), "make")

    async def _make(self, wanted: Wanted) -> None:
        circles = [circle for circle in self._node.circles if circle.cid in wanted.circles]
        told = self._about
        about = Community(told.name, told.operator, told.contact, told.language, read_along(circles, told.gateways))
        expires = epoch_seconds(self._node.clock.now()) + wanted.days * DAY
        made = await make_invite(self._node, circles, about, role=wanted.role, uses=wanted.uses, expires=expires)
        await self._read(made)

    def action_revoke(self) -> None:
        if (invite := self._pointed_at()) is None:
            return
        question = Question(
            _("Take this invite back?"),
            _(
                "Whoever still has the link or the code can't join with it any more. Those who have joined already "
                "stay. This can't be undone, but you can make a new invite."
            ),
            _("Yes, take it back"),
        )
        self.app.push_screen(question, partial(self._answered, invite.id))

    def _answered(self, invite: str, yes: bool | None) -> None:
        if yes:
            start(self, partial(self._revoke, invite), "revoke")

    async def _revoke(self, invite: str) -> None:
        await revoke_invite(self._node, invite)
        self.post_message(Told(_("The invite is taken back.")))
        await self._read()

    def on_failed(self, message: Failed) -> None:
        start(self, self._read, "invites")

    def action_leave(self) -> None:
        self.dismiss(None)

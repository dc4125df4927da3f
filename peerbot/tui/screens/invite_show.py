"""One invite in the three forms it can travel in: a QR code, a link, and a code to say aloud."""

from __future__ import annotations

from datetime import tzinfo
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from peerbot.config.values import host_of, is_loopback
from peerbot.core.inviting import ShownInvite
from peerbot.i18n.catalogue import _, ngettext
from peerbot.protocol.invite import format_link
from peerbot.protocol.keys import spell
from peerbot.tui import words
from peerbot.tui.messages import Told
from peerbot.tui.widgets.keys import KeyLine
from peerbot.tui.widgets.qr import qr_lines


class InviteShow(ModalScreen[None]):
    """The link is a key: it is shown here and nowhere else."""

    AUTO_FOCUS = "#invite"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", _("Back"), key_display="Esc"),
        Binding("c", "copy", _("Copy the link")),
    ]

    def __init__(self, invite: ShownInvite, zone: tzinfo | None) -> None:
        super().__init__()
        if invite.link is None:
            raise ValueError("an invite without its link can't be shown")
        self._invite = invite
        self._zone = zone
        self._relay = invite.link.relay_url
        self._link = format_link(invite.link)
        self._code = spell(invite.link.token.reveal())

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog full", id="invite"), Horizontal(classes="qr-row"):
            yield Static(Content("\n".join(qr_lines(self._link))), classes="qr", markup=False)
            yield Static(Content("\n".join(self._words())), classes="qr-words", markup=False)
        yield KeyLine()

    def _words(self) -> list[str]:
        invite = self._invite
        lines = [
            _("An invite as {role}").format(role=words.role(invite.role)),
            ngettext("for {n} person", "for {n} people", invite.uses).format(n=invite.uses),
            _("until {time}").format(time=words.until(invite.expires, self._zone)),
            "",
            _("The link:"),
            self._link,
            "",
            _("To say aloud, with the relay's address {url}:").format(url=self._relay),
            self._code,
            "",
            _("Whoever has it can join. Give it only to the person it is for, not in a group."),
        ]
        if is_loopback(host_of(self._relay)):
            lines += ["", _("It works only on the computer the relay runs on: the address means “this computer”.")]
        return lines

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._link)
        self.post_message(Told(_("The link was given to your terminal to copy. Not every terminal does it.")))

    def action_leave(self) -> None:
        self.dismiss(None)

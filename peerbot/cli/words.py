"""Words for roles, doors and other plain values."""

from __future__ import annotations

from peerbot.core.text import clean_line
from peerbot.i18n.catalogue import _
from peerbot.protocol.roster.ops import Role


def role(value: int) -> str:
    """A role as people call it."""
    return {
        Role.MEMBER: _("member"),
        Role.ORGANISER: _("organiser"),
        Role.MODERATOR: _("moderator"),
        Role.OWNER: _("owner"),
        Role.GATEWAY: _("gateway"),
    }.get(Role(value) if value in set(Role) else Role.MEMBER, "")


def role_name(value: int) -> str:
    """The same for programs: one word that never changes."""
    return Role(value).name.lower() if value in set(Role) else ""


def post_door(name: str) -> str:
    """How a post came."""
    known = {
        "device": _("own device"),
        "telegram": _("via Telegram, which can read it"),
        "matrix": _("via Matrix"),
    }
    return known.get(name, clean_line(name))


def member_door(name: str, role: int) -> str:
    """How a member reads and writes."""
    if role == Role.GATEWAY:
        return _("keeps the history")
    return {"device": _("own device"), "hosted": _("through a gateway")}.get(name, clean_line(name))

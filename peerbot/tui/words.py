"""Plain words for values: roles, doors, times, states, and what is wrong with a circle."""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from typing import Final

from peerbot.clock import from_seconds
from peerbot.core.node import Circle
from peerbot.i18n.catalogue import N_, _, ngettext
from peerbot.i18n.errors import sentence_for
from peerbot.protocol.roster.ops import Door, Role
from peerbot.tui.plain import plain_line

_DAYS: Final = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
_MONTHS: Final = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)


# --- people and posts ---


def role(value: int) -> str:
    """A role as people call it."""
    known = {
        Role.MEMBER: _("member"),
        Role.ORGANISER: _("organiser"),
        Role.MODERATOR: _("moderator"),
        Role.OWNER: _("owner"),
        Role.GATEWAY: _("gateway"),
    }
    return known.get(Role(value)) or "" if value in set(Role) else ""


def door(name: str) -> str:
    """How a post came."""
    known = {"device": _("own device"), "telegram": _("via Telegram"), "matrix": _("via Matrix")}
    return known.get(name) or _("via {door}").format(door=plain_line(name)[:16])


def comes_by(name: str) -> str:
    """How a member reads and writes."""
    return _("own device") if name == "device" else _("chat app, through the gateway")


def state(name: str) -> str:
    """What happened to a post."""
    known = {"edited": _("edited"), "hidden": _("hidden"), "retracted": _("taken back"), "waiting": _("waiting")}
    return known.get(name, "")


def gone(name: str) -> str:
    """What stands in the place of words that aren't shown."""
    known = {"hidden": _("A moderator has hidden this post."), "retracted": _("Taken back by its writer.")}
    return known.get(name, "")


def new_posts(n: int) -> str:
    return ngettext("{n} new", "{n} new", n).format(n=n)


def waiting(n: int) -> str:
    """How much has not been sent."""
    return ngettext("{n} waiting to be sent", "{n} waiting to be sent", n).format(n=n)


# --- time ---


def local(seconds: int, zone: tzinfo | None) -> datetime:
    """A signed time in the person's zone; `zone` None is this computer's."""
    return from_seconds(max(0, seconds)).astimezone(zone)


def clock(moment: datetime) -> str:
    return moment.strftime("%H:%M")


def day(moment: date, today: date) -> str:
    """A day in words."""
    if moment == today:
        return _("Today")
    words = _("{weekday} {day} {month}").format(
        weekday=_(_DAYS[moment.weekday()]), day=moment.day, month=_(_MONTHS[moment.month - 1])
    )
    return words if moment.year == today.year else _("{date} {year}").format(date=words, year=moment.year)


def until(seconds: int, zone: tzinfo | None) -> str:
    """A day and time, for lists."""
    moment = local(seconds, zone)
    return f"{moment:%Y-%m-%d} {clock(moment)}"


# --- how a circle is ---

PASSING: Final = frozenset({"relay-unreachable", "relay-slow", "relay-busy"})
"""Codes that pass by themselves: what waits goes out later."""
OFFLINE: Final = N_("Working offline. What you write is kept and sent later.")
CONNECTING: Final = N_("Connecting …")


def link(code: str | None) -> str:
    """The line about the connection: `code` is "" while the relay is there, None before the first try."""
    if code is None:
        return _(CONNECTING)
    if not code:
        return _("Online.")
    return _(OFFLINE) if code in PASSING else sentence_for(code)


def trouble(circle: Circle, code: str | None) -> str:
    """What keeps this circle from working as it should, and what to do; "" where nothing does."""
    state = circle.follower.state
    if state.removed or code in ("relay-denied", "removed"):
        return sentence_for("removed")
    if state.alarm:
        return sentence_for("alarm-" + state.alarm)
    if state.broken:
        return sentence_for("no-epoch-key")
    if state.paused_at(state.p + 1):
        return sentence_for("paused")
    if code and code not in PASSING:
        return sentence_for(code)
    return ""


def may_write(circle: Circle, code: str | None) -> bool:
    """Whether words for this circle could be sent some day."""
    state = circle.follower.state
    return not (state.removed or code == "relay-denied" or state.alarm or state.paused_at(state.p + 1))


def readers(circle: Circle) -> list[str]:
    """Who can read this circle, line by line, and no kinder than it is."""
    rules = circle.follower.state.rules
    members = [m for m in rules.members_active() if m.role is not Role.GATEWAY]
    lines = [ngettext("{n} person can read this.", "{n} people can read this.", len(members)).format(n=len(members))]
    if any(m.role is Role.GATEWAY for m in rules.members_active()):
        if rules.policy.doors & (Door.TELEGRAM | Door.MATRIX):
            lines.append(_("A gateway opens everything to pass it on to members who come by chat app."))
        else:
            lines.append(_("A gateway opens everything, to hand newcomers the history."))
        if rules.policy.doors & Door.TELEGRAM:
            lines.append(_("Telegram can read what passes through it."))
    days = rules.policy.history_days
    if days:
        lines.append(
            ngettext("Newcomers can read the last {n} day.", "Newcomers can read the last {n} days.", days).format(
                n=days
            )
        )
    else:
        lines.append(_("Newcomers can't read what was written before they came."))
    lines.append(_("The relay only passes on what is sealed."))
    return lines

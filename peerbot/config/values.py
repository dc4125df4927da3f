"""What values in config.toml may look like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from peerbot.config.keys import Config

LANGUAGES: Final = ("en", "nb")
LOOPBACK_URL: Final = "http://127.0.0.1:8440"
LOOPBACK_LISTEN: Final = "127.0.0.1:8440"
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_HOURS: Final = r"([01]\d|2[0-3]):[0-5]\d"


def checks(config: Config) -> Iterator[tuple[str, bool, str]]:
    """(key, whether its value makes sense, what is expected)."""
    community, relay = config.community, config.relay
    yield "community.language", community.language in LANGUAGES, "language"
    yield "community.timezone", is_timezone(community.timezone), "timezone"
    for name in ("name", "operator", "contact"):
        yield f"community.{name}", len(getattr(community, name)) <= 200, "short"
    for town in community.town:
        yield "community.town.id", re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", town.id) is not None, "slug"
        yield "community.town.id", len(town.id) <= 40, "short"
        yield "community.town.timezone", not town.timezone or is_timezone(town.timezone), "timezone"
    ids = [town.id for town in community.town]
    yield "community.town.id", len(set(ids)) == len(ids), "once"
    yield "relay.url", not relay.url or is_url(relay.url), "url"
    yield "relay.listen", not relay.listen or split_listen(relay.listen) is not None, "listen"
    yield "relay.tls_key", bool(relay.tls_cert) == bool(relay.tls_key), "both-tls"
    yield "telegram.token_file", not (config.telegram.token and config.telegram.token_file), "one-of"
    yield "matrix.access_token_file", not (config.matrix.access_token and config.matrix.access_token_file), "one-of"
    yield "reminders.lead_times", all(seconds_in(t) for t in config.reminders.lead_times), "duration"
    quiet = config.reminders.quiet_hours
    yield "reminders.quiet_hours", not quiet or re.fullmatch(f"{_HOURS}-{_HOURS}", quiet) is not None, "hours"
    yield "retention.days", 1 <= config.retention.days <= 3650, "days"
    yield "retention.epoch_days", 1 <= config.retention.epoch_days <= config.retention.days, "epoch-days"
    yield "help.country", re.fullmatch(r"[A-Z]{2}", config.help.country) is not None, "country"
    for rate in ("device_rate", "address_rate", "door_rate"):
        yield f"limits.{rate}", 0 < getattr(config.limits, rate) <= 1_000_000, "rate"


def is_timezone(name: str) -> bool:
    """Whether the time zone database has it."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def is_url(text: str) -> bool:
    """An address a relay can have: no user, no query, no fragment."""
    return (
        len(text) <= 500
        and re.fullmatch(r"https?://(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d{1,5})?(/[\w./~-]*)?", text) is not None
    )


def split_listen(text: str) -> tuple[str, int] | None:
    """ "host:port", or None where it isn't that. An IPv6 address stands in brackets."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:]+)\]|([\w.-]+)):(\d{1,5})", text)
    if found is None or int(found[3]) > 65_535:
        return None
    return found[1] or found[2], int(found[3])


def is_loopback(host: str) -> bool:
    """Whether this name means the computer it is said on."""
    return host == "localhost" or host == "::1" or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def host_of(url: str) -> str:
    """The host in an address that `is_url`."""
    found = re.match(r"https?://(?:\[([^\]]+)\]|([^:/]+))", url)
    return (found[1] or found[2]) if found else ""


def seconds_in(duration: str) -> int:
    """ "90m", "2h", "14d" or "2w" in seconds; 0 for anything else."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", duration.strip().lower())
    return int(found[1]) * _UNITS[found[2]] if found else 0


def quote(text: str) -> str:
    """A TOML basic string that reads as `text`."""
    escaped = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escaped.get(c, c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'

"""What `peerbot init` needs to know: from flags, and asked in plain words where they are silent."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from peerbot.cli import ask, say
from peerbot.config.keys import CommunityConfig, Config, RelayConfig, Town, VaultConfig
from peerbot.config.values import LANGUAGES, LOOPBACK_LISTEN, LOOPBACK_URL, host_of, is_loopback, is_timezone, is_url
from peerbot.i18n.catalogue import _

_ZONES: Final = "/zoneinfo/"
_LATIN: Final = str.maketrans({"ø": "o", "æ": "ae", "ð": "d", "þ": "th", "ß": "ss", "ł": "l"})


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line said about the community and its relay."""

    name: str | None
    operator: str | None
    contact: str | None
    towns: tuple[str, ...]
    language: str | None
    timezone: str | None
    relay_url: str | None
    listen: str | None
    founding_code: str | None
    key_file: Path | None
    keyring: bool
    yes: bool


def config_from(flags: Flags, key_file: str) -> tuple[Config, str]:
    """The config for a new community, and the founding code of a relay elsewhere."""
    community = _community(flags)
    relay, code = _relay(flags)
    return Config(community=community, relay=relay, vault=VaultConfig(key_file=key_file, keyring=flags.keyring)), code


def _community(flags: Flags) -> CommunityConfig:
    def asked(given: str | None, question: str, default: str = "") -> str:
        return given if given is not None else default if flags.yes else ask.line(question, default)

    if not flags.yes:
        say.line(_("A community has a forum, a circle for each café town, and a circle for its moderators."))
        say.line(_("Newcomers are told the answers to the first three questions before they say yes."))
    name = asked(flags.name, _("What is the community called"), _("Our community"))
    operator = asked(flags.operator, _("Who runs it (a person or an association)"))
    contact = asked(flags.contact, _("How are they reached (an address or a phone number)"))
    towns = flags.towns
    if not towns and not flags.yes:
        towns = tuple(ask.line(_("Towns with a café, with commas between them (none: Enter)")).split(","))
    language = flags.language or _language()
    timezone = flags.timezone or local_timezone()
    if not flags.yes and flags.language is None:
        language = ask.until(_("Language (en or nb)"), lambda t: "" if t in LANGUAGES else _("en or nb"), language)
    if not flags.yes and flags.timezone is None:
        unknown = _("A time zone has a name such as Europe/Oslo.")
        timezone = ask.until(_("Time zone"), lambda t: "" if is_timezone(t) else unknown, timezone)
    return CommunityConfig(
        name=name, operator=operator, contact=contact, language=language, timezone=timezone, town=_towns(towns)
    )


def _towns(names: Sequence[str]) -> tuple[Town, ...]:
    found: dict[str, Town] = {}
    for name in (" ".join(name.split()) for name in names):
        town = town_id(name)
        if name and not town:
            raise click.UsageError(_("“{name}” has no letters to make a circle's name of.").format(name=name))
        if name:
            found[town] = Town(id=town, name=name)
    return tuple(found.values())


def town_id(name: str) -> str:
    """The part after cafe-: small letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_LATIN))
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:40].strip("-")


def _relay(flags: Flags) -> tuple[RelayConfig, str]:
    url, code = flags.relay_url, flags.founding_code or ""
    here = not code
    if url is None and not flags.yes:
        say.line(_("The relay passes sealed messages on. It can run here, or somebody else's can be used."))
        here = here and ask.yes(_("Shall the relay run on this computer?"), default=True)
        url = LOOPBACK_URL if here else ask.until(_("The relay's address"), _no_url)
    url = (url or LOOPBACK_URL).rstrip("/")
    if wrong := _no_url(url):
        raise click.UsageError(wrong)
    if not here:
        return RelayConfig(url=url), code or ask.line(_("The relay's founding code"))
    return RelayConfig(url=url, listen=flags.listen or listen_for(url)), ""


def founding_code_for(config: Config, flags: Flags) -> str:
    """The founding code of the relay a config names; none for one on this computer."""
    if config.relay.listen or flags.founding_code:
        return flags.founding_code or ""
    if flags.yes:
        raise click.UsageError(_("The relay is elsewhere: also give --founding-code."))
    return ask.line(_("The relay's founding code"))


def _no_url(text: str) -> str:
    return "" if is_url(text) else _("An address looks like https://relay.example.org")


def listen_for(url: str) -> str:
    """Where a relay with this address listens: there, if that is this computer; else behind a proxy on it."""
    if not url.startswith("http://") or not is_loopback(host_of(url)):
        return LOOPBACK_LISTEN
    place = url.removeprefix("http://").partition("/")[0]
    return place if re.search(r":\d+$", place) else f"{place}:80"


def _language() -> str:
    named = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "nb" if named[:2] in ("nb", "no", "nn") else "en"


def local_timezone() -> str:
    """This computer's, by the name the system gives it."""
    candidates = [os.environ.get("TZ", "")]
    try:
        target = str(Path("/etc/localtime").resolve())
        candidates.append(target.partition(_ZONES)[2])
    except OSError:
        pass
    return next((name for name in candidates if name and is_timezone(name)), "UTC")

"""peerbot join: from an invite to a name in its circles. What was cut off goes on where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from peerbot.bootstrap import Place, is_there, make_folder, place_at, relays, write_config
from peerbot.cli import ask, consent, logs, say
from peerbot.cli.handing import show_code
from peerbot.cli.options import Options, with_dir, with_json
from peerbot.cli.pseudonym import choose
from peerbot.cli.session import Session, session_at
from peerbot.config.keys import Config, VaultConfig
from peerbot.config.template import key_file_setting
from peerbot.config.values import host_of, is_loopback, is_url
from peerbot.core.desk import asks
from peerbot.core.desk.answers import CircleList, Code, Done, Invited, InvitedTo
from peerbot.core.desk.invites import invited as described
from peerbot.core.desk.invites import read_link
from peerbot.core.joining import read_note
from peerbot.errors import RelayError, UserError
from peerbot.i18n.catalogue import _
from peerbot.i18n.errors import sentence
from peerbot.protocol.invite import InviteLink, format_link

_PATIENCE: Final = 1.5
"""Seconds to wait for the names the others go by: the gateway's answer takes less, if it runs."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line said."""

    pseudonym: str | None
    sure: bool
    json: bool


@click.command(help=_("Join by INVITE: its link, or its spoken code together with --relay-url."))
@click.argument("invite")
@click.option("--pseudonym", metavar="P", help=_("What you want to be called in its circles."))
@click.option("--relay-url", metavar="U", help=_("The relay's address, for a spoken code."))
@click.option("--key-file", type=click.Path(path_type=Path), help=_("Keep a new vault's key in this file."))
@click.option("--keyring", is_flag=True, help=_("Keep a new vault's key in this computer's keyring."))
@click.option("--yes", is_flag=True, help=_("Say yes to every point, and take what is usual for the rest."))
@with_json
@with_dir
@click.pass_obj
def join(
    options: Options,
    /,
    invite: str,
    pseudonym: str | None,
    relay_url: str | None,
    key_file: Path | None,
    keyring: bool,
    yes: bool,
) -> None:
    logs.set_up(debug=options.debug)
    link = _link(invite, relay_url)
    place = place_at(options.dir)
    if not is_there(place.vault):
        place = _prepared(place, VaultConfig(key_file=key_file_setting(place.dir, key_file), keyring=keyring))
    try:
        asyncio.run(_join(place, link, Wishes(pseudonym, yes, options.json)))
    except RelayError as error:
        if error.code == "relay-unreachable" and is_loopback(host_of(link.relay_url)):
            raise UserError("invite-here-only", url=link.relay_url) from None
        raise


def _link(invite: str, relay_url: str | None) -> InviteLink:
    if relay_url is not None and not is_url(relay_url):
        raise click.BadParameter(_("an address looks like https://relay.example.org"), param_hint="--relay-url")
    if relay_url is None and "#" not in invite and "/" not in invite:
        # Wrong codes are told first: the address wouldn't help them.
        read_link(invite, "https://relay.invalid")
        raise UserError("invite-no-relay")
    return read_link(invite, relay_url)


def _prepared(place: Place, vault: VaultConfig) -> Place:
    """Remember how the vault is to be opened, before there is one."""
    make_folder(place.dir)
    if vault == VaultConfig() or place.config_file.exists():
        return place
    return write_config(place, Config(vault=vault))


async def _join(place: Place, link: InviteLink, wishes: Wishes) -> None:
    invited = None
    if not is_there(place.vault):
        # Before a passphrase is chosen for a vault that nothing would come into.
        invited = await _look(link)
        _consent(invited, wishes)
    async with session_at(place, create=True) as session:
        known = await session.ask(asks.LookUp(link=format_link(link)), Invited)
        pending = (await session.ask(asks.PendingCode(), Code)).code
        if not pending and all(circle.joined and circle.name for circle in known.circles):
            say.note(_("You have joined by this invite already; nothing was changed."))
            return
        if invited is None and not any(circle.joined for circle in known.circles):
            _consent(known, wishes)
        await _into(session, link, known.circles, wishes)


async def _look(link: InviteLink) -> Invited:
    relay = relays()(link.relay_url, None)
    try:
        invitation = await read_note(relay, link)
    finally:
        await relay.close()
    lines = [InvitedTo(noted.slug, noted.role, False, "") for noted in invitation.note.circles]
    return described(invitation, lines)


def _consent(invited: Invited, wishes: Wishes) -> None:
    if not (wishes.json and wishes.sure):
        consent.obtain(invited, sure=wishes.sure)


async def _into(session: Session, link: InviteLink, circles: Sequence[InvitedTo], wishes: Wishes) -> None:
    """Names first, then the code, then the circles: a person who stops here has joined nothing."""
    names = _names(circles, wishes)
    code = await _code(session, wishes)
    for circle in circles:
        if not circle.joined:
            ask_for = asks.Join(link=format_link(link), circle=circle.circle, consent=consent.VERSION)
            await session.ask(ask_for, Done)
    patience = _PATIENCE
    for slug, name in names.items():
        # Who didn't answer in the first circle won't in the others.
        patience = patience if await _call_me(session, slug, name, patience, wishes) else 0.0
    await session.ask(asks.SettleCode(), Done)
    if wishes.json:
        joined = [{"circle": c.circle, "name": names.get(c.circle, c.name)} for c in circles]
        say.json({"circles": joined, "recovery_code": code})
        return
    for circle in circles:
        name = names.get(circle.circle, circle.name)
        say.line(_("You are in {circle} as “{name}”.").format(circle=circle.circle, name=name))
    say.line(_("Read with “peerbot read”. What was written before you came arrives once another device is online."))


def _names(circles: Sequence[InvitedTo], wishes: Wishes) -> dict[str, str]:
    """A name for each circle in which I have none; the one given is for all of them."""
    names: dict[str, str] = {}
    last = ""
    for circle in circles:
        if not circle.name:
            question = _("What shall the others in {circle} call you").format(circle=circle.circle)
            last = choose(wishes.pseudonym, sure=wishes.sure, question=question, default=last)
            names[circle.circle] = last
    return names


async def _code(session: Session, wishes: Wishes) -> str:
    """The recovery code for these circles: the one of an earlier invite if the person has it, else a new one."""
    given = ""
    if not wishes.sure and not (await session.ask(asks.PendingCode(), Code)).code and await _has_circles(session):
        say.line(_("You have a recovery code already. It can be used here too; a new one replaces it everywhere."))
        given = ask.line(_("Your recovery code (Enter for a new one)"))
    code = (await session.ask(asks.PendingCode(make=True, given=given), Code)).code
    if not given and not wishes.json:
        show_code(code, sure=wishes.sure)
    return code


async def _has_circles(session: Session) -> bool:
    return bool((await session.ask(asks.Circles(), CircleList)).circles)


async def _call_me(session: Session, slug: str, name: str, patience: float, wishes: Wishes) -> bool:
    """Take a name that nobody in the circle has; that can only be seen from inside. False where not all are known."""
    while True:
        try:
            done = await session.ask(asks.Rename(circle=slug, name=name, patience=patience), Done)
            return not done.count
        except UserError as error:
            if wishes.sure or not error.code.startswith("name-"):
                raise
            say.note(sentence(error))
            name = choose(None, sure=False, question=_("What else shall the others call you"))

"""peerbot init: found a community, or prepare a relay for others. What was cut off goes on where it stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from peerbot.bootstrap import Place, is_there, make_folder, place_at, relay_signing_key, write_config
from peerbot.cli import logs, say
from peerbot.cli.answers import Flags, config_from, founding_code_for
from peerbot.cli.founding import Founded, finished_earlier, found
from peerbot.cli.options import Options, with_dir, with_json
from peerbot.config.keys import Config, RelayConfig
from peerbot.config.template import key_file_setting
from peerbot.config.values import LANGUAGES, LOOPBACK_LISTEN, LOOPBACK_URL, is_timezone, split_listen
from peerbot.i18n.catalogue import _


def _timezone(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_timezone(value):
        raise click.BadParameter(_("a time zone has a name such as Europe/Oslo"))
    return value


def _listen(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and split_listen(value) is None:
        raise click.BadParameter(_("an address and a port, such as 127.0.0.1:8440"))
    return value


@click.command(help=_("Found a community: its relay, your vault, the gateway's, and the first circles."))
@click.option("--name", metavar="N", help=_("What the community is called."))
@click.option("--operator", metavar="O", help=_("Who runs it; newcomers are told."))
@click.option("--contact", metavar="C", help=_("How they are reached; newcomers are told."))
@click.option("--town", "towns", metavar="T", multiple=True, help=_("A town with a café; can be repeated."))
@click.option("--language", type=click.Choice(LANGUAGES), help=_("The community's language."))
@click.option("--timezone", metavar="Z", callback=_timezone, help=_("Its time zone, such as Europe/Oslo."))
@click.option("--relay-url", metavar="U", help=_("What the relay is reached by."))
@click.option("--listen", metavar="HOST:PORT", callback=_listen, help=_("Where a relay on this computer listens."))
@click.option("--founding-code", metavar="CODE", help=_("Of a relay elsewhere: its code for new communities."))
@click.option("--pseudonym", metavar="P", help=_("What you are called in the circles."))
@click.option("--key-file", type=click.Path(path_type=Path), help=_("Keep your vault's key in this file."))
@click.option("--keyring", is_flag=True, help=_("Keep your vault's key in this computer's keyring."))
@click.option("--only", type=click.Choice(["relay"]), help=_("Only prepare a relay, for a community elsewhere."))
@click.option("--yes", is_flag=True, help=_("Ask nothing: take the flags, and what is usual for the rest."))
@with_json
@with_dir
@click.pass_obj
def init(options: Options, /, only: str | None, pseudonym: str | None, **given: object) -> None:
    logs.set_up(debug=options.debug)
    flags = Flags(**given)  # type: ignore[arg-type]  # click has checked what each option is
    place = place_at(options.dir)
    make_folder(place.dir)
    if only == "relay":
        _prepare_relay(options, place, flags)
        return
    if is_there(place.vault) and asyncio.run(finished_earlier(place)):
        say.note(_("There is a community in {dir} already; nothing was changed.").format(dir=place.dir))
        if options.json:
            say.json({"dir": str(place.dir), "relay_url": place.config.relay.url, "changed": False})
        return
    code = flags.founding_code or ""
    if not place.config_file.exists():
        config, code = config_from(flags, key_file_setting(place.dir, flags.key_file))
        place = write_config(place, config)
    else:
        say.note(_("Going on with {file}; answers that are in it are not asked again.").format(file=place.config_file))
        code = founding_code_for(place.config, flags)
    _tell(options, place, asyncio.run(found(options, place, code, pseudonym, sure=flags.yes)))


def _tell(options: Options, place: Place, done: Founded) -> None:
    if options.json:
        config = place.config
        say.json(
            {
                "dir": str(place.dir),
                "community": config.community.name,
                "relay_url": config.relay.url,
                "circles": done.circles,
                "pseudonym": done.name,
                "recovery_code": done.code,
                "changed": True,
            }
        )
        return
    say.line()
    say.line(_("Done. You are “{name}” in: {circles}").format(name=done.name, circles=", ".join(done.circles)))
    say.line(_("Next: start it with “peerbot serve”, then make an invite with “peerbot invite”."))
    if not place.config.community.operator or not place.config.community.contact:
        say.line(_("Newcomers should know who runs this: fill in operator and contact in config.toml."))


def _prepare_relay(options: Options, place: Place, flags: Flags) -> None:
    """The founding code is shown when the relay's key is made; it stays the same as long as the key."""
    from peerbot.relay.founding import founding_code

    if place.relay_key.exists() and place.config_file.exists():
        say.note(_("There is a relay in {dir} already; nothing was changed.").format(dir=place.dir))
        return
    if not place.config_file.exists():
        relay = RelayConfig(url=(flags.relay_url or LOOPBACK_URL).rstrip("/"), listen=flags.listen or LOOPBACK_LISTEN)
        place = write_config(place, Config(relay=relay))
    code = founding_code(relay_signing_key(place, make=True))
    if options.json:
        say.json({"dir": str(place.dir), "relay_url": place.config.relay.url, "founding_code": code})
        return
    say.line(_("The relay is ready. Its founding code, for whoever founds a community on it:"))
    say.line()
    say.indented(code, 4)
    say.line()
    say.line(_("Give it to nobody else, and write it down: it is not shown again."))
    say.line(_("Next: start the relay with “peerbot serve --only relay”."))

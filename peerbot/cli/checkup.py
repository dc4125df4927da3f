"""What `peerbot doctor` finds by opening the vaults and asking the relay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from peerbot.bootstrap import Place, gateway_vault, is_there, relays
from peerbot.cli.findings import Finding, fine, note, wrong
from peerbot.cli.session import session_at
from peerbot.config.values import host_of, is_loopback
from peerbot.core.desk import asks
from peerbot.core.desk.answers import CircleLine, CircleList, DraftList, Stale
from peerbot.errors import PeerbotError
from peerbot.i18n.catalogue import _, ngettext
from peerbot.i18n.checks import CHECKS
from peerbot.i18n.errors import sentence, sentence_for


async def check_up(place: Place) -> list[Finding]:
    """Everything that takes opening something."""
    found: list[Finding] = []
    if is_there(place.gateway):
        found.append(await _gateway(place))
    if is_there(place.vault):
        found += await _vault(place)
    elif place.config.relay.url:
        found.append(await _relay(place.config.relay.url))
    if not is_there(place.vault) and not place.relay_key.exists():
        says = _("There is no vault here yet.")
        found.append(wrong("vault", says, _("Begin with “peerbot init”, or accept an invite with “peerbot join”.")))
    return found


async def _gateway(place: Place) -> Finding:
    try:
        async with gateway_vault(place):
            return note("gateway", _("The gateway is not running."), _("Start it: peerbot serve"))
    except PeerbotError as error:
        if error.code == "vault-in-use":
            return fine("gateway", _("The gateway is running."))
        return wrong("gateway", sentence(error))


async def _relay(url: str) -> Finding:
    relay = relays()(url, None)
    try:
        await relay.key()
    except PeerbotError as error:
        return wrong("relay", f"{url}: {sentence(error)}")
    finally:
        await relay.close()
    return fine("relay", _("The relay answers at {url}").format(url=url))


async def _vault(place: Place) -> list[Finding]:
    try:
        async with session_at(place) as session:
            found = await session.ask(asks.Circles(fresh=True), CircleList)
            kept = await session.ask(asks.Drafts(), DraftList)
    except PeerbotError as error:
        if error.code == "passphrase-needed":
            return [note("vault", sentence(error))]
        return [wrong("vault", sentence(error))]
    opened = fine("vault", _("Your vault opens."))
    return [
        opened,
        *_address(place.config.relay.url, found.circles),
        *_relays(found.circles, found.stale),
        *_circles(found.circles, found.stale),
        *_drafts(len(kept.drafts)),
    ]


def _address(configured: str, circles: Sequence[CircleLine]) -> Iterator[Finding]:
    """A community keeps the relay's address it was founded with; another one in the config misleads `serve`."""
    used = list(dict.fromkeys(circle.relay_url for circle in circles))
    if configured and used and configured not in used:
        says = _("config.toml says that the relay is at {url}, but your circles use {used}.")
        do = _("Put the circles' address back into relay.url.")
        yield wrong("relay address", says.format(url=configured, used=", ".join(used)), do)


def _drafts(count: int) -> Iterator[Finding]:
    if count:
        says = ngettext("{n} post could not be sent, and is kept.", "{n} posts could not be sent, and are kept.", count)
        yield note("drafts", says.format(n=count), _("See them with: peerbot post --draft"))


def _relays(circles: Sequence[CircleLine], stale: Sequence[Stale]) -> Iterator[Finding]:
    """Each relay once: whether it answers, whether its clock agrees, and whether the way to it is closed to others."""
    away = {one.circle: one for one in stale if one.code.startswith("relay-") and one.code != "relay-denied"}
    for url in dict.fromkeys(circle.relay_url for circle in circles):
        failing = next((away[c.circle] for c in circles if c.relay_url == url and c.circle in away), None)
        if failing is not None:
            about = "clock" if failing.code == "relay-clock" else "relay"
            yield wrong(about, f"{url}: {sentence_for(failing.code, failing.facts)}")
            continue
        where = _("on this computer") if is_loopback(host_of(url)) else _("with a certificate that is in order")
        yield fine("relay", _("The relay answers at {url}, {where}.").format(url=url, where=where))
        yield fine("clock", _("This computer's clock agrees with the relay's."))


def _circles(circles: Sequence[CircleLine], stale: Sequence[Stale]) -> Iterator[Finding]:
    reasons = {one.circle: one for one in stale}
    for circle in circles:
        about = circle.circle
        problems = list(_problems(circle, reasons.get(about)))
        yield from problems
        if not problems:
            said = (
                ngettext("up to date, {n} member", "up to date, {n} members", circle.members)
                if about not in reasons
                else ngettext("{n} member", "{n} members", circle.members)
            )
            yield fine(about, said.format(n=circle.members))


def _problems(circle: CircleLine, stale: Stale | None) -> Iterator[Finding]:
    about = circle.circle
    if circle.removed or (stale is not None and stale.code == "relay-denied"):
        yield note(about, sentence_for("removed"))
    elif circle.alarm:
        yield wrong(about, sentence_for(f"alarm-{circle.alarm}"))
    elif circle.broken:
        yield wrong(about, sentence_for("no-epoch-key"))
    elif stale is not None and not stale.code.startswith("relay-"):
        yield wrong(about, sentence_for(stale.code, stale.facts))
    if circle.waiting:
        says = ngettext("{n} message waits to be sent.", "{n} messages wait to be sent.", circle.waiting)
        yield note(about, says.format(n=circle.waiting), _("They go out once the relay can be reached."))
    for code, count in sorted(circle.refused.items()):
        why = _(CHECKS.get(code, code))
        says = ngettext("{n} record was left out: {why} ({code}).", "{n} records were left out: {why} ({code}).", count)
        yield note(about, says.format(n=count, why=why, code=code), _("If this goes on, tell whoever runs the relay."))

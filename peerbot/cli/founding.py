"""The steps of founding a community. Each can be done again after a crash without doing anything twice."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final

from peerbot.bootstrap import Place, founding_relay, gateway_vault, node_on, own_vault, relays
from peerbot.cli import ask, say
from peerbot.cli.handing import show_code
from peerbot.cli.options import Options
from peerbot.cli.pseudonym import choose
from peerbot.config.keys import Config
from peerbot.core.community import admit_gateway, ensure_name, shared_slugs, slugs
from peerbot.core.founding import DEFAULT_POLICY, found_circle
from peerbot.core.inviting import Community
from peerbot.core.node import Node
from peerbot.core.ports import Relay, Vault
from peerbot.core.recovery import begin_code, settle_code
from peerbot.core.text import clean_line
from peerbot.i18n.catalogue import _
from peerbot.protocol.keys import spell
from peerbot.protocol.roster.ops import SetPolicy

_STATE: Final = "init"
_DONE: Final = "done"


@dataclass(frozen=True, slots=True)
class Founded:
    """What came of it. `code` is the recovery code, spelled."""

    circles: list[str]
    name: str
    code: str


async def finished_earlier(place: Place) -> bool:
    """Whether the vault that is here belongs to a finished community, or to somebody who joined one."""
    async with own_vault(place, ask.passphrase) as vault:
        if await vault.get_setting(_STATE) == _DONE:
            return True
        circles = {slug for _cid, slug, _ready in await vault.circles()}
        return bool(circles) and await vault.get_setting(_STATE) is None


async def found(options: Options, place: Place, code: str, pseudonym: str | None, *, sure: bool) -> Founded:
    """Found the circles, let the gateway in, and hand out the recovery code."""
    async with AsyncExitStack() as stack:
        vault = await stack.enter_async_context(own_vault(place, ask.passphrase, create=True))
        await vault.set_setting(_STATE, "begun")
        relay, code = await stack.enter_async_context(founding_relay(place, code))
        relay_at = relays(None, relay)
        owner = await stack.enter_async_context(node_on(vault, relay_at))
        name = await _name(vault, owner, pseudonym, sure=sure)
        await _found_circles(options, place, owner, relay, code, name)
        gateway_store = await stack.enter_async_context(gateway_vault(place, create=True))
        gateway = await stack.enter_async_context(node_on(gateway_store, relay_at))
        await admit_gateway(owner, gateway, shared_slugs(_towns(place)), community_of(place.config))
        spelled = spell((await begin_code(vault)).reveal())
        if not options.json:
            show_code(spelled, sure=sure)
        await settle_code(owner)
        await vault.set_setting(_STATE, _DONE)
        return Founded([circle.slug for circle in owner.circles], name, spelled)


async def _name(vault: Vault, owner: Node, pseudonym: str | None, *, sure: bool) -> str:
    """What an earlier run called me, else what I want to be called."""
    for circle in owner.circles:
        names = await vault.names(circle.cid)
        if mine := names.get(circle.follower.state.me.member):
            return clean_line(mine)
    return choose(pseudonym, sure=sure, question=_("What shall the others call you"))


async def _found_circles(options: Options, place: Place, owner: Node, relay: Relay, code: str, name: str) -> None:
    key = await relay.key()
    for slug in slugs(_towns(place)):
        circle = await found_circle(
            owner, slug, relay_url=relay.url, relay_key=key, founding_code=code, policy=_policy(place.config)
        )
        await ensure_name(owner, circle, name)
        if not options.json:
            say.line(_("Founded: {circle}").format(circle=slug))


def _policy(config: Config) -> SetPolicy:
    kept = config.retention
    history = min(DEFAULT_POLICY.history_days, kept.days)
    return replace(DEFAULT_POLICY, retention_days=kept.days, epoch_days=kept.epoch_days, history_days=history)


def _towns(place: Place) -> list[str]:
    return [town.id for town in place.config.community.town]


def community_of(config: Config) -> Community:
    """What invites say about who runs this."""
    about = config.community
    return Community(about.name, about.operator, about.contact, about.language, chat_apps(config))


def chat_apps(config: Config) -> str:
    """The chat apps this config's gateway serves."""
    served = {
        "Telegram": bool(config.telegram.token or config.telegram.token_file),
        "Matrix": bool(config.matrix.homeserver),
    }
    return ", ".join(name for name, on in served.items() if on)

"""What the tests of the gateway's store build: a vault with a circle, events, guests, deliveries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from peerbot.core.doors import (
    Delivery,
    DeliveryState,
    Fan,
    Guest,
    Incoming,
    Platform,
    Priority,
    Saying,
    Sort,
    Step,
)
from peerbot.store.vault import models as vault_models
from peerbot.store.vault.connect import Connector
from peerbot.store.vault.gateway import models
from peerbot.store.vault.gateway.store import GatewayVault
from tests.store.vault_builders import CID, key, member, new_circle

NOW = 1_800_000_000
LEASE = 60
TELEGRAM, MATRIX = Platform.TELEGRAM, Platform.MATRIX
BOTH = (TELEGRAM, MATRIX)


@asynccontextmanager
async def new_gateway(folder: Path) -> AsyncIterator[GatewayVault]:
    """A gateway's vault with one circle."""
    vault = await GatewayVault.create(folder / "vault.db", key())
    try:
        await vault.add_circle(new_circle(), None)
        yield vault
    finally:
        await vault.close()


def event(number: int, chat: str = "chat-1", **more: Any) -> Incoming:
    more.setdefault("sort", Sort.TEXT)
    more.setdefault("at", NOW)
    more.setdefault("platform", TELEGRAM)
    return Incoming(key=f"event-{number}", chat=chat, **more)


def guest(chat: str = "chat-1", platform: Platform = TELEGRAM, number: int = 0, **more: Any) -> Guest:
    """Somebody; with a `number`, that member of the circle."""
    members = {CID: member(number)} if number else {}
    return Guest(platform, chat, more.pop("dialogue", b"state"), members, **more)


def saying(
    name: str, chat: str = "chat-1", priority: Priority = Priority.ANSWER, due: int = 0, **more: Any
) -> Delivery:
    more.setdefault("platform", TELEGRAM)
    more.setdefault("saying", Saying(f"words of {name}"))
    return Delivery(name, chat=chat, priority=priority, due=due, **more)


async def admit(vault: GatewayVault, number: int, chat: str, platform: Platform = TELEGRAM, since: int = 1) -> None:
    """A guest who is a member and reads the circle."""
    await vault.step(Step(0, guest(chat, platform, number)))
    await vault.set_readers(CID, {member(number): since})


def fan(*positions: int, author: int = 99, **more: Any) -> Fan:
    more.setdefault("open", BOTH)
    more.setdefault("reach", max(positions, default=0))
    return Fan(CID, now=NOW, posts=[(p, member(author)) for p in positions], **more)


async def claim(vault: GatewayVault, limit: int = 100, now: int = NOW, platform: Platform = TELEGRAM) -> list[Delivery]:
    return list((await vault.claim(platform, now, LEASE, limit)).deliveries)


async def states(vault: GatewayVault) -> dict[str, int]:
    """How many deliveries stand where, without the zeros."""
    return {name: count for name, count in (await vault.counts()).items() if count}


def names(deliveries: list[Delivery]) -> list[str]:
    return [delivery.key for delivery in deliveries]


def as_sent(delivery: Delivery, platform_id: str = "", now: int = NOW) -> Delivery:
    return replace(delivery, state=DeliveryState.SENT, platform_id=platform_id or f"m{delivery.id}", due=now)


def values(folder: Path) -> list[object]:
    """Every value of every table of the file, but those of the full-text index."""
    connection = Connector(folder / "vault.db", key())(read_only=True)
    try:
        tables = [*vault_models.METADATA.sorted_tables, *models.METADATA.sorted_tables]
        return [value for table in tables for row in connection.execute(table.select()) for value in row]
    finally:
        connection.close()

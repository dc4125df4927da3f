"""The whole walk in a shell; then everything the removed member still holds, tried on what came after."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from peerbot.bootstrap import own_vault, place_at
from peerbot.core.ports import Credential, StoredCircle
from peerbot.core.state import CircleState, restore
from peerbot.errors import Refused, RelayError
from peerbot.protocol.epochs import keys_of
from peerbot.protocol.log import Kind
from peerbot.protocol.message import PlacedMessage, parse, unseal
from peerbot.protocol.roster.entry import By
from peerbot.relay.client import HttpRelay
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.cli.household import PYTHON, environment, free_port, relay_running

WALK = Path(__file__).parent / "walk.sh"


def refuse(_new: bool) -> str:
    raise AssertionError("nobody is asked for a passphrase here")


async def stored(folder: Path) -> StoredCircle:
    """The forum as a machine's vault holds it."""
    async with own_vault(place_at(folder), refuse) as vault:
        cid = next(cid for cid, slug, _ in await vault.circles() if slug == "forum")
        return await vault.circle(cid)


async def last_message(folder: Path, cid: bytes) -> tuple[int, bytes]:
    """Position and wire of the newest message in the relay's log."""
    log = await SqliteRelayLog.open(folder / "relay.db")
    try:
        found = await log.read(cid, 0, 1000, 2**24, frozenset(Kind))
    finally:
        await log.close()
    assert found is not None
    return next((r.p, r.wire) for r in reversed(found.records) if r.kind is Kind.MESSAGE and r.wire is not None)


def open_with_all(wren: CircleState, heron: CircleState, p: int, wire: bytes) -> int:
    """Try every epoch secret Wren holds on a message, with all that is public about its epoch; how many were tried."""
    message = parse(wire)
    epoch = heron.rules.epochs[message.header.e]
    placed = PlacedMessage(message, p, heron.rules.members[message.header.author])
    assert message.header.e not in wren.secrets
    for known in wren.secrets.values():
        for context in (epoch, *wren.rules.epochs.values()):
            with pytest.raises(Refused, match="M14"):
                unseal(placed, keys_of(known, wren.cid, context))
    unseal(placed, keys_of(heron.secrets[message.header.e], heron.cid, epoch))
    return len(wren.secrets)


async def knock(url: str, wren: CircleState) -> str:
    """What the relay says to Wren's device."""
    relay = HttpRelay(url)
    device = Credential(wren.cid, By.DEVICE, wren.me.device, wren.me.key)
    try:
        with pytest.raises(RelayError) as caught:
            await relay.circle(device).read(0, 10)
    finally:
        await relay.close()
    return caught.value.code


def test_walk(tmp_path: Path) -> None:
    port = free_port()
    command = ["bash", str(WALK), str(tmp_path), str(port)]
    done = subprocess.run(
        command, env=environment(PYTHON=PYTHON), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    wren = restore(asyncio.run(stored(tmp_path / "wren")))
    heron = restore(asyncio.run(stored(tmp_path / "heron")))
    p, wire = asyncio.run(last_message(tmp_path / "heron", heron.cid))
    assert open_with_all(wren, heron, p, wire) >= 1
    with relay_running(tmp_path / "heron"):
        assert asyncio.run(knock(f"http://127.0.0.1:{port}", wren)) == "relay-denied"

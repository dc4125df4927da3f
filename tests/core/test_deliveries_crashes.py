"""kill -9 of a gateway at each step from an event to its answer: nothing is lost, nothing is silently twice."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from peerbot.core.doors import Platform, Priority, Step
from tests.store.gateway_builders import MATRIX, TELEGRAM, admit, guest, new_gateway, saying, states
from tests.store.vault_builders import CID
from tests.support.crash_gateway import (
    ACTIONS,
    EVENTS,
    POSTS,
    READERS,
    FilePlatform,
    deliver,
    fan_out,
    gateway,
    handle,
    take_in,
)

ROOT = Path(__file__).resolve().parents[2]


async def cut_off(folder: Path, action: str, point: str) -> None:
    """Run an action in a process of its own, which must die at the point."""

    def run() -> int:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.crash_gateway", str(folder), action, point],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    assert action in ACTIONS
    assert await asyncio.to_thread(run) == -signal.SIGKILL, "the point was never reached"


async def with_readers(folder: Path) -> None:
    async with new_gateway(folder) as vault:
        for number in range(2, 2 + READERS):
            await admit(vault, number, f"reader-{number}", (TELEGRAM, MATRIX)[number % 2])


@pytest.mark.parametrize("point", ["store.take_in:before:2", "store.take_in:after:1", "store.take_in:after:4"])
async def test_an_event_is_taken_in_once(tmp_path: Path, point: str) -> None:
    async with new_gateway(tmp_path):
        pass
    await cut_off(tmp_path, "take-in", point)
    async with gateway(tmp_path) as vault:
        await take_in(vault, tmp_path, "")
        found = []
        while waiting := await vault.waiting(1):
            found.append(waiting[0].key)
            await vault.step(Step(waiting[0].id, guest(waiting[0].chat)))
        assert found == [f"event-{n}" for n in range(EVENTS)]


@pytest.mark.parametrize("point", ["store.step:before:1", "store.step:after:4", "in-step:1", "in-step:4"])
async def test_an_event_is_handled_once_with_all_that_comes_of_it(tmp_path: Path, point: str) -> None:
    async with new_gateway(tmp_path) as vault:
        await take_in(vault, tmp_path, "")
    await cut_off(tmp_path, "handle", point)
    async with gateway(tmp_path) as vault:
        await handle(vault, tmp_path, "")
        said = [row.intent for row in await vault.outbox(CID)]
        assert said == [b"%d:%d" % (number, n) for number in range(1, EVENTS + 1) for n in range(2)]
        counted = [await vault.guest(TELEGRAM, f"chat-{n}") for n in range(2)]
        assert [found.dialogue for found in counted if found is not None] == [b"3", b"3"]
        assert await states(vault) == {"waiting": EVENTS}
        await deliver(vault, tmp_path, "")
    arrived = [line["text"] for line in FilePlatform(tmp_path, TELEGRAM).arrived()]
    assert sorted(arrived) == [f"answer event-{n}" for n in range(EVENTS)]


@pytest.mark.parametrize("point", ["store.fan_out:before:2", "store.fan_out:after:1", "store.fan_out:after:2"])
async def test_every_reader_gets_every_post_once(tmp_path: Path, point: str) -> None:
    await with_readers(tmp_path)
    await cut_off(tmp_path, "fan-out", point)
    async with gateway(tmp_path) as vault:
        await fan_out(vault, tmp_path, "")
        await deliver(vault, tmp_path, "")
        assert await states(vault) == {"sent": READERS * len(POSTS)}
    for platform in Platform:
        chats: dict[str, list[str]] = {}
        for line in FilePlatform(tmp_path, platform).arrived():
            chats.setdefault(line["chat"], []).append(line["text"])
        assert all(texts == [f"post {p}" for p in POSTS] for texts in chats.values())


SENDING = [
    "store.claim:before:3",
    "store.claim:after:1",
    "store.claim:after:4",
    "adapter.send:before:1",
    "adapter.send:after:7",
    "store.settle_deliveries:before:5",
    "store.settle_deliveries:after:5",
]


@pytest.mark.parametrize("point", SENDING)
async def test_a_send_cut_off_anywhere_arrives_once_or_is_listed_as_unknown(tmp_path: Path, point: str) -> None:
    await with_readers(tmp_path)
    async with gateway(tmp_path) as vault:
        await fan_out(vault, tmp_path, "")
    await cut_off(tmp_path, "deliver", point)
    async with gateway(tmp_path) as vault:
        await deliver(vault, tmp_path, "")
        found = await states(vault)
        unknown = await vault.unknown(TELEGRAM, 99)
        assert await vault.unknown(MATRIX, 99) == []
        assert found == {"sent": READERS * len(POSTS) - len(unknown)} | ({"unknown": len(unknown)} if unknown else {})
        assert len(unknown) <= 3, "what was in hand, and nothing else"
    matrix = Counter((line["chat"], line["text"]) for line in FilePlatform(tmp_path, MATRIX).arrived())
    assert matrix == {(f"reader-{n}", f"post {p}"): 1 for n in range(3, 2 + READERS, 2) for p in POSTS}
    telegram = Counter((line["chat"], line["text"]) for line in FilePlatform(tmp_path, TELEGRAM).arrived())
    assert all(count == 1 for count in telegram.values()), "a post is never repeated"
    missing = {(f"reader-{n}", f"post {p}") for n in range(2, 2 + READERS, 2) for p in POSTS} - telegram.keys()
    assert missing <= {(d.chat, f"post {d.p}") for d in unknown}, "each that may be lost is listed"


@pytest.mark.parametrize("point", ["adapter.send:before:1", "adapter.send:after:1"])
async def test_help_that_was_cut_off_goes_out_again(tmp_path: Path, point: str) -> None:
    async with new_gateway(tmp_path) as vault:
        await vault.step(Step(0, guest("chat-1"), [saying("help", priority=Priority.HELP)]))
    await cut_off(tmp_path, "deliver", point)
    async with gateway(tmp_path) as vault:
        await deliver(vault, tmp_path, "")
        assert await states(vault) == {"sent": 1}
    arrived = [line["text"] for line in FilePlatform(tmp_path, TELEGRAM).arrived()]
    assert set(arrived) == {"words of help"}
    assert len(arrived) <= 2


async def test_many_kills_one_after_another(tmp_path: Path) -> None:
    """The same work, killed at one send after another."""
    await with_readers(tmp_path)
    async with gateway(tmp_path) as vault:
        await fan_out(vault, tmp_path, "")
    for count in (2, 9, 4):
        await cut_off(tmp_path, "deliver", f"adapter.send:after:{count}")
    async with gateway(tmp_path) as vault:
        await deliver(vault, tmp_path, "")
        lost = await vault.unknown(TELEGRAM, 99)
        assert (await states(vault))["sent"] == READERS * len(POSTS) - len(lost)
    for platform in Platform:
        arrived = Counter((line["chat"], line["text"]) for line in FilePlatform(tmp_path, platform).arrived())
        assert set(arrived.values()) == {1}

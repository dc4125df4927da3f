"""kill -9 at each step of posting, rotating, removing, joining, founding: everything happens once, no key is lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from peerbot.core.threads import post
from peerbot.protocol.invite import format_link
from peerbot.protocol.primitives import SigningKey
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.support.world import Person, World

ROOT = Path(__file__).resolve().parents[2]
POSTING = [
    "vault.enqueue:before:1",
    "vault.enqueue:after:1",
    "relay.append:before:1",
    "relay.append:after:1",
    "vault.save:before:1",
    "vault.save:after:1",
    "vault.store_sealed:before:1",
    "vault.store_sealed:after:1",
    "relay.append:before:2",
    "relay.append:after:2",
    "vault.save:before:2",
    "vault.save:after:2",
]
ENTERING = [
    "vault.enqueue:before:1",
    "vault.enqueue:after:1",
    "relay.append:before:1",
    "relay.append:after:1",
    "vault.save:before:1",
    "vault.save:after:1",
]
JOINING = [
    "vault.add_circle:before:1",
    "vault.add_circle:after:1",
    "relay.append:before:1",
    "relay.append:after:1",
    "vault.mark_ready:before:1",
    "vault.mark_ready:after:1",
    "vault.save:before:1",
    "vault.save:after:1",
]
FOUNDING = [
    "vault.add_circle:before:1",
    "vault.add_circle:after:1",
    "relay.found:before:1",
    "relay.found:after:1",
    "vault.mark_ready:after:1",
    "vault.save:before:1",
    "vault.enqueue:after:1",
    "relay.append:after:1",
    "vault.save:after:2",
]


class Scene:
    """A community on disk, and processes that act in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = SigningKey.generate()

    async def open(self) -> World:
        return World(self.folder, await SqliteRelayLog.open(self.folder / "relay.db"), self.key)

    def run(self, action: str, argument: str, point: str) -> int:
        seed = self.key.seed().reveal().hex()
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.crash_node", str(self.folder), seed, action, argument, point],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    """Heron has founded the circle, Wren is in it."""
    scene = Scene(tmp_path)
    world = await scene.open()
    heron = await world.founder()
    await world.newcomer("Wren", heron)
    await heron.sync()
    await world.close()
    return scene


async def everyone(world: World, *names: str) -> list[Person]:
    people = [await world.person(name) for name in names]
    for _ in range(2):
        for person in people:
            await person.sync()
    return people


@pytest.mark.parametrize("point", POSTING)
async def test_a_post_cut_off_anywhere_arrives_at_most_once_and_exactly_once_when_stored(
    scene: Scene, point: str
) -> None:
    code = await asyncio.to_thread(scene.run, "post", "only once", point)
    assert code == -signal.SIGKILL, "the point was never reached"
    world = await scene.open()
    heron, wren = await everyone(world, "Heron", "Wren")
    expected = [] if point == "vault.enqueue:before:1" else ["only once"]
    assert await wren.texts() == expected
    assert await heron.texts() == expected
    assert heron.circle.outbox.waiting == 0
    assert await heron.node.vault.refused(heron.circle.cid) == {}
    await world.close()


@pytest.mark.parametrize("point", ENTERING)
@pytest.mark.parametrize("action", ["rotate", "remove"])
async def test_an_epoch_cut_off_anywhere_is_not_lost(scene: Scene, action: str, point: str) -> None:
    world = await scene.open()
    heron = await world.person("Heron")
    owl = await world.newcomer("Owl", heron)
    await heron.sync()
    before = heron.circle.follower.state.epoch
    await world.close()
    code = await asyncio.to_thread(scene.run, action, "Wren", point)
    assert code == -signal.SIGKILL, "the point was never reached"
    world = await scene.open()
    heron, owl = await everyone(world, "Heron", "Owl")
    expected = before if point == "vault.enqueue:before:1" else before + 1
    for person in (heron, owl):
        state = person.circle.follower.state
        assert state.epoch == expected
        assert state.epoch in state.secrets
        assert not state.broken
    await post(heron.node, heron.circle, "after", "still here")
    await owl.sync()
    assert await owl.texts() == ["still here"]
    await world.close()


@pytest.mark.parametrize("point", JOINING)
async def test_a_join_cut_off_anywhere_is_finished_by_joining_again_and_adds_one_member(
    scene: Scene, point: str
) -> None:
    world = await scene.open()
    heron = await world.person("Heron")
    invite = await world.invite(heron)
    assert invite.link is not None
    await world.close()
    (scene.folder / "Wren.db").rename(scene.folder / "Old.db")
    (scene.folder / "Wren.key").rename(scene.folder / "Old.key")
    code = await asyncio.to_thread(scene.run, "join", format_link(invite.link), point)
    assert code == -signal.SIGKILL, "the point was never reached"
    world = await scene.open()
    wren = await world.join("Wren", invite)
    (heron,) = await everyone(world, "Heron")
    assert sum(1 for _ in heron.circle.follower.state.rules.members_active()) == 3
    state = wren.circle.follower.state
    assert state.epoch in state.secrets
    await world.close()


@pytest.mark.parametrize("point", FOUNDING)
async def test_founding_cut_off_anywhere_ends_in_one_circle(tmp_path: Path, point: str) -> None:
    scene = Scene(tmp_path)
    code = await asyncio.to_thread(scene.run, "found", "", point)
    assert code == -signal.SIGKILL, "the point was never reached"
    world = await scene.open()
    heron = await world.founder()
    assert len(await world.log.circles()) == 1
    state = heron.circle.follower.state
    assert (state.epoch, set(state.secrets)) == (1, {1})
    await world.close()

"""What people write, how they are called, and keys stay out of reprs, and so out of logs and tracebacks."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest

from peerbot.core.people import list_members
from peerbot.core.threads import post, read_posts
from peerbot.errors import PeerbotError
from tests.support.world import World

TEXT, TITLE, NAME = "CANARY words", "CANARY title", "CanaryHeron"


async def test_no_value_of_a_community_shows_words_names_or_keys_in_its_repr(tmp_path: Path) -> None:
    world = World(tmp_path)
    heron = await world.founder(NAME)
    await post(heron.node, heron.circle, TITLE, TEXT)
    state = heron.circle.follower.state
    vault = heron.node.vault
    values = [
        state,
        state.me,
        state.secrets,
        state.keys(1),
        await read_posts(heron.node, heron.circle, None),
        await list_members(heron.circle),
        await vault.threads(heron.circle.cid),
        await vault.posts(heron.circle.cid, None, 10**9, 10),
        await vault.living(heron.circle.cid, 10**6, 10),
        await vault.circle(heron.circle.cid),
        (await world.invite(heron)).link,
        await vault.invites(),
        heron.circle,
    ]
    shown = repr(values)
    assert "CANARY" not in shown.upper()
    assert state.secrets[1].reveal().hex() not in shown
    assert repr(state.secrets[1].reveal()) not in shown
    assert repr(state.me.key.seed().reveal()) not in shown
    await world.close()


async def test_a_post_that_fails_leaves_no_words_in_the_traceback_or_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = World(tmp_path)
    heron = await world.founder(NAME)
    with pytest.raises(PeerbotError) as caught:
        await post(heron.node, heron.circle, TITLE, TEXT * 10_000)
    told = "".join(traceback.format_exception(caught.value)) + str(caught.value) + caplog.text
    assert "CANARY" not in told.upper()
    await world.close()

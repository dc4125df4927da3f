"""A world with a clock that waits for the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.world import World
from tests.tui.support import PatientClock


@pytest.fixture
async def clock() -> PatientClock:
    return PatientClock()


@pytest.fixture
async def world(tmp_path: Path, clock: PatientClock) -> AsyncIterator[World]:
    world = World(tmp_path)
    world.clock = clock
    yield world
    await world.close()

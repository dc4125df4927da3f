"""Choosing a name, being suggested one, and not being taken for another."""

from __future__ import annotations

from pathlib import Path

import pytest

from peerbot.cli import pseudonym
from peerbot.cli.answers import listen_for, town_id
from peerbot.core.people import display_names, set_profile
from peerbot.core.pseudonym import check_pseudonym, skeleton
from tests.support.world import World


def test_every_suggestion_may_be_taken() -> None:
    for _ in range(300):
        assert check_pseudonym(pseudonym.suggestion()) == []


async def test_nobody_can_be_called_what_another_is_shown_as(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        heron = await world.founder("Heron")
        await world.newcomer("Wren", heron)
        second = await world.newcomer("wrеn", heron)
        await heron.sync()
        shown = (await display_names(heron.circle))[second.circle.follower.state.me.member]
        assert shown.startswith("wrеn #")
        third = await world.newcomer("Owl", heron)
        await set_profile(third.node, third.circle, shown.replace("е", "e"))
        await heron.sync()
        names = list((await display_names(heron.circle)).values())
        assert len({skeleton(name) for name in names}) == len(names) == 4
    finally:
        await world.close()


@pytest.mark.parametrize(
    ("name", "town"),
    [
        ("Bergen", "bergen"),
        ("Tromsø", "tromso"),
        ("Ål i Hallingdal", "al-i-hallingdal"),
        ("  ", ""),
        ("Žilina!", "zilina"),
    ],
)
def test_towns(name: str, town: str) -> None:
    assert town_id(name) == town


@pytest.mark.parametrize(
    ("url", "listen"),
    [
        ("http://127.0.0.1:9000", "127.0.0.1:9000"),
        ("http://127.0.0.1:9000/x", "127.0.0.1:9000"),
        ("http://localhost", "localhost:80"),
        ("http://[::1]:9000", "[::1]:9000"),
        ("https://relay.example.org", "127.0.0.1:8440"),
        ("https://127.0.0.1:9000", "127.0.0.1:8440"),
    ],
)
def test_where_a_relay_listens(url: str, listen: str) -> None:
    assert listen_for(url) == listen

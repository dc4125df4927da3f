"""What people write and how they are called stands nowhere in the relay's files, and in no vault in the clear."""

from __future__ import annotations

from pathlib import Path

from peerbot.core.people import remove_member, set_profile
from peerbot.core.threads import post
from peerbot.protocol.primitives import SigningKey
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.support.canaries import leaks, spellings
from tests.support.world import COMMUNITY, World

TEXT = "CANARY-of-a-hard-evening"
TITLE = "CANARY-title-of-a-thread"
TOWN = "CANARY-town-by-the-fjord"
NAMES = ("CanaryHeron", "CanaryWren", "CanaryOwl")
WORDS = (TEXT, TITLE, TOWN, *NAMES, COMMUNITY.name, COMMUNITY.operator, COMMUNITY.contact, "forum")


async def live(folder: Path) -> World:
    """A life: founding, inviting, joining, names, towns, posts, history for a newcomer, a removal."""
    (folder / "relay").mkdir()
    (folder / "people").mkdir()
    log = await SqliteRelayLog.open(folder / "relay" / "relay.db")
    world = World(folder / "people", log, SigningKey.generate())
    heron = await world.founder(NAMES[0])
    wren = await world.newcomer(NAMES[1], heron)
    await set_profile(wren.node, wren.circle, NAMES[1], TOWN)
    await heron.sync()
    for person in (heron, wren):
        await post(person.node, person.circle, TITLE, TEXT)
    owl = await world.newcomer(NAMES[2], heron)
    await heron.sync()
    await owl.sync()
    assert TEXT in await owl.texts(), "the newcomer reads what the window allows, so it was all really there"
    await remove_member(heron.node, heron.circle, NAMES[1])
    await post(heron.node, heron.circle, TITLE, TEXT)
    return world


async def test_no_word_of_anybody_is_in_the_relays_files_while_it_runs(tmp_path: Path) -> None:
    world = await live(tmp_path)
    files = {path.name for path in (tmp_path / "relay").iterdir()}
    assert "relay.db-wal" in files, "the write-ahead log is looked at too"
    assert leaks(tmp_path / "relay", WORDS) == []
    await world.close()
    assert leaks(tmp_path / "relay", WORDS) == []


async def test_no_word_of_anybody_is_in_a_vaults_files(tmp_path: Path) -> None:
    world = await live(tmp_path)
    assert leaks(tmp_path / "people", WORDS) == []
    await world.close()
    assert leaks(tmp_path / "people", WORDS) == []


def test_the_search_itself_finds_each_spelling(tmp_path: Path) -> None:
    for i, spelling in enumerate(spellings(TEXT)):
        (tmp_path / str(i)).write_bytes(b"xyz" + spelling + b"xyz")
        assert leaks(tmp_path, [TEXT])
        (tmp_path / str(i)).unlink()

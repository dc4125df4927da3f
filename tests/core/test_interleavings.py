"""Two rotators, a remover and three writers at once, in every order a scheduler can think of: one agreed state."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from peerbot.core.people import remove_member
from peerbot.core.threads import post
from peerbot.errors import PeerbotError
from peerbot.protocol.roster.entry import Reason
from peerbot.protocol.roster.ops import Role
from tests.support.turns import TurnRelay, Turns
from tests.support.world import Person, World

WRITERS = ("Wren", "Owl", "Swift")
ROTATORS = ("Robin", "Finch")
POSTS = 3


async def write(person: Person) -> None:
    """Post until done, or until removed."""
    with suppress(PeerbotError):
        for i in range(POSTS):
            await post(person.node, person.circle, "talk", f"{person.name} {i}")


async def rotate(person: Person) -> None:
    for _ in range(2):
        await person.node.sync(person.circle)
        async with person.circle.follower.lock:
            await person.circle.outbox.append_entry((), Reason.DUE)


async def remove(person: Person, who: str) -> None:
    await remove_member(person.node, person.circle, who)


async def gather_circle(world: World) -> dict[str, Person]:
    heron = await world.founder()
    people = {"Heron": heron}
    for name in (*WRITERS, *ROTATORS):
        role = Role.MODERATOR if name in ROTATORS else Role.MEMBER
        people[name] = await world.newcomer(name, heron, role=role)
    await heron.sync()
    # The thread is there before the race: two people may well begin two threads of one title.
    await post(heron.node, heron.circle, "talk", "Heron begins")
    for person in people.values():
        await person.sync()
    return people


def take_turns(people: dict[str, Person], turns: Turns | None) -> None:
    for person in people.values():
        relay = person.node.relay(person.circle.follower.state.rules.relay_url, None)
        for known in (relay, *person.node._relays.values()):
            assert isinstance(known, TurnRelay)
            known.turns = turns


async def race(world: World, choose: Callable[[int], int]) -> None:
    people = await gather_circle(world)
    turns = Turns(choose)
    take_turns(people, turns)
    await turns.play(
        [
            *(write(people[name]) for name in WRITERS),
            *(rotate(people[name]) for name in ROTATORS),
            remove(people["Heron"], "Swift"),
        ]
    )
    take_turns(people, None)
    await agree(people)


async def agree(people: dict[str, Person]) -> None:
    """Everyone who is left holds the same log, roster, epochs and words, and each word once."""
    left = [person for name, person in people.items() if name != "Swift"]
    for _ in range(2):
        for person in left:
            await person.sync()
    first = left[0].circle.follower.state
    texts = await left[0].texts()
    for person in left[1:]:
        state = person.circle.follower.state
        assert (state.p, state.head) == (first.p, first.head)
        assert (state.rules.seq, state.rules.head) == (first.rules.seq, first.rules.head)
        assert await person.texts() == texts
        assert not state.alarm
        assert not state.broken
    for person in left:
        state = person.circle.follower.state
        joined = state.rules.devices[state.me.device].added_p
        since = {epoch.e for epoch in state.rules.epochs.values() if epoch.p >= joined}
        assert since <= set(state.secrets), "an epoch was lost"
    for name in ("Wren", "Owl"):
        assert [t for t in texts if t.startswith(name)] == [f"{name} {i}" for i in range(POSTS)]
    assert len(set(texts)) == len(texts)
    swift = people["Swift"].circle.follower.state
    assert first.epoch not in swift.secrets, "the removed member holds a key from after the removal"


@settings(max_examples=12)
@given(st.integers(0, 2**32))
def test_any_interleaving_of_rotators_a_remover_and_writers_ends_in_one_agreed_state(seed: int) -> None:
    order = random.Random(seed)

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            try:
                await race(world, order.randrange)
            finally:
                await world.close()

    asyncio.run(run())

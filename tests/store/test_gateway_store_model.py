"""Any sequence of writing, claiming and settling agrees with a few lines of Python that say what is meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from peerbot.core.doors import Delivery, DeliveryState, Priority
from peerbot.store.vault.gateway import models, queue
from tests.store.gateway_builders import LEASE, NOW, TELEGRAM, saying
from tests.store.vault_builders import raw

S = DeliveryState
CHATS = "abc"


@dataclass(slots=True)
class Meant:
    """One delivery as the model has it."""

    id: int
    chat: str
    priority: Priority
    due: int
    state: DeliveryState = S.WAITING
    attempts: int = 0

    @property
    def place(self) -> tuple[int, int]:
        return self.priority, self.id


class Model:
    """What claim is meant to do: all the waiting are looked at, every time."""

    def __init__(self) -> None:
        self.all: dict[int, Meant] = {}
        self.now = NOW

    def claim(self, limit: int) -> list[int]:
        for d in self.all.values():
            if d.state is S.UNKNOWN and d.due <= self.now:
                d.state = S.MAYBE
        taken: list[Meant] = []
        for d in sorted(self.all.values(), key=lambda d: d.place):
            if len(taken) < limit and self._may_go(d):
                d.state, d.due, d.attempts = S.LEASED, self.now + LEASE, d.attempts + 1
                taken.append(d)
        return [d.id for d in taken]

    def _may_go(self, d: Meant) -> bool:
        if d.state is not S.WAITING or d.due > self.now:
            return False
        return not any(
            other.chat == d.chat
            and (
                other.state is S.LEASED
                or (other.state is S.WAITING and other.attempts and other.due > self.now and other.place < d.place)
            )
            for other in self.all.values()
        )

    def next(self) -> int:
        waits = [d.due for d in self.all.values() if d.state in (S.LEASED, S.UNKNOWN)]
        waits += [d.due for d in self.all.values() if d.state is S.WAITING and d.due > self.now]
        return min(waits, default=0)


Write = st.tuples(
    st.just("write"), st.sampled_from(CHATS), st.sampled_from(list(Priority)), st.sampled_from([0, NOW - 5, NOW + 7])
)
Claim = st.tuples(st.just("claim"), st.integers(0, 3))
Settle = st.tuples(
    st.just("settle"),
    st.integers(0, 9),
    st.sampled_from([S.SENT, S.WAITING, S.UNKNOWN, S.FAILED]),
    st.sampled_from([0, 4]),
    st.booleans(),
)
Forward = st.tuples(st.just("forward"), st.sampled_from([1, 4, 70]))


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with raw(tmp_path_factory.mktemp("model")) as opened:
        models.ensure(opened)
        yield opened


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.exec_driver_sql("ROLLBACK")


def run(connection: Connection, model: Model, step: tuple[object, ...]) -> None:
    match step:
        case ("write", str(chat), Priority() as priority, int(due)):
            number = len(model.all) + 1
            queue.enqueue(connection, [saying(f"k{number}", chat, priority, due)])
            # Ids are never given twice in a file, so the model learns this one.
            id = connection.exec_driver_sql("SELECT max(id) FROM delivery").scalar_one()
            model.all[id] = Meant(id, chat, priority, due)
        case ("claim", int(limit)):
            found = queue.claim(connection, TELEGRAM, model.now, LEASE, limit, ())
            overdue = [d.id for d in model.all.values() if d.state is S.LEASED and d.due <= model.now]
            assert [d.id for d in found.overdue] == overdue
            assert [d.id for d in found.deliveries] == model.claim(limit)
            assert found.next == model.next()
            for d in found.deliveries:
                assert (d.attempts, d.due) == (model.all[d.id].attempts, model.all[d.id].due)
        case ("settle", int(which), DeliveryState() as state, int(wait), bool(untried)):
            under_way = [d for d in model.all.values() if d.state is S.LEASED]
            if under_way:
                settle(connection, under_way[which % len(under_way)], state, model.now + wait, untried)
        case ("forward", int(seconds)):
            model.now += seconds


def settle(connection: Connection, meant: Meant, state: DeliveryState, due: int, untried: bool) -> None:
    meant.state, meant.due = state, due
    if untried and state is S.WAITING:
        meant.attempts = 0
    changed: Delivery = replace(
        saying("any", meant.chat, meant.priority), id=meant.id, state=state, due=due, attempts=meant.attempts, handed=1
    )
    queue.settle(connection, [changed])


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(Write, Claim, Settle, Forward), min_size=5, max_size=60))
def test_claims_are_what_they_are_meant_to_be(connection: Connection, steps: list[tuple[object, ...]]) -> None:
    model = Model()
    with undone(connection):
        # Guests, so that what is settled stays to be counted.
        for chat in CHATS:
            connection.exec_driver_sql("INSERT INTO chat (platform, address) VALUES (1, ?)", (chat,))
        connection.exec_driver_sql("INSERT INTO guest SELECT n, x'', 'en', 0 FROM chat")
        for step in [*steps, ("claim", 3)]:
            run(connection, model, step)
        counted = {name: count for name, count in queue.counts(connection).items() if count}
        meant = [d.state.name.lower() for d in model.all.values()]
        assert counted == {name: meant.count(name) for name in set(meant)}

"""However a log is cut into batches, repeated, and opened late, the vault ends up saying the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from peerbot.core.ports import ChainRow, Folded, LivingRow, MarkRow, RecordRow, Status
from peerbot.protocol.secret import EpochSecret
from peerbot.store.vault import circles, fold, reading
from tests.store.vault_builders import (
    check_index,
    counters,
    everything,
    long,
    member,
    new_circle,
    post,
    profile,
    raw,
    record,
    short,
    thread,
)

LATE = 1
"""The epoch whose secret comes late; the other one's is always here."""
_MARKS = ("edit", "retract", "hide", "show", "acknowledge")


@dataclass(frozen=True)
class Said:
    """One message of a log."""

    kind: str
    author: int
    thread: int
    target: int
    e: int
    refused: bool


said = st.builds(
    Said,
    kind=st.sampled_from(["thread", "post", "post", "post", "post", "profile", "lock", *_MARKS]),
    author=st.integers(0, 2),
    thread=st.integers(0, 1),
    target=st.integers(0, 20),
    e=st.sampled_from([LATE, 2]),
    refused=st.sampled_from([False, False, False, True]),
)
logs = st.lists(said, min_size=1, max_size=16)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("fold"), st.integers(1, 6)),
        st.tuples(st.just("learn"), st.integers(1, 4)),
        st.tuples(st.just("again"), st.integers(0, 20)),
        st.tuples(st.just("read"), st.integers(0, 20)),
    ),
    max_size=14,
)


def living(p: int, kind: str, key: bytes, what: Said) -> LivingRow:
    return LivingRow(kind, key, p, p, what.e, member(what.author), b"%d" % p, b"sealed", bytes(64), bytes(32))


def rows_of(log: Sequence[Said], positions: Sequence[int]) -> dict[str, Any]:
    """What these messages stand for, opened."""
    rows: dict[str, list[Any]] = {name: [] for name in ("threads", "posts", "marks", "living", "locks")}
    for p in positions:
        what = log[p - 1]
        id = short("thread", what.thread)
        if what.refused:
            continue
        if what.kind == "thread":
            rows["threads"].append(thread(p, f"Title {p}", id, what.author))
            rows["living"].append(living(p, "thread", id, what))
        elif what.kind == "post":
            rows["posts"].append(post(p, f"words 🙂of {p}", author=what.author, thread=id))
        elif what.kind == "profile":
            rows["living"].append(profile(p, f"Name {p}", what.author, e=what.e))
        elif what.kind == "lock":
            rows["locks"].append((id, p, bool(what.target % 2)))
            rows["living"].append(living(p, "lock", id, what))
        else:
            target = what.target % p
            text = f"said at {p}" if what.kind in ("edit", "hide") else ""
            rows["marks"].append(
                MarkRow(p, what.kind, target, long("message", target), member(what.author), text, 1000 + p)
            )
    return rows


@dataclass
class Node:
    """Folds a log into one circle of a vault, the way core does."""

    connection: Connection
    cid: bytes
    log: Sequence[Said]
    p: int = 0
    learned: bool = False
    sent: list[Folded] = field(default_factory=list)

    def save(self, batch: Folded) -> None:
        self.sent.append(batch)
        self._transact(batch)

    def _transact(self, batch: Folded) -> None:
        self.connection.exec_driver_sql("BEGIN IMMEDIATE")
        fold.save(self.connection, batch)
        self.connection.commit()

    def _record(self, p: int, *, opened: bool) -> RecordRow:
        what = self.log[p - 1]
        if not opened:
            return record(p, Status.PENDING, e=what.e)
        return record(p, Status.REFUSED, "M15", what.e) if what.refused else record(p, e=what.e)

    def fold(self, size: int) -> None:
        end = min(self.p + size, len(self.log))
        positions = range(self.p + 1, end + 1)
        if not positions:
            return
        opened = [p for p in positions if self.learned or self.log[p - 1].e != LATE]
        records = [self._record(p, opened=p in opened) for p in positions]
        chain = ChainRow(short("device"), member(1), short("chain"), end, long("message", end))
        secrets = [(2, EpochSecret(long("secret", 2)))]
        rows = rows_of(self.log, opened)
        self.save(Folded(self.cid, end, long("head", end), records=records, chains=[chain], secrets=secrets, **rows))
        self.p = end

    def learn(self, size: int) -> None:
        """The late epoch's secret arrives; what waited is opened, `size` at a time."""
        if self.learned:
            return
        self.learned = True
        head = long("head", self.p) if self.p else bytes(32)
        self.save(Folded(self.cid, self.p, head, secrets=[(LATE, EpochSecret(long("secret", LATE)))]))
        waiting = [p for p in range(1, self.p + 1) if self.log[p - 1].e == LATE]
        for first in range(0, len(waiting), size):
            part = waiting[first : first + size]
            bad = [RecordRow(p, record(p).kind, b"", b"", Status.REFUSED, "M15", LATE) for p in part if self.refused(p)]
            opened = [p for p in part if not self.refused(p)]
            self.save(Folded(self.cid, self.p, head, records=bad, opened=opened, **rows_of(self.log, opened)))

    def refused(self, p: int) -> bool:
        return self.log[p - 1].refused

    def again(self, which: int) -> None:
        """A batch is stored a second time, as after a crash that hid the first answer."""
        if self.sent:
            self._transact(self.sent[which % len(self.sent)])

    def read(self, p: int) -> None:
        """Read a thread up to a position. It has to be here: a read mark is kept with its thread."""
        reading.mark_read(self.connection, self.cid, short("thread", p % 3), p)
        self.connection.commit()


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with raw(tmp_path_factory.mktemp("vault")) as opened:
        yield opened


_numbers = count()


def node(connection: Connection, log: Sequence[Said]) -> Node:
    cid = long("circle", next(_numbers))
    circles.add(connection, new_circle(cid), None)
    connection.commit()
    return Node(connection, cid, log)


@settings(max_examples=120)
@given(log=logs, how=steps)
def test_any_cut_any_repetition_and_any_delay_give_the_same_vault(
    connection: Connection, log: list[Said], how: list[tuple[str, int]]
) -> None:
    whole = node(connection, log)
    whole.learn(1)
    whole.fold(len(log))
    pieces = node(connection, log)
    for step, number in how:
        if step != "read":
            getattr(pieces, step)(number)
    pieces.fold(len(log))
    pieces.learn(3)
    assert everything(connection, pieces.cid) == everything(connection, whole.cid)
    check_index(connection)


@settings(max_examples=120)
@given(log=logs, how=steps)
def test_counters_kept_by_the_fold_are_what_counting_gives(
    connection: Connection, log: list[Said], how: list[tuple[str, int]]
) -> None:
    circle = node(connection, log)
    for step, number in [*how, ("fold", len(log)), ("learn", 2)]:
        getattr(circle, step)(number)
        for posts, unread, last_p, *counted in counters(connection, circle.cid):
            assert [posts, unread, last_p] == counted

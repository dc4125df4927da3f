"""Whatever happens to them, the SQLite log and the one in memory give the same answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from peerbot.core.ports import AddressedEnvelope, ControlChange, NewRecord, RelayLog
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import sha256
from peerbot.store.relay_log.log import SqliteRelayLog
from tests.support.memory_log import MemoryRelayLog

CIDS = st.sampled_from([b"1" * 32, b"2" * 32])
IDS = st.sampled_from([b"a" * 16, b"b" * 16, b"c" * 16])
PLACES = st.sampled_from([b"p" * 32, b"q" * 32])
WIRES = st.binary(min_size=1, max_size=3)
SMALL = st.integers(0, 6)
KINDS = st.sampled_from(list(Kind))


def record(kind: Kind, wire: bytes) -> NewRecord:
    return NewRecord(kind, wire, sha256(wire), 1000)


ENVELOPES = st.builds(AddressedEnvelope, e=SMALL, sender=IDS, to=IDS, wire=WIRES)
STEP = st.one_of(
    st.tuples(st.just("found"), CIDS, st.builds(record, st.just(Kind.ENTRY), WIRES), WIRES),
    st.tuples(st.just("append_message"), CIDS, st.builds(record, st.just(Kind.MESSAGE), WIRES), SMALL),
    st.tuples(st.just("entry"), CIDS, WIRES, st.lists(ENVELOPES, max_size=3), st.lists(IDS, max_size=1)),
    st.tuples(st.just("request"), CIDS, WIRES, IDS, SMALL, IDS),
    st.tuples(st.just("head"), CIDS),
    st.tuples(st.just("roster"), CIDS),
    st.tuples(st.just("at"), CIDS, SMALL),
    st.tuples(st.just("find"), CIDS, st.builds(sha256, WIRES)),
    st.tuples(st.just("read"), CIDS, SMALL, st.integers(1, 6), st.integers(0, 9), st.frozensets(KINDS)),
    st.tuples(st.just("put_envelope"), CIDS, ENVELOPES),
    st.tuples(st.just("envelopes"), CIDS, IDS, SMALL, SMALL),
    st.tuples(st.just("add_mail"), CIDS, st.lists(IDS, max_size=3), WIRES),
    st.tuples(st.just("mail"), CIDS, IDS, SMALL, st.integers(0, 9)),
    st.tuples(st.just("drop_mail"), CIDS, IDS, st.lists(SMALL, max_size=3)),
    st.tuples(st.just("put_note"), CIDS, PLACES, WIRES, SMALL),
    st.tuples(st.just("drop_note"), CIDS, PLACES),
    st.tuples(st.just("note"), PLACES, SMALL),
    st.tuples(st.just("drop_expired"), SMALL),
    st.tuples(st.just("prune"), CIDS, SMALL, SMALL),
)


async def apply(store: RelayLog, step: tuple[Any, ...]) -> object:
    """What the store answers, or what it raises."""
    name, *given_ = step
    try:
        match name:
            case "entry":
                cid, wire, envelopes, gone = given_
                return await control(store, cid, record(Kind.ENTRY, wire), envelopes=envelopes, gone=gone)
            case "request":
                cid, wire, device, e, whom = given_
                if await store.requested(cid, (device, e, whom)):
                    return "known"
                return await control(store, cid, record(Kind.REQUEST, wire), request=(device, e, whom))
            case "add_mail":
                return await store.add_mail(*given_, most=2, most_bytes=5)
            case "put_note":
                return await store.put_note(*given_, most=1)
        return await getattr(store, name)(*given_)
    except KeyError:
        return KeyError


async def control(store: RelayLog, cid: bytes, new: NewRecord, **more: Any) -> object:
    """Append after whatever head there is; entries count on."""
    head = await store.head(cid)
    if head is None:
        return None
    if new.kind is Kind.ENTRY:
        more |= {"seq": head.seq + 1, "roster": new.wire}
    return await store.append_control(cid, new, head, ControlChange(**more))


@given(st.lists(STEP, max_size=40))
def test_two_stores_one_behaviour(steps: list[tuple[Any, ...]]) -> None:
    async def run(folder: Path) -> None:
        sqlite, memory = await SqliteRelayLog.open(folder / "relay.db"), MemoryRelayLog()
        try:
            for step in steps:
                assert await apply(sqlite, step) == await apply(memory, step), step
        finally:
            await sqlite.close()

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))

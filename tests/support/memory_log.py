"""A RelayLog in memory: the simplest thing that passes the conformance suite."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from peerbot.core.ports import (
    AddressedEnvelope,
    ControlChange,
    LogHead,
    LogRecord,
    Mail,
    NewRecord,
    Placed,
    Slice,
)
from peerbot.protocol import log
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import sha256


@dataclass(slots=True)
class _Circle:
    head: LogHead
    roster: bytes
    records: list[LogRecord] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    by_digest: dict[bytes, Placed] = field(default_factory=dict)
    requests: set[tuple[bytes, int, bytes]] = field(default_factory=set)
    envelopes: dict[tuple[bytes, int, bytes], bytes] = field(default_factory=dict)
    mail: dict[bytes, list[Mail]] = field(default_factory=dict)

    def append(self, record: NewRecord) -> Placed:
        p = self.head.p + 1
        link = log.link(self.head.head, p, record.kind, record.digest)
        placed = Placed(p, link, record.time)
        self.records.append(LogRecord(p, record.kind, record.digest, record.wire, record.time))
        self.placed.append(placed)
        self.by_digest[record.digest] = placed
        self.head = replace(self.head, p=p, head=link)
        return placed


class MemoryRelayLog:
    """See core.ports.RelayLog. Nothing awaits inside a method, so each is one transaction."""

    def __init__(self) -> None:
        self._circles: dict[bytes, _Circle] = {}
        self._notes: dict[bytes, tuple[bytes, bytes, int]] = {}
        self._mails = 0

    async def close(self) -> None:
        pass

    async def found(self, cid: bytes, genesis: NewRecord, roster: bytes) -> Placed | None:
        if cid in self._circles:
            return self._circles[cid].by_digest.get(genesis.digest)
        circle = _Circle(LogHead(0, log.LOG_START, 0, 1), roster)
        self._circles[cid] = circle
        return circle.append(genesis)

    async def circles(self) -> list[bytes]:
        return list(self._circles)

    async def head(self, cid: bytes) -> LogHead | None:
        circle = self._circles.get(cid)
        return circle.head if circle is not None else None

    async def roster(self, cid: bytes) -> tuple[LogHead, bytes] | None:
        circle = self._circles.get(cid)
        return (circle.head, circle.roster) if circle is not None else None

    async def find(self, cid: bytes, digest: bytes) -> Placed | None:
        circle = self._circles.get(cid)
        return circle.by_digest.get(digest) if circle is not None else None

    async def at(self, cid: bytes, p: int) -> Placed | None:
        circle = self._circles.get(cid)
        return circle.placed[p - 1] if circle is not None and 0 < p <= circle.head.p else None

    async def append_message(self, cid: bytes, record: NewRecord, if_seq: int) -> Placed | LogHead:
        circle = self._circles[cid]
        if (earlier := circle.by_digest.get(record.digest)) is not None:
            return earlier
        return circle.append(record) if circle.head.seq == if_seq else circle.head

    async def append_control(
        self, cid: bytes, record: NewRecord, after: LogHead, change: ControlChange
    ) -> Placed | LogHead:
        circle = self._circles[cid]
        if (earlier := circle.by_digest.get(record.digest)) is not None:
            return earlier
        if circle.head != after:
            return circle.head
        placed = circle.append(record)
        if change.roster is not None:
            seq = circle.head.seq if change.seq is None else change.seq
            circle.head = replace(circle.head, seq=seq, roster_p=placed.p)
            circle.roster = change.roster
        if change.request is not None:
            circle.requests.add(change.request)
        for envelope in change.envelopes:
            circle.envelopes[envelope.to, envelope.e, envelope.sender] = envelope.wire
        for device in change.gone:
            circle.mail.pop(device, None)
            circle.envelopes = {key: wire for key, wire in circle.envelopes.items() if key[0] != device}
        return placed

    async def requested(self, cid: bytes, request: tuple[bytes, int, bytes]) -> bool:
        circle = self._circles.get(cid)
        return circle is not None and request in circle.requests

    async def read(self, cid: bytes, after: int, limit: int, size: int, shown: Collection[Kind]) -> Slice | None:
        circle = self._circles.get(cid)
        if circle is None:
            return None
        records: list[LogRecord] = []
        for record in circle.records[after : after + limit]:
            shown_one = record if record.kind in shown else replace(record, wire=None)
            size -= len(shown_one.wire or b"")
            if records and size < 0:
                break
            records.append(shown_one)
        last = circle.placed[records[-1].p - 1 if records else -1]
        return Slice(tuple(records), last, circle.head.p)

    async def put_envelope(self, cid: bytes, envelope: AddressedEnvelope) -> None:
        self._circles[cid].envelopes[envelope.to, envelope.e, envelope.sender] = envelope.wire

    async def envelopes(self, cid: bytes, to: bytes, first: int, limit: int) -> list[bytes]:
        circle = self._circles.get(cid)
        if circle is None:
            return []
        mine = [(key[1], wire) for key, wire in circle.envelopes.items() if key[0] == to and key[1] >= first]
        return [wire for _, wire in sorted(mine, key=lambda pair: pair[0])][:limit]

    async def add_mail(
        self, cid: bytes, devices: Sequence[bytes], wire: bytes, *, most: int, most_bytes: int
    ) -> list[bytes]:
        circle = self._circles.get(cid)
        if circle is None:
            return []
        have = []
        for device in devices:
            box = circle.mail.setdefault(device, [])
            if all(sha256(mail.wire) != sha256(wire) for mail in box):
                if len(box) >= most or sum(len(mail.wire) for mail in box) + len(wire) > most_bytes:
                    continue
                self._mails += 1
                box.append(Mail(self._mails, wire))
            have.append(device)
        return have

    async def mail(self, cid: bytes, device: bytes, limit: int, size: int) -> list[Mail]:
        circle = self._circles.get(cid)
        waiting: list[Mail] = []
        for mail in (circle.mail.get(device, []) if circle is not None else [])[:limit]:
            size -= len(mail.wire)
            if waiting and size < 0:
                break
            waiting.append(mail)
        return waiting

    async def drop_mail(self, cid: bytes, device: bytes, ids: Sequence[int]) -> None:
        circle = self._circles.get(cid)
        if circle is not None:
            circle.mail[device] = [mail for mail in circle.mail.get(device, []) if mail.id not in ids]

    async def put_note(self, cid: bytes, place: bytes, note: bytes, expires: int, *, most: int) -> bool:
        owner = self._notes[place][0] if place in self._notes else None
        count = sum(1 for other, _, _ in self._notes.values() if other == cid)
        if owner not in (None, cid) or (owner is None and count >= most) or cid not in self._circles:
            return False
        self._notes[place] = (cid, note, expires)
        return True

    async def drop_note(self, cid: bytes, place: bytes) -> None:
        if place in self._notes and self._notes[place][0] == cid:
            del self._notes[place]

    async def note(self, place: bytes, now: int) -> bytes | None:
        _, note, expires = self._notes.get(place, (b"", b"", 0))
        return note if expires > now else None

    async def drop_expired(self, now: int) -> int:
        expired = [place for place, (_, _, expires) in self._notes.items() if expires <= now]
        for place in expired:
            del self._notes[place]
        return len(expired)

    async def prune(self, cid: bytes, p: int, e: int) -> int:
        circle = self._circles.get(cid)
        if circle is None:
            return 0
        pruned = 0
        for i, record in enumerate(circle.records[: p - 1]):
            if record.kind in (Kind.MESSAGE, Kind.REQUEST) and record.wire is not None:
                circle.records[i] = replace(record, wire=None)
                pruned += 1
        circle.envelopes = {key: wire for key, wire in circle.envelopes.items() if key[1] >= e}
        return pruned

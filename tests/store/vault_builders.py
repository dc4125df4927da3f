"""What the vault's tests build: circles, batches, and a look at everything the file says about a circle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from rpds import HashTrieMap
from sqlalchemy import Connection

from peerbot.core.ports import Folded, LivingRow, MarkRow, NewCircle, PostRow, RecordRow, Status, ThreadRow
from peerbot.protocol.bodies import Profile, encode_body
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import sha256
from peerbot.protocol.roster.ops import Role, SetPolicy
from peerbot.protocol.roster.state import FOREVER, Device, Epoch, Invite, Member, Roster, SubkeyRef
from peerbot.protocol.secret import SealingSeed, SigningSeed
from peerbot.store.vault import models
from peerbot.store.vault.connect import Connector, make_file
from peerbot.store.vault.keyfile import VaultKey
from peerbot.store.vault.vault import SqlVault


def key() -> VaultKey:
    return VaultKey(bytes(range(32)))


def short(*what: object) -> bytes:
    """A made-up id of 16 bytes."""
    return sha256(repr(what).encode())[:16]


def long(*what: object) -> bytes:
    """A made-up hash."""
    return sha256(repr(what).encode())


CID = long("circle")
ME = short("member", 0)
THREAD = short("thread", 1)


def member(number: int) -> bytes:
    return short("member", number)


def new_circle(cid: bytes = CID, *, slug: str = "forum", ready: bool = True) -> NewCircle:
    return NewCircle(
        cid=cid,
        slug=slug,
        relay_url="https://relay.example",
        member=ME,
        signing=SigningSeed(long("signing", cid)),
        sealing=SealingSeed(long("sealing", cid) * 3),
        subkey_hash=long("subkey", cid),
        chain=short("chain", cid),
        ready=ready,
    )


def record(p: int, status: Status = Status.OPEN, code: str = "", e: int = 1) -> RecordRow:
    return RecordRow(p, Kind.MESSAGE, long("head", p), b"wire of %d" % p, status, code, e)


def thread(p: int, title: str = "Sleep", id: bytes = THREAD, author: int = 1) -> ThreadRow:
    return ThreadRow(id, title, member(author), p, 1000 + p)


def post(p: int, words: str = "good morning", *, author: int = 1, thread: bytes = THREAD) -> PostRow:
    return PostRow(p, long("message", p), thread, member(author), words, "device", 1000 + p)


def mark(p: int, kind: str, target: int, words: str = "", *, author: int = 1) -> MarkRow:
    return MarkRow(p, kind, target, long("message", target), member(author), words, 1000 + p)


def profile(p: int, name: str, author: int = 1, *, seen_p: int = 0, e: int = 1) -> LivingRow:
    body = encode_body(Profile(name))
    who = member(author)
    return LivingRow("profile", who, p, seen_p or p, e, who, body, b"sealed", bytes(64), bytes(32))


def roster(seq: int, members: int = 3) -> Roster:
    """A roster after entry `seq`, with this many members of one device each."""
    people, devices = [], []
    for number in range(members):
        id, device = member(number), short("device", number)
        subkey = SubkeyRef(1, long("subkey", number), bytes(1216), 1)
        devices.append(Device(device, id, long("dsk", number), 1, 0, FOREVER, FOREVER, (subkey,)))
        roles = ((1, int(Role.OWNER if number == 0 else Role.MEMBER)),)
        people.append(Member(id, False, 1, FOREVER, roles, (), (device,), b"", b""))
    epochs = {e: Epoch(e, e, e, long("prev", e), long("commit", e), 30, 1000) for e in range(1, seq + 1)}
    invite = Invite(short("invite"), long("invite"), 1, 5, 2000, False, member(0), False)
    return Roster(
        cid=CID,
        seq=seq,
        head=long("entry", seq),
        p=seq + 1,
        time=1000,
        policy=SetPolicy(90, 7, 30, 3, 1, 14, 1),
        relay_url="https://relay.example",
        relay_key=long("relay"),
        epoch=epochs.get(seq),
        rekey_required=False,
        members=HashTrieMap({m.id: m for m in people}),
        devices=HashTrieMap({d.id: d for d in devices}),
        invites=HashTrieMap({invite.id: invite}),
        epochs=HashTrieMap(epochs),
        nonces=HashTrieMap({long("nonce"): 5}),
        times=HashTrieMap({member(0): 1000}),
    )


def folded(p: int, *, since: int = 0, cid: bytes = CID, **rows: Any) -> Folded:
    """A batch of the positions after `since` up to p, all OPEN unless `records` says otherwise."""
    rows.setdefault("records", [record(at) for at in range(since + 1, p + 1)])
    return Folded(cid, p, long("head", p), **rows)


@asynccontextmanager
async def new_vault(folder: Path) -> AsyncIterator[SqlVault]:
    """A vault with one circle."""
    vault = await SqlVault.create(folder / "vault.db", key())
    try:
        await vault.add_circle(new_circle(), None)
        yield vault
    finally:
        await vault.close()


@contextmanager
def raw(folder: Path) -> Iterator[Connection]:
    """A writing connection to the vault file, beside the vault's own. The file is made where there is none."""
    if not (folder / "vault.db").exists():
        make_file(folder / "vault.db", key(), models.create)
    connection = Connector(folder / "vault.db", key())(read_only=False)
    try:
        yield connection
    finally:
        connection.close()


_BY_KEY = ("record", "post", "mark")
_NUMBERS = {"post": ("thread", "author"), "mark": ("author",)}


def everything(connection: Connection, cid: bytes = CID) -> dict[str, list[tuple[Any, ...]]]:
    """What folds wrote of a circle, with ids in place of this file's numbers for threads and members."""
    n = connection.exec_driver_sql("SELECT n FROM circle WHERE cid = ?", (cid,)).scalar_one()
    members = _ids(connection, "member")
    numbers = {"author": members, "thread": _ids(connection, "thread")}
    found = {}
    for table in models.METADATA.sorted_tables:
        if table.name in _BY_KEY:
            query = table.select().where(table.c.key.between(n << 40, (n + 1 << 40) - 1))
        elif "circle" in table.c and table.name != "sealing":
            query = table.select().where(table.c.circle == n)
        elif table.name == "circle":
            query = table.select().where(table.c.n == n)
        else:
            continue
        own = {name: numbers[name] for name in _NUMBERS.get(table.name, ())}
        rows = connection.execute(query).mappings()
        found[table.name] = sorted(_comparable(dict(row), own) for row in rows)
    return found


def _ids(connection: Connection, table: str) -> dict[int, bytes]:
    rows = connection.execute(models.METADATA.tables[table].select()).mappings()
    return {row["n"]: row["id"] for row in rows}


def _comparable(row: dict[str, Any], numbers: dict[str, dict[int, bytes]]) -> tuple[Any, ...]:
    for name in ("n", "circle", "cid", "signing", "chain") if "slug" in row else ("n", "circle"):
        row.pop(name, None)
    for name in ("key", "target"):
        if isinstance(row.get(name), int):
            row[name] &= (1 << 40) - 1
    for name, ids in numbers.items():
        row[name] = ids[row[name]]
    return tuple(repr(value) for value in row.values())


def check_index(connection: Connection) -> None:
    """Raises where the full-text index holds other words than the posts do."""
    connection.exec_driver_sql("INSERT INTO words(words, rank) VALUES ('integrity-check', 1)")


def counters(connection: Connection, cid: bytes = CID) -> list[tuple[Any, ...]]:
    """Each thread's counters as kept, then as counted anew."""
    n, me = connection.exec_driver_sql("SELECT n, member FROM circle WHERE cid = ?", (cid,)).one()
    rows = connection.exec_driver_sql(
        "SELECT t.posts, t.unread, t.last_p, count(p.key), "
        "coalesce(sum((p.key & ?2) > t.read_p AND m.id <> ?3), 0), coalesce(max(p.key & ?2), 0) "
        "FROM thread t LEFT JOIN post p ON p.thread = t.n LEFT JOIN member m ON m.n = p.author "
        "WHERE t.circle = ?1 GROUP BY t.n",
        (n, (1 << 40) - 1, me),
    )
    return [tuple(row) for row in rows]


# Files, in functions of their own: a test that awaits something else may still look at them.


def read(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())

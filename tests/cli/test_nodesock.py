"""A running node answers the command line of the same user, and nobody else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerbot.bootstrap import node_on, own_vault, place_at, relays
from peerbot.cli import nodesock
from peerbot.core.desk import answers, asks
from peerbot.core.desk.base import Desk
from peerbot.errors import PeerbotError, UserError
from tests.cli.household import PYTHON, Machine, environment

WALKS = ("--circle", "forum", "--thread", "Walks")


def refuse(_new: bool) -> str:
    raise AssertionError("nobody is asked for a passphrase here")


@contextmanager
def following(machine: Machine, *args: str) -> Iterator[subprocess.Popen[str]]:
    """`peerbot read --follow --json`, from its first line on."""
    command = [PYTHON, "-m", "peerbot", "read", "--follow", "--json", "--dir", str(machine.dir), *args]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_text(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return str(json.loads(process.stdout.readline())["text"])


def test_a_node_shows_what_comes_and_works_for_others(owner: Machine) -> None:
    wren = owner.newcomer("Wren", owner.link())
    owner.ok("post", *WALKS, "One.")
    with following(owner) as process:
        assert next_text(process) == "One."
        wren.ok("post", *WALKS, "Two.")
        assert next_text(process) == "Two."
        assert owner.ok("post", *WALKS, "Three.").out == "Posted.\n"
        assert next_text(process) == "Three."
        assert len(owner.ok("read", "--json").json) == 3
        assert owner.ok("search", "two", "--json").json[0]["author"] == "Wren"
        assert "too long" in owner("post", *WALKS, "x" * 40_000).err
        assert "no circle called" in owner("read", "--circle", "nowhere").line
        owner.ok("invite", "--json")
        assert "Wren is no longer" in owner.ok("remove", "Wren", "--yes", "--circle", "cafe-bergen").out
        assert owner.ok("doctor", "--json").json["ok"] is True
        assert stat.S_IMODE((owner.dir / "node.sock").stat().st_mode) == 0o600
        with following(owner) as second:
            assert [next_text(second) for _ in range(3)] == ["One.", "Two.", "Three."]
            owner.ok("post", *WALKS, "Four.")
            assert next_text(second) == "Four."
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not (owner.dir / "node.sock").exists()
    assert len(owner.ok("read", "--json").json) == 4


def test_joining_through_a_running_node(owner: Machine) -> None:
    wren = owner.newcomer("Wren", owner.link("--circle", "forum"))
    owner.ok("post", *WALKS, "One.")
    with following(wren) as process:
        assert next_text(process) == "One."
        wren.ok("join", owner.link("--circle", "cafe-bergen"), "--yes", "--json", "--pseudonym", "Wren")
        owner.ok("post", "--circle", "cafe-bergen", "--thread", "May", "See you there.")
        assert next_text(process) == "See you there."


def test_a_killed_node_leaves_nothing_in_the_way(owner: Machine) -> None:
    owner.ok("post", *WALKS, "One.")
    with following(owner) as process:
        assert next_text(process) == "One."
        owner.ok("read")
        process.kill()
        process.wait(30)
    assert (owner.dir / "node.sock").exists()
    assert len(owner.ok("read", "--json").json) == 1
    with following(owner) as process:
        assert next_text(process) == "One."
        owner.ok("read")


def test_ctrl_c_is_quiet(owner: Machine) -> None:
    owner.ok("post", *WALKS, "One.")
    with following(owner) as process:
        assert next_text(process) == "One."
        owner.ok("read")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == ""


def test_a_reader_that_hangs_up(owner: Machine) -> None:
    owner.ok("post", *WALKS, "One.\n" * 5000)
    program = f'"{PYTHON}" -m peerbot read --dir "{owner.dir}" | head -n 1'
    said = subprocess.run(
        ["bash", "-c", program], env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert said.stdout == "forum: Walks\n"
    assert said.stderr == ""


@asynccontextmanager
async def a_desk(folder: Path) -> AsyncIterator[Desk]:
    async with own_vault(place_at(folder), refuse) as vault, node_on(vault, relays()) as node:
        yield Desk(node)


@pytest.fixture
async def desk(away: Machine) -> AsyncIterator[Desk]:
    """The owner's node, offline."""
    async with a_desk(away.dir) as found:
        yield found


def nothing() -> None:
    pass


async def test_errors_come_through(desk: Desk, tmp_path: Path) -> None:
    async with nodesock.answering(desk, tmp_path / "node.sock", nothing):
        caller = await nodesock.call(tmp_path / "node.sock")
        assert caller is not None
        with pytest.raises(UserError, match="no-such-circle") as caught:
            await caller.ask(asks.Read(circle="nowhere"), answers.Posts)
        assert caught.value.facts == {"circle": "nowhere"}
        with pytest.raises(PeerbotError, match="node-garbage"):
            await caller.ask(asks.Circles(), answers.Posts)
        assert len((await caller.ask(asks.Circles(), answers.CircleList)).circles) == 3
        caller.close()


async def test_a_long_path_is_no_hindrance(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    async with nodesock.answering(desk, folder / "node.sock", nothing):
        caller = await nodesock.call(folder / "node.sock")
        assert caller is not None
        caller.close()
    assert not (folder / "node.sock").exists()


async def test_what_is_no_socket_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    path.write_text("mine")
    assert await nodesock.call(path) is None
    with pytest.raises(PeerbotError, match="node-socket"):
        async with nodesock.answering(desk, path, nothing):
            pass
    assert path.read_text() == "mine"
    assert await nodesock.call(tmp_path / "none") is None


async def test_a_socket_nobody_listens_on_is_replaced(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert await nodesock.call(path) is None
    async with nodesock.answering(desk, path, nothing):
        caller = await nodesock.call(path)
        assert caller is not None
        caller.close()


def frame(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


async def send(path: Path, raw: bytes) -> bytes:
    """Send bytes, say no more, and return all that comes back."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(raw)
    writer.write_eof()
    back = await reader.read()
    writer.close()
    return back


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00",
        struct.pack(">I", 0xFFFFFFFF),
        struct.pack(">I", 100) + b"short",
        frame(b""),
        frame(b"\xc1"),
        frame(b"\x91" * 100_000),
        frame(msgspec.msgpack.encode({"ask": "unheard"})),
        frame(msgspec.msgpack.encode({"ask": "read", "limit": "many"})),
        frame(msgspec.msgpack.encode({"ask": "hello", "version": 99})),
    ],
)
async def test_nonsense_does_no_harm(desk: Desk, tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "node.sock"
    async with nodesock.answering(desk, path, nothing):
        back = await send(path, raw)
        if back:
            failed = msgspec.msgpack.decode(back[4:], type=answers.AnyAnswer)
            assert isinstance(failed, answers.Failed)
            assert failed.code == "node-version"
        caller = await nodesock.call(path)
        assert caller is not None
        caller.close()


async def test_a_server_that_is_no_node(tmp_path: Path) -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(b"hello"))
        writer.close()

    async with await asyncio.start_unix_server(babble, tmp_path / "node.sock"):
        with pytest.raises(PeerbotError, match="node-garbage"):
            await nodesock.call(tmp_path / "node.sock")


async def test_a_node_that_goes_away(tmp_path: Path) -> None:
    async def leave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(leave, tmp_path / "node.sock"):
        assert await nodesock.call(tmp_path / "node.sock") is None


async def test_a_node_that_goes_away_while_asked(tmp_path: Path) -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(frame(msgspec.msgpack.encode(answers.Done())))
        writer.close()

    async with await asyncio.start_unix_server(answer_once, tmp_path / "node.sock"):
        caller = await nodesock.call(tmp_path / "node.sock")
        assert caller is not None
        with pytest.raises(PeerbotError, match="node-gone"):
            await caller.ask(asks.Circles(), answers.CircleList)
        caller.close()


def test_only_this_user_is_answered() -> None:
    mine, other = socket.socketpair()
    with mine, other:
        assert nodesock.is_mine(mine, os.geteuid())
        assert not nodesock.is_mine(mine, os.geteuid() + 1)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**40) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


@given(st.sampled_from([kind.__name__.lower() for kind in asks.Ask.__subclasses__()]), ANYTHING)
def test_any_fields_decode_or_are_refused(name: str, value: object) -> None:
    raw = msgspec.msgpack.encode({"ask": name, "circle": value, "after": value, "limit": value})
    try:
        found = msgspec.msgpack.decode(raw, type=asks.AnyAsk)
    except msgspec.DecodeError:
        return
    assert "<" in repr(found)

"""Relays that aren't there, drivel, never stop, dawdle, or live in another year."""

from __future__ import annotations

import shutil
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from peerbot.bootstrap import node_on, own_vault, place_at, relays
from peerbot.config.read import load
from peerbot.config.values import split_listen
from peerbot.core.desk import answers, asks
from peerbot.core.desk.base import Desk
from peerbot.core.desk.handle import handle
from peerbot.core.ports import Relay
from peerbot.i18n.errors import sentence_for
from peerbot.relay.client import HttpRelay
from peerbot.relay.transport import Timeouts
from tests.cli.household import Machine, ShiftedClock, relay_running

YEAR = timedelta(days=365)
POST = ("post", "--circle", "forum", "--thread", "x", "My words")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\n"
GARBAGE = {
    "a banner": b"SSH-2.0-OpenSSH_9.9\r\n",
    "a page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
    "nonsense": HEAD + b"Content-Length: 3\r\n\r\n\xc1\xc1\xc1",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "a login page": b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
}


@contextmanager
def instead(machine: Machine, says: bytes, *, forever: bool = False) -> Iterator[None]:
    """Something else where the relay should be: it says the same to everybody, perhaps without end."""

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.request.recv(65_536)
                self.request.sendall(says)
                while forever:
                    self.request.sendall(b"\x00" * 65_536)
                # Until the other side has had enough.
                while self.request.recv(65_536):
                    pass
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    place = split_listen(load(machine.dir / "config.toml").relay.listen)
    assert place is not None
    with Server(place, Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def refused_everywhere(machine: Machine, says: str) -> None:
    """Reading goes on, what is written is kept, and everything else says why it can't be."""
    read = machine.ok("read", "--json")
    assert read.json == []
    assert says in read.err
    assert "Traceback" not in read.err
    assert says in machine("invite").line
    assert says in machine("remove", "Gateway", "--yes", "--circle", "forum").line
    said = machine(*POST)
    assert says in said.err
    assert "kept" in said.err
    link = f"{load(machine.dir / 'config.toml').relay.url}/join#0000-0000-0000-0000-0000-0000-00"
    other = machine.beside("other")
    joined = other("join", link + spelled_end(), "--yes")
    assert joined.code == 1
    assert joined.line
    assert not other.dir.joinpath("vault.db").exists()


def spelled_end() -> str:
    from peerbot.protocol.keys import spell

    return spell(bytes(16))[-2:]


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(away: Machine, name: str) -> None:
    with instead(away, GARBAGE[name]):
        refused_everywhere(away, "does not talk like a relay")
    with relay_running(away.dir):
        assert [post["text"] for post in away.ok("read", "--json").json] == ["My words"]


def test_an_answer_without_end(away: Machine) -> None:
    with instead(away, HEAD + b"\r\n", forever=True):
        refused_everywhere(away, "does not talk like a relay")


def test_nobody_there(away: Machine) -> None:
    link = f"{load(away.dir / 'config.toml').relay.url}/join#0000-0000-0000-0000-0000-0000-00{spelled_end()}"
    said = away.beside("other")("join", link, "--yes")
    assert "only on the computer the relay runs on" in said.line


def test_a_relay_in_another_year(away: Machine) -> None:
    with relay_running(away.dir, ShiftedClock(-YEAR)):
        said = away("invite")
        assert said.code == 1
        assert "clock and the relay's are 365 days apart" in said.line
        assert "365 days apart" in away.ok("read").err
        post = away(*POST)
        assert post.code == 1
        assert "365 days apart" in post.err
        findings = away("doctor", "--json")
        assert findings.code == 1
        assert [f["about"] for f in findings.json["findings"] if f["state"] == "wrong"] == ["clock"]
    with relay_running(away.dir):
        assert [p["text"] for p in away.ok("read", "--json").json] == ["My words"]


async def test_this_computer_in_another_year(away: Machine) -> None:
    """The same seen from a node whose own clock is wrong: nothing is sent, nothing is lost."""
    with relay_running(away.dir):
        await _write_in_the_future(away.dir)
        async with own_vault(place_at(away.dir), lambda _: "") as vault, node_on(vault, relays()) as node:
            found = await handle(Desk(node), asks.Read())
    assert isinstance(found, answers.Posts)
    assert [post.text for post in found.posts] == ["Words"]
    assert abs(found.posts[0].at - datetime.now(UTC).timestamp()) < 3600


async def _write_in_the_future(folder: Path) -> None:
    clock = ShiftedClock(YEAR)
    async with own_vault(place_at(folder), lambda _: "") as vault, node_on(vault, relays(clock), clock) as node:
        written = await handle(Desk(node), asks.Write(circle="forum", thread="x", text="Words"))
    assert isinstance(written, answers.Written)
    assert (written.sent, written.code) == (False, "relay-clock")
    assert "365 days" in sentence_for(written.code, written.facts)


async def test_a_relay_that_dawdles(away: Machine) -> None:
    """It takes the call and says nothing; the node gives up after its time-out."""

    def impatient(url: str, key: bytes | None) -> Relay:
        return HttpRelay(url, expected_key=key, timeouts=Timeouts(read=0.2, total=0.5))

    with instead(away, HEAD + b"Content-Length: 10\r\n\r\n"):
        async with own_vault(place_at(away.dir), lambda _: "") as vault, node_on(vault, impatient) as node:
            found = await handle(Desk(node), asks.Circles(fresh=True))
    assert isinstance(found, answers.CircleList)
    assert [stale.code for stale in found.stale] == ["relay-slow"] * 3


def test_an_invite_that_means_this_computer(owner: Machine) -> None:
    """The relay listens for others, and its address means “this computer” to each of them."""
    config = owner.dir / "config.toml"
    text = config.read_text()
    listen = load(config).relay.listen
    config.write_text(text.replace(f'"{listen}"', f'"0.0.0.0:{listen.rpartition(":")[2]}"'))
    said = owner("invite")
    assert said.code == 1
    assert "means “this computer” on every computer" in said.line
    assert "--local" in said.line
    assert owner.ok("invite", "--list").out == "No invite is open.\n"
    assert owner.ok("invite", "--local", "--json").json["link"]
    shutil.copy(config, owner.dir / "old.toml")
    config.write_text(text.replace("listen", "# listen"))
    assert "--local" in owner("invite").line


def test_plain_http_to_another_machine(machine: Machine) -> None:
    link = f"http://relay.example.org/join#0000-0000-0000-0000-0000-0000-00{spelled_end()}"
    assert "anyone on the way can read along" in machine("join", link, "--yes").line


@pytest.mark.parametrize(
    "link",
    ["", "hello", "http://127.0.0.1:1/join#", "ftp://x/join#0000", "https://x/join#ABCD", "#" * 9000],
)
def test_what_is_no_invite(machine: Machine, link: str) -> None:
    assert "not an invite" in machine("join", link, "--yes").line
    assert not machine.dir.exists()

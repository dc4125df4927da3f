"""serve: relay and gateway until they are told to stop."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from peerbot.config.read import load
from tests.cli.household import PYTHON, Machine, environment, relay_running


@contextmanager
def serving(machine: Machine, *args: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    command = [PYTHON, "-m", "peerbot", "serve", "--dir", str(machine.dir), *args]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment(**env)) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.rstrip("\n"))
        if last in line:
            return said
    raise AssertionError(said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_until_told_to_stop(away: Machine, number: signal.Signals) -> None:
    url = load(away.dir / "config.toml").relay.url
    with serving(away) as process:
        said = lines_until(process, "No chat app is configured")
        assert said[0] == f"The relay listens on {url}"
        assert said[1] == "The gateway reads along in: forum, cafe-bergen"
        wren = away.newcomer("Wren", away.link())
        assert [m["name"] for m in wren.ok("members", "--circle", "forum", "--json").json] == [
            "Heron",
            "Gateway",
            "Wren",
        ]
        assert "Another peerbot" in second_gateway(away)
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read() == "Stopping.\n"
        assert process.stderr.read() == ""


def second_gateway(machine: Machine) -> str:
    with serving(machine, "--only", "gateway") as process:
        assert process.wait(30) == 1
        assert process.stderr is not None
        return process.stderr.read()


def test_the_relay_alone_tells_systemd(away: Machine) -> None:
    path = away.dir.parent / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(path))
        told.settimeout(60)
        with serving(away, "--only", "relay", NOTIFY_SOCKET=str(path)) as process:
            assert told.recv(100) == b"READY=1"
            assert away.ok("post", "--circle", "forum", "--thread", "x", "Words").out == "Posted.\n"
            process.send_signal(signal.SIGTERM)
            assert told.recv(100) == b"STOPPING=1"
            assert process.wait(30) == 0


def test_the_gateway_alone_says_when_the_relay_comes_and_goes(away: Machine) -> None:
    with serving(away, "--only", "gateway") as process:
        lines_until(process, "No chat app is configured")
        assert process.stderr is not None
        assert "The relay can't be reached" in process.stderr.readline()
        assert "The relay can't be reached" in process.stderr.readline()
        with relay_running(away.dir):
            back = {process.stderr.readline(), process.stderr.readline()}
            assert back == {"forum: connected again\n", "cafe-bergen: connected again\n"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_port_that_is_taken(away: Machine) -> None:
    with relay_running(away.dir), serving(away, "--only", "relay") as process:
        assert process.wait(30) == 1
        assert process.stderr is not None
        said = process.stderr.read()
    assert said.startswith("peerbot: The relay can't listen on 127.0.0.1, port ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "says"),
    [([], "Nothing is set up"), (["--only", "relay"], "init --only relay"), (["--only", "gateway"], "No gateway")],
)
def test_nothing_to_serve(machine: Machine, args: list[str], says: str) -> None:
    with serving(machine, *args) as process:
        assert process.wait(30) == 1
        assert process.stderr is not None
        assert says in process.stderr.read()

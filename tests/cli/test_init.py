"""Founding a community: by flags, by answering, again, after being cut off, and on a relay elsewhere."""

from __future__ import annotations

import signal
import stat
import subprocess
from pathlib import Path

import pytest

from peerbot.config.read import load
from tests.cli.household import COMMUNITY, PYTHON, Machine, environment, free_port, relay_running


def flags(machine: Machine, *more: str) -> list[str]:
    url = f"http://127.0.0.1:{free_port()}"
    return [*COMMUNITY, "--key-file", str(machine.dir / "my.key"), "--relay-url", url, *more]


def circles(machine: Machine) -> dict[str, list[tuple[str, str]]]:
    """Who is in each circle, with their roles."""
    found: dict[str, list[tuple[str, str]]] = {}
    for member in machine.ok("members", "--json").json:
        found.setdefault(member["circle"], []).append((member["name"], member["role"]))
    return found


def test_a_community_by_flags(machine: Machine) -> None:
    more = ["--town", "Tromsø", "--town", "Ål i Hallingdal", "--pseudonym", "Heron", "--yes", "--json"]
    done = machine.ok("init", *flags(machine, *more)).json
    assert done["circles"] == ["forum", "cafe-tromso", "cafe-al-i-hallingdal", "moderators"]
    assert done["pseudonym"] == "Heron"
    assert done["recovery_code"].count("-") == 6
    config = load(machine.dir / "config.toml")
    assert [town.name for town in config.community.town] == ["Tromsø", "Ål i Hallingdal"]
    assert config.vault.key_file == "my.key"
    assert f"http://{config.relay.listen}" == config.relay.url
    for path in machine.dir.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(machine.dir.stat().st_mode) == 0o700
    with relay_running(machine.dir):
        found = circles(machine)
    both = [("Heron", "owner"), ("Gateway", "gateway")]
    assert found == {**dict.fromkeys(done["circles"][:3], both), "moderators": [("Heron", "owner")]}


def test_a_second_run_changes_nothing(away: Machine) -> None:
    before = {path.name: path.read_bytes() for path in away.dir.glob("*.toml")}
    said = away.ok("init", "--name", "Other", "--yes")
    assert "nothing was changed" in said.err
    assert said.out == ""
    assert {path.name: path.read_bytes() for path in away.dir.glob("*.toml")} == before
    assert away.ok("init", "--yes", "--json").json["changed"] is False


def test_a_community_by_answering(machine: Machine) -> None:
    answers = ["Open Door", "Kari", "kari@example.org", "Bergen, ,Oslo", "en", "Europe/Olso", "Europe/Oslo", "yes"]
    cut_off = machine("init", "--key-file", str(machine.dir / "k"), stdin="\n".join([*answers, "Heron", "0000"]))
    assert cut_off.code == 1
    assert "A time zone has a name such as Europe/Oslo." in cut_off.err
    assert "That is not the end of the code." in cut_off.err
    code = next(row.strip() for row in cut_off.out.splitlines() if row.count("-") == 6)
    again = machine.ok("init", stdin=f"{code[-4:]}\n")
    assert code in again.out
    assert "You are “Heron” in: forum, cafe-bergen, cafe-oslo, moderators" in again.out
    assert "nothing was changed" in machine.ok("init").err


@pytest.mark.parametrize("said", ["Founded: forum", "Founded: cafe-bergen", "Founded: moderators", "recovery code"])
def test_what_was_killed_goes_on(machine: Machine, said: str) -> None:
    command = [PYTHON, "-m", "peerbot", "init", "--dir", str(machine.dir), "--town", "Bergen", "--pseudonym", "Heron"]
    command += [*flags(machine), "--yes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        assert any(said in line for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    again = machine.ok("init", "--pseudonym", "Other", "--yes", "--json").json
    assert again["pseudonym"] == "Heron"
    assert again["circles"] == ["forum", "cafe-bergen", "moderators"]
    with relay_running(machine.dir):
        found = circles(machine)
    both = [("Heron", "owner"), ("Gateway", "gateway")]
    assert found == {"forum": both, "cafe-bergen": both, "moderators": [("Heron", "owner")]}
    assert "nothing was changed" in machine.ok("init").err


def test_a_relay_elsewhere(machine: Machine) -> None:
    host = machine.beside("host")
    url = f"http://127.0.0.1:{free_port()}"
    prepared = host.ok("init", "--only", "relay", "--relay-url", url, "--listen", url[7:], "--json").json
    assert prepared["relay_url"] == url
    assert sorted(path.name for path in host.dir.iterdir()) == ["config.toml", "relay.key"]
    again = host.ok("init", "--only", "relay")
    assert "nothing was changed" in again.err
    assert prepared["founding_code"] not in again.out + again.err
    mine = [*COMMUNITY, "--key-file", str(machine.dir / "k"), "--relay-url", url, "--yes", "--json"]
    with relay_running(host.dir):
        wrong = machine("init", *mine, "--founding-code", "0000-0000-0000-0000-0000-0000-0000")
        assert "founding code" in wrong.line
        assert "also give --founding-code" in machine("init", *mine).err
        done = machine.ok("init", *mine, "--founding-code", prepared["founding_code"].lower())
        assert done.json["circles"] == ["forum", "moderators"]
        assert machine.ok("post", "--circle", "forum", "--thread", "T", "Words").out == "Posted.\n"
    assert not list(machine.dir.glob("relay*"))


def test_a_relay_for_others_in_words(machine: Machine) -> None:
    said = machine.ok("init", "--only", "relay", "--relay-url", "https://relay.example.org").out
    assert sum(row.count("-") == 6 for row in said.splitlines()) == 1
    assert load(machine.dir / "config.toml").relay.listen == "127.0.0.1:8440"


def test_mistakes_found_nothing(machine: Machine) -> None:
    said = machine("init", "--yes", "--name", "x" * 300)
    assert said.line.startswith("config.toml: community.name must be shorter")
    assert machine("init", "--yes", "--town", "!!!").line.startswith("“!!!” has no letters")
    assert not (machine.dir / "config.toml").exists()
    hard = machine("init", "--yes", "--pseudonym", "kari@example.org", "--key-file", str(machine.dir / "k"))
    assert "an address or a handle" in hard.line


def test_a_folder_that_can_not_be(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    said = machine.beside("file/inside")("init", "--yes")
    assert said.code == 1
    assert "can't be made or used" in said.line

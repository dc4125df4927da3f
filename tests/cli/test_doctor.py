"""doctor: what is wrong, in words, and what to do."""

from __future__ import annotations

import pytest

from tests.cli.household import Machine, gateway_running, relay_running


def found(machine: Machine) -> dict[str, tuple[str, str, str]]:
    """By what they are about: state, words, and what to do; the worst where there are several."""
    said = machine("doctor", "--json")
    order = ["ok", "note", "wrong"]
    worst: dict[str, tuple[str, str, str]] = {}
    for f in said.json["findings"]:
        line = (f["state"], f["says"], f["do"])
        if f["about"] not in worst or order.index(line[0]) > order.index(worst[f["about"]][0]):
            worst[f["about"]] = line
    bad = any(state == "wrong" for state, _, _ in worst.values())
    assert said.code == int(bad)
    assert said.json["ok"] is not bad
    return worst


def test_all_is_well(away: Machine) -> None:
    with relay_running(away.dir), gateway_running(away.dir):
        states = found(away)
        said = away.ok("doctor").out
    assert {about for about, (state, _, _) in states.items() if state != "ok"} == {"relay address"}
    assert "[fine] vault: Your vault opens." in said
    assert "[fine] forum: up to date, 2 members" in said
    assert "[fine] gateway: The gateway is running." in said
    assert "To do: For others" in said


def test_nothing_runs(away: Machine) -> None:
    states = found(away)
    assert states["relay"][0] == "wrong"
    assert "peerbot serve" in states["relay"][1]
    assert states["gateway"] == ("note", "The gateway is not running.", "Start it: peerbot serve")
    assert states["forum"] == ("ok", "2 members", "")


def test_nothing_there(machine: Machine) -> None:
    assert "peerbot init" in found(machine)["folder"][2]
    machine.dir.mkdir(mode=0o700)
    assert "peerbot join" in found(machine)["vault"][2]


def test_others_may_look_in(away: Machine) -> None:
    away.dir.chmod(0o755)
    (away.dir / "vault.db").chmod(0o640)
    states = found(away)
    assert states["folder"][2] == f"chmod 700 {away.dir}"
    assert states["files"][2] == f"chmod 600 {away.dir / 'vault.db'}"


def test_what_waits_and_what_is_kept(away: Machine) -> None:
    words = ("--circle", "forum", "--thread", "x")
    away.ok("post", *words, "Waits.")
    away("post", *words, "x" * 40_000)
    states = found(away)
    assert states["forum"][1] == "2 messages wait to be sent."
    assert states["drafts"][1] == "1 post could not be sent, and is kept."


@pytest.mark.parametrize(
    ("before", "after", "about", "says"),
    [
        ('operator = "Kari"', "", "config", "who runs this"),
        ('name = "Open Door"', "nmae = 3", "config", "community.name"),
        ("http://127.0.0.1", "http://relay.example.org", "relay address", "http://"),
        ('url = "http://127.0.0.1', 'url = "http://localhost', "relay address", "but your circles use"),
        ('listen = "127.0.0.1', 'listen = "0.0.0.0', "relay address", "means this one only"),
        ('key_file = "my.key"', 'key_file = "no.key"', "vault", "key file is not there"),
    ],
)
def test_the_config(away: Machine, before: str, after: str, about: str, says: str) -> None:
    config = away.dir / "config.toml"
    text = config.read_text()
    assert before in text
    config.write_text(text.replace(before, after))
    state, words, _ = found(away)[about]
    assert state == "wrong"
    assert says in words


def test_the_gateways_key(away: Machine) -> None:
    (away.dir / "gateway.key").rename(away.dir / "elsewhere")
    assert found(away)["gateway"][0] == "wrong"
    (away.dir / "elsewhere").rename(away.dir / "gateway.key")
    (away.dir / "gateway.key").chmod(0o644)
    assert found(away)["gateway"][0] == "wrong"


def test_who_was_removed(owner: Machine) -> None:
    wren = owner.newcomer("Wren", owner.link())
    owner.ok("remove", "Wren", "--yes", "--circle", "forum")
    states = found(wren)
    assert states["forum"][0] == "note"
    assert "no longer in this circle" in states["forum"][1]
    assert states["cafe-bergen"][0] == "ok"


def test_a_passphrase_that_nobody_types(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERBOT_PASSPHRASE", "correct horse battery")
    machine.ok("init", "--yes", "--json")
    monkeypatch.delenv("PEERBOT_PASSPHRASE")
    assert found(machine)["vault"][0] == "note"

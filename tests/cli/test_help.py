"""Help, wrong use, and what is imported for it."""

from __future__ import annotations

import subprocess

import pytest

from peerbot.cli.app import COMMANDS, peerbot
from peerbot.cli.options import Options
from peerbot.cli.run import run
from tests.cli.household import PYTHON, Machine, environment

WRITTEN = [name for name in COMMANDS if name != "demo"]


@pytest.mark.parametrize("name", WRITTEN)
def test_every_command_has_help(machine: Machine, name: str) -> None:
    for flag in ("--help", "-h"):
        said = machine.ok(name, flag)
        assert said.out.startswith(f"Usage: peerbot {name}")
        assert "--dir DIR" in said.out


def test_help_lists_every_command(machine: Machine) -> None:
    said = machine.ok("--help").out
    for name, (_module, words) in COMMANDS.items():
        assert f"  {name}" in said
        assert words in said
    assert "not an emergency service" in " ".join(said.split())


def test_nothing_said_is_wrong_use(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(peerbot, Options(), []) == 2
    assert "Commands:" in capsys.readouterr().err
    assert machine().line == "Missing command. (peerbot --help)"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["raed"], "Did you mean “read”?"),
        (["zzz"], "No such command 'zzz'"),
        (["read", "--circel", "x"], "No such option '--circel'"),
        (["read", "--limit", "0"], "--limit"),
        (["post", "words"], "--circle and --thread"),
        (["post", "--delete", "--circle", "a", "--thread", "b"], "--delete goes with --draft"),
        (["post", "--draft", "--circle", "a", "--thread", "b", "words"], "leave TEXT out"),
        (["invite", "--expires", "soon"], "such as 14d"),
        (["invite", "--expires", "500d"], "at most 400d"),
        (["invite", "--uses", "0"], "--uses"),
        (["invite", "--role", "king"], "--role"),
        (["invite", "--list", "--revoke", "ab"], "Either --list or --revoke"),
        (["join"], "INVITE"),
        (["join", "x", "--relay-url", "relay"], "an address looks like"),
        (["remove"], "MEMBER"),
        (["search"], "WORDS"),
        (["serve", "--only", "moon"], "--only"),
        (["init", "--timezone", "Mars"], "Europe/Oslo"),
        (["init", "--listen", "8440"], "127.0.0.1:8440"),
        (["init", "--yes", "--relay-url", "relay.example.org"], "https://relay.example.org"),
        (["completion", "powershell"], "powershell"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(machine: Machine, args: list[str], says: str) -> None:
    said = machine(*args)
    assert said.code == 2
    assert says in said.line
    assert "--help)" in said.line
    assert said.out == ""


def test_version(machine: Machine) -> None:
    assert machine.ok("--version").out.startswith("peerbot 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(machine: Machine, shell: str) -> None:
    assert "_PEERBOT_COMPLETE" in machine.ok("completion", shell).out


def test_completion_knows_commands_and_options() -> None:
    for words, wanted in (("peerbot re", "read"), ("peerbot read --fo", "--follow")):
        env = environment(COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1), _PEERBOT_COMPLETE="bash_complete")
        program = "from peerbot.__main__ import main; main()"
        said = subprocess.run([PYTHON, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=False)
        assert wanted in said.stdout, said


def test_help_imports_no_database_network_or_cryptography() -> None:
    heavy = ["aiohttp", "cryptography", "msgspec", "segno", "sqlalchemy", "sqlcipher3", "structlog", "platformdirs"]
    program = (
        "import sys\nfrom peerbot.cli.app import peerbot\nfrom peerbot.cli.options import Options\n"
        "from peerbot.cli.run import run\nrun(peerbot, Options(), ['--help'])\n"
        f"print('loaded', [name for name in {heavy} if name in sys.modules])"
    )
    said = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.splitlines()[-1] == "loaded []"

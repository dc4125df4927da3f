"""What somebody at a terminal sees and is asked."""

from __future__ import annotations

from tests.cli.household import COMMUNITY, Machine, relay_running
from tests.cli.terminal import Terminal

SHOW = """
from peerbot.cli import read
from peerbot.core.desk.answers import PostLine
text = "x" * 34 + "Heron, 2026-01-01 00:00, own device " + "日本" * 40 + "☺️" * 40
read.show([PostLine("forum", "Walks", "ab", "w" * 64, text, 0, "device", "cd", 1, "")])
"""
PROGRESS = """
from itertools import count
from peerbot.cli.progress import CatchUp
ticks = count()
progress = CatchUp(lambda: float(next(ticks)) / 2)
for at in (10, 20, 30):
    progress("forum", at, 1000)
    progress("cafe", at, 500)
progress.clear()
print("done")
"""


def test_a_long_line_is_broken_by_us_not_by_the_terminal() -> None:
    with Terminal(["-c", SHOW], columns=40) as terminal:
        assert terminal.end() == 0
    assert terminal.lines[0] == "forum: Walks"
    assert len(terminal.lines) > 8
    assert all(line.startswith("  ") for line in terminal.lines[1:])
    assert max(len(line) for line in terminal.lines) <= 40


def test_a_long_catch_up_shows_how_far_it_is() -> None:
    with Terminal(["-c", PROGRESS]) as terminal:
        assert terminal.end() == 0
    assert "Catching up: 50 of 1500" in terminal.said
    assert terminal.said.endswith("\r\x1b[Kdone\r\n")


def test_a_passphrase_is_typed_twice_and_not_shown(machine: Machine) -> None:
    init = ["-m", "peerbot", "init", "--dir", str(machine.dir), *COMMUNITY, "--yes"]
    with Terminal(init) as terminal:
        terminal.until("Choose a passphrase: ")
        terminal.type("short\n")
        terminal.until("That is short")
        terminal.type("no\n")
        terminal.until("Choose a passphrase: ")
        terminal.type("correct horse\n")
        terminal.until("Type it once more: ")
        terminal.type("correct house\n")
        assert terminal.end() == 1
    assert "The two passphrases were not the same" in terminal.lines[-1]
    assert "correct" not in terminal.said
    with Terminal(init) as terminal:
        for question in ("Choose a passphrase: ", "Type it once more: "):
            terminal.until(question)
            terminal.type("correct horse\n")
        assert terminal.end() == 0
    assert "correct horse" not in terminal.said
    with Terminal(["-m", "peerbot", "read", "--dir", str(machine.dir)]) as terminal:
        terminal.until("Passphrase of your vault: ")
        terminal.type("correct horse\n")
        assert terminal.end() == 0
    assert "Nothing has been written here yet." in terminal.lines


def test_ctrl_c_at_a_question_is_quiet(machine: Machine) -> None:
    for command in (["init"], ["init", *COMMUNITY, "--yes"]):
        with Terminal(["-m", "peerbot", *command, "--dir", str(machine.dir)]) as terminal:
            terminal.until(": ")
            terminal.type("\x03")
            assert terminal.end() == 130
        assert "Traceback" not in terminal.said


def test_an_invite_is_shown_with_its_picture(away: Machine) -> None:
    with relay_running(away.dir), Terminal(["-m", "peerbot", "invite", "--dir", str(away.dir)]) as terminal:
        assert terminal.end() == 0
    assert "▀" in terminal.said
    assert any(line.startswith("  http://127.0.0.1:") for line in terminal.lines)


def test_removal_is_asked_about_at_a_terminal(owner: Machine) -> None:
    owner.newcomer("Wren", owner.link("--circle", "forum"))
    for answer, gone in (("n", False), ("yes", True)):
        with Terminal(["-m", "peerbot", "remove", "Wren", "--dir", str(owner.dir)]) as terminal:
            terminal.until("Remove Wren from forum? (yes/no) [no]: ")
            terminal.type(answer + "\n")
            assert terminal.end() == 0
        assert ("no longer in forum" in terminal.said) is gone

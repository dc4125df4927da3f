"""`peerbot tui` in a real terminal: what was written is there, news arrives, and other commands still work."""

from __future__ import annotations

from tests.cli.household import Machine
from tests.cli.terminal import Terminal


def test_the_screen_shows_what_is_there_and_what_another_command_posts_meanwhile(owner: Machine) -> None:
    owner.ok("post", "--circle", "forum", "--thread", "Walks", "Outside.")
    with Terminal(["-m", "peerbot", "tui", "--dir", str(owner.dir)]) as terminal:
        terminal.until("Outside.")
        # Other commands ask the running screen's node.
        assert "Posted" in owner.ok("post", "--circle", "forum", "--thread", "Walks", "Indoors.").out
        terminal.until("Indoors.")
        terminal.type("\x11")
        assert terminal.end() == 0
    texts = [post["text"] for post in owner.ok("read", "--circle", "forum", "--json").json]
    assert texts == ["Outside.", "Indoors."]


def test_without_a_vault_it_says_how_to_begin(machine: Machine) -> None:
    assert "no vault here" in machine("tui").line

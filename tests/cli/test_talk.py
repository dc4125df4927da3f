"""Posting, reading, searching; what waits while the relay is away, and what is kept when it can't be posted."""

from __future__ import annotations

import pytest

from tests.cli.household import Machine, relay_running

WALKS = ("--circle", "forum", "--thread", "Tuesday walks")


def test_two_people_talk(owner: Machine) -> None:
    assert owner.ok("post", *WALKS, "I went out.").out == "Posted.\n"
    wren = owner.newcomer("Wren", owner.link())
    assert wren.ok("post", *WALKS, "-", stdin="Good.\nVery good.\n").out == "Posted.\n"
    found = owner.ok("read", "--json").json
    said_by = [(post["author"], post["text"]) for post in found]
    assert said_by == [("Heron", "I went out."), ("Wren", "Good.\nVery good.")]
    assert {post["circle"] for post in found} == {"forum"}
    assert {post["thread"] for post in found} == {"Tuesday walks"}
    assert len({post["thread_id"] for post in found}) == 1
    assert all(post["door"] == "device" and post["verified"] is True and post["at"].endswith("Z") for post in found)
    said = wren.ok("read", *WALKS).out
    assert "forum: Tuesday walks" in said
    assert "      Very good.\n" in said


def test_json_may_stand_before_the_command(owner: Machine) -> None:
    owner.ok("post", *WALKS, "One.")
    assert owner.ok("--json", "read").json[0]["text"] == "One."


def test_a_thread_is_found_by_title_in_any_case_and_by_id(owner: Machine) -> None:
    first = owner.ok("post", *WALKS, "One.", "--json").json
    assert first["sent"] is True
    again = owner.ok("post", "--circle", "forum", "--thread", "tuesday WALKS", "Two.", "--json").json
    by_id = owner.ok("post", "--circle", "forum", "--thread", first["thread_id"], "Three.", "--json").json
    assert first["thread_id"] == again["thread_id"] == by_id["thread_id"]
    assert len(owner.ok("read", *WALKS, "--json").json) == 3
    assert [p["text"] for p in owner.ok("read", "--limit", "1", "--json").json] == ["Three."]


def test_nothing_to_read(owner: Machine) -> None:
    assert owner.ok("read").out == "Nothing has been written here yet.\n"
    assert owner.ok("read", "--json").json == []
    assert owner.ok("search", "word").out == "Nothing found.\n"


def test_search_takes_any_words(owner: Machine) -> None:
    owner.ok("post", *WALKS, "The café was warm")
    for words in (["CAFÉ"], ["warm", "café"], ['"*(NEAR', "café"], ["warm café"]):
        assert owner("search", *words).code == 0
    assert owner.ok("search", "warm", "--json").json[0]["text"] == "The café was warm"
    assert owner.ok("search", "warm", "cold", "--json").json == []
    assert owner.ok("search", "warm", "--circle", "cafe-bergen", "--json").json == []


def test_control_signs_are_dropped_when_posting(owner: Machine) -> None:
    owner.ok("post", *WALKS, "a\x1b[2Jb\u202ec\x00d")
    assert owner.ok("read", "--json").json[0]["text"] == "a[2Jbcd"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["post", "--circle", "forum", "--thread", "x", "  "], "the text is empty"),
        (["post", "--circle", "forum", "--thread", "x", "\u202e\u200b"], "the text is empty"),
        (["post", "--circle", "forum", "--thread", " ", "words"], "needs a title"),
        (["post", "--circle", "forum", "--thread", "x" * 201, "words"], "at most 200"),
        (["post", "--circle", "nowhere", "--thread", "x", "words"], "“nowhere”"),
        (["post", "--circle", "for\x1bum", "--thread", "x", "words"], "no circle called"),
        (["read", "--circle", "nowhere"], "“nowhere”"),
        (["read", "--thread", "nothing"], "no such thread"),
        (["search", "x", "--circle", "nowhere"], "“nowhere”"),
        (["members", "--circle", "nowhere"], "“nowhere”"),
        (["verify", "--circle", "nowhere"], "“nowhere”"),
        (["post", "--draft", "--circle", "forum", "--thread", "x"], "No words are kept"),
        (["post", "--draft", "--delete", "--circle", "forum", "--thread", "x"], "No words are kept"),
        (["remove", "Nobody", "--yes"], "Nobody here goes by that name"),
        (["remove", "Heron", "--yes", "--circle", "forum"], "can't remove yourself"),
        (["invite", "--revoke", "abcdef12"], "no invite “abcdef12”"),
        (["invite", "--circle", "moderators", "--role", "gateway"], "never reads the moderators' circle"),
    ],
)
def test_mistakes_are_one_plain_line(owner: Machine, args: list[str], says: str) -> None:
    said = owner(*args)
    assert said.code == 1
    assert says in said.line
    assert said.out == ""


def test_a_post_of_70000_signs_is_refused_and_kept(owner: Machine) -> None:
    words = "å" * 70_000
    said = owner("post", *WALKS, stdin=words)
    assert said.code == 1
    kept, why = said.err.splitlines()
    assert "Your words are kept" in kept
    assert 'peerbot post --draft --circle "forum" --thread "Tuesday walks"' in kept
    assert "at most 30000 bytes" in why
    assert owner.ok("post", "--draft", "--json").json == [{"circle": "forum", "thread": "Tuesday walks", "text": words}]
    assert "forum: Tuesday walks" in owner.ok("post", "--draft").out
    assert "too long" in owner("post", "--draft", *WALKS).line
    owner.ok("post", "--draft", "--delete", *WALKS)
    assert owner.ok("post", "--draft").out == "No words are kept.\n"


def test_far_too_much_on_stdin_is_not_swallowed(owner: Machine) -> None:
    assert "too much for a post" in owner("post", *WALKS, stdin=b"x" * 1_000_000).line


def test_stdin_that_is_no_text(owner: Machine) -> None:
    assert "not text in UTF-8" in owner("post", *WALKS, stdin=b"caf\xe9 \xff").line
    assert owner.ok("read", "--json").json == []


def test_what_is_typed_for_nowhere_is_shown_again(owner: Machine) -> None:
    said = owner("post", "--circle", "nowhere", "--thread", "x", stdin="Long words\nof mine")
    assert said.code == 1
    assert "    Long words\n    of mine\n" in said.err


def test_working_offline_loses_nothing(away: Machine) -> None:
    with relay_running(away.dir):
        away.ok("post", *WALKS, "Before.")
    said = away.ok("read", "--json")
    assert [post["text"] for post in said.json] == ["Before."]
    assert said.err.startswith("Working offline, with what is on this computer.")
    assert said.err.count("\n") == 1
    waiting = away.ok("post", *WALKS, "Meanwhile.", "--json")
    assert waiting.json["sent"] is False
    assert "Not sent yet, but kept" in waiting.err
    for command in ("members", "verify", "devices"):
        assert "Working offline" in away.ok(command).err
    with relay_running(away.dir):
        assert [post["text"] for post in away.ok("read", "--json").json] == ["Before.", "Meanwhile."]


@pytest.mark.parametrize(
    "args", [["invite"], ["invite", "--revoke", "abcdef12"], ["remove", "Gateway", "--yes", "--circle", "forum"]]
)
def test_what_needs_the_relay_says_so(away: Machine, args: list[str]) -> None:
    said = away(*args)
    assert said.code == 1
    assert "peerbot serve" in said.line or "no invite" in said.line

"""Inviting, joining, removing: from the command line of everyone who takes part."""

from __future__ import annotations

import signal
import subprocess
from datetime import timedelta

import pytest

from tests.cli.household import PYTHON, Machine, ShiftedClock, environment, relay_running


def test_an_invite_has_a_link_a_code_and_an_end(owner: Machine) -> None:
    made = owner.ok("invite", "--uses", "2", "--expires", "36h", "--json").json
    assert list(made)[:6] == ["id", "link", "code", "telegram", "uses", "expires"]
    assert made["link"].endswith("/join#" + made["code"])
    assert made["telegram"] is None
    assert made["uses"] == 2
    assert made["circles"] == ["forum", "cafe-bergen"]
    said = owner.ok("invite", "--circle", "forum", "--qr").out
    assert "to forum, as member" in said
    assert "for 1 person" in said
    assert "works on this computer only" in said
    assert "█" in said
    assert "█" not in owner.ok("invite").out


def test_invites_are_listed_and_taken_back(owner: Machine, machine: Machine) -> None:
    made = owner.ok("invite", "--json").json
    assert [line["id"] for line in owner.ok("invite", "--list", "--json").json] == [made["id"]]
    assert made["id"] in owner.ok("invite", "--list").out
    assert "taken back" in owner.ok("invite", "--revoke", made["id"]).out
    assert owner.ok("invite", "--list").out == "No invite is open.\n"
    assert "was taken back" in machine("join", made["link"], "--yes").line
    assert not machine.dir.joinpath("vault.db").exists()


def test_an_invite_by_role_leads_where_it_should(owner: Machine) -> None:
    assert owner.ok("invite", "--role", "moderator", "--json").json["circles"] == ["forum", "cafe-bergen", "moderators"]
    assert owner.ok("invite", "--role", "gateway", "--json").json["circles"] == ["forum", "cafe-bergen"]
    assert owner.ok("invite", "--role", "organiser", "--json").json["circles"] == ["forum", "cafe-bergen"]


def test_a_used_up_invite(owner: Machine) -> None:
    link = owner.link()
    owner.newcomer("Wren", link)
    late = owner.beside("late")
    assert "as often as it may be" in late("join", link, "--yes", "--key-file", str(late.dir / "k"), "--json").line


def test_a_member_may_not_invite_or_remove(owner: Machine) -> None:
    wren = owner.newcomer("Wren", owner.link())
    assert "no circle you could invite to" in wren("invite").line
    assert "your role does not allow it" in wren("invite", "--circle", "forum").line
    assert "your role does not allow it" in wren("remove", "Heron", "--yes", "--circle", "forum").line


def test_joining_twice_changes_nothing(owner: Machine) -> None:
    link = owner.link("--uses", "3")
    wren = owner.newcomer("Wren", link)
    said = wren.ok("join", link, "--yes")
    assert "already" in said.err
    assert said.out == ""
    assert [m["name"] for m in wren.ok("members", "--circle", "forum", "--json").json] == ["Heron", "Gateway", "Wren"]


def test_a_spoken_code_needs_the_address(owner: Machine) -> None:
    made = owner.ok("invite", "--json").json
    wren = owner.beside("wren")
    assert "--relay-url" in wren("join", made["code"], "--yes").line
    spoken = made["code"].lower().replace("-", " ")
    url = made["link"].partition("/join#")[0]
    wren.ok("join", spoken, "--relay-url", url, "--yes", "--pseudonym", "Wren", "--key-file", str(wren.dir / "k"))


def test_joining_shows_every_point_and_the_code_once(owner: Machine) -> None:
    wren = owner.beside("wren")
    made = owner.ok("invite", "--json").json
    answers = "yes\n" * 8 + "Wren\n\nWRONG\n"
    flags = ("--key-file", str(wren.dir / "my.key"))
    cut_off = wren("join", made["link"], *flags, stdin=answers)
    assert cut_off.code == 1
    for point in ("run by Kari", "kari@example.org", "not an emergency service", "The relay", "gateway", "18 or older"):
        assert point in cut_off.out
    assert "not the end of the code" in cut_off.err
    code = next(row.strip() for row in cut_off.out.splitlines() if row.count("-") == 6)
    done = wren.ok("join", made["link"], *flags, stdin="yes\n" * 8 + f"Wren\n\n{code[-4:].lower()}\n")
    assert code in done.out
    assert "You are in forum as “Wren”." in done.out
    assert wren.ok("join", made["link"], *flags).out == ""


def test_saying_no_joins_nothing(owner: Machine) -> None:
    wren = owner.beside("wren")
    said = wren("join", owner.link(), stdin="yes\nno\n")
    assert said.code == 1
    assert "Nothing was joined" in said.err.splitlines()[-1]
    assert not wren.dir.joinpath("vault.db").exists()


def test_one_recovery_code_for_two_invites(owner: Machine) -> None:
    wren = owner.beside("wren")
    flags = ("--yes", "--json", "--pseudonym", "Wren", "--key-file", str(wren.dir / "my.key"))
    first = wren.ok("join", owner.link("--circle", "forum"), *flags).json
    second = owner.link("--circle", "cafe-bergen")
    assert "That is not your recovery code" in wren("join", second, stdin="yes\n" * 8 + "Wren\nAAAA\n").err
    said = wren.ok("join", second, stdin="yes\n" * 8 + f"Wren\n{first['recovery_code']}\n")
    assert first["recovery_code"] not in said.out
    assert {line["circle"] for line in wren.ok("members", "--json").json} == {"forum", "cafe-bergen"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "at least two letters"),
        ("🙂🙂", "at least two letters"),
        ("a", "at least two letters"),
        ("x" * 33, "at most 32"),
        ("He\u202eron", "can't be seen"),
        ("kari@example.org", "an address or a handle"),
        ("Wren 98765432", "a long number"),
    ],
)
def test_names_that_can_not_be(owner: Machine, name: str, says: str) -> None:
    wren = owner.beside("wren")
    said = wren("join", owner.link(), "--yes", "--json", "--pseudonym", name, "--key-file", str(wren.dir / "k"))
    assert said.code == 1
    assert says in said.line
    assert [m["name"] for m in owner.ok("members", "--circle", "forum", "--json").json] == ["Heron", "Gateway"]


def test_a_name_that_may_be_real_is_the_persons_own_choice(owner: Machine) -> None:
    wren = owner.beside("wren")
    flags = ("--key-file", str(wren.dir / "k"))
    said = wren("join", owner.link(), *flags, stdin="yes\n" * 8 + "Kari Nordmann\nno\nWren\n\n")
    assert "looks like a real name" in said.err
    assert "What shall the others in forum call you" in said.err.partition("Take “Kari Nordmann”")[2]


def test_a_look_alike_is_noticed_from_inside(owner: Machine) -> None:
    """The newcomer sees the others' names once a device of the circle has answered."""
    wren = owner.beside("wren")
    flags = ("--yes", "--json", "--key-file", str(wren.dir / "k"))
    link = owner.link("--circle", "forum")
    said = wren("join", link, "--pseudonym", "Hеron", *flags)
    assert said.code == 1
    assert "looks like another member's" in said.line
    joined = wren.ok("join", link, "--pseudonym", "Wren", *flags).json
    assert joined["circles"] == [{"circle": "forum", "name": "Wren"}]


def test_who_is_removed_reads_what_they_had_and_no_more(owner: Machine) -> None:
    wren = owner.newcomer("Wren", owner.link())
    owner.ok("post", "--circle", "forum", "--thread", "Walks", "Before.")
    wren.ok("read")
    assert "Wren is no longer in forum" in owner.ok("remove", "wren", "--yes", "--circle", "forum").out
    owner.ok("post", "--circle", "forum", "--thread", "Walks", "After.")
    said = wren.ok("read", "--circle", "forum", "--json")
    assert [post["text"] for post in said.json] == ["Before."]
    assert "may have been removed" in said.err
    words = ("--circle", "forum", "--thread", "Walks", "Me again.")
    assert "no longer in this circle" in wren("post", *words).err
    assert [m["name"] for m in owner.ok("members", "--circle", "forum", "--json").json] == ["Heron", "Gateway"]


def test_removal_from_all_circles(owner: Machine) -> None:
    """One circle in which it can't be done doesn't stand in the way of the others."""
    owner.newcomer("Wren", owner.link())
    owl = owner.newcomer("Owl", owner.link("--role", "moderator", "--circle", "forum"))
    owl.ok("join", owner.link("--circle", "cafe-bergen"), "--pseudonym", "Owl", "--yes", "--json")
    said = owl("remove", "Wren", "--yes", "--json")
    assert said.code == 1
    assert [line["circle"] for line in said.json] == ["forum"]
    assert "your role does not allow it" in said.line
    assert [line["circle"] for line in owner.ok("remove", "Wren", "--yes", "--json").json] == ["cafe-bergen"]
    assert "can't remove yourself" in owner("remove", "Heron", "--yes").line


def test_an_invite_that_has_expired(away: Machine) -> None:
    with relay_running(away.dir):
        link = away.link("--expires", "30m")
    with relay_running(away.dir, ShiftedClock(timedelta(minutes=50))):
        late = away.beside("late")
        said = late("join", link, "--yes", "--key-file", str(late.dir / "k"))
    assert said.code == 1
    assert "has expired" in said.line
    assert not (late.dir / "vault.db").exists()


def test_two_members_with_one_name(alone: Machine) -> None:
    """Where the newcomer can't see the others yet, everyone sees them told apart."""
    alone.newcomer("Wren", alone.link("--circle", "forum"))
    other = alone.beside("other")
    flags = ("--yes", "--json", "--key-file", str(other.dir / "k"))
    other.ok("join", alone.link("--circle", "forum"), "--pseudonym", "wrеn", *flags)
    names = [m["name"] for m in alone.ok("members", "--circle", "forum", "--json").json]
    assert names[:3] == ["Heron", "Gateway", "Wren"]
    assert names[3].startswith("wrеn #")


def test_everyone_compares_the_same_code(owner: Machine) -> None:
    wren = owner.newcomer("Wren", owner.link("--circle", "forum"))
    codes = {m.ok("verify", "--circle", "forum", "--json").json[0]["code"] for m in (owner, wren)}
    assert len(codes) == 1
    assert len(codes.pop()) == 23
    assert "Read a code to someone else" in wren.ok("verify").out


def test_my_devices(owner: Machine) -> None:
    assert [line["this"] for line in owner.ok("devices", "--circle", "forum", "--json").json] == [True]
    assert "this one" in owner.ok("devices").out


def test_roles_and_doors_in_words_and_for_programs(owner: Machine) -> None:
    found = owner.ok("members", "--circle", "forum", "--json").json
    assert [(m["name"], m["role"], m["door"], m["me"]) for m in found] == [
        ("Heron", "owner", "device", True),
        ("Gateway", "gateway", "device", False),
    ]
    said = owner.ok("members").out
    assert "Heron (you)" in said
    assert "keeps the history" in said
    assert "Gateway" not in said.partition("moderators")[2]


def test_a_join_that_was_killed_goes_on(owner: Machine) -> None:
    """The same recovery code is shown again, and nothing is done twice."""
    wren = owner.beside("wren")
    link = owner.link()
    flags = ["--dir", str(wren.dir), "--pseudonym", "Wren", "--key-file", str(wren.dir / "my.key"), "--yes"]
    command = [PYTHON, "-m", "peerbot", "join", link, *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        code = next(line.strip() for line in process.stdout if line.count("-") == 6)
        process.send_signal(signal.SIGKILL)
    again = wren.ok("join", link, "--pseudonym", "Wren", "--yes", "--json").json
    assert again["recovery_code"] == code
    names = [(m["circle"], m["name"]) for m in owner.ok("members", "--json").json if m["name"] == "Wren"]
    assert names == [("forum", "Wren"), ("cafe-bergen", "Wren")]


def test_a_keyring_that_gives_nothing(owner: Machine) -> None:
    wren = owner.beside("wren")
    command = [PYTHON, "-m", "peerbot", "join", owner.link(), "--dir", str(wren.dir), "--keyring", "--yes"]
    for backend, says in (("fail", "did not give or take the key"), ("null", "")):
        env = environment(PYTHON_KEYRING_BACKEND=f"keyring.backends.{backend}.Keyring")
        said = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert says in said.stderr
        assert said.returncode == (1 if says else 0)
    read = [PYTHON, "-m", "peerbot", "read", "--dir", str(wren.dir)]
    said = subprocess.run(read, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 1
    assert "keyring has no key for this vault" in said.stderr


def test_nobody_is_removed_by_a_command_that_could_not_ask(owner: Machine) -> None:
    owner.newcomer("Wren", owner.link())
    asked = owner("remove", "Wren", "--circle", "forum")
    assert asked.code == 2
    assert "--yes" in asked.err
    assert "Wren" in [m["name"] for m in owner.ok("members", "--circle", "forum", "--json").json]

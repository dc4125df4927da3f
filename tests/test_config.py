"""config.toml: read strictly, mistakes named by key, and the example explains every key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerbot.config.keys import CommunityConfig, Config, RelayConfig, Town, VaultConfig
from peerbot.config.read import all_keys, load, parse, read_secret
from peerbot.config.template import initial
from peerbot.config.values import host_of, is_loopback, is_url, quote, seconds_in, split_listen
from peerbot.errors import UserError
from peerbot.i18n.errors import sentence

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


def refusal(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        parse(text)
    return caught.value


def test_example_loads() -> None:
    config = load(EXAMPLE)
    assert config.community.town[0].id == "bergen"
    assert config.relay.listen == "127.0.0.1:8440"


def test_example_holds_every_key_with_words_before_it() -> None:
    text = EXAMPLE.read_text("utf-8")
    data = tomllib.loads(text)
    for key in all_keys():
        section, _, name = key.rpartition(".")
        found = data
        for part in section.split("."):
            found = found[part][0] if isinstance(found[part], list) else found[part]
        assert name in found, key
    for block in re.split(r"^\[.*\]$", text, flags=re.MULTILINE)[1:]:
        first = block.strip().splitlines()[0]
        assert first.startswith("#"), block


def test_an_empty_file_is_fine() -> None:
    assert parse("") == Config()


@pytest.mark.parametrize(
    ("text", "key", "near"),
    [
        ("[comunity]\nname = 'x'", "comunity", "community"),
        ("[community]\nnmae = 'x'", "community.nmae", "community.name"),
        (
            "[[community.town]]\nid = 'a'\nname = 'A'\ntimezoen = 'UTC'",
            "community.town.timezoen",
            "community.town.timezone",
        ),
        ("[community]\ndays = 3", "community.days", "retention.days"),
        ("listen = '127.0.0.1:1'", "listen", "relay.listen"),
        ("[relay]\nzzzzzz = 1", "relay.zzzzzz", ""),
        ('[relay]\n"a\\u001b[2J" = 1', "relay.a?[2J", ""),
    ],
)
def test_unknown_key_names_the_nearest(text: str, key: str, near: str) -> None:
    error = refusal(text)
    assert (error.code, error.facts["key"], error.facts["near"]) == ("config-unknown-key", key, near)
    assert key in sentence(error)
    assert (f"Did you mean “{near}”?" in sentence(error)) == bool(near)


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("[community]\nname = 3", "community.name", "text in quotes"),
        ("[retention]\ndays = 'ninety'", "retention.days", "a whole number"),
        ("[retention]\ndays = 1.5", "retention.days", "a whole number"),
        ("[vault]\nkeyring = 'yes'", "vault.keyring", "true or false"),
        ("[reminders]\nlead_times = '1d'", "reminders.lead_times", "a list"),
        ("[reminders]\nlead_times = [1]", "reminders.lead_times", "text in quotes"),
        ("community = 'x'", "community", "a section"),
        ("[community]\ntown = 'x'", "community.town", "a list"),
        ("[[community.town]]\nid = 4\nname = 'x'", "community.town.id", "text in quotes"),
        ("[limits]\ndoor_rate = 'fast'", "limits.door_rate", "a number"),
    ],
)
def test_wrong_type_says_what_belongs_there(text: str, key: str, says: str) -> None:
    error = refusal(text)
    assert (error.code, error.facts["key"]) == ("config-type", key)
    assert f"{key} must be {says}" in sentence(error)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[[community.town]]\nid = 'a'", "community.town.name"),
        ("[community]\nlanguage = 'de'", "community.language"),
        ("[community]\ntimezone = 'Mars/Olympus'", "community.timezone"),
        ("[community]\ntimezone = '../../etc/passwd'", "community.timezone"),
        ("[[community.town]]\nid = 'Bergen!'\nname = 'x'", "community.town.id"),
        ("[[community.town]]\nid='a'\nname='x'\n[[community.town]]\nid='a'\nname='y'", "community.town.id"),
        ("[relay]\nurl = 'relay.example.org'", "relay.url"),
        ("[relay]\nurl = 'https://user:word@relay.example.org'", "relay.url"),
        ("[relay]\nlisten = '8440'", "relay.listen"),
        ("[relay]\nlisten = '127.0.0.1:99999'", "relay.listen"),
        ("[relay]\ntls_cert = 'a.pem'", "relay.tls_key"),
        ("[telegram]\ntoken = 'a'\ntoken_file = 'b'", "telegram.token_file"),
        ("[reminders]\nlead_times = ['soon']", "reminders.lead_times"),
        ("[reminders]\nquiet_hours = '22-8'", "reminders.quiet_hours"),
        ("[retention]\ndays = 0", "retention.days"),
        ("[retention]\ndays = 3\nepoch_days = 7", "retention.epoch_days"),
        ("[help]\ncountry = 'norway'", "help.country"),
        ("[limits]\ndevice_rate = 0.0", "limits.device_rate"),
        ("[limits]\ndevice_rate = nan", "limits.device_rate"),
    ],
)
def test_value_that_makes_no_sense(text: str, key: str) -> None:
    error = refusal(text)
    assert (error.code, error.facts["key"]) == ("config-value", key)
    assert key in sentence(error)
    assert "something else" not in sentence(error)


@pytest.mark.parametrize(
    ("text", "line"), [("[community\n", 1), ("\n\nname = \n", 3), ("a = 1\na = 2", 2), ("x" * 99, 1)]
)
def test_invalid_toml_names_the_line(text: str, line: int) -> None:
    error = refusal(text)
    assert (error.code, error.facts["line"]) == ("config-toml", line)


def test_deeply_nested_toml() -> None:
    assert refusal("a = " + "[" * 50_000).code == "config-toml"


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin").write_bytes(b'[community]\nname = "caf\xe9"')
    (tmp_path / "huge").write_bytes(b"#" * 2_000_000)
    for name, code in (("folder", "unreadable"), ("latin", "unreadable"), ("huge", "unreadable"), ("none", "missing")):
        with pytest.raises(UserError, match=f"config-{code}"):
            load(tmp_path / name)


def test_secrets(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("  123:abc\n")
    file.chmod(0o600)
    assert read_secret("telegram.token", "", "token", tmp_path) == "123:abc"
    assert read_secret("telegram.token", "45:x", "", tmp_path) == "45:x"
    file.chmod(0o644)
    for named, code in (("token", "secret-mode"), ("gone", "secret-unreadable"), ("", "secret-missing")):
        with pytest.raises(UserError, match=code):
            read_secret("telegram.token", "", named, tmp_path)


def test_secrets_stay_out_of_reprs() -> None:
    config = parse("[telegram]\ntoken = 'CANARY'\n[matrix]\naccess_token = 'CANARY'")
    assert "CANARY" not in repr(config)


@given(st.text(max_size=60))
def test_any_text_survives_the_first_config(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert tomllib.loads(f"a = {quote(text)}") == {"a": text}


def test_first_config_reads_back() -> None:
    config = Config(
        community=CommunityConfig(
            name='Open "Door" \\ x', operator="Kari\n", contact="k@e.org", town=(Town(id="tromso", name="Tromsø"),)
        ),
        relay=RelayConfig(url="http://127.0.0.1:8440", listen="127.0.0.1:8440"),
        vault=VaultConfig(key_file="my.key", keyring=True),
    )
    assert parse(initial(config)) == config
    assert parse(initial(Config())) == Config()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("2h", 7200), ("14d", 1_209_600), ("2w", 1_209_600), ("14", 0), ("-1d", 0), ("", 0)],
)
def test_durations(text: str, seconds: int) -> None:
    assert seconds_in(text) == seconds


def test_addresses() -> None:
    assert split_listen("[::1]:8440") == ("::1", 8440)
    assert split_listen("0.0.0.0:0") == ("0.0.0.0", 0)  # noqa: S104 - only read
    assert split_listen("localhost") is None
    assert host_of("https://relay.example.org:8/x") == "relay.example.org"
    assert host_of("http://[::1]:8440") == "::1"
    assert [is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "10.0.0.1")] == [True] * 4 + [
        False
    ]
    assert is_url("https://relay.example.org/peerbot")
    assert not is_url("https://relay.example.org/#x")

"""Every error code has a sentence, and every sentence says something a person can act on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerbot import errors
from peerbot.errors import PeerbotError, RelayError, UserError
from peerbot.i18n.checks import CHECKS
from peerbot.i18n.errors import sentence, sentence_for, span
from peerbot.i18n.sentences import EXPECTED, REFUSED, SENTENCES

ROOT = Path(__file__).parent.parent / "peerbot"
CLASSES = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, PeerbotError)}
INTERNAL = {"session", "call"}
"""What a relay and its client say to each other, and never to a person (relay/api.py)."""
CODE = re.compile(r"[a-z]+(-[a-z]+)+|[EMSRD]\d\d")
ALARMS = ("fork", "rollback", "upgrade")
ELSEWHERE = {"disk", *(f"alarm-{alarm}" for alarm in ALARMS)}
"""Sentences for what isn't made with a literal code."""


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path, ast.parse(path.read_text("utf-8"))


def strings_in(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def raised_in(tree: ast.Module) -> Iterator[str]:
    """The codes that errors are made with, and what functions that find a code return."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES and node.args:
            yield from (s for s in strings_in(node.args[0]) if CODE.fullmatch(s) or (s.isalpha() and s.islower()))
        if isinstance(node, ast.FunctionDef) and "code" in node.name:
            yield from (
                s for r in ast.walk(node) if isinstance(r, ast.Return) for s in strings_in(r) if CODE.fullmatch(s)
            )


def all_codes() -> dict[str, Path]:
    return {code: path for path, tree in modules() for code in raised_in(tree)}


def test_every_code_has_a_sentence() -> None:
    missing = {
        code: path.name
        for code, path in all_codes().items()
        if code not in SENTENCES and code not in CHECKS and code not in INTERNAL and code != "alarm-"
    }
    assert not missing


def test_no_sentence_is_left_over() -> None:
    left = SENTENCES.keys() - all_codes().keys() - pseudonym_codes() - ELSEWHERE
    assert {code for code in left if not code.startswith("telegram-")} == set()


def test_the_search_finds_codes() -> None:
    found = all_codes()
    for code in ("relay-garbage", "E10", "invite-expired", "vault-full", "name-taken", "alarm-fork"):
        assert code in found or code in SENTENCES
    assert len(found) > 80


@pytest.mark.parametrize("code", [*(f"alarm-{alarm}" for alarm in ALARMS), *ALARMS])
def test_alarms_have_sentences(code: str) -> None:
    assert code in SENTENCES


def pseudonym_codes() -> set[str]:
    tree = ast.parse((ROOT / "core" / "pseudonym.py").read_text("utf-8"))
    return {s for s in strings_in(tree) if re.fullmatch(r"(name|may)-[a-z-]+[a-z]", s)}


def test_names_have_sentences() -> None:
    assert len(pseudonym_codes()) >= 8
    assert pseudonym_codes() <= SENTENCES.keys()


def test_every_check_of_the_protocol_has_words() -> None:
    described = (ROOT.parent / "docs" / "protocol.md").read_text("utf-8")
    numbered = set(re.findall(r"\b[EMSRD]\d\d\b", described))
    assert numbered - CHECKS.keys() == set()


def test_what_config_expects_has_words() -> None:
    tree = ast.parse((ROOT / "config" / "values.py").read_text("utf-8"))
    checks = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "checks")
    for node in ast.walk(checks):
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
            expected = node.value.elts[2]
            assert isinstance(expected, ast.Constant)
            assert expected.value in EXPECTED


@pytest.mark.parametrize("text", [*SENTENCES.values(), *REFUSED.values()])
def test_sentences_are_whole_and_plain(text: str) -> None:
    assert text[0].isupper() or text.startswith(("{", "config.toml"))
    assert text.endswith((".", "?", "}", ")", "init", "join", "serve", "--dir", "https://")), text
    assert "\n" not in text
    assert not re.search(r"!|\b(oops|invalid|illegal|fatal|exception|error)\b", text, re.IGNORECASE)


def test_facts_fill_the_sentence() -> None:
    assert "7 circles" in sentence(UserError("no-such-circle", circle="7 circles"))
    assert "365 days apart" in sentence(RelayError("relay-clock", seconds=-31_536_000))
    assert "your role does not allow it" in sentence(RelayError("relay-refused", check="E10"))
    assert "(check M13)" in sentence(RelayError("relay-refused", check="M13"))
    assert "(check E14)" in sentence_for("E14")


def test_gaps_show_and_unknown_codes_are_named() -> None:
    assert "“?”" in sentence(UserError("no-such-circle"))
    assert "(brand-new)" in sentence_for("brand-new")
    assert sentence(RelayError("relay-busy"))


def test_a_fact_is_never_a_template() -> None:
    assert "{code.__class__}" in sentence(UserError("no-such-circle", circle="{code.__class__}"))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (-59, "59 seconds"),
        (120, "2 minutes"),
        (5400, "2 hours"),
        (86_400, "24 hours"),
        (1_209_600, "14 days"),
    ],
)
def test_spans(seconds: int, words: str) -> None:
    assert span(seconds) == words

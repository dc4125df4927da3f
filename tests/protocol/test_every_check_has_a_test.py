"""Every numbered check of docs/protocol.md has a test with its number in the name."""

from __future__ import annotations

import ast
from pathlib import Path

CHECKS = [
    f"{letter}{number:02d}"
    for letter, last in (("E", 20), ("M", 18), ("S", 5), ("R", 3), ("D", 8))
    for number in range(1, last + 1)
]


def names_of_tests() -> list[str]:
    """The names of all tests beside this file."""
    found: list[str] = []
    for file in Path(__file__).parent.glob("test_*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found += [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in found if name.startswith("test_")]


def test_each_of_the_54_checks_is_named_by_a_test() -> None:
    names = names_of_tests()
    assert len(CHECKS) == 54
    missing = [check for check in CHECKS if not any(f"_{check}_" in name for name in names)]
    assert missing == []

"""docs/ says what the code does: layouts, labels, limits, examples, links."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

from peerbot import protocol, relay
from peerbot.cli.app import COMMANDS, peerbot
from peerbot.config.read import all_keys
from peerbot.protocol import keys, labels, wire
from peerbot.protocol.bodies import KINDS
from peerbot.protocol.box import mac, pad, seal_box
from peerbot.protocol.direct import MAX_SLOTS, History
from peerbot.protocol.invite import MAX_NOTE
from peerbot.protocol.log import LOG_START, Kind, link
from peerbot.protocol.message import MAX_PLAINTEXT, Header
from peerbot.protocol.primitives import sha256
from peerbot.protocol.roster import ops
from peerbot.protocol.roster.entry import MAX_OPS, MAX_SIGNATURES
from peerbot.protocol.secret import EpochSecret, InviteToken, MessageKey, RecoveryCode
from peerbot.protocol.wire import Layout
from peerbot.relay import api

ROOT = Path(__file__).parents[1]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text("utf-8")
_LAST = {"E": 20, "S": 5, "M": 18, "R": 3, "D": 8}
CHECKS = [f"{letter}{n:02}" for letter, last in _LAST.items() for n in range(1, last + 1)]
GUIDES = [ROOT / "README.md", ROOT / "docs" / "operating.md"]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_LAYOUT = re.compile(r"^([a-z-]+)\((.*)\)$", re.MULTILINE)


def section(number: int) -> str:
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", PROTOCOL, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def documented() -> dict[str, list[tuple[str, str]]]:
    """Label to (field, width), as section 4 has them."""
    lines = {m[1]: m[2].split(", ") for m in _LAYOUT.finditer(section(4))}
    return {label: [(name, width) for name, width in (f.split(" ") for f in line)] for label, line in lines.items()}


def in_code() -> list[tuple[str, Layout]]:
    """Every Layout in the protocol and the relay with its label. The relay has one twice, as it may not import it."""
    found: list[tuple[str, Layout]] = []
    for package in (protocol, relay):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            for value in vars(importlib.import_module(module.name)).values():
                layouts = value.values() if isinstance(value, dict) else [value]
                found += [(layout.label.decode(), layout) for layout in layouts if isinstance(layout, Layout)]
    return sorted(found, key=lambda pair: pair[0])


def bounds(width: str) -> tuple[int, int]:
    least, _, most = width.partition("..")
    return int(least), int(most or least)


def values(widths: list[str], at: int = -1, size: int = 0) -> list[Any]:
    """One value for each field; the one at `at` has `size` bytes."""
    return [1 if width == "u64" else bytes(size if i == at else bounds(width)[0]) for i, width in enumerate(widths)]


def test_every_layout_is_documented() -> None:
    assert documented().keys() == {label for label, _ in in_code()}


@pytest.mark.parametrize(("label", "layout"), in_code())
def test_layout(label: str, layout: Layout) -> None:
    """Encoding takes what the document allows, at both bounds, and refuses one byte less and one more."""
    widths = [width for _, width in documented()[label]]
    plain = values(widths)
    assert layout.decode(layout.encode(*plain)) == tuple(plain)
    assert layout.encode(*plain).startswith(wire.encode(label.encode(), *[b""] * len(widths))[: 3 + 10 + len(label)])
    for i, width in enumerate(widths):
        if width == "u64":
            with pytest.raises(Exception):  # noqa: B017, PT011 - bytes where an integer belongs
                layout.encode(*[b"" if j == i else value for j, value in enumerate(plain)])
            continue
        least, most = bounds(width)
        layout.encode(*values(widths, i, most))
        for wrong in {least - 1, most + 1} - {-1}:
            with pytest.raises(ValueError, match="wrong width"):
                layout.encode(*values(widths, i, wrong))


def test_names_of_fields() -> None:
    by_type = {type_: layout.label.decode() for type_, layout in ops._LAYOUTS.items()}
    for op, label in by_type.items():
        assert [name for name, _ in documented()[label]] == [f.name for f in fields(op)]
    assert [name for name, _ in documented()["hdr"]] == list(Header.__struct_fields__)


def test_every_label_is_documented() -> None:
    in_file = {name: value for name, value in vars(labels).items() if isinstance(value, bytes) and name != "PREFIX"}
    missing = [name for name, value in in_file.items() if f"`{value.decode()}`" not in section(4)]
    assert missing == []


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_a_row(check: str) -> None:
    assert re.search(rf"^\| {check} \| .+ \|$", PROTOCOL, re.MULTILINE)


def test_checks_are_in_order() -> None:
    rows = re.findall(r"^\| ([EMSRD]\d\d) \|", PROTOCOL, re.MULTILINE)
    # E06 has a second half, behind E08.
    del rows[rows.index("E08") + 1]
    assert rows == CHECKS


def test_every_body_kind_is_documented() -> None:
    for number, text in ((11, section(11)), (12, section(12))):
        missing = {kind for kind in KINDS if f"`{kind}`" not in text}
        assert missing == set(), f"section {number}"


@pytest.mark.parametrize(
    "limit",
    [
        wire.MAX_MESSAGE,
        wire.MAX_ENTRY,
        wire.MAX_SUBKEY,
        wire.MAX_REQUEST,
        wire.MAX_ENVELOPE,
        wire.MAX_DIRECT,
        MAX_PLAINTEXT,
        MAX_OPS,
        MAX_SIGNATURES,
        MAX_SLOTS,
        MAX_NOTE,
    ],
)
def test_limits(limit: int) -> None:
    assert re.search(rf"\b{limit:,}\b", section(17))


def test_prefix_and_suite() -> None:
    assert f'"{labels.PREFIX.decode()}"' in section(2)
    assert f"`suite` is {labels.SUITE} " in section(3)
    assert keys.ALPHABET in section(14)
    assert History.__struct_fields__[0] in section(13)


def test_encoding_example() -> None:
    example = wire.encode(b"set-role", b"\x11" * 16, wire.u64(ops.Role.MODERATOR)).hex()
    assert f"`{example}`" in section(2)
    block = re.search(r"```\n(12 .*?)```", section(2), re.DOTALL)
    assert block is not None
    pieces = [re.match(r"[0-9a-f ]+?(?=  |$)", line) for line in block[1].splitlines()]
    assert "".join(piece[0] for piece in pieces if piece is not None).replace(" ", "") == example


def test_examples() -> None:
    cid, prev, sixteen = b"\x22" * 32, b"\x33" * 32, bytes(range(16))
    invite = keys.invite_key(InviteToken(sixteen), cid).public
    place, key = keys.rendezvous(InviteToken(sixteen))
    secret = EpochSecret(b"\x44" * 32)
    epoch_key = keys.epoch_key(secret, cid, 1, prev).reveal()
    kc, ciphertext = seal_box(MessageKey(b"\x55" * 32), pad(b"hello", 256), b"aad")
    expected = [
        link(LOG_START, 1, Kind.ENTRY, sha256(b"")).hex(),
        keys.device_id(invite).hex(),
        invite.hex(),
        keys.invite_id(invite).hex(),
        keys.spell(sixteen),
        place.hex(),
        key.reveal().hex(),
        keys.recovery_key(RecoveryCode(sixteen), cid).public.hex(),
        keys.epoch_commit(secret, cid, 1, prev).hex(),
        epoch_key.hex(),
        mac(epoch_key, labels.MAC_HEDGE).hex(),
        kc.hex(),
        sha256(ciphertext).hex(),
        keys.compare_code(cid, 3, prev),
    ]
    block = re.search(r"```\n(.*?)```", section(20), re.DOTALL)
    assert block is not None
    assert [line.strip() for line in block[1].splitlines() if line.startswith(" ")] == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path) -> None:
    """Every relative link leads to a file, and every anchor to a heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        found = (page.parent / path) if path else page
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text("utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


def test_every_call_of_the_relay_is_documented() -> None:
    paths = {value for value in vars(api).values() if isinstance(value, str) and value.startswith("/v1/")}
    assert paths == set(re.findall(r"^\| `(/v1/[a-z-]+)` \|", section(15), re.MULTILINE))


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    """Each command line that a guide shows is one, with options that are there."""
    text = page.read_text("utf-8")
    shown = re.findall(r"(?:^|/bin/)peerbot ((?:--dir|[a-z])[^#\n]*)", "\n".join(_code(text)), re.MULTILINE)
    assert shown
    for line in shown:
        words = shlex.split(line)
        words = words[2:] if words[0] == "--dir" else words
        assert words[0] in COMMANDS, line
        command = peerbot.get_command(click.Context(peerbot), words[0])
        assert command is not None
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_keys_of_the_config_exist() -> None:
    text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    named = re.findall(r"`((?:community|relay|vault|limits|retention)\.[a-z_]+)`", text)
    files = {"relay.db", "relay.key", "vault.db", "vault.wrap"}
    assert set(named) - files <= set(all_keys())
    for table, keys_ in re.findall(r"^ *\[([a-z]+)\]\n((?: *[a-z_]+ = .*\n)+)", text, re.MULTILINE):
        assert {f"{table}.{key}" for key in re.findall(r"([a-z_]+) =", keys_)} <= set(all_keys())


def _code(text: str) -> list[str]:
    """Lines of blocks, and what stands between backticks elsewhere."""
    blocks = re.findall(r"^ *```\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^ *```\n.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*(line for block in blocks for line in block.splitlines()), *re.findall(r"`([^`]+)`", rest)]


def test_decisions_are_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    for page in folder.glob("0*.md"):
        title = page.read_text("utf-8").splitlines()[0].removeprefix(f"# {page.name[:4]} ")
        assert f"| [{page.name[:4]}]({page.name}) | {title} |" in index

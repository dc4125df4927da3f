"""Vaults that don't open: missing, closed with another passphrase, damaged, in use, on a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from peerbot.bootstrap import node_on, place_at, relays
from peerbot.core.desk import asks
from peerbot.core.desk.base import Desk, failed
from peerbot.core.desk.handle import handle
from peerbot.errors import VaultError
from peerbot.i18n.errors import sentence
from peerbot.store.vault.connect import VaultLock
from peerbot.store.vault.keyfile import read_key_file
from peerbot.store.vault.vault import SqlVault
from tests.cli.household import PYTHON, Machine, environment

ALL = [["read"], ["post", "--circle", "forum", "--thread", "x", "words"], ["members"], ["invite"], ["search", "x"]]


@pytest.mark.parametrize("args", ALL)
def test_no_vault(machine: Machine, args: list[str]) -> None:
    said = machine(*args)
    assert said.code == 1
    assert "peerbot init" in said.line
    assert "peerbot join" in said.line
    assert not machine.dir.exists()


def test_a_passphrase(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERBOT_PASSPHRASE", "correct horse battery")
    machine.ok("init", "--yes", "--json")
    assert (machine.dir / "vault.wrap").exists()
    assert "Working offline" in machine.ok("read").err
    monkeypatch.setenv("PEERBOT_PASSPHRASE", "correct house battery")
    assert "not the passphrase" in machine("read").line
    monkeypatch.setenv("PEERBOT_PASSPHRASE", "")
    assert "between 1 and" in machine("read").line
    monkeypatch.delenv("PEERBOT_PASSPHRASE")
    assert "Set PEERBOT_PASSPHRASE" in machine("read").line
    (machine.dir / "vault.wrap").write_bytes(b"{}")
    monkeypatch.setenv("PEERBOT_PASSPHRASE", "correct horse battery")
    assert "damaged" in machine("read").line


@pytest.mark.parametrize("damage", [b"", b"not a database" * 100, None])
def test_a_damaged_vault(away: Machine, damage: bytes | None) -> None:
    vault = away.dir / "vault.db"
    raw = bytearray(vault.read_bytes())
    raw[40:4096] = os.urandom(4056)
    vault.write_bytes(bytes(raw) if damage is None else damage)
    for args in ALL:
        said = away(*args)
        assert said.code == 1
        assert "damaged" in said.line


@pytest.mark.parametrize(
    ("damage", "says"),
    [("gone", "key file is not there"), ("short", "32 bytes"), ("open", "chmod 600"), ("other", "damaged")],
)
def test_key_files(away: Machine, damage: str, says: str) -> None:
    key = away.dir / "my.key"
    if damage == "gone":
        key.unlink()
    elif damage == "open":
        key.chmod(0o644)
    else:
        key.write_bytes(os.urandom(31 if damage == "short" else 32))
    assert says in away("read").line


def test_a_vault_in_use(away: Machine) -> None:
    lock = VaultLock(away.dir / "vault.db")
    try:
        said = away("post", "--circle", "forum", "--thread", "x", stdin="My words")
    finally:
        lock.release()
    assert said.code == 1
    assert "Another peerbot has this vault open" in said.err.splitlines()[-1]
    assert "    My words" in said.err
    assert "Working offline" in away.ok("read").err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nmae = 'x'", "Did you mean “community.name”?"),
        ("name = 3", "community.name must be text in quotes"),
        ("name = ", "see line 4"),
    ],
)
def test_a_slip_in_the_config(away: Machine, line: str, says: str) -> None:
    config = away.dir / "config.toml"
    config.write_text(config.read_text().replace('name = "Open Door"', line))
    for args in ALL:
        assert says in away(*args).line


async def test_a_full_disk_is_said_and_nothing_is_lost(template: Path, tmp_path: Path) -> None:
    """The vault may not grow any more; what was in it stays readable."""
    folder = Path(shutil.copytree(template, tmp_path / "full"))
    place = place_at(folder)
    pages = _pages(folder)
    key = read_key_file(folder / "my.key")
    vault = await SqlVault.open(place.vault, key, also=(f"PRAGMA max_page_count = {pages}",))
    try:
        async with node_on(vault, relays()) as node:
            desk = Desk(node)
            with pytest.raises(VaultError) as caught:
                await _write_on(desk)
            assert "disk is full" in sentence(caught.value)
            assert failed(caught.value).kind == "VaultError"
            waiting = node.circle("forum").outbox.waiting
    finally:
        await vault.close()
    vault = await SqlVault.open(place.vault, key)
    try:
        async with node_on(vault, relays()) as node:
            assert node.circle("forum").outbox.waiting == waiting
    finally:
        await vault.close()


async def _write_on(desk: Desk) -> None:
    for _ in range(200):
        await handle(desk, asks.Write(circle="forum", thread="x", text="words " * 3000))


def _pages(folder: Path) -> int:
    return (folder / "vault.db").stat().st_size // 4096 + 8


def test_a_full_disk_as_a_process_meets_it(away: Machine, tmp_path: Path) -> None:
    """On a real file system without room, where this system lets us mount one."""
    script = (
        'mount -t tmpfs -o size=1m none "$1" && cp "$2"/* "$1"/ && chmod 700 "$1" || exit 99\n'
        'head -c 2000000 /dev/zero > "$1/filler" 2>/dev/null\n'
        f'"{PYTHON}" -m peerbot post --dir "$1" --circle forum --thread x "My words"; echo "exit $?"\n'
        'rm "$1/filler"\n'
        f'"{PYTHON}" -m peerbot read --dir "$1" --json\n'
    )
    (tmp_path / "small").mkdir()
    command = [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
        str(tmp_path / "small"),
        str(away.dir),
    ]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    said = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    if said.returncode in (1, 99) and "exit" not in said.stdout:
        pytest.skip("this system doesn't let us mount")
    assert "exit 1\n[]" in said.stdout, said
    assert "The disk is full, so nothing was written." in said.stderr
    assert "Traceback" not in said.stderr

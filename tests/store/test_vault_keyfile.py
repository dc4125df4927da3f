"""How a vault is unlocked: passphrase, key file, keyring; and what must never unlock it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend

from peerbot.errors import VaultError
from peerbot.store.vault import keyfile
from peerbot.store.vault.keyfile import Cost, Passphrase, VaultKey, create_key_file, read_key_file
from tests.store.vault_builders import mode, names, overwrite, read

CHEAP = Cost(memory_kib=64, passes=1, lanes=1)
RIGHT = Passphrase.of("correct horse")


def fields(wrap: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(wrap))
    return found


@pytest.fixture
def wrap(tmp_path: Path) -> Path:
    return tmp_path / "vault.wrap"


async def test_the_passphrase_opens_what_it_wrapped(wrap: Path) -> None:
    made = await keyfile.create_wrap(wrap, RIGHT, CHEAP)
    opened = await keyfile.open_wrap(wrap, Passphrase.of("correct horse"))
    assert opened.reveal() == made.reveal()
    assert mode(wrap) == 0o600


async def test_two_vaults_of_one_passphrase_have_different_keys(tmp_path: Path) -> None:
    keys = [await keyfile.create_wrap(tmp_path / name, RIGHT, CHEAP) for name in ("a", "b")]
    assert keys[0].reveal() != keys[1].reveal()


async def test_a_wrong_passphrase_is_told_from_a_damaged_file(wrap: Path) -> None:
    await keyfile.create_wrap(wrap, RIGHT, CHEAP)
    with pytest.raises(VaultError, match="vault-passphrase"):
        await keyfile.open_wrap(wrap, Passphrase.of("correct hose"))
    values = fields(wrap)
    for name in ("salt", "nonce", "wrapped", "sum"):
        damaged = {**values, name: values[name][:-5] + ("AAA=" if values[name][-5:] != "AAAA=" else "BBB=")}
        overwrite(wrap, json.dumps(damaged).encode())
        with pytest.raises(VaultError, match="vault-corrupt"):
            await keyfile.open_wrap(wrap, RIGHT)


async def test_every_flipped_byte_of_the_wrap_file_is_a_typed_error_or_says_the_same(wrap: Path) -> None:
    made = await keyfile.create_wrap(wrap, RIGHT, CHEAP)
    whole = read(wrap)
    for at in range(len(whole)):
        overwrite(wrap, whole[:at] + bytes((whole[at] ^ 0x04,)) + whole[at + 1 :])
        try:
            opened = await keyfile.open_wrap(wrap, RIGHT)
        except VaultError as error:
            assert error.code in ("vault-corrupt", "vault-cost")  # noqa: PT017
        else:
            assert opened.reveal() == made.reveal()


@given(st.binary(max_size=300))
def test_any_bytes_in_place_of_the_wrap_file_are_a_typed_error(raw: bytes) -> None:
    with pytest.raises(VaultError, match="vault-corrupt"):
        keyfile._unseal(raw, RIGHT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_kib", 1024 * 1024 + 1),
        ("memory_kib", 7),
        ("memory_kib", -1),
        ("memory_kib", 2**70),
        ("passes", 11),
        ("passes", 0),
        ("lanes", 9),
        ("lanes", 0),
    ],
)
async def test_a_file_can_not_ask_for_more_work_than_the_caps(wrap: Path, name: str, value: int) -> None:
    await keyfile.create_wrap(wrap, RIGHT, CHEAP)
    overwrite(wrap, json.dumps({**fields(wrap), name: value}).encode())
    with pytest.raises(VaultError, match=r"vault-cost|vault-corrupt"):
        await keyfile.open_wrap(wrap, RIGHT)


async def test_nobody_can_lower_the_cost_in_the_file(wrap: Path) -> None:
    await keyfile.create_wrap(wrap, RIGHT, Cost(128, 2, 1))
    values = fields(wrap)
    overwrite(wrap, json.dumps({**values, "passes": 1}).encode())
    with pytest.raises(VaultError, match="vault-corrupt"):
        await keyfile.open_wrap(wrap, RIGHT)


@pytest.mark.parametrize("cost", [Cost(memory_kib=2 * 1024 * 1024), Cost(passes=11), Cost(lanes=0)])
async def test_a_cost_outside_the_caps_is_never_written(wrap: Path, cost: Cost) -> None:
    with pytest.raises(VaultError, match="vault-cost"):
        await keyfile.create_wrap(wrap, RIGHT, cost)
    assert names(wrap.parent) == []


async def test_an_unknown_version_or_field_is_refused(wrap: Path) -> None:
    await keyfile.create_wrap(wrap, RIGHT, CHEAP)
    values = fields(wrap)
    for changed in ({**values, "version": 2}, {**values, "kdf": "scrypt"}, {**values, "more": 1}):
        overwrite(wrap, json.dumps(changed).encode())
        with pytest.raises(VaultError, match="vault-corrupt"):
            await keyfile.open_wrap(wrap, RIGHT)


async def test_a_changed_passphrase_opens_the_same_key_and_the_old_one_nothing(wrap: Path) -> None:
    made = await keyfile.create_wrap(wrap, RIGHT, CHEAP)
    new = Passphrase.of("battery staple")
    await keyfile.change_passphrase(wrap, RIGHT, new, CHEAP)
    assert (await keyfile.open_wrap(wrap, new)).reveal() == made.reveal()
    with pytest.raises(VaultError, match="vault-passphrase"):
        await keyfile.open_wrap(wrap, RIGHT)
    assert mode(wrap) == 0o600
    assert names(wrap.parent) == ["vault.wrap"]


async def test_a_wrong_old_passphrase_changes_nothing(wrap: Path) -> None:
    await keyfile.create_wrap(wrap, RIGHT, CHEAP)
    before = read(wrap)
    with pytest.raises(VaultError, match="vault-passphrase"):
        await keyfile.change_passphrase(wrap, Passphrase.of("wrong"), Passphrase.of("new"), CHEAP)
    assert read(wrap) == before


async def test_what_a_crash_left_behind_is_in_nobodys_way(wrap: Path) -> None:
    overwrite(wrap.parent / "vault.wrap.new", b"half")
    made = await keyfile.create_wrap(wrap, RIGHT, CHEAP)
    assert (await keyfile.open_wrap(wrap, RIGHT)).reveal() == made.reveal()


async def test_a_wrap_file_is_never_overwritten_by_a_new_vault(wrap: Path) -> None:
    await keyfile.create_wrap(wrap, RIGHT, CHEAP)
    before = read(wrap)
    with pytest.raises(VaultError, match="vault-exists"):
        await keyfile.create_wrap(wrap, RIGHT, CHEAP)
    assert read(wrap) == before


async def test_a_missing_wrap_file_is_said(wrap: Path) -> None:
    with pytest.raises(VaultError, match="vault-missing"):
        await keyfile.open_wrap(wrap, RIGHT)


def test_a_passphrase_is_the_same_however_its_accents_are_typed() -> None:
    assert Passphrase.of("bl\u00e5").reveal() == Passphrase.of("bla\u030a").reveal()


@pytest.mark.parametrize("typed", ["", "x" * 1025, "\udc80"])
def test_a_passphrase_has_a_length_and_is_text(typed: str) -> None:
    with pytest.raises(VaultError, match="passphrase-length"):
        Passphrase.of(typed)


def test_the_default_cost_is_what_the_protocol_says() -> None:
    assert Cost() == Cost(memory_kib=262_144, passes=3, lanes=4)


def test_a_key_file_is_read_back_and_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "gateway.key"
    made = create_key_file(path)
    assert mode(path) == 0o600
    assert len(path.read_bytes()) == 32
    assert read_key_file(path).reveal() == made.reveal()


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "gateway.key"
    made = create_key_file(path)
    with pytest.raises(VaultError, match="vault-exists"):
        create_key_file(path)
    assert path.read_bytes() == made.reveal()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o601, 0o644, 0o660, 0o666, 0o777])
def test_a_key_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "gateway.key"
    create_key_file(path)
    path.chmod(mode)
    with pytest.raises(VaultError, match="key-file-mode"):
        read_key_file(path)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_key_file_that_only_its_owner_may_touch_is_taken(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "gateway.key"
    create_key_file(path)
    path.chmod(mode)
    assert len(read_key_file(path).reveal()) == 32


def test_a_systemd_credential_may_be_readable_by_its_group(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    create_key_file(path)
    path.chmod(0o440)
    assert len(read_key_file(path, credentials=tmp_path).reveal()) == 32
    with pytest.raises(VaultError, match="key-file-mode"):
        read_key_file(path, credentials=tmp_path / "elsewhere")
    path.chmod(0o444)
    with pytest.raises(VaultError, match="key-file-mode"):
        read_key_file(path, credentials=tmp_path)


@pytest.mark.parametrize("size", [0, 31, 33, 64, 100_000])
def test_a_key_file_has_32_bytes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "gateway.key"
    path.touch(mode=0o600)
    path.write_bytes(bytes(size))
    with pytest.raises(VaultError, match="key-file-length"):
        read_key_file(path)


def test_a_missing_key_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="key-file-missing"):
        read_key_file(tmp_path / "gateway.key")


def test_a_folder_or_a_pipe_is_no_key_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("folder", "pipe"):
        with pytest.raises(VaultError, match=r"vault-io|key-file-mode"):
            read_key_file(tmp_path / name)


class MemoryKeyring(KeyringBackend):
    """A keyring without a desktop. `broken` makes it fail as a locked one does, with the secret in its words."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.broken = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.broken:
            raise RuntimeError(f"locked: {self.kept}")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.broken:
            raise RuntimeError(f"locked: {password}")
        self.kept[service, username] = password


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


async def test_the_keyring_gives_back_the_key_it_was_given(ring: MemoryKeyring) -> None:
    assert await keyfile.keyring_load("forum") is None
    await keyfile.keyring_store("forum", VaultKey(bytes(range(32))))
    found = await keyfile.keyring_load("forum")
    assert found is not None
    assert found.reveal() == bytes(range(32))


async def test_without_the_extra_the_keyring_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in sys.modules is how Python itself marks a module that can't be imported.
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(VaultError, match="keyring-missing"):
        await keyfile.keyring_load("forum")
    with pytest.raises(VaultError, match="keyring-missing"):
        await keyfile.keyring_store("forum", VaultKey(bytes(32)))


async def test_a_locked_keyring_is_a_typed_error_without_the_secret(ring: MemoryKeyring) -> None:
    await keyfile.keyring_store("forum", VaultKey(bytes(range(32))))
    ring.broken = True
    with pytest.raises(VaultError, match="keyring-failed") as caught:
        await keyfile.keyring_load("forum")
    assert caught.value.__suppress_context__
    with pytest.raises(VaultError, match="keyring-failed"):
        await keyfile.keyring_store("forum", VaultKey(bytes(range(32))))


async def test_something_else_under_our_name_in_the_keyring_is_a_typed_error(ring: MemoryKeyring) -> None:
    for found in ("hunter2", "", "AAAA", "å"):
        ring.kept["peerbot vault", "forum"] = found
        with pytest.raises(VaultError, match="keyring-failed"):
            await keyfile.keyring_load("forum")


def test_the_keyring_is_loaded_only_when_it_is_asked_for() -> None:
    program = "import sys, peerbot.store.vault.vault; sys.exit('keyring' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

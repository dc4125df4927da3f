"""Killed processes and full disks: what was confirmed stays, and the vault opens again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

import pytest

from peerbot.errors import VaultError
from peerbot.store.vault.vault import SqlVault
from tests.store.vault_builders import (
    CID,
    check_index,
    counters,
    folded,
    key,
    new_vault,
    post,
    raw,
    thread,
)
from tests.store.vault_child import BATCH

ROOT = Path(__file__).parents[2]


@contextmanager
def child(folder: Path, what: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A process that has this folder's vault open, and its output. It is killed at the end, and not politely."""
    command = [sys.executable, "-m", "tests.store.vault_child", str(folder / "vault.db"), what]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            yield process, process.stdout
        finally:
            process.kill()


@asynccontextmanager
async def opened(folder: Path, *, also: tuple[str, ...] = ()) -> AsyncIterator[SqlVault]:
    vault = await SqlVault.open(folder / "vault.db", key(), also=also)
    try:
        yield vault
    finally:
        await vault.close()


def check(folder: Path) -> None:
    """The file is whole, and what it says agrees with itself."""
    with raw(folder) as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
        assert connection.exec_driver_sql("PRAGMA cipher_integrity_check").all() == []
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        check_index(connection)
        for posts, unread, last_p, *counted in counters(connection):
            assert [posts, unread, last_p] == counted


async def made(folder: Path) -> None:
    async with new_vault(folder):
        pass


async def test_a_vault_is_open_in_one_process_until_that_is_killed(tmp_path: Path) -> None:
    await made(tmp_path)
    with child(tmp_path, "hold") as (process, _):
        with pytest.raises(VaultError, match="vault-in-use"):
            await SqlVault.open(tmp_path / "vault.db", key())
        process.kill()
        process.wait()
        async with opened(tmp_path) as vault:
            assert len(await vault.circles()) == 1


@pytest.mark.parametrize("lines", [1, 4, 11, 30])
async def test_killed_in_the_middle_of_folds_the_cursor_and_the_rows_agree(tmp_path: Path, lines: int) -> None:
    await made(tmp_path)
    confirmed = 0
    for _ in range(2):
        with child(tmp_path, "save") as (process, said):
            for _ in range(lines):
                confirmed = int(said.readline())
            process.kill()
            process.wait()
        check(tmp_path)
        async with opened(tmp_path) as vault:
            stored = await vault.circle(CID)
            assert stored.p >= confirmed
            assert stored.p % BATCH == 0
            assert set(await vault.heads_at(CID, range(1, stored.p + 100))) == set(range(1, stored.p + 1))
            posts = await vault.posts(CID, None, 2**40, 10**6)
            assert [row.p for row in posts] == [p for p in range(1, stored.p + 1) if p % BATCH]
            assert sum(row.state == "edited" for row in posts) == stored.p // BATCH


async def fold_until_it_fails(vault: SqlVault) -> tuple[int, str]:
    """The last confirmed position, and what was said then."""
    for p in range(0, 10**5, 100):
        posts = [post(at, f"words {at} " * 30) for at in range(p + 1, p + 101)]
        try:
            await vault.save(folded(p + 100, since=p, threads=[thread(1)], posts=posts))
        except VaultError as error:
            return p, error.code
    return 10**5, ""


async def test_a_full_disk_is_said_and_what_is_confirmed_stays(tmp_path: Path) -> None:
    """The pages of the file are limited, as on a disk where nothing more fits."""
    await made(tmp_path)
    async with opened(tmp_path, also=("PRAGMA max_page_count = 150",)) as vault:
        p, code = await fold_until_it_fails(vault)
        assert code == "vault-full"
        assert p >= 100
        assert (await vault.circle(CID)).p == p
        assert len(await vault.posts(CID, None, 2**40, 10**6)) == p
        await vault.set_setting("small", "still fits")
        with pytest.raises(VaultError, match="vault-full"):
            await vault.set_setting("large", "x" * 10**6)
    check(tmp_path)
    async with opened(tmp_path) as vault:
        assert await vault.get_setting("small") == "still fits"
        await vault.save(folded(p + 1, since=p, posts=[post(p + 1)]))
        assert len(await vault.posts(CID, None, 2**40, 10**6)) == p + 1
    check(tmp_path)


async def test_when_no_file_may_grow_what_is_confirmed_can_be_read_and_the_rest_is_undone(tmp_path: Path) -> None:
    """The write-ahead log can't grow: the error comes from COMMIT, not from a statement."""
    await made(tmp_path)
    with child(tmp_path, "small-disk") as (process, said):
        *confirmed, code, readable = said.read().split()
        assert process.wait() == 0
    assert code in ("vault-io", "vault-full")
    assert int(confirmed[-1]) == int(readable) > BATCH
    check(tmp_path)
    async with opened(tmp_path) as vault:
        assert (await vault.circle(CID)).p == int(confirmed[-1])
        await vault.save(folded(int(confirmed[-1]) + 1, since=int(confirmed[-1])))
    check(tmp_path)

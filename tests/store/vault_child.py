"""A process of its own that holds a vault, so that tests can kill it or take its disk away."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from peerbot.errors import VaultError
from peerbot.store.vault.vault import SqlVault
from tests.store.vault_builders import CID, folded, key, mark, post, thread

BATCH = 40


async def hold(vault: SqlVault) -> None:
    """Keep the vault open until somebody says otherwise."""
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def save(vault: SqlVault, until: int = 10**9) -> None:
    """Fold for ever, and say how far it is confirmed. Every batch edits a post of the batch before."""
    p = (await vault.circle(CID)).p
    print("open", flush=True)
    while p < until:
        end = p + BATCH
        posts = [post(at, f"words of {at} " * 20) for at in range(p + 1, end)]
        marks = [mark(end, "edit", max(1, end - BATCH - 5), f"edited at {end}")]
        await vault.save(folded(end, since=p, threads=[thread(1)], posts=posts, marks=marks))
        p = end
        print(p, flush=True)


async def small_disk(vault: SqlVault) -> None:
    """Fold until no file may grow, then say what went wrong, and whether what is confirmed can still be read."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
    try:
        await save(vault)
    except VaultError as error:
        print(error.code, flush=True)
    print(len(await vault.heads_at(CID, range(1, 10**5))), flush=True)


async def main(path: Path, what: str) -> None:
    vault = await SqlVault.open(path, key())
    await {"hold": hold, "save": save, "small-disk": small_disk}[what](vault)
    await vault.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))

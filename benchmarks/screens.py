"""`python -m benchmarks.screens bare` or `… tui FOLDER`: the apps whose first screens are timed, imports and all."""

from __future__ import annotations

import asyncio
import sys

MARK = "the-last-words"


def bare() -> None:
    """An app that shows one line."""
    from textual.app import App, ComposeResult
    from textual.widgets import Static

    class Bare(App[None]):
        def compose(self) -> ComposeResult:
            yield Static(MARK)

    Bare().run()


async def tui(folder: str) -> None:
    """What `peerbot tui` does once it has read its configuration; nobody answers at the relay's address."""
    from pathlib import Path

    from peerbot.bootstrap import node_on, relays
    from peerbot.core.inviting import Community
    from peerbot.store.vault.keyfile import read_key_file
    from peerbot.store.vault.vault import SqlVault
    from peerbot.tui.app import run_tui

    vault = await SqlVault.open(Path(folder, "Heron.db"), read_key_file(Path(folder, "Heron.key")))
    async with node_on(vault, relays()) as node:
        await run_tui(node, Community("a", "b", "c", "en"))


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        bare()
    else:
        asyncio.run(tui(sys.argv[2]))

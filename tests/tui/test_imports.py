"""The first screen loads what it needs: no relay, no store, nothing of the dialogs."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import peerbot.tui.app
names = ("aiohttp", "click", "confusable_homoglyphs", "peerbot.relay", "peerbot.store", "segno", "sqlalchemy")
names += ("sqlcipher3", "peerbot.config", "peerbot.tui.changing")
names += ("peerbot.tui.screens.help", "peerbot.tui.screens.invites", "peerbot.tui.screens.search")
print([name for name in names if name in sys.modules])
"""


def test_the_app_loads_little() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"

"""`peerbot demo` as somebody new would run it: it plays to the end, shows both sides, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def play(home: Path, columns: int) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "COLUMNS": str(columns), "TMPDIR": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "peerbot", "demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize("columns", [80, 130])
def test_the_walk_plays_to_its_end_and_leaves_nothing_behind(tmp_path: Path, columns: int) -> None:
    done = play(tmp_path, columns)
    assert (done.returncode, done.stderr) == (0, "")
    words = " ".join(done.stdout.replace("|", " ").split())
    assert "Owl could read 0 posts, now 2:" in words
    assert "no key of hers fits." in words
    assert "the relay lets her in no more." in words
    assert "found: nothing." in words
    assert "roster entry" in words
    assert all(len(line) <= columns for line in done.stdout.splitlines())
    assert list(tmp_path.iterdir()) == []

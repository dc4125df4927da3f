"""A terminal of a given width, with somebody who waits for words and types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.cli.household import PYTHON, environment

PATIENCE = 60.0


class Terminal:
    """Runs Python with its standard streams on a pseudo-terminal."""

    def __init__(self, args: Sequence[str], columns: int = 100, **env: str) -> None:
        self._args = args
        self._columns = columns
        self._env = environment(TERM="xterm", **env)
        self.said = ""

    def __enter__(self) -> Self:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, self._columns, 0, 0))
        self._process = subprocess.Popen(
            [PYTHON, *self._args],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=self._env,
        )
        os.close(theirs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def until(self, words: str) -> str:
        """Read until these words have come; returns what came since the last time."""
        start = len(self.said)
        while words not in self.said[start:]:
            assert self._more(), self.said
        return self.said[start:]

    def type(self, words: str) -> None:
        os.write(self._ours, words.encode())

    def end(self) -> int:
        """Read to the end; returns the exit code."""
        while self._more():
            pass
        return self._process.wait(PATIENCE)

    @property
    def lines(self) -> list[str]:
        """What was said, without the colours and movements we made ourselves."""
        return re.sub(r"\r?\n", "\n", self.said).splitlines()

    def _more(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], PATIENCE)
        assert ready, self.said
        try:
            raw = os.read(self._ours, 65_536)
        except OSError:
            # Linux's way of saying that the other side has closed.
            return False
        self.said += raw.decode("utf-8", "replace")
        return bool(raw)

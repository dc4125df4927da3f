"""How far a long catch-up has come, on stderr, for those who sit at a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

import click

from peerbot.i18n.catalogue import _

_AFTER: Final = 1.0
"""Seconds before anything is shown: most catch-ups are over by then."""
_EVERY: Final = 0.2


class CatchUp:
    """One line that is rewritten, and cleared in the end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._shown = 0.0
        self._at: dict[str, tuple[int, int]] = {}
        self._on = sys.stderr.isatty()

    def __call__(self, circle: str, reached: int, goal: int) -> None:
        """Circles catch up side by side; the line adds them up."""
        self._at[circle] = (reached, goal)
        now = self._clock()
        if not self._on or now - self._began < _AFTER or now - self._shown < _EVERY:
            return
        self._shown = now
        done, all_ = (sum(pair[i] for pair in self._at.values()) for i in (0, 1))
        said = _("Catching up: {done} of {all}").format(done=done, all=all_)
        click.echo(f"\r\x1b[K{said}", nl=False, err=True)

    def clear(self) -> None:
        if self._shown:
            self._shown = 0.0
            click.echo("\r\x1b[K", nl=False, err=True)

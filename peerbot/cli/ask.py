"""Asking the person at the terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click

from peerbot.core.text import clean_line
from peerbot.errors import UserError, VaultError
from peerbot.i18n.catalogue import _

ENV: Final = "PEERBOT_PASSPHRASE"
_SHORT: Final = 10


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends a question at once. Within asyncio.run it would only be noted until the answer has come."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def line(question: str, default: str = "") -> str:
    """One line; Enter takes the default. Raises UserError("no-answer") where nobody can answer."""
    shown = f"{question} [{default}]: " if default else f"{question}: "
    click.echo(shown, nl=False, err=True)
    try:
        with _interruptible():
            given = input()
    except EOFError:
        click.echo(err=True)
        raise UserError("no-answer") from None
    return clean_line(given) or default


def yes(question: str, default: bool = False) -> bool:
    """Yes or no, asked until one of the two is given."""
    agree, refuse = _("yes"), _("no")
    while True:
        given = line(f"{question} ({agree}/{refuse})", agree if default else refuse).casefold()
        for word, meant in ((agree, True), (refuse, False)):
            if given and word.casefold().startswith(given):
                return meant


def until(question: str, fine: Callable[[str], str], default: str = "") -> str:
    """A line, asked again with what is wrong until `fine` says nothing."""
    while True:
        given = line(question, default)
        if not (wrong := fine(given)):
            return given
        click.echo(wrong, err=True)


def passphrase(new: bool) -> str:
    """The vault's passphrase, from the environment or typed unseen; a new one is typed twice.

    Raises VaultError("passphrase-needed", "passphrase-differs").
    """
    if (given := os.environ.get(ENV)) is not None:
        return given
    if not sys.stdin.isatty():
        raise VaultError("passphrase-needed")
    from getpass import getpass

    if not new:
        with _interruptible():
            return getpass(_("Passphrase of your vault: "))
    click.echo(_("Your vault holds your keys and what you read. A passphrase keeps it closed to others."), err=True)
    with _interruptible():
        first = getpass(_("Choose a passphrase: "))
    if len(first) < _SHORT and not yes(_("That is short, and could be guessed. Take it all the same?")):
        return passphrase(new)
    with _interruptible():
        again = getpass(_("Type it once more: "))
    if again != first:
        raise VaultError("passphrase-differs")
    return first

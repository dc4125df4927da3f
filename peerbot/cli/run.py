"""Running a command: every way it can end has an exit code, and every failure is one plain line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, Final

import click

from peerbot.cli.options import Options
from peerbot.errors import PeerbotError

FAILED: Final = 1
WRONG_USE: Final = 2
INTERRUPTED: Final = 130


def main() -> None:
    """Run the command line and exit."""
    from peerbot.cli.app import peerbot

    # What a person named or wrote must never make a message fail to be shown.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = Options()
    sys.exit(run(peerbot, options))


def run(command: click.Command, options: Options, args: list[str] | None = None) -> int:
    """Run and return the exit code."""
    try:
        result: Any = command.main(args, prog_name="peerbot", standalone_mode=False, obj=options)
        sys.stdout.flush()
        return int(result or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        return WRONG_USE
    except click.UsageError as error:
        _say(_usage(error))
        return WRONG_USE
    except click.ClickException as error:
        _say(error.format_message())
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        # The shell's prompt belongs on a line of its own, after ^C.
        with suppress(OSError):
            click.echo(err=True)
        return INTERRUPTED
    except BrokenPipeError:
        return _hang_up()
    except Exception as error:
        return _failed(error, options.debug)


def _failed(error: Exception, debug: bool) -> int:
    found = _first(error)
    if isinstance(found, BrokenPipeError):
        return _hang_up()
    if debug:
        import traceback

        traceback.print_exception(error)
    _say(_words(found))
    return FAILED


def _first(error: BaseException) -> BaseException:
    """What is inside the groups that concurrent work wraps its errors in."""
    while isinstance(error, BaseExceptionGroup):
        error = next(_by_weight(error.exceptions))
    return error


def _by_weight(errors: tuple[BaseException, ...]) -> Iterator[BaseException]:
    """Those we have words for first."""
    yield from sorted(errors, key=lambda error: not isinstance(error, PeerbotError | BaseExceptionGroup))


def _words(error: BaseException) -> str:
    from peerbot.i18n.errors import sentence, sentence_for

    if isinstance(error, PeerbotError):
        return sentence(error)
    if isinstance(error, OSError):
        return sentence_for("disk", {"reason": error.strerror or type(error).__name__})
    return sentence_for(type(error).__name__)


def _usage(error: click.UsageError) -> str:
    """What was wrong, and where to read how it is right."""
    path = error.ctx.command_path if error.ctx is not None else "peerbot"
    return f"{error.format_message()} ({path} --help)"


def _say(text: str) -> None:
    from peerbot.core.text import clean_line

    with suppress(OSError):
        click.echo(f"peerbot: {clean_line(text)}", err=True)


def _hang_up() -> int:
    """Whoever read our output has gone. Python would complain about it once more when it flushes at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return FAILED

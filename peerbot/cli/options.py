"""Options that every command has, before or after its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from peerbot.i18n.catalogue import _

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class Options:
    """What was said on the command line about all commands."""

    dir: Path | None = None
    json: bool = False
    debug: bool = False


def options_of(context: click.Context) -> Options:
    found = context.find_object(Options)
    if found is None:
        found = context.find_root().obj = Options()
    return found


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value not in (None, False) and parameter.name is not None:
        setattr(options_of(context), parameter.name, value)


def with_dir(command: F) -> F:
    """--dir and --debug."""
    folder = click.Path(file_okay=False, path_type=Path)
    command = click.option(
        "--debug", is_flag=True, expose_value=False, callback=_keep, help=_("Show where in the program an error arose.")
    )(command)
    return click.option(
        "--dir", metavar="DIR", type=folder, expose_value=False, callback=_keep, help=_("The data directory.")
    )(command)


def with_json(command: F) -> F:
    """--json."""
    return click.option("--json", is_flag=True, expose_value=False, callback=_keep, help=_("Print one JSON document."))(
        command
    )

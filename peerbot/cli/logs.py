"""Logging: to stderr, from WARNING on, and never with what could be a secret, an address or somebody's words."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

PLAIN: Final = frozenset(
    {
        "event",
        "level",
        "logger",
        "timestamp",
        "error",
        "at",
        "code",
        "check",
        "seconds",
        "count",
        "p",
        "seq",
        "e",
        "kind",
    }
    | {"signal", "found", "known", "reason", "status", "port"}
)
"""Keys whose values are shown; of all others only that they were there."""
_LONGEST: Final = 200
_HIDDEN: Final = "…"


def set_up(*, debug: bool = False) -> None:
    """Send structlog's and the standard library's logs through the same redaction."""
    root = logging.getLogger()
    root.handlers = [_Handler()]
    root.setLevel(logging.WARNING)
    # At DEBUG they print what they send and receive, whoever turned them up.
    for name in ("aiohttp", "asyncio", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if "structlog" in sys.modules or debug:
        use_structlog(debug=debug)


def use_structlog(*, debug: bool = False) -> None:
    """For processes that have something to log themselves; importing structlog takes its time."""
    import structlog

    level = logging.INFO if debug else logging.WARNING
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"], repr_native_str=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Keep plain values of known keys; of the rest only the key."""
    return {key: _plain(value) if key in PLAIN else _HIDDEN for key, value in event.items()}


def _plain(value: object) -> object:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value[:10]]
    if isinstance(value, str):
        return "".join(c if c.isprintable() else "?" for c in value)[:_LONGEST]
    return _HIDDEN


class _Handler(logging.StreamHandler[Any]):
    """Other people's log lines: who, how bad, and the kind of error. Their texts can hold anything."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def format(self, record: logging.LogRecord) -> str:
        said = f"{record.levelname.lower()} {record.name}"
        if record.exc_info and record.exc_info[0] is not None:
            said += f" error={record.exc_info[0].__name__} at={record.module}:{record.lineno}"
        return said

"""Reading config.toml strictly: mistakes are named by key, never passed over."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from peerbot.config.keys import Config
from peerbot.config.values import checks
from peerbot.errors import UserError

NAME: Final = "config.toml"
_MOST_BYTES: Final = 1024 * 1024


def load(path: Path) -> Config:
    """Raises UserError: "config-missing", "config-unreadable", "config-toml", "config-unknown-key", "config-type",
    "config-value".
    """
    return parse(_read(path))


def parse(text: str) -> Config:
    """The same for text at hand."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError("config-toml", line=_line_of(error, text)) from None
    _refuse_unknown(data, Config, "")
    try:
        config = msgspec.convert(data, Config, strict=True)
    except msgspec.ValidationError as error:
        raise _wrong_type(str(error)) from None
    for key, fine, expected in checks(config):
        if not fine:
            raise UserError("config-value", key=key, expected=expected)
    return config


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError("config-unreadable", path=str(path))
        return path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise UserError("config-missing", path=str(path)) from None
    except (OSError, UnicodeDecodeError):
        raise UserError("config-unreadable", path=str(path)) from None


def _line_of(error: Exception, text: str) -> int:
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else max(1, len(text.splitlines()))


# --- keys and types ---


@cache
def _keys(struct: type[Struct]) -> Mapping[str, Any]:
    from msgspec.structs import fields

    return {f.encode_name: f.type for f in fields(struct)}


def all_keys() -> list[str]:
    """Every key the file may hold, as "section.key"."""
    return sorted(_all_keys(Config, ""))


def _all_keys(struct: type[Struct], prefix: str) -> Iterator[str]:
    for name, kind in _keys(struct).items():
        inner = _struct_in(kind)
        if inner is None:
            yield prefix + name
        else:
            yield from _all_keys(inner, f"{prefix}{name}.")


def _struct_in(kind: Any) -> type[Struct] | None:
    """The section a field holds, once or several times."""
    for candidate in (kind, *getattr(kind, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, Struct):
            return candidate
    return None


def _refuse_unknown(data: Mapping[str, Any], struct: type[Struct], prefix: str) -> None:
    for name, value in data.items():
        kind = _keys(struct).get(name)
        if kind is None:
            raise UserError("config-unknown-key", key=_shown(prefix + name), near=_nearest(prefix, name, struct))
        inner = _struct_in(kind)
        if inner is None:
            continue
        for table in value if isinstance(value, list) else [value]:
            if isinstance(table, dict):
                _refuse_unknown(table, inner, f"{prefix}{name}.")


def _nearest(prefix: str, name: str, struct: type[Struct]) -> str:
    """The most similar key of this section, else the same key of another one, else nothing."""
    from difflib import get_close_matches

    if near := get_close_matches(name, list(_keys(struct)), n=1):
        return prefix + near[0]
    return next((key for key in all_keys() if key.rpartition(".")[2] == name), "")


def _shown(key: str) -> str:
    """A key out of the file, fit for one line."""
    return "".join(c if c.isprintable() else "?" for c in key)[:80]


def _wrong_type(said: str) -> UserError:
    """msgspec's words as a key and what belongs there."""
    key = re.search(r"at `\$\.?([^`]*)`", said)
    place = re.sub(r"\[[^\]]*\]", "", key[1]) if key else ""
    if missing := re.search(r"missing required field `(\w+)`", said):
        return UserError("config-value", key=f"{place}.{missing[1]}".strip("."), expected="something")
    wanted = re.search(r"Expected `(\w+)", said)
    return UserError("config-type", key=place, expected=wanted[1] if wanted else "something")


# --- secrets ---


def read_secret(key: str, value: str, file: str, base: Path) -> str:
    """A secret as the config has it: in the file itself, or in a file of its own that only its owner may read.

    Relative paths are beside config.toml. Raises UserError: "secret-missing", "secret-unreadable", "secret-mode".
    """
    if not file:
        if not value:
            raise UserError("secret-missing", key=key)
        return value
    path = base / file
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UserError("secret-mode", key=f"{key}_file", path=str(path))
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UserError("secret-unreadable", key=f"{key}_file", path=str(path)) from None

"""The encoding S of docs/protocol.md: labelled, length-prefixed fields with exact parsing.

S(label, f1..fn) = u8 len(label) | label | u16 n | n times (u32 len(f) | f), integers as u64 big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from peerbot.protocol.labels import PREFIX

MAX_MESSAGE: Final = 64 * 1024
MAX_ENTRY: Final = 1024 * 1024
MAX_DIRECT: Final = 64 * 1024
MAX_SUBKEY: Final = 4096
MAX_REQUEST: Final = 1024
MAX_ENVELOPE: Final = 4096
U64_MAX: Final = 2**64 - 1
ZERO16: Final = bytes(16)
ZERO32: Final = bytes(32)
_U32: Final = struct.Struct(">I")


class Malformed(Exception):
    """Bytes that are not exactly one structure of the expected kind. Carries nothing of the bytes."""


@dataclass(frozen=True, slots=True)
class U64:
    """An unsigned integer of 8 bytes."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Exactly `size` bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class Var:
    """Between `least` and `most` bytes."""

    most: int
    least: int = 0


Field = U64 | Raw | Var


@cache
def _head(label: bytes, arity: int) -> bytes:
    full = PREFIX + label
    return bytes((len(full),)) + full + arity.to_bytes(2, "big")


def encode(label: bytes, *fields: bytes) -> bytes:
    """S(label, fields) for byte fields."""
    out = [_head(label, len(fields))]
    for field in fields:
        out.append(_U32.pack(len(field)))
        out.append(field)
    return b"".join(out)


def u64(value: int) -> bytes:
    """An integer as a field."""
    return value.to_bytes(8, "big")


def encode_list(label: bytes, items: Iterable[bytes]) -> bytes:
    """A list is a nested S whose arity is the number of items."""
    return encode(label, *items)


def decode_list(label: bytes, data: bytes, most: int) -> tuple[bytes, ...]:
    """The items of encode_list, at most `most` of them. Raises Malformed."""
    full = PREFIX + label
    start = 1 + len(full) + 2
    if len(data) < start or data[0] != len(full) or data[1 : start - 2] != full:
        raise Malformed
    count = int.from_bytes(data[start - 2 : start], "big")
    if count > most:
        raise Malformed
    return tuple(_split(data, start, count))


def _split(data: bytes, at: int, count: int) -> list[bytes]:
    """`count` length-prefixed fields from `at` to exactly the end."""
    out = []
    for _ in range(count):
        start = at + 4
        at = start + int.from_bytes(data[at:start], "big")
        out.append(data[start:at])
    # A field that ran past the end leaves `at` past it too, and no later one can bring it back.
    if at != len(data):
        raise Malformed
    return out


class Layout:
    """A label with its fixed arity and field widths; encodes and parses exactly.

    Fields of one width up to the first Var are packed by one precompiled struct, together with that Var's length: most
    structures are such a front with at most one Var behind it, and messages are made of nothing else.
    """

    __slots__ = ("_arity", "_constants", "_front", "_head", "_raw_at", "_rest", "_template", "_widths", "label")

    def __init__(self, label: bytes, *fields: Field) -> None:
        self.label = label
        self._arity = len(fields)
        self._head = _head(label, len(fields))
        cut = next((i for i, f in enumerate(fields) if isinstance(f, Var)), len(fields))
        front = [f for f in fields[:cut] if not isinstance(f, Var)]
        self._rest = fields[cut:]
        sizes = [8 if isinstance(f, U64) else f.size for f in front]
        codes = ["Q" if isinstance(f, U64) else f"{size}s" for f, size in zip(front, sizes, strict=True)]
        tail = "I" if self._rest else ""
        self._front = struct.Struct(f">{len(self._head)}s" + "".join("I" + code for code in codes) + tail)
        self._constants = (self._head, *sizes)
        self._template: list[Any] = [self._head, *(part for size in sizes for part in (size, None))]
        self._raw_at = [i for i, f in enumerate(front) if isinstance(f, Raw)]
        self._widths = [f.size for f in front if isinstance(f, Raw)]

    @property
    def size(self) -> int:
        """Bytes of a structure without Var fields; of others, of their front."""
        return self._front.size

    def encode(self, *values: int | bytes) -> bytes:
        """The structure's bytes. A value of the wrong width is a programming error and raises ValueError."""
        # struct would pad or cut a value of the wrong width without a word.
        if len(values) != self._arity or [len(values[i]) for i in self._raw_at] != self._widths:  # type: ignore[arg-type]
            raise ValueError(f"a field of {self.label!r} has a wrong width")
        parts = self._template.copy()
        rest = self._rest
        if not rest:
            parts[2::2] = values
            return self._front.pack(*parts)
        parts[2::2] = values[: -len(rest)]
        raws = [v if isinstance(v, bytes) else u64(v) for v in values[-len(rest) :]]
        for field, raw in zip(rest, raws, strict=True):
            if not _fits(field, len(raw)):
                raise ValueError(f"a field of {self.label!r} has a wrong width")
        out = self._front.pack(*parts, len(raws[0])) + raws[0]
        return out if len(raws) == 1 else out + b"".join(_U32.pack(len(raw)) + raw for raw in raws[1:])

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """The fields, integers as int. Raises Malformed unless `data` is exactly one such structure."""
        front = self._front
        rest = self._rest
        if len(data) != front.size if not rest else len(data) < front.size:
            raise Malformed
        parts = front.unpack_from(data)
        last = len(parts) - 1 if rest else len(parts)
        if (parts[0], *parts[1:last:2]) != self._constants:
            raise Malformed
        if not rest:
            return parts[2::2]
        raws = _split(data, front.size - 4, len(rest))
        for field, raw in zip(rest, raws, strict=True):
            if not _fits(field, len(raw)):
                raise Malformed
        return (*parts[2:last:2], *(map(_typed, rest, raws) if len(rest) > 1 else raws))


def _fits(field: Field, size: int) -> bool:
    if isinstance(field, Var):
        return field.least <= size <= field.most
    return size == (8 if isinstance(field, U64) else field.size)


def _typed(field: Field, raw: bytes) -> int | bytes:
    return int.from_bytes(raw, "big") if isinstance(field, U64) else raw


def label_of(data: bytes) -> bytes:
    """The label a structure claims, without the prefix. Raises Malformed."""
    if not data or len(data) < 1 + data[0]:
        raise Malformed
    full = data[1 : 1 + data[0]]
    if not full.startswith(PREFIX):
        raise Malformed
    return full[len(PREFIX) :]


def text(raw: bytes) -> str:
    """UTF-8, strictly. Raises Malformed."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed from None

"""The encoding S of docs/protocol.md: labelled, length-prefixed fields with exact parsing.

S(label, f1..fn) = u8 len(label) | label | u16 n | n times (u32 len(f) | f), integers as u64 big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
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
    return _split(data, start, count)


def _split(data: bytes, at: int, count: int) -> tuple[bytes, ...]:
    """`count` length-prefixed fields from `at` to exactly the end."""
    out = []
    end = len(data)
    for _ in range(count):
        if end - at < 4:
            raise Malformed
        (size,) = _U32.unpack_from(data, at)
        at += 4
        if size > end - at:
            raise Malformed
        out.append(data[at : at + size])
        at += size
    if at != end:
        raise Malformed
    return tuple(out)


class Layout:
    """A label with its fixed arity and field widths; encodes and parses exactly.

    Where every field has one width, one precompiled struct does the work, which is what makes message headers cheap.
    """

    __slots__ = ("_fixed", "_head", "_lengths", "_template", "fields", "label")

    def __init__(self, label: bytes, *fields: Field) -> None:
        self.label = label
        self.fields = fields
        self._head = _head(label, len(fields))
        self._fixed: struct.Struct | None = None
        self._lengths: tuple[int, ...] = ()
        self._template: list[Any] = []
        if not any(isinstance(field, Var) for field in fields):
            sizes = [8 if isinstance(f, U64) else f.size for f in fields if not isinstance(f, Var)]
            codes = ["Q" if isinstance(f, U64) else f"{size}s" for f, size in zip(fields, sizes, strict=True)]
            self._fixed = struct.Struct(f">{len(self._head)}s" + "".join("I" + code for code in codes))
            self._lengths = tuple(sizes)
            self._template = [self._head] + [part for size in sizes for part in (size, None)]

    def encode(self, *values: int | bytes) -> bytes:
        """The structure's bytes. A value of the wrong width is a programming error and raises ValueError."""
        if len(values) != len(self.fields):
            raise ValueError(f"{self.label!r} takes {len(self.fields)} fields")
        for field, value in zip(self.fields, values, strict=True):
            if isinstance(field, U64):
                continue
            size = len(value)  # type: ignore[arg-type]
            if size != field.size if isinstance(field, Raw) else not field.least <= size <= field.most:
                raise ValueError(f"a field of {self.label!r} has a wrong width")
        if self._fixed is not None:
            parts = self._template.copy()
            parts[2::2] = values
            return self._fixed.pack(*parts)
        out = [self._head]
        for value in values:
            raw = u64(value) if isinstance(value, int) else value
            out.append(_U32.pack(len(raw)))
            out.append(raw)
        return b"".join(out)

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """The fields, integers as int. Raises Malformed unless `data` is exactly one such structure."""
        if self._fixed is not None:
            if len(data) != self._fixed.size:
                raise Malformed
            parts = self._fixed.unpack(data)
            if parts[0] != self._head or parts[1::2] != self._lengths:
                raise Malformed
            return parts[2::2]
        head = len(self._head)
        if data[:head] != self._head:
            raise Malformed
        return tuple(
            _typed(field, raw) for field, raw in zip(self.fields, _split(data, head, len(self.fields)), strict=True)
        )


def _typed(field: Field, raw: bytes) -> int | bytes:
    size = len(raw)
    if isinstance(field, U64):
        if size != 8:
            raise Malformed
        return int.from_bytes(raw, "big")
    if isinstance(field, Raw):
        if size != field.size:
            raise Malformed
        return raw
    if not field.least <= size <= field.most:
        raise Malformed
    return raw


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

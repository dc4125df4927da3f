"""The encoding S of docs/protocol.md: labelled, length-prefixed fields with exact parsing.

S(label, f1..fn) = u8 len(label) | label | u16 n | n times (u32 len(f) | f), integers as u64 big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
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
u32: Final = struct.Struct(">I").pack
"""A length as it stands before a field."""


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
        out.append(u32(len(field)))
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

    __slots__ = (
        "_arity",
        "_constants",
        "_fixed",
        "_front",
        "_raw_at",
        "_rest",
        "_template",
        "_var",
        "_widths",
        "label",
        "seams",
        "size",
    )

    def __init__(self, label: bytes, *fields: Field) -> None:
        self.label = label
        self._arity = len(fields)
        self._fixed = next((i for i, f in enumerate(fields) if isinstance(f, Var)), len(fields))
        self._var = next((f for f in fields if isinstance(f, Var)), None)
        self._rest = fields[self._fixed + 1 :]
        front = [f for f in fields[: self._fixed] if not isinstance(f, Var)]
        sizes = [8 if isinstance(f, U64) else f.size for f in front]
        # What stands before each fixed field: its length, and before the first one the label too.
        head = _head(label, len(fields)) + b"".join(map(u32, sizes[:1]))
        self._constants = (head, *sizes[1:])
        self.seams: Final = (head, *map(u32, sizes[1:]))
        """The constants as bytes, for a caller that joins fields whose widths are beyond doubt."""
        codes = ["Q" if isinstance(f, U64) else f"{size}s" for f, size in zip(front, sizes, strict=True)]
        self._front = struct.Struct(f">{len(head)}s{'I'.join(codes)}{'I' if self._var is not None else ''}")
        self.size: Final = self._front.size
        """Bytes of a structure without Var fields; of others, of their front."""
        self._template: list[Any] = [part for size in self._constants for part in (size, None)][: 2 * len(sizes) or 1]
        self._raw_at = [i for i, f in enumerate(front) if isinstance(f, Raw)]
        self._widths = [f.size for f in front if isinstance(f, Raw)]

    def encode(self, *values: int | bytes) -> bytes:
        """The structure's bytes. A value of the wrong width is a programming error and raises ValueError."""
        # struct would pad or cut a value of the wrong width without a word.
        if len(values) != self._arity or [len(values[i]) for i in self._raw_at] != self._widths:  # type: ignore[arg-type]
            raise ValueError(f"a field of {self.label!r} has a wrong width")
        return self.pack(values) if self._var is None else self._encode_var(self._var, values)

    def pack(self, values: Sequence[int | bytes], *length: int) -> bytes:
        """`encode` of a structure without Var fields whose widths the caller has looked at."""
        parts = self._template.copy()
        parts[1::2] = values
        return self._front.pack(*parts, *length)

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """The fields, integers as int. Raises Malformed unless `data` is exactly one such structure."""
        size, var = self.size, self._var
        if len(data) < size:
            raise Malformed
        parts = self._front.unpack_from(data)
        if var is None:
            if len(data) != size or parts[::2] != self._constants:
                raise Malformed
            return parts[1::2]
        if parts[:-1:2] != self._constants or not var.least <= parts[-1] <= var.most:
            raise Malformed
        if self._rest:
            return (*parts[1:-1:2], *self._decode_rest(data))
        if parts[-1] != len(data) - size:
            raise Malformed
        return (*parts[1:-1:2], data[size:])

    def _encode_var(self, var: Var, values: tuple[int | bytes, ...]) -> bytes:
        """The front is complete with the first Var's length."""
        first, *raws = [v if isinstance(v, bytes) else u64(v) for v in values[self._fixed :]]
        if not _fits(var, len(first)) or not all(map(_fits, self._rest, map(len, raws))):
            raise ValueError(f"a field of {self.label!r} has a wrong width")
        front = self.pack(values[: self._fixed], len(first))
        return b"".join((front, first, *(u32(len(raw)) + raw for raw in raws)))

    def _decode_rest(self, data: bytes) -> Iterable[int | bytes]:
        """The first Var and what stands behind it."""
        first, *raws = _split(data, self.size - 4, 1 + len(self._rest))
        if not all(map(_fits, self._rest, map(len, raws))):
            raise Malformed
        return (first, *map(_typed, self._rest, raws))


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

"""S, its layouts, padding and bodies: one form for everything, and a way back."""

from __future__ import annotations

import hmac
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerbot.protocol import labels, log, wire
from peerbot.protocol.bodies import (
    KINDS,
    AnyBody,
    Body,
    BodyWrong,
    Unknown,
    decode_body,
    encode_body,
)
from peerbot.protocol.box import PaddingWrong, bucket, mac, open_box, pad, seal_box, unpad
from peerbot.protocol.direct import Grant, History
from peerbot.protocol.message import Header, parse_sealed
from peerbot.protocol.primitives import CryptoFailure, hmac_sha256, sha256
from peerbot.protocol.roster.ops import Op, decode_op, encode_op
from peerbot.protocol.secret import MessageKey
from peerbot.protocol.wire import U64, U64_MAX, Layout, Malformed, Raw, Var
from tests.protocol import spec
from tests.protocol.test_rules import BODIES

U64S = st.integers(0, U64_MAX)
ID = st.binary(min_size=16, max_size=16)
HASH = st.binary(min_size=32, max_size=32)


# --- S ---


def test_the_encoding_is_the_documents() -> None:
    """One structure by hand: u8 length, label, u16 arity, and each field behind its u32 length."""
    by_hand = b"\x0cpeerbot/1/ab" + b"\x00\x02" + b"\x00\x00\x00\x08" + bytes(7) + b"\x05" + b"\x00\x00\x00\x02hi"
    assert Layout(b"ab", U64(), Var(9)).encode(5, b"hi") == by_hand
    assert wire.encode(b"ab", wire.u64(5), b"hi") == by_hand
    assert spec.s("ab", 5, b"hi") == by_hand


FIELDS = st.one_of(st.just(U64()), st.integers(0, 40).map(Raw), st.integers(0, 40).map(lambda n: Var(n + 20, n // 2)))


def values_of(fields: list[U64 | Raw | Var]) -> st.SearchStrategy[tuple[Any, ...]]:
    def one(field: U64 | Raw | Var) -> st.SearchStrategy[Any]:
        if isinstance(field, U64):
            return U64S
        least, most = (field.size, field.size) if isinstance(field, Raw) else (field.least, field.most)
        return st.binary(min_size=least, max_size=most)

    return st.tuples(*map(one, fields))


@given(st.data())
def test_every_layout_goes_both_ways_and_takes_nothing_but_its_own_bytes(data: st.DataObject) -> None:
    fields = data.draw(st.lists(FIELDS, max_size=6))
    values = data.draw(values_of(fields))
    layout = Layout(b"label", *fields)
    raw = layout.encode(*values)
    assert raw == spec.s("label", *values)
    assert layout.decode(raw) == values
    cut = data.draw(st.integers(0, len(raw) - 1))
    for wrong in (raw[:cut], raw + b"\x00", raw + raw):
        with pytest.raises(Malformed):
            layout.decode(wrong)
    for other in (Layout(b"lapel", *fields), Layout(b"label", *fields, U64()), Layout(b"labels", *fields)):
        with pytest.raises(Malformed):
            other.decode(raw)


@given(st.data())
def test_a_changed_byte_is_refused_or_means_something_else(data: st.DataObject) -> None:
    """No two byte strings are one structure."""
    fields = data.draw(st.lists(FIELDS, min_size=1, max_size=4))
    values = data.draw(values_of(fields))
    layout = Layout(b"label", *fields)
    raw = bytearray(layout.encode(*values))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    try:
        found = layout.decode(bytes(raw))
    except Malformed:
        return
    assert found != values
    assert layout.encode(*found) == bytes(raw)


def test_a_value_of_the_wrong_width_is_never_written() -> None:
    layout = Layout(b"label", Raw(4), U64(), Var(3, 1), Raw(2))
    assert layout.encode(b"four", 1, b"abc", b"no")
    wrong: list[tuple[Any, ...]] = [
        (b"fou", 1, b"abc", b"no"),
        (b"fours", 1, b"abc", b"no"),
        (b"four", 1, b"abcd", b"no"),
        (b"four", 1, b"", b"no"),
        (b"four", 1, b"abc", b"nos"),
        (b"four", 1, b"abc"),
        (b"four", 1, b"abc", b"no", b""),
    ]
    for values in wrong:
        with pytest.raises(ValueError, match="width"):
            layout.encode(*values)


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_lists_are_nested_structures(items: list[bytes]) -> None:
    raw = wire.encode_list(b"items", items)
    assert raw == spec.s("items", *items)
    assert list(wire.decode_list(b"items", raw, 8)) == items
    for wrong in (raw + b"\x00", raw[:-1], b"", spec.s("other", *items)):
        with pytest.raises(Malformed):
            wire.decode_list(b"items", wrong, 8)
    if items:
        with pytest.raises(Malformed):
            wire.decode_list(b"items", raw, len(items) - 1)


def test_a_label_is_read_only_behind_the_protocols_prefix() -> None:
    assert wire.label_of(spec.s("set-role", b"x")) == b"set-role"
    for wrong in (b"", b"\x05abc", b"\x03abc", b"\xff", b"\x0cpeerbot/2/ab\x00\x00"):
        with pytest.raises(Malformed):
            wire.label_of(wrong)


def test_text_is_strict_utf8() -> None:
    assert wire.text("für".encode()) == "für"
    for wrong in (b"\xff", b"\xed\xa0\x80", b"\xc0\x80"):
        with pytest.raises(Malformed):
            wire.text(wrong)


# --- MACs, hashes, the log ---


@given(st.binary(min_size=32, max_size=32), st.lists(st.binary(max_size=200), max_size=4))
def test_macs_are_hmac_sha256_over_length_prefixed_parts(key: bytes, parts: list[bytes]) -> None:
    assert mac(key, b"label", *parts) == spec.m(key, "label", *parts)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
def test_hmac_written_out_is_the_standard_librarys(key: bytes, data: bytes) -> None:
    assert hmac_sha256(key, data) == hmac.digest(key, data, "sha256")


def test_an_hmac_key_of_another_length_is_a_programming_error() -> None:
    for key in (b"", bytes(31), bytes(33), bytes(64)):
        with pytest.raises(ValueError, match="32"):
            hmac_sha256(key, b"data")


@given(HASH, U64S, st.integers(1, 4), st.binary(max_size=50))
def test_the_log_is_chained_as_the_document_says(previous: bytes, p: int, kind: int, record: bytes) -> None:
    assert log.link(previous, p, kind, sha256(record)) == spec.log_link(previous, p, kind, record)


# --- padding and boxes ---


@given(st.binary(max_size=3000), st.sampled_from([256, 1024]))
def test_padding_goes_both_ways_and_has_one_form(plaintext: bytes, least: int) -> None:
    padded = pad(plaintext, least)
    assert padded == spec.padded(plaintext, least)
    assert len(padded) == bucket(len(plaintext), least) == spec.bucket(len(plaintext) + 4, least)
    assert unpad(padded, least) == plaintext
    for wrong in (padded[:-1], padded + b"\x00", padded + bytes(len(padded)), padded[: len(padded) // 2]):
        with pytest.raises(PaddingWrong):
            unpad(wrong, least)


@given(st.binary(max_size=600), st.data())
def test_padding_that_is_not_zeros_is_refused(plaintext: bytes, data: st.DataObject) -> None:
    padded = bytearray(pad(plaintext, 256))
    if len(padded) == len(plaintext) + 4:
        return
    at = data.draw(st.integers(len(plaintext) + 4, len(padded) - 1))
    padded[at] = data.draw(st.integers(1, 255))
    with pytest.raises(PaddingWrong):
        unpad(bytes(padded), 256)


@pytest.mark.parametrize("size", [0, 251, 252, 253, 508, 509, 1020, 1021, 32_764])
def test_padding_at_its_edges(size: int) -> None:
    padded = pad(bytes(size), 256)
    assert len(padded) == spec.bucket(size + 4, 256)
    assert unpad(padded, 256) == bytes(size)


@given(st.binary(max_size=100))
def test_unpadding_anything_gives_back_what_was_padded_or_an_error(data: bytes) -> None:
    with suppress(PaddingWrong):
        assert pad(unpad(data, 256), 256) == data


def test_a_box_opens_with_its_own_key_and_data_only() -> None:
    key, other = MessageKey(b"k" * 32), MessageKey(b"o" * 32)
    kc, sealed = seal_box(key, b"p" * 256, b"aad")
    assert (kc, sealed) == spec.box(b"k" * 32, b"p" * 256, b"aad")
    assert open_box(key, kc, sealed, b"aad") == b"p" * 256
    for wrong in (
        (other, kc, sealed, b"aad"),
        (key, spec.box_keys(b"o" * 32)[2], sealed, b"aad"),
        (key, kc, sealed, b"aae"),
        (key, kc, sealed[:-1], b"aad"),
        (key, kc, b"", b"aad"),
    ):
        with pytest.raises(CryptoFailure):
            open_box(*wrong)


# --- structures ---


def filled(kind: type[Op]) -> st.SearchStrategy[Op]:
    widths = {"member": ID, "host": ID, "gateway": ID, "device": ID, "invite": ID, "public": HASH, "dsk": HASH}
    special: dict[str, st.SearchStrategy[Any]] = {
        **widths,
        "head": HASH,
        "hosted": st.integers(0, 1),
        "approve": st.integers(0, 1),
        "role": st.integers(1, 5),
        "uses": st.integers(1, U64_MAX),
        "quorum": st.integers(1, 2),
        "epoch_days": st.integers(1, 36_500),
        "history_days": st.integers(0, 36_500),
        "retention_days": st.integers(0, 36_500),
        "invite_sig": st.sampled_from([b"", b"s" * 64]),
        "proof": st.binary(min_size=64, max_size=64),
        "subkey": st.binary(max_size=2048),
        "url": st.text(min_size=1, max_size=100).map(str.encode),
    }
    names = list(kind.__dataclass_fields__)
    return st.builds(kind, **{name: special.get(name, U64S) for name in names})


@given(st.one_of([filled(kind) for kind in Op.__args__]))
def test_every_op_goes_both_ways(op: Op) -> None:
    assert decode_op(encode_op(op)) == op


@given(st.builds(Header, st.just(labels.SUITE), HASH, U64S, U64S, HASH, U64S, HASH, ID, ID, ID, U64S, HASH, U64S, HASH))
def test_every_message_header_goes_both_ways(header: Header) -> None:
    sealed = spec.s("msg", spec.s("hdr", *msgspec.structs.astuple(header)), b"k" * 32, b"ciphertext")
    parsed = parse_sealed(sealed, b"s" * 64)
    assert parsed.header == header
    assert (parsed.kc, parsed.ciphertext, parsed.sealed) == (b"k" * 32, b"ciphertext", sealed)


@pytest.mark.parametrize("body", [b for b in BODIES.values() if isinstance(b, Body)], ids=lambda b: type(b).__name__)
def test_every_body_goes_both_ways(body: AnyBody) -> None:
    assert decode_body(encode_body(body)) == body


def test_a_body_of_a_later_version_keeps_its_bytes() -> None:
    raw = msgspec.msgpack.encode({"kind": "poll", "answers": ["a", "b"]})
    assert decode_body(raw) == Unknown("poll", raw)
    assert "poll" not in KINDS


def test_a_field_that_a_later_version_adds_is_passed_over() -> None:
    raw = msgspec.msgpack.encode({"kind": "post", "thread": b"t" * 16, "text": "hi", "mood": 3})
    found = decode_body(raw)
    assert not isinstance(found, Unknown)
    assert decode_body(encode_body(found)) == found


@given(st.binary(max_size=200))
def test_any_bytes_are_a_body_or_not(raw: bytes) -> None:
    with suppress(BodyWrong):
        decode_body(raw)


@given(st.lists(st.builds(Grant, st.integers(1, U64_MAX), HASH), max_size=20))
def test_history_goes_both_ways(grants: list[Grant]) -> None:
    raw = msgspec.msgpack.encode(History(grants))
    assert msgspec.msgpack.decode(raw, type=History) == History(grants)

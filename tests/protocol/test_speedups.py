"""What is written for speed, held against the plain way of saying it."""

from __future__ import annotations

import hmac

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerbot.protocol.box import commitment, derive
from peerbot.protocol.message import parse, seal_message
from peerbot.protocol.primitives import CryptoFailure, MacKey, SigningKey, hmac_three, verify
from peerbot.protocol.secret import MessageKey
from peerbot.protocol.wire import U64, Layout, Raw, Var
from tests.protocol import spec
from tests.protocol.builders import circle

KEY = st.binary(min_size=32, max_size=32)
DATA = st.binary(max_size=300)


@given(KEY, DATA, DATA, DATA)
def test_three_macs_at_once_are_three_macs(key: bytes, a: bytes, b: bytes, c: bytes) -> None:
    assert hmac_three(key, a, b, c) == tuple(hmac.digest(key, data, "sha256") for data in (a, b, c))


@given(KEY, st.lists(DATA, min_size=1, max_size=4))
def test_a_mac_key_forgets_what_it_macced_before(key: bytes, many: list[bytes]) -> None:
    mac_key = MacKey(key)
    assert [mac_key.mac(data) for data in many] == [hmac.digest(key, data, "sha256") for data in many]


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_mac_keys_of_another_length_are_programming_errors(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MacKey(bytes(size))
    with pytest.raises(ValueError, match="32 bytes"):
        hmac_three(bytes(size), b"", b"", b"")


@given(KEY)
def test_a_boxs_keys_are_the_documents(key: bytes) -> None:
    kc, k, n = derive(key)
    assert (k, n[:12], kc) == spec.box_keys(key)
    assert commitment(MessageKey(key)) == kc


@given(st.integers(0, 4000))
def test_a_sealed_message_is_what_the_layouts_would_make(size: int) -> None:
    """seal_message joins fields between the layouts' seams without measuring them."""
    world = circle()
    device = world.people["owner"]
    header = world.header(device)
    wire = seal_message(world.keys(), device.key, header, bytes(size))
    message = parse(wire)
    sealed = spec.s("msg", message.header_bytes, message.kc, message.ciphertext)
    assert wire == spec.s("message", message.signature, sealed)
    assert message.header_bytes[:-32] == spec.s("hdr", *msgspec.structs.astuple(header))[:-32]
    assert len(message.ciphertext) == spec.bucket(size + 4, 256) + 16


def test_seams_are_all_that_stands_between_fields() -> None:
    layout = Layout(b"label", Raw(3), U64(), Var(9))
    first, second = layout.seams
    joined = first + b"abc" + second + (7).to_bytes(8, "big") + (2).to_bytes(4, "big") + b"hi"
    assert joined == layout.encode(b"abc", 7, b"hi")


def test_a_key_is_loaded_once_and_a_bad_one_never() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    signature = key.sign(b"label", b"data")
    for _ in range(2):
        verify(key.public, b"label", b"data", signature)
        for wrong in (
            (other.public, b"label", b"data", signature),
            (key.public, b"other", b"data", signature),
            (key.public, b"label", b"date", signature),
            (b"short", b"label", b"data", signature),
            (b"\xff" * 32, b"label", b"data", signature),
        ):
            with pytest.raises(CryptoFailure):
                verify(*wrong)


def test_signatures_of_two_labels_never_meet() -> None:
    """The label ends in a zero byte, which no label holds: "a" with "b.." can't be "ab" with ".."."""
    key = SigningKey.generate()
    with pytest.raises(CryptoFailure):
        verify(key.public, b"ab", b"c", key.sign(b"a", b"bc"))

"""Ids, codes people read out, invites and receipts."""

from __future__ import annotations

import re
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerbot.protocol.invite import InviteLink, Note, NotedCircle, format_link, open_note, parse_link, seal_note
from peerbot.protocol.keys import (
    ALPHABET,
    compare_code,
    device_id,
    invite_id,
    invite_key,
    new_recovery_code,
    new_token,
    recovery_key,
    rendezvous,
    spell,
    unspell,
)
from peerbot.protocol.log import LOG_START, Kind, link, open_receipt, sign_receipt
from peerbot.protocol.primitives import (
    CryptoFailure,
    SigningKey,
    aead_open,
    aead_seal,
    check_signing_key,
    random_bytes,
    sha256,
    verify,
)
from peerbot.protocol.secret import InviteToken, RecoveryCode
from peerbot.protocol.wire import ZERO32, Malformed
from tests.protocol import spec
from tests.protocol.builders import circle, refused

TOKENS: Final = st.binary(min_size=16, max_size=16)


# --- codes that are read aloud ---


@given(TOKENS)
def test_a_code_is_read_back_however_it_was_written_down(raw: bytes) -> None:
    code = spell(raw)
    assert re.fullmatch(r"(?:[0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}", code)
    assert unspell(code) == raw
    careless = code.lower().replace("-", " ").replace("1", "l").replace("0", "o")
    assert unspell(f"  {careless} ") == raw
    assert unspell(code.replace("1", "I").replace("0", "O").replace("-", "")) == raw


@given(TOKENS, st.data())
def test_a_code_of_another_length_or_alphabet_is_malformed(raw: bytes, data: st.DataObject) -> None:
    code = spell(raw).replace("-", "")
    at = data.draw(st.integers(0, 27))
    for wrong in (code[:at] + code[at + 1 :], code[:at] + "0" + code[at:], code[:at] + "U" + code[at + 1 :], ""):
        with pytest.raises(Malformed):
            unspell(wrong)
    with pytest.raises(Malformed):
        unspell(code[:at] + "\u0661" + code[at + 1 :])


def test_a_slip_of_the_pen_is_noticed() -> None:
    """Ten check bits: one wrong character, or two swapped, passes about once in a thousand times."""
    missed = tried = 0
    for seed in range(12):
        raw = spec.h(bytes([seed]))[:16]
        code = spell(raw).replace("-", "")
        slips = [code[:i] + other + code[i + 1 :] for i in range(28) for other in ALPHABET if other != code[i]]
        slips += [code[:i] + code[i + 1] + code[i] + code[i + 2 :] for i in range(27) if code[i] != code[i + 1]]
        for slip in slips:
            tried += 1
            try:
                unspell(slip)
                missed += 1
            except Malformed:
                continue
    assert tried > 10_000
    assert missed / tried < 0.004


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32))
def test_people_compare_twenty_digits(cid: bytes, seq: int, head: bytes) -> None:
    """Attack 22: equal digits mean one roster."""
    code = compare_code(cid, seq, head)
    number = int.from_bytes(spec.h(spec.s("compare", cid, seq, head))[:16], "big") % 10**20
    assert re.fullmatch(r"\d{5} \d{5} \d{5} \d{5}", code)
    assert int(code.replace(" ", "")) == number
    assert compare_code(cid, (seq + 1) % 2**64, head) != code
    assert compare_code(head, seq, cid) != code or head == cid


# --- ids and derived keys ---


def test_ids_are_bound_to_keys_and_differ_by_what_they_name() -> None:
    public = SigningKey.generate().public
    assert device_id(public) == spec.h(b"dev" + public)[:16]
    assert invite_id(public) == spec.h(b"invite" + public)[:16]
    assert device_id(public) != invite_id(public)


def test_one_token_gives_each_circle_a_key_of_its_own() -> None:
    token, code = new_token(), new_recovery_code()
    one, two = b"1" * 32, b"2" * 32
    assert invite_key(token, one).public == invite_key(token, one).public
    keys = {invite_key(token, one).public, invite_key(token, two).public, invite_key(new_token(), one).public}
    assert len(keys) == 3
    same_bytes = RecoveryCode(token.reveal())
    assert recovery_key(same_bytes, one).public != invite_key(token, one).public
    assert recovery_key(code, one).public != recovery_key(code, two).public
    place, note_key = rendezvous(token)
    assert len({place, note_key.reveal(), invite_key(token, one).seed().reveal(), token.reveal()}) == 4


def test_tokens_and_codes_are_random() -> None:
    assert len({new_token().reveal() for _ in range(50)} | {new_recovery_code().reveal() for _ in range(50)}) == 100


# --- invites ---

CIRCLE: Final = NotedCircle(b"c" * 32, "muenchen", 1)
NOTE: Final = Note("Selbsthilfe", "Robin", "robin@example.org", "de", "", [CIRCLE])


@given(TOKENS, st.sampled_from(["https://relay.example", "http://127.0.0.1:8080/", "https://example.org/peers/"]))
def test_a_link_goes_both_ways(raw: bytes, url: str) -> None:
    text = format_link(InviteLink(url, InviteToken(raw)))
    found = parse_link(f" {text}\n")
    assert (found.relay_url, found.token.reveal()) == (url.rstrip("/"), raw)
    spoken = parse_link(spell(raw).lower(), url)
    assert (spoken.relay_url, spoken.token.reveal()) == (url.rstrip("/"), raw)


def test_what_is_no_link_is_malformed() -> None:
    code = spell(bytes(16))
    for wrong in ("", code, f"ftp://relay.example/join#{code}", f"relay.example/join#{code}", f"/join#{code}", "x#y"):
        with pytest.raises(Malformed):
            parse_link(wrong)
    with pytest.raises(Malformed):
        parse_link(f"https://relay.example/join#{code}0")


def test_a_note_opens_with_its_own_token_only() -> None:
    token = new_token()
    place, raw = seal_note(token, NOTE)
    assert open_note(token, raw) == NOTE
    assert place == rendezvous(token)[0]
    with pytest.raises(Malformed):
        open_note(new_token(), raw)
    _, other = seal_note(new_token(), NOTE)
    with pytest.raises(Malformed):
        open_note(token, other)
    assert b"Selbsthilfe" not in raw


def test_a_note_of_any_length_is_one_of_few_sizes() -> None:
    token = new_token()
    lengths = {len(seal_note(token, msgspec.structs.replace(NOTE, community="x" * n))[1]) for n in range(0, 200, 20)}
    assert len(lengths) == 1


# --- receipts ---


def test_a_receipt_is_the_relays_word_for_one_head() -> None:
    world = circle()
    receipt = sign_receipt(world.relay, world.cid, world.p, world.heads[-1], 5)
    assert open_receipt(receipt.wire, world.relay.public, world.cid) == receipt
    with refused("receipt"):
        open_receipt(receipt.wire, world.people["owner"].key.public, world.cid)
    with refused("receipt"):
        open_receipt(receipt.wire, world.relay.public, b"x" * 32)


def test_two_receipts_for_one_position_prove_a_lie_to_anybody() -> None:
    """Attack 23."""
    world = circle()
    true = sign_receipt(world.relay, world.cid, 5, world.heads[5], 1)
    false = sign_receipt(world.relay, world.cid, 5, b"l" * 32, 2)
    one, two = (open_receipt(receipt.wire, world.relay.public, world.cid) for receipt in (true, false))
    assert one.p == two.p
    assert one.head != two.head


def test_the_log_starts_at_nothing_and_every_link_counts() -> None:
    head = link(LOG_START, 1, Kind.ENTRY, sha256(b"genesis"))
    assert head == spec.log_link(ZERO32, 1, 1, b"genesis")
    others = {
        link(b"x" * 32, 1, Kind.ENTRY, sha256(b"genesis")),
        link(LOG_START, 2, Kind.ENTRY, sha256(b"genesis")),
        link(LOG_START, 1, Kind.MESSAGE, sha256(b"genesis")),
        link(LOG_START, 1, Kind.ENTRY, sha256(b"other")),
    }
    assert head not in others
    assert len(others) == 4


# --- primitives ---


def test_a_nonce_or_key_of_another_length_is_never_used() -> None:
    """GCM would take a nonce of another length without a word."""
    for key, nonce in ((b"k" * 32, b"n" * 16), (b"k" * 32, b"n" * 8), (b"k" * 32, b""), (b"k" * 16, b"n" * 12)):
        with pytest.raises(ValueError, match="12"):
            aead_seal(key, nonce, b"", b"")
        with pytest.raises(ValueError, match="12"):
            aead_open(key, nonce, bytes(16), b"")


def test_a_wrong_signature_or_key_is_one_error() -> None:
    key = SigningKey.generate()
    signature = key.sign(b"label", b"data")
    verify(key.public, b"label", b"data", signature)
    for wrong in (
        (key.public, b"label", b"date", signature),
        (key.public, b"lapel", b"data", signature),
        (key.public, b"label", b"data", bytes(64)),
        (key.public, b"label", b"data", b""),
        (key.public[:-1], b"label", b"data", signature),
        (b"\xff" * 32, b"label", b"data", signature),
    ):
        with pytest.raises(CryptoFailure):
            verify(*wrong)


def test_a_signature_has_one_form() -> None:
    """S + L verifies by the same equation; a verifier that took it would give one entry two hashes."""
    key = SigningKey.generate()
    signature = key.sign(b"label", b"data")
    larger = int.from_bytes(signature[32:], "little") + spec.L25519
    with pytest.raises(CryptoFailure):
        verify(key.public, b"label", b"data", signature[:32] + larger.to_bytes(32, "little"))


def test_signing_keys_of_another_length_are_refused() -> None:
    check_signing_key(SigningKey.generate().public)
    for wrong in (b"", bytes(31), random_bytes(33), random_bytes(64)):
        with pytest.raises(CryptoFailure):
            check_signing_key(wrong)

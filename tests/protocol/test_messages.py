"""M01 to M17: what makes a message valid, one check at a time. M18 is in test_rules.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from peerbot.errors import Refused
from peerbot.protocol import message
from peerbot.protocol.bodies import KINDS, MAX_TEXT_BYTES, Post, Unknown, encode_body
from peerbot.protocol.epochs import keys_of
from peerbot.protocol.log import Kind
from peerbot.protocol.message import MAX_PLAINTEXT, ChainEnd, seal_message
from peerbot.protocol.primitives import aead_open, random_bytes
from peerbot.protocol.roster.ops import AddHost, Leave, RemoveDevice, RemoveHost, RemoveMember, Role, SetRole
from peerbot.protocol.secret import EpochSecret, MessageKey
from peerbot.protocol.wire import MAX_MESSAGE, ZERO16, ZERO32
from tests.protocol import spec
from tests.protocol.builders import (
    GUEST,
    THREAD,
    Device,
    World,
    add_device,
    circle,
    end_of,
    forked,
    founded,
    header_and_key,
    join,
    key_of,
    name,
    new_device,
    refused,
    upgrade,
)
from tests.protocol.builders import seal_message as forge


@pytest.fixture
def world() -> World:
    return circle()


@pytest.fixture
def member(world: World) -> Device:
    return world.people["member"]


def said(world: World, wire: bytes, **where: Any) -> str:
    body = world.read(wire, **where).body
    assert isinstance(body, Post)
    return body.text


def post(text: str) -> bytes:
    return encode_body(Post(THREAD, text))


# --- both ways ---


def test_the_library_reads_what_the_document_says(world: World, member: Device) -> None:
    assert said(world, world.message(member)) == "hello"


def test_the_document_reads_what_the_library_seals(world: World, member: Device) -> None:
    header = world.header(member)
    body = post("good morning")
    wire = seal_message(world.keys(), member.key, header, body)
    parsed = message.parse(wire)
    raw, mk = header_and_key(world.keys(), parsed.header)
    assert raw == parsed.header_bytes
    assert msgspec.structs.replace(parsed.header, salt=ZERO32) == header
    k, n, kc = spec.box_keys(mk)
    assert kc == parsed.kc
    assert aead_open(k, n, parsed.ciphertext, raw) == spec.padded(body)
    assert said(world, wire) == "good morning"


def test_no_two_seals_of_one_text_are_alike(world: World, member: Device) -> None:
    sealed = [seal_message(world.keys(), member.key, world.header(member), b"same") for _ in range(3)]
    assert len({message.parse(wire).header.salt for wire in sealed}) == 3
    assert len({message.parse(wire).ciphertext for wire in sealed}) == 3


# --- M01, M02, M03 ---


def of_size(world: World, member: Device, size: int) -> bytes:
    """A message of exactly `size` bytes, in which only the padding is at fault."""
    least = len(world.message(member, forge={"inside": b""}))
    return world.message(member, forge={"inside": bytes(size - least)})


def test_M01_a_message_may_be_as_large_as_the_cap_and_not_a_byte_larger(world: World, member: Device) -> None:
    with refused("M16"):
        world.open(of_size(world, member, MAX_MESSAGE))
    with refused("M01"):
        world.open(of_size(world, member, MAX_MESSAGE + 1))


def test_M01_the_longest_text_fits(world: World, member: Device) -> None:
    text = "x" * MAX_TEXT_BYTES
    assert said(world, seal_message(world.keys(), member.key, world.header(member), post(text))) == text
    full = seal_message(world.keys(), member.key, world.header(member), bytes(MAX_PLAINTEXT))
    assert len(full) <= MAX_MESSAGE
    with pytest.raises(ValueError, match="doesn't fit"):
        seal_message(world.keys(), member.key, world.header(member), bytes(MAX_PLAINTEXT + 1))


def test_M02_a_message_is_exactly_one_structure(world: World, member: Device) -> None:
    wire = world.message(member)
    parsed = message.parse(wire)
    signature, sealed = parsed.signature, parsed.sealed
    fields = msgspec.structs.astuple(parsed.header)
    assert wire == spec.s("message", signature, spec.s("msg", spec.s("hdr", *fields), parsed.kc, parsed.ciphertext))
    for wrong in (
        wire + b"\x00",
        wire[:-1],
        b"",
        spec.s("message", signature[:-1], sealed),
        spec.s("message", signature, sealed, b""),
        spec.s("messages", signature, sealed),
        spec.s("message", signature, sealed + b"\x00"),
        spec.s("message", signature, spec.s("msg", parsed.header_bytes, parsed.kc[1:], parsed.ciphertext)),
        spec.s("message", signature, spec.s("msg", parsed.header_bytes, parsed.kc)),
        spec.s("message", signature, spec.s("msg", spec.s("hdr", *fields[:-1]), parsed.kc, parsed.ciphertext)),
        spec.s("message", signature, spec.s("msg", spec.s("hdr", *fields, 1), parsed.kc, parsed.ciphertext)),
        spec.s("message", signature, spec.s("msg", spec.s("header", *fields), parsed.kc, parsed.ciphertext)),
        spec.s("message", signature, spec.s("msg", spec.s("hdr", b"\x01", *fields[1:]), parsed.kc, parsed.ciphertext)),
    ):
        with refused("M02"):
            world.open(wrong)


def test_M03_another_suite_stops_for_an_upgrade(world: World, member: Device) -> None:
    """Attack 36."""
    for suite in (0, 2, 2**64 - 1):
        with upgrade("M03"):
            world.open(world.message(member, suite=suite))
    assert said(world, world.message(member, suite=1)) == "hello"


# --- M04, M05, M06 ---


def test_M04_a_message_is_for_its_own_circle_only(world: World, member: Device) -> None:
    """Attack 18."""
    with refused("M04"):
        world.open(world.message(member, cid=b"x" * 32))
    other = founded()
    with refused("M04"):
        world.open(other.message(other.people["owner"]))


def test_M05_a_message_comes_from_a_device_of_the_roster(world: World, member: Device) -> None:
    stranger = replace(member, key=world.relay)
    with refused("M05"):
        world.open(world.message(stranger))


def test_M06_a_message_is_signed_by_its_device(world: World, member: Device) -> None:
    other = world.people["other"]
    with refused("M06"):
        world.open(world.message(member, key=other.key))
    with refused("M06"):
        world.open(world.message(member, key=world.relay))
    with refused("M06"):
        world.open(world.message(member, forge={"signature": bytes(64)}))


def test_M06_the_signature_covers_header_commitment_and_ciphertext(world: World, member: Device) -> None:
    first, second = (message.parse(world.message(member, ts=ts)) for ts in (1, 2))
    for header, kc, ciphertext in (
        (second.header_bytes, first.kc, first.ciphertext),
        (first.header_bytes, second.kc, first.ciphertext),
        (first.header_bytes, first.kc, second.ciphertext),
    ):
        with refused("M06"):
            world.open(spec.s("message", first.signature, spec.s("msg", header, kc, ciphertext)))


# --- M07, M08 ---


def test_M07_a_message_of_a_device_that_was_removed_before_it_is_refused(world: World, member: Device) -> None:
    """Attack 11: the position decides, whatever epoch and roster the message names."""
    owner = world.people["owner"]
    old = world.copy()
    world.append(world.entry(owner, RemoveMember(member.member), rotate=True))
    late = old.message(member)
    p = world.log(Kind.MESSAGE, late)
    with refused("M07"):
        world.place(late, p)
    assert said(old, late) == "hello"


def test_M07_a_device_speaks_only_after_its_entry(world: World) -> None:
    early = world.copy()
    device = join(world, "joiner")
    wire = world.message(device)
    with refused("M07"):
        world.place(wire, world.roster.p)
    with refused("M05"):
        early.place(wire)
    assert said(world, wire) == "hello"


def test_M07_removing_one_device_leaves_the_members_others(world: World, member: Device) -> None:
    second = new_device(member.member)
    world.append(world.entry(member, add_device(second, world.cid), rotate=True))
    world.rotate(second, RemoveDevice(member.id))
    with refused("M07"):
        world.open(world.message(member))
    assert said(world, world.message(second)) == "hello"


def test_M08_the_author_is_the_devices_member(world: World, member: Device) -> None:
    for author in (world.people["other"].member, world.people["owner"].member, name("nobody"), GUEST, ZERO16):
        with refused("M08"):
            world.open(world.message(member, author=author))
    assert said(world, world.message(member, author=member.member)) == "hello"


def test_M08_a_gateway_posts_for_whom_it_hosts_and_nobody_else(world: World, member: Device) -> None:
    """Attacks 15 and 17."""
    gateway, second = world.people["gateway"], world.people["gateway2"]
    assert said(world, world.message(gateway, author=GUEST)) == "hello"
    with refused("M08"):
        world.open(world.message(gateway, author=member.member))
    with refused("M08"):
        world.open(world.message(second, author=GUEST))


def test_M08_hosting_begins_and_ends_with_its_entries(world: World, member: Device) -> None:
    gateway = world.people["gateway"]
    before = world.p
    world.append(world.entry(member, AddHost(member.member, gateway.member), also=(gateway,)))
    hosted = world.message(gateway, author=member.member)
    assert said(world, hosted) == "hello"
    with refused("M08"):
        world.place(hosted, world.p)
    with refused("M08"):
        world.place(world.message(gateway, author=member.member), before)
    world.append(world.entry(member, RemoveHost(member.member, gateway.member)))
    with refused("M08"):
        world.open(world.message(gateway, author=member.member))
    p = world.log(Kind.MESSAGE, hosted)
    with refused("M08"):
        world.place(hosted, p)


def test_M08_nobody_speaks_as_somebody_who_has_gone(world: World) -> None:
    gateway = world.people["gateway"]
    world.rotate(gateway, RemoveMember(GUEST))
    with refused("M08"):
        world.open(world.message(gateway, author=GUEST))


# --- M09, M10 ---


def test_M09_a_message_is_of_the_epoch_at_its_position(world: World, member: Device) -> None:
    """Attack 18: another epoch. An author who was too late catches up and seals anew."""
    assert world.roster.epoch is not None
    e = world.roster.epoch.e
    old = world.message(member)
    world.rotate(world.people["owner"])
    p = world.log(Kind.MESSAGE, old)
    with refused("M09"):
        world.place(old, p)
    for wrong in (e, e + 2, 0):
        with refused("M09"):
            world.open(world.message(member, e=wrong, keys=world.keys()))
    assert said(world, world.message(member, e=e + 1)) == "hello"


def test_M09_before_the_first_epoch_nobody_speaks() -> None:
    world = founded()
    genesis = world.rosters[1]
    before = replace(world, roster=genesis, heads=world.heads[:2], rosters=[genesis, genesis])
    wire = world.message(
        world.people["owner"], roster_seq=0, roster_head=genesis.head, log_pos=1, log_head=world.heads[1]
    )
    with refused("M09"):
        before.place(wire)
    assert said(world, wire) == "hello"


def test_M10_nobody_posts_until_somebody_has_rotated(world: World, member: Device) -> None:
    """Attack 10: who left knows the secret."""
    other, owner = world.people["other"], world.people["owner"]
    world.append(world.entry(member, Leave(member.member)))
    for device in (other, owner, world.people["gateway"]):
        with refused("M10"):
            world.open(world.message(device))
    world.rotate(other)
    assert said(world, world.message(owner)) == "hello"


# --- M11, M12 ---


def test_M11_a_message_that_saw_another_roster_is_a_fork(world: World, member: Device) -> None:
    """Attack 22."""
    seq = world.roster.seq
    for number, head in ((seq, b"r" * 32), (seq, world.entry_heads[seq - 1]), (seq - 1, world.roster.head)):
        with forked("M11"):
            world.open(world.message(member, roster_seq=number, roster_head=head))
    assert said(world, world.message(member, roster_seq=seq - 1, roster_head=world.entry_heads[seq - 1])) == "hello"


def test_M11_a_message_that_saw_a_later_roster_than_there_is_is_refused(world: World, member: Device) -> None:
    with refused("M11"):
        world.open(world.message(member, roster_seq=world.roster.seq + 1, roster_head=b"r" * 32))


def test_M11_split_view_stops_both_sides_when_one_message_crosses(world: World, member: Device) -> None:
    """Attack 22: the relay showed two groups two different next entries."""
    owner, other = world.people["owner"], world.people["other"]
    left, right = world.copy(), world.copy()
    left.append(left.entry(owner, SetRole(member.member, Role.ORGANISER)))
    right.append(right.entry(owner, SetRole(other.member, Role.ORGANISER)))
    with forked("M11"):
        right.open(left.message(member))
    with forked("M11"):
        left.open(right.message(other))


def test_M12_a_message_that_saw_another_log_is_a_fork(world: World, member: Device) -> None:
    """Attack 19: two records swapped, and attack 20: one dropped in the middle."""
    p = world.p
    for at, head in ((p, b"l" * 32), (p, world.heads[p - 1]), (p - 1, world.heads[p])):
        with forked("M12"):
            world.open(world.message(member, log_pos=at, log_head=head))
    assert said(world, world.message(member, log_pos=p - 1, log_head=world.heads[p - 1])) == "hello"


def test_M12_records_swapped_or_dropped_by_the_relay_show_in_the_next_message(world: World, member: Device) -> None:
    other = world.people["other"]
    first, second = world.message(member), world.message(other)
    honest, swapped, dropped = world.copy(), world.copy(), world.copy()
    for wire in (first, second):
        honest.log(Kind.MESSAGE, wire)
    for wire in (second, first):
        swapped.log(Kind.MESSAGE, wire)
    dropped.log(Kind.MESSAGE, second)
    reply = honest.message(world.people["owner"])
    assert said(honest, reply) == "hello"
    with forked("M12"):
        swapped.open(reply)
    with refused("M12"):
        dropped.open(reply)
    dropped.log(Kind.MESSAGE, random_bytes(50))
    with forked("M12"):
        dropped.open(reply)


def test_M12_a_message_cannot_have_seen_itself(world: World, member: Device) -> None:
    with refused("M12"):
        world.open(world.message(member, log_pos=world.p + 1, log_head=b"l" * 32))


# --- M13 ---


def test_M13_a_chain_counts_from_one_and_each_record_names_the_one_before(world: World, member: Device) -> None:
    first = world.message(member)
    assert said(world, first) == "hello"
    end = end_of(first)
    second = world.message(member, dseq=2, prev_own=end.id)
    assert said(world, second, end=end) == "hello"
    for dseq, prev in ((3, end.id), (2, ZERO32), (2, b"p" * 32), (0, end.id), (2**64 - 1, end.id)):
        with refused("M13"):
            world.open(world.message(member, dseq=dseq, prev_own=prev), end=end)


def test_M13_a_new_chain_starts_at_one_with_nothing_before_it(world: World, member: Device) -> None:
    for dseq, prev in ((2, ZERO32), (0, ZERO32), (1, b"p" * 32), (2, b"p" * 32)):
        with refused("M13"):
            world.open(world.message(member, dseq=dseq, prev_own=prev))


def test_M13_a_record_is_not_taken_twice(world: World, member: Device) -> None:
    """Attack 18: replayed in the same circle."""
    wire = world.message(member)
    with refused("M13"):
        world.open(wire, end=end_of(wire))
    later = world.message(member, dseq=2, prev_own=end_of(wire).id)
    with refused("M13"):
        world.open(wire, end=end_of(later))


def test_M13_two_bodies_for_one_number_are_flagged(world: World, member: Device) -> None:
    """Attack 28."""
    one, two = world.message(member, Post(THREAD, "yes")), world.message(member, Post(THREAD, "no"))
    with pytest.raises(Refused) as caught:
        world.open(two, end=end_of(one))
    assert caught.value.facts == {"equivocation": 1}
    with pytest.raises(Refused) as caught:
        world.open(one, end=end_of(one))
    assert caught.value.facts == {}


def test_M13_after_pruning_a_chain_starts_at_its_first_visible_record(world: World, member: Device) -> None:
    for dseq in (2, 77):
        wire = world.message(member, dseq=dseq, prev_own=b"p" * 32)
        with refused("M13"):
            world.open(wire, pruned=False)
        assert said(world, wire, pruned=True) == "hello"
    assert said(world, world.message(member), pruned=True) == "hello"
    for dseq, prev in ((1, b"p" * 32), (0, ZERO32)):
        with refused("M13"):
            world.open(world.message(member, dseq=dseq, prev_own=prev), pruned=True)
    end = end_of(world.message(member))
    gap = world.message(member, dseq=5, prev_own=b"p" * 32)
    assert said(world, gap, pruned=True, end=end) == "hello"
    with refused("M13"):
        world.open(gap, pruned=False, end=end)


def test_M13_pruning_excuses_a_gap_and_nothing_else(world: World, member: Device) -> None:
    end = ChainEnd(5, b"e" * 32)
    for dseq, prev in ((6, b"p" * 32), (6, ZERO32), (5, b"e" * 32), (4, b"e" * 32), (1, ZERO32), (0, ZERO32)):
        with refused("M13"):
            world.open(world.message(member, dseq=dseq, prev_own=prev), pruned=True, end=end)
    for dseq, prev in ((6, b"e" * 32), (7, b"p" * 32)):
        assert said(world, world.message(member, dseq=dseq, prev_own=prev), pruned=True, end=end) == "hello"


# --- M14, M15, M16, M17 ---


def test_M14_the_commitment_is_of_the_key_that_opens(world: World, member: Device) -> None:
    """A message that shows and can't be reported: everything opens but the commitment is of another key."""
    for wrong in (b"k" * 32, bytes(32), spec.m(b"o" * 32, "kc")):
        with refused("M14"):
            world.open(world.message(member, forge={"kc": wrong}))
    wire = world.message(member)
    with refused("M14"):
        message.open_body(message.parse(wire), MessageKey(random_bytes(32)))
    assert isinstance(message.open_body(message.parse(wire), key_of(world, wire)), Post)


def test_M14_the_secret_of_another_epoch_opens_nothing(world: World, member: Device) -> None:
    wire = world.message(member)
    assert world.roster.epoch is not None
    other = keys_of(EpochSecret(random_bytes(32)), world.cid, world.roster.epoch)
    elsewhere = keys_of(world.secrets[world.roster.epoch.e], b"x" * 32, world.roster.epoch)
    forked_epoch = msgspec.structs.replace(world.roster.epoch, prev=b"p" * 32)
    fork = keys_of(world.secrets[world.roster.epoch.e], world.cid, forked_epoch)
    for keys in (other, elsewhere, fork):
        with refused("M14"):
            message.unseal(world.place(wire), keys)


def multiply(x: int, y: int) -> int:
    """In GCM's field of 2^128 elements."""
    product = 0
    for bit in range(127, -1, -1):
        if y >> bit & 1:
            product ^= x
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return product


def inverse(x: int) -> int:
    result, power = 1 << 127, x
    for bit in range(128):
        if bit:
            result = multiply(result, power)
        power = multiply(power, power)
    return result


def block(key: bytes, counter: bytes) -> int:
    return int.from_bytes(Cipher(AES(key), CTR(counter)).encryptor().update(bytes(16)), "big")


def ghash(at: int, aad: bytes, ciphertext: bytes) -> int:
    def blocks(data: bytes) -> bytes:
        return data + bytes(-len(data) % 16)

    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    whole = blocks(aad) + blocks(ciphertext) + lengths
    total = 0
    for i in range(0, len(whole), 16):
        total = multiply(total ^ int.from_bytes(whole[i : i + 16], "big"), at)
    return total


def salamander(one: bytes, two: bytes, first: bytes, aad: bytes) -> bytes:
    """A ciphertext and tag that AES-256-GCM takes under the keys of two messages, saying `first` under the first.

    Both tags are linear in the ciphertext, so one block (the last of the padding) is solved for to make them equal.
    """
    keys = [spec.box_keys(mk) for mk in (one, two)]
    masks = [block(k, n + b"\x00\x00\x00\x01") for k, n, _ in keys]
    points = [block(k, bytes(16)) for k, _, _ in keys]
    _, ciphertext = spec.box(one, first, aad)
    body = ciphertext[:-32]
    difference = masks[0] ^ masks[1] ^ ghash(points[0], aad, body + bytes(16)) ^ ghash(points[1], aad, body + bytes(16))
    squares = [multiply(point, point) for point in points]
    last = multiply(difference, inverse(squares[0] ^ squares[1]))
    body += last.to_bytes(16, "big")
    tag = ghash(points[0], aad, body) ^ masks[0]
    return body + tag.to_bytes(16, "big")


def test_M14_one_ciphertext_with_two_meanings_has_one_key(world: World, member: Device) -> None:
    """Attack 4: GCM opens it under both keys; the commitment is of one."""
    header = world.header(member, salt=random_bytes(32))
    raw, mk = header_and_key(world.keys(), header)
    second = random_bytes(32)
    twofold = salamander(mk, second, spec.padded(b"harmless"), raw)
    for key in (mk, second):
        k, n, _ = spec.box_keys(key)
        assert len(aead_open(k, n, twofold, raw)) == 256
    for shown, hidden in ((mk, second), (second, mk)):
        wire = forge(
            world.keys(), member.key, header, b"", ciphertext=twofold, kc=spec.box_keys(shown)[2], header_bytes=raw
        )
        parsed = message.parse(wire)
        with refused("M14"):
            message.open_body(parsed, MessageKey(hidden))
    with refused("M14"):
        world.open(wire)


def test_M15_the_ciphertext_is_whole_and_bound_to_its_header(world: World, member: Device) -> None:
    header = world.header(member, salt=random_bytes(32))
    raw, mk = header_and_key(world.keys(), header)
    body = spec.padded(post("hello"))
    _, right = spec.box(mk, body, raw)
    assert said(world, forge(world.keys(), member.key, header, b"", ciphertext=right)) == "hello"
    _, unbound = spec.box(mk, body, b"")
    flipped = right[:40] + bytes([right[40] ^ 1]) + right[41:]
    for wrong in (unbound, flipped, right[:-1], right[16:], right + b"\x00", b"", bytes(16)):
        with refused("M15"):
            world.open(forge(world.keys(), member.key, header, b"", ciphertext=wrong))


def test_M16_there_is_one_padding_for_each_body(world: World, member: Device) -> None:
    body = post("hello")
    right = spec.padded(body)
    assert said(world, world.message(member, forge={"inside": right})) == "hello"
    for wrong in (
        right + bytes(256),
        right[:-1],
        right[:128],
        right[:-1] + b"\x01",
        b"\xff\xff\xff\xff" + right[4:],
        (253).to_bytes(4, "big") + right[4:],
        b"",
        b"\x00\x00\x00",
        body,
    ):
        with refused("M16"):
            world.open(world.message(member, forge={"inside": wrong}))


def test_M17_a_body_of_a_known_kind_has_its_schema(world: World, member: Device) -> None:
    pack = msgspec.msgpack.encode
    good = {"kind": "post", "thread": THREAD, "text": "hello"}
    assert said(world, world.message(member, pack(good))) == "hello"
    for wrong in (
        b"",
        pack(good) + b"\x00",
        pack(good)[:-1],
        pack([1, 2]),
        pack({"thread": THREAD}),
        pack({**good, "kind": 7}),
        pack({**good, "text": ""}),
        pack({**good, "text": 7}),
        pack({**good, "text": "x" * 30_001}),
        pack({**good, "thread": b"t" * 15}),
        pack({**good, "reply": [0, b"i" * 32]}),
        pack({**good, "reply": [1, b"i" * 31]}),
        pack({"kind": "post", "thread": THREAD, "text": "?"}).replace(b"?", b"\xff"),
        pack({"kind": "x" * 65}),
        b"\x81\xa4kind" + b"\x91" * 20_000 + b"\xc0",
        *(pack({"kind": kind}) for kind in KINDS),
    ):
        with refused("M17"):
            world.open(world.message(member, wrong))


def test_M17_a_body_of_an_unknown_kind_is_kept(world: World, member: Device) -> None:
    raw = msgspec.msgpack.encode({"kind": "poll", "question": "?"})
    assert world.read(world.message(member, raw)).body == Unknown("poll", raw)


# --- what survives the checks ---


def test_a_verified_message_says_who_where_and_when(world: World, member: Device) -> None:
    wire = world.message(member)
    read = world.read(wire)
    assert (read.p, read.author, read.device, read.ts) == (world.p + 1, member.member, member.id, world.now)
    assert read.id == spec.h(message.parse(wire).sealed)


def test_a_messages_own_key_opens_no_other(world: World, member: Device) -> None:
    one, two = world.message(member), world.message(member)
    with refused("M14"):
        message.open_body(message.parse(two), key_of(world, one))

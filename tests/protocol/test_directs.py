"""D01 to D08: sealed notes to one member's devices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from peerbot.protocol import direct
from peerbot.protocol.bodies import Unknown
from peerbot.protocol.direct import MAX_SLOTS, DirectHeader, Grant, History, seal_direct
from peerbot.protocol.primitives import random_bytes
from peerbot.protocol.roster.ops import Leave, RemoveDevice, RemoveMember
from peerbot.protocol.roster.state import SubkeyRef
from peerbot.protocol.wire import MAX_DIRECT, ZERO16
from tests.protocol import spec
from tests.protocol.builders import GUEST, Device, World, add_device, circle, join, name, new_device, refused, upgrade

NOTHING = msgspec.msgpack.encode({"grants": []})


@pytest.fixture
def world() -> World:
    return circle()


@pytest.fixture
def member(world: World) -> Device:
    return world.people["member"]


@pytest.fixture
def owner(world: World) -> Device:
    return world.people["owner"]


def sealed(
    world: World, sender: Device, to: Device, body: History | None = None, **changes: Any
) -> tuple[bytes, list[bytes]]:
    header = world.direct_header(sender, to.member, **changes)
    devices = [(d.id, d.newest(world.p)) for d in world.roster.reaching(header.to)]
    return seal_direct(header, sender.key, body or History([]), devices)


# --- both ways ---


def test_the_library_reads_what_the_document_says(world: World, member: Device, owner: Device) -> None:
    got = world.receive(owner, world.direct(member, owner, NOTHING))
    assert got.header == DirectHeader(world.cid, member.id, member.member, owner.member, 1, world.roster.seq)
    assert got.body == History([])


def test_the_document_reads_what_the_library_seals(world: World, member: Device, owner: Device) -> None:
    wire, reached = sealed(world, member, owner)
    assert reached == [owner.id]
    assert world.receive(owner, wire).body == History([])
    assert len(wire) == len(world.direct(member, owner, NOTHING))


def test_a_direct_opens_on_every_device_of_its_member_and_on_no_other(world: World, member: Device) -> None:
    owner = world.people["owner"]
    second = new_device(owner.member)
    world.rotate(owner, add_device(second, world.cid))
    wire, reached = sealed(world, member, owner)
    assert sorted(reached) == sorted((owner.id, second.id))
    for device in (owner, second):
        assert world.receive(device, wire).header.to == owner.member
    for device in (member, world.people["moderator"], world.people["gateway"]):
        with refused("D04"):
            world.receive(device, wire)


def test_a_direct_is_sealed_to_the_newest_subkey(world: World, member: Device, owner: Device) -> None:
    world.publish(owner, 2)
    wire, _ = sealed(world, member, owner)
    assert world.receive(owner, wire).header.to == owner.member
    with refused("D04"):
        newest = world.roster.devices[owner.id].subkeys[-1]
        direct.open_direct(wire, world.roster, owner.id, {1: (owner.sealing[1], newest.hash)}, {})


def test_a_bad_subkey_leaves_the_other_devices_reached(world: World, member: Device, owner: Device) -> None:
    bad = SubkeyRef(1, b"h" * 32, bytes(1216), 1)
    good = world.roster.devices[owner.id].newest(world.p)
    header = world.direct_header(member, owner.member)
    wire, reached = seal_direct(header, member.key, History([]), [(owner.id, good), (b"b" * 16, bad)])
    assert reached == [owner.id]
    assert world.receive(owner, wire).body == History([])


# --- D01, D02, D03 ---


def test_D01_a_direct_may_be_as_large_as_the_cap_and_not_a_byte_larger(
    world: World, member: Device, owner: Device
) -> None:
    least = len(world.direct(member, owner, NOTHING, ciphertext=b""))
    with refused("D04"):
        world.receive(owner, world.direct(member, owner, NOTHING, ciphertext=bytes(MAX_DIRECT - least)))
    with refused("D01"):
        world.receive(owner, world.direct(member, owner, NOTHING, ciphertext=bytes(MAX_DIRECT - least + 1)))


def test_D01_nothing_is_sealed_that_nobody_would_take(world: World, member: Device, owner: Device) -> None:
    newest = world.roster.devices[owner.id].newest(world.p)
    full = History([Grant(i + 1, random_bytes(32)) for i in range(400)])
    header = world.direct_header(member, owner.member)
    wire, _ = seal_direct(header, member.key, full, [(owner.id, newest)])
    assert world.receive(owner, wire).body == full
    many = [(owner.id, newest)] * MAX_SLOTS
    with pytest.raises(ValueError, match="too large"):
        seal_direct(header, member.key, full, many)
    wire, _ = seal_direct(header, member.key, History([]), many)
    assert world.receive(owner, wire).body == History([])
    with pytest.raises(ValueError, match="too many"):
        seal_direct(header, member.key, History([]), [*many, (owner.id, newest)])


def test_D02_a_direct_is_exactly_one_structure(world: World, member: Device, owner: Device) -> None:
    wire = world.direct(member, owner, NOTHING)
    slot = world.slot(owner, b"m" * 32, b"k" * 32)
    aad = spec.s("direct-hdr", 1, world.cid, spec.s("slots", slot))
    for wrong in (
        b"",
        wire[:-1],
        wire + b"\x00",
        spec.s("direct", aad, b"k" * 31, b""),
        spec.s("direct", aad, b"k" * 32),
        spec.s("message", aad, b"k" * 32, b""),
        spec.s("direct", aad + b"\x00", b"k" * 32, b""),
        spec.s("direct", spec.s("direct-hdr", 1, world.cid, spec.s("slots", slot + b"\x00")), b"k" * 32, b""),
        spec.s("direct", spec.s("direct-hdr", 1, world.cid, spec.s("slot", slot)), b"k" * 32, b""),
        spec.s(
            "direct", spec.s("direct-hdr", 1, world.cid, spec.s("slots", *[slot] * (MAX_SLOTS + 1))), b"k" * 32, b""
        ),
    ):
        with refused("D02"):
            world.receive(owner, wrong)
    world.receive(owner, wire)


def test_D03_another_suite_stops_for_an_upgrade(world: World, member: Device, owner: Device) -> None:
    for suite in (0, 2):
        with upgrade("D03"):
            world.receive(owner, world.direct(member, owner, NOTHING, suite=suite))


def test_D03_a_direct_is_for_its_own_circle_only(world: World, member: Device, owner: Device) -> None:
    with refused("D03"):
        world.receive(owner, world.direct(member, owner, NOTHING, outer_cid=b"x" * 32))


# --- D04 ---


def test_D04_a_direct_opens_with_a_key_of_mine(world: World, member: Device, owner: Device) -> None:
    mk, kc = random_bytes(32), random_bytes(32)
    other = world.people["other"]
    for slots in (
        [],
        [world.slot(other, mk, kc)],
        [spec.s("slot", owner.id, 1, b"")],
        [spec.s("slot", owner.id, 1, bytes(1200))],
        [spec.s("slot", owner.id, 2, bytes(1200))],
        [world.slot(owner, mk[:-1], kc)],
        [world.slot(owner, mk, kc)],
    ):
        with refused("D04"):
            world.receive(owner, world.direct(member, owner, NOTHING, slots=slots))


def test_D04_a_key_is_bound_to_its_circle_its_purpose_and_its_device(
    world: World, member: Device, owner: Device
) -> None:
    """The commitment is right each time; only what HPKE's info says differs."""
    mk = random_bytes(32)
    _, _, kc = spec.box_keys(mk)

    def received(slot: bytes) -> Any:
        core = spec.s(
            "direct-core", world.cid, member.id, member.member, owner.member, 1, world.roster.seq, b"history", NOTHING
        )
        signed = spec.s("direct-signed", core, member.key.sign(b"direct", core))
        aad = spec.s("direct-hdr", 1, world.cid, spec.s("slots", slot))
        _, ciphertext = spec.box(mk, spec.padded(signed, 1024), aad)
        return world.receive(owner, spec.s("direct", aad, kc, ciphertext))

    assert received(world.slot(owner, mk, kc)).body == History([])
    for wrong in (
        world.slot(owner, mk, kc, purpose=b"epoch"),
        world.slot(owner, mk, kc, cid=b"x" * 32),
        world.slot(owner, mk, kc, hash=b"h" * 32),
    ):
        with refused("D04"):
            received(wrong)
    with refused("D04"):
        received(world.slot(owner, mk, b"k" * 32))


def test_D04_the_key_is_the_committed_one(world: World, member: Device, owner: Device) -> None:
    with refused("D04"):
        world.receive(owner, world.direct(member, owner, NOTHING, kc=b"k" * 32))


def test_D04_the_ciphertext_is_whole_and_bound_to_its_slots(world: World, member: Device, owner: Device) -> None:
    wire = world.direct(member, owner, NOTHING)
    with refused("D04"):
        world.receive(owner, wire[:-1] + bytes([wire[-1] ^ 1]))
    with refused("D04"):
        world.receive(owner, world.direct(member, owner, NOTHING, ciphertext=b""))


def test_D04_there_is_one_padding_and_one_structure_inside(world: World, member: Device, owner: Device) -> None:
    core = spec.s(
        "direct-core", world.cid, member.id, member.member, owner.member, 1, world.roster.seq, b"history", NOTHING
    )
    signature = member.key.sign(b"direct", core)
    right = spec.s("direct-signed", core, signature)

    def received(inside: bytes) -> Any:
        return world.receive(owner, world.direct(member, owner, NOTHING, inside=inside))

    assert received(spec.padded(right, 1024)).body == History([])

    def signed(core: bytes) -> bytes:
        return spec.s("direct-signed", core, member.key.sign(b"direct", core))

    front = (world.cid, member.id, member.member, owner.member, 1, world.roster.seq)
    for inside in (
        right,
        spec.padded(right, 1024) + bytes(1024),
        spec.padded(right, 1024)[:-1] + b"\x01",
        spec.padded(right, 512),
        spec.padded(right, 2048),
        spec.padded(right + b"\x00", 1024),
        spec.padded(spec.s("direct-signed", core), 1024),
        spec.padded(signed(core + b"\x00"), 1024),
        spec.padded(signed(spec.s("direct-core", *front, b"", NOTHING)), 1024),
        spec.padded(signed(spec.s("direct-core", *front, b"k" * 33, NOTHING)), 1024),
        spec.padded(signed(spec.s("direct-core", *front, b"\xff", NOTHING)), 1024),
        spec.padded(signed(spec.s("direct-core", *front[:4], b"1", *front[5:], b"history", NOTHING)), 1024),
        b"",
    ):
        with refused("D04"):
            received(inside)


def test_D04_what_is_inside_is_for_this_circle(world: World, member: Device, owner: Device) -> None:
    """A direct from another circle of the same two, opened and sealed again by the relay's friend."""
    with refused("D04"):
        world.receive(owner, world.direct(member, owner, NOTHING, cid=b"x" * 32))


def test_D04_a_direct_is_addressed_to_whom_it_reaches(world: World, member: Device, owner: Device) -> None:
    """Who was written to can't pass the sender's signed words on to somebody else."""
    other = world.people["other"]
    for to in (other.member, name("nobody"), ZERO16):
        with refused("D04"):
            world.receive(owner, world.direct(member, owner, NOTHING, member=to))
    gateway = world.people["gateway"]
    assert world.receive(gateway, world.direct(member, gateway, NOTHING, member=GUEST)).header.to == GUEST
    assert world.receive(gateway, world.direct(member, gateway, NOTHING)).header.to == gateway.member
    with refused("D04"):
        second = world.people["gateway2"]
        world.receive(second, world.direct(member, second, NOTHING, member=GUEST))


def test_D04_a_device_that_is_not_in_the_circle_reads_nothing(world: World, member: Device, owner: Device) -> None:
    wire = world.direct(member, owner, NOTHING)
    keys = {1: (owner.sealing[1], world.roster.devices[owner.id].subkeys[0].hash)}
    with refused("D04"):
        direct.open_direct(wire, world.roster, b"d" * 16, keys, {})
    stranger = new_device(owner.member)
    header, subkey = world.direct_header(member, owner.member), SubkeyRef(1, b"h" * 32, stranger.sealing[1].public, 1)
    wire, _ = seal_direct(header, member.key, History([]), [(stranger.id, subkey)])
    with refused("D04"):
        direct.open_direct(wire, world.roster, stranger.id, {1: (stranger.sealing[1], b"h" * 32)}, {})


# --- D05, D06, D07, D08 ---


def test_D05_a_direct_is_signed_by_its_device(world: World, member: Device, owner: Device) -> None:
    other = world.people["other"]
    with refused("D05"):
        world.receive(owner, world.direct(member, owner, NOTHING, key=other.key))
    with refused("D05"):
        world.receive(owner, world.direct(new_device(member.member), owner, NOTHING))


def test_D06_the_sender_was_active_in_the_roster_it_names(world: World, member: Device, owner: Device) -> None:
    seq = world.roster.seq
    added = world.roster.devices[member.id].added_seq
    for wrong in (seq + 1, 2**64 - 1, added - 1, 0):
        with refused("D06"):
            world.receive(owner, world.direct(member, owner, NOTHING, roster_seq=wrong))
    for right in (seq, added):
        world.receive(owner, world.direct(member, owner, NOTHING, roster_seq=right))


def test_D06_a_removed_device_does_not_date_itself_back(world: World, member: Device, owner: Device) -> None:
    seq = world.roster.seq
    world.rotate(owner, RemoveMember(member.member))
    for roster_seq in (seq, world.roster.seq):
        with refused("D06"):
            world.receive(owner, world.direct(member, owner, NOTHING, roster_seq=roster_seq))


def test_D06_a_members_lost_device_does_not_date_itself_back_either(
    world: World, member: Device, owner: Device
) -> None:
    second = new_device(member.member)
    world.rotate(member, add_device(second, world.cid))
    seq = world.roster.seq
    assert world.receive(owner, world.direct(second, owner, NOTHING)).header.sender == second.id
    world.rotate(member, RemoveDevice(second.id))
    with refused("D06"):
        world.receive(owner, world.direct(second, owner, NOTHING, roster_seq=seq))


def test_D06_the_author_is_the_devices_member_or_hosted_by_it(world: World, member: Device, owner: Device) -> None:
    gateway, second = world.people["gateway"], world.people["gateway2"]
    assert world.receive(owner, world.direct(gateway, owner, NOTHING, author=GUEST)).header.author == GUEST
    for sender, author in (
        (member, owner.member),
        (gateway, member.member),
        (second, GUEST),
        (member, name("nobody")),
        (member, ZERO16),
    ):
        with refused("D06"):
            world.receive(owner, world.direct(sender, owner, NOTHING, author=author))


def test_D06_a_gateway_writes_for_nobody_who_has_gone(world: World, owner: Device) -> None:
    gateway = world.people["gateway"]
    world.receive(owner, world.direct(gateway, owner, NOTHING, author=GUEST))
    world.append(world.entry(gateway, Leave(GUEST)))
    with refused("D06"):
        world.receive(owner, world.direct(gateway, owner, NOTHING, author=GUEST))


def test_D07_an_old_word_is_not_heard_after_a_newer_one(world: World, member: Device, owner: Device) -> None:
    """Attack 44: a "yes" replayed after a "no"."""
    yes, no = (world.direct(member, owner, NOTHING, counter=counter) for counter in (4, 5))
    pair = (member.id, member.member, owner.member)
    assert world.receive(owner, yes, {pair: 3}).header.counter == 4
    assert world.receive(owner, no, {pair: 4}).header.counter == 5
    for wire, last in ((yes, 5), (no, 5), (no, 2**64 - 1)):
        with refused("D07"):
            world.receive(owner, wire, {pair: last})
    with refused("D07"):
        world.receive(owner, world.direct(member, owner, NOTHING, counter=0))


def test_D07_counters_are_of_sender_author_and_recipient_together(world: World, member: Device) -> None:
    gateway, owner = world.people["gateway"], world.people["owner"]
    wire = world.direct(gateway, owner, NOTHING, author=GUEST, counter=3)
    for pair in (
        (gateway.id, gateway.member, owner.member),
        (gateway.id, GUEST, member.member),
        (member.id, GUEST, owner.member),
    ):
        assert world.receive(owner, wire, {pair: 9}).header.counter == 3
    with refused("D07"):
        world.receive(owner, wire, {(gateway.id, GUEST, owner.member): 3})


def test_D08_a_body_of_a_known_kind_has_its_schema(world: World, member: Device, owner: Device) -> None:
    pack = msgspec.msgpack.encode
    good = pack({"grants": [[1, b"s" * 32]]})
    assert world.receive(owner, world.direct(member, owner, good)).body == History([Grant(1, b"s" * 32)])
    for wrong in (
        b"",
        good + b"\x00",
        good[:-1],
        pack({}),
        pack({"grants": 1}),
        pack({"grants": [[0, b"s" * 32]]}),
        pack({"grants": [[1, b"s" * 31]]}),
        pack({"grants": [[1]]}),
        pack({"grants": [[1, b"s" * 32]] * 513}),
        b"\x81\xa6grants\xdd\xff\xff\xff\xff",
        b"\x82\xa1x" + b"\x91" * 20_000 + b"\xc0" + pack("grants") + b"\x90",
    ):
        with refused("D08"):
            world.receive(owner, world.direct(member, owner, wrong))


def test_D08_a_body_of_an_unknown_kind_is_kept(world: World, member: Device, owner: Device) -> None:
    got = world.receive(owner, world.direct(member, owner, b"\xff\xff", kind=b"poll"))
    assert got.body == Unknown("poll", b"\xff\xff")


def test_a_hosted_members_directs_go_to_their_gateway_and_then_to_their_own_device(
    world: World, member: Device
) -> None:
    gateway = world.people["gateway"]
    to = replace(gateway, member=GUEST)
    wire, reached = sealed(world, member, to)
    assert reached == [gateway.id]
    assert world.receive(gateway, wire).header.to == GUEST
    own = new_device(GUEST)
    world.rotate(world.people["owner"], add_device(own, world.cid))
    wire, reached = sealed(world, member, to)
    assert reached == [own.id]
    assert world.receive(own, wire).header.to == GUEST


def test_who_joins_later_reads_no_earlier_direct(world: World, member: Device, owner: Device) -> None:
    wire, _ = sealed(world, member, owner)
    newcomer = join(world, "newcomer")
    with refused("D04"):
        world.receive(newcomer, wire)
    world.receive(owner, wire)

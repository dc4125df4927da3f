"""S01 to S05: a device's next sealing key."""

from __future__ import annotations

import pytest

from peerbot.protocol.primitives import SealingKey
from peerbot.protocol.roster import checks
from peerbot.protocol.roster.ops import RemoveDevice
from peerbot.protocol.roster.state import Roster
from peerbot.protocol.subkey import make_subkey as library_makes
from peerbot.protocol.wire import MAX_SUBKEY
from tests.protocol import spec
from tests.protocol.builders import Device, World, circle, make_subkey, refused, upgrade
from tests.protocol.test_entries import bad_sealing_keys

PUBLIC = SealingKey.generate().public


@pytest.fixture
def world() -> World:
    return circle()


@pytest.fixture
def member(world: World) -> Device:
    return world.people["member"]


def admit(world: World, wire: bytes, p: int | None = None) -> Roster:
    return checks.admit_subkey(world.roster, wire, world.p + 1 if p is None else p)


def good(world: World, device: Device, n: int = 2, **changes: object) -> bytes:
    return make_subkey(device, world.cid, n, PUBLIC, roster_head=world.roster.head, **changes)  # type: ignore[arg-type]


def test_a_device_publishes_its_next_subkey(world: World, member: Device) -> None:
    wire = good(world, member)
    assert wire == library_makes(member.key, world.cid, member.id, 2, PUBLIC, world.roster.head)
    newest = admit(world, wire).devices[member.id].subkeys[-1]
    assert (newest.n, newest.hash, newest.public, newest.p) == (2, spec.h(wire), PUBLIC, world.p + 1)


def test_S01_a_subkey_is_exactly_one_structure(world: World, member: Device) -> None:
    wire = good(world, member)
    core = spec.s("subkey-core", 1, world.cid, member.id, 2, PUBLIC, world.roster.head)
    short = spec.s("subkey-core", 1, world.cid, member.id, 2, PUBLIC[:-1], world.roster.head)
    for wrong in (
        b"",
        wire[:-1],
        wire + b"\x00",
        spec.s("subkey", core, b"s" * 63),
        spec.s("subkey", core + b"\x00", member.key.sign(b"subkey", core)),
        spec.s("subkey", short, member.key.sign(b"subkey", short)),
        spec.s("request", core, member.key.sign(b"subkey", core)),
    ):
        with refused("S01"):
            admit(world, wrong)
    admit(world, wire)


def test_S01_a_subkey_is_no_larger_than_its_cap(world: World) -> None:
    with refused("S01"):
        admit(world, bytes(MAX_SUBKEY + 1))


def test_S01_a_subkey_is_for_its_own_circle_only(world: World, member: Device) -> None:
    with refused("S01"):
        admit(world, make_subkey(member, b"x" * 32, 2, PUBLIC, roster_head=world.roster.head))


def test_S01_another_suite_stops_for_an_upgrade(world: World, member: Device) -> None:
    with upgrade("S01"):
        admit(world, good(world, member, suite=2))


def test_S02_a_subkey_is_of_a_device_active_at_its_position(world: World, member: Device) -> None:
    added_p = world.roster.devices[member.id].added_p
    with refused("S02"):
        admit(world, good(world, member, of=b"d" * 16))
    with refused("S02"):
        admit(world, good(world, member), p=added_p)
    admit(world, good(world, member), p=added_p + 1)
    world.append(world.entry(world.people["owner"], RemoveDevice(member.id), rotate=True))
    with refused("S02"):
        admit(world, good(world, member))


def test_S03_a_subkey_is_signed_by_its_device(world: World, member: Device) -> None:
    for key in (world.people["other"].key, world.people["owner"].key, world.relay):
        with refused("S03"):
            admit(world, good(world, member, key=key))
    admit(world, good(world, member))


def test_S04_subkeys_count_one_by_one(world: World, member: Device) -> None:
    for n in (0, 1, 3, 2**64 - 1):
        with refused("S04"):
            admit(world, good(world, member, n))
    world.publish(member, 2)
    with refused("S04"):
        admit(world, good(world, member, 2))
    admit(world, good(world, member, 3))


def test_S04_an_old_subkey_is_not_replayed(world: World, member: Device) -> None:
    """Attack 31: neither the second one nor the first, which stands in the device's own entry."""
    second = world.publish(member, 2)
    world.publish(member, 3)
    with refused("S04"):
        admit(world, second)
    from_entry = make_subkey(member, world.cid, 1, member.sealing[1].public)
    assert spec.h(from_entry) == world.roster.devices[member.id].subkeys[0].hash
    with refused("S04"):
        admit(world, from_entry)


@pytest.mark.parametrize("bad", bad_sealing_keys().values(), ids=bad_sealing_keys().keys())
def test_S05_no_subkey_that_cannot_be_sealed_to(world: World, member: Device, bad: bytes) -> None:
    """Attack 29."""
    with refused("S05"):
        admit(world, make_subkey(member, world.cid, 2, bad, roster_head=world.roster.head))
    admit(world, good(world, member))


def test_only_subkeys_that_an_entry_can_still_name_are_kept(world: World, member: Device) -> None:
    for n in (2, 3):
        world.publish(member, n)
    assert [s.n for s in world.roster.devices[member.id].subkeys] == [1, 2, 3]
    world.rotate(world.people["owner"])
    world.publish(member, 4)
    assert [s.n for s in world.roster.devices[member.id].subkeys] == [3, 4]
    device = world.roster.devices[member.id]
    assert [device.newest(p).n for p in (world.roster.p, world.p)] == [3, 4]

"""R01 to R03, and which epochs a device that asks may be given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peerbot.protocol.request import Request, epochs_due, make_request
from peerbot.protocol.roster.ops import Leave, RemoveDevice
from peerbot.protocol.wire import MAX_REQUEST
from tests.protocol import spec
from tests.protocol.builders import (
    DAY,
    POLICY,
    START,
    Device,
    World,
    add_device,
    circle,
    founded,
    join,
    new_device,
    new_invite,
    refused,
)


@pytest.fixture
def world() -> World:
    return circle()


@pytest.fixture
def member(world: World) -> Device:
    return world.people["member"]


def test_a_device_asks_another_for_an_epoch(world: World, member: Device) -> None:
    wire = world.request(member, e=1)
    asked = Request(world.cid, member.id, 1, world.people["owner"].id)
    assert wire == make_request(member.key, asked)
    assert world.admit_request(wire) == asked


def test_R01_a_request_is_exactly_one_structure(world: World, member: Device) -> None:
    wire = world.request(member)
    core = spec.s("request-core", world.cid, member.id, 1, world.people["owner"].id)
    signature = member.key.sign(b"request", core)
    for wrong in (
        b"",
        wire[:-1],
        wire + b"\x00",
        bytes(MAX_REQUEST + 1),
        spec.s("request", core, signature[:-1]),
        spec.s("request", core + b"\x00", signature),
        spec.s("subkey", core, signature),
        spec.s("request", spec.s("request-core", world.cid, member.id, 1), signature),
    ):
        with refused("R01"):
            world.admit_request(wrong)
    assert world.admit_request(wire).device == member.id


def test_R01_a_request_is_for_its_own_circle_only(world: World, member: Device) -> None:
    with refused("R01"):
        world.admit_request(world.request(member, cid=b"x" * 32))


def test_R02_a_request_is_of_a_device_active_at_its_position(world: World, member: Device) -> None:
    """Attack 12: who was removed asks in vain."""
    assert world.admit_request(world.request(member)).device == member.id
    with refused("R02"):
        world.admit_request(world.request(new_device(member.member)))
    world.append(world.entry(world.people["owner"], RemoveDevice(member.id), rotate=True))
    with refused("R02"):
        world.admit_request(world.request(member))


def test_R02_a_request_is_signed_by_its_device(world: World, member: Device) -> None:
    for key in (world.people["other"].key, world.relay):
        with refused("R02"):
            world.admit_request(world.request(member, key=key))


def test_R03_a_request_is_for_an_epoch_there_was(world: World, member: Device) -> None:
    assert world.roster.epoch is not None
    newest = world.roster.epoch.e
    for e in (0, newest + 1, 2**64 - 1):
        with refused("R03"):
            world.admit_request(world.request(member, e=e))
    for e in (1, newest):
        assert world.admit_request(world.request(member, e=e)).e == e


def test_R03_each_device_is_asked_once_for_an_epoch(world: World, member: Device) -> None:
    other = world.people["other"].id
    first = world.admit_request(world.request(member, e=2))
    seen = {(first.device, first.e, first.whom)}
    with refused("R03"):
        world.admit_request(world.request(member, e=2), seen)
    world.admit_request(world.request(member, e=3), seen)
    world.admit_request(world.request(member, e=2, whom=other), seen)
    world.admit_request(world.request(world.people["moderator"], e=2), seen)


def test_R03_the_device_that_is_asked_is_another_active_one(world: World, member: Device) -> None:
    """With free choice of whom to ask, one device could append requests without end."""
    other = world.people["other"]
    for whom in (b"w" * 16, member.id):
        with refused("R03"):
            world.admit_request(world.request(member, whom=whom))
    assert world.admit_request(world.request(member, whom=other.id)).whom == other.id
    world.append(world.entry(other, Leave(other.member)))
    with refused("R03"):
        world.admit_request(world.request(member, whom=other.id))


# --- epochs_due ---


def aged(history_days: int = 30, weeks: int = 8) -> World:
    """A founder alone who rotates every week: epoch e begins at START + (e - 1) weeks."""
    world = founded(replace(POLICY, history_days=history_days))
    for week in range(1, weeks):
        world.now = START + week * 7 * DAY
        world.rotate(world.people["owner"])
    world.invites["member"], op = new_invite(world.cid, expires=START + 10_000 * DAY)
    world.append(world.entry(world.people["owner"], op))
    return world


def due(world: World, device: Device, upto: int | None = None, now: int | None = None) -> list[int]:
    assert world.roster.epoch is not None
    at = world.roster.epoch.e if upto is None else upto
    return [
        e.e for e in epochs_due(world.roster, world.roster.devices[device.id], at, world.now if now is None else now)
    ]


def test_a_newcomer_is_given_the_history_window_and_no_more() -> None:
    """Attack 13. Epoch 9 begins with the join; epoch 3 ended 28 days before it, epoch 2 ended 35 days before."""
    world = aged()
    newcomer = join(world, "newcomer")
    assert due(world, newcomer) == [9, 8, 7, 6, 5, 4, 3]
    assert due(world, newcomer, now=world.now + 2 * DAY - 1) == [9, 8, 7, 6, 5, 4, 3]
    assert due(world, newcomer, now=world.now + 2 * DAY) == [9, 8, 7, 6, 5, 4]
    assert due(world, newcomer, now=world.now + 400 * DAY) == [9]


def test_an_epoch_that_nobody_ended_is_as_old_as_the_day_it_was_due_to_end() -> None:
    """Else a long silence would keep what was said before it young."""
    world = aged(weeks=1)
    silent = START + (7 + POLICY.history_days) * DAY
    early, late = world.copy(), world.copy()
    early.now, late.now = silent - 1, silent
    assert due(early, join(early, "newcomer")) == [2, 1]
    assert due(late, join(late, "newcomer")) == [2]


def test_a_device_is_given_every_epoch_it_was_active_in() -> None:
    world = aged()
    owner = world.people["owner"]
    newcomer = join(world, "newcomer")
    assert due(world, owner, now=world.now + 400 * DAY) == list(range(9, 0, -1))
    world.now += 7 * DAY
    world.rotate(owner)
    assert due(world, newcomer, now=world.now + 400 * DAY) == [10, 9]


def test_a_device_is_given_nothing_after_the_epoch_it_asks_for() -> None:
    world = aged()
    newcomer = join(world, "newcomer")
    assert due(world, newcomer, upto=6) == [6, 5, 4, 3]
    assert due(world, world.people["owner"], upto=3) == [3, 2, 1]
    assert due(world, newcomer, upto=0) == []
    assert due(world, newcomer, upto=99) == [9, 8, 7, 6, 5, 4, 3]


def test_where_history_is_closed_newcomers_begin_with_their_own_epoch() -> None:
    world = aged(history_days=0)
    newcomer = join(world, "newcomer")
    assert due(world, newcomer) == [9]
    second = new_device(newcomer.member)
    world.rotate(newcomer, add_device(second, world.cid))
    assert due(world, second) == [10]


def test_a_policy_that_is_loosened_opens_no_older_epoch() -> None:
    """Attack 14: each epoch keeps what it promised."""
    world = aged(history_days=7)
    owner = world.people["owner"]
    world.append(world.entry(owner, replace(POLICY, history_days=365), rotate=True))
    world.now += 7 * DAY
    world.rotate(owner)
    newcomer = join(world, "newcomer")
    assert world.roster.epochs[9].history_days == 365
    assert due(world, newcomer) == [11, 10, 9]


def test_a_policy_that_is_tightened_closes_older_epochs_at_once() -> None:
    world = aged(history_days=365)
    world.append(world.entry(world.people["owner"], replace(POLICY, history_days=7), rotate=True))
    newcomer = join(world, "newcomer")
    assert due(world, newcomer) == [10, 9, 8, 7]


def test_a_removed_device_is_given_nothing() -> None:
    """Attack 12."""
    world = aged()
    newcomer = join(world, "newcomer")
    world.rotate(world.people["owner"], RemoveDevice(newcomer.id))
    assert due(world, newcomer) == []


def test_an_epochs_end_in_the_future_keeps_it_no_younger_than_its_successors() -> None:
    """The signer of an entry chooses its time; a member who rotates with a far one would hold the window open."""
    world = aged()
    member = join(world, "rotator")
    world.append(world.entry(member, rotate=True, ts=world.now + 10_000 * DAY))
    for week in range(1, 8):
        world.now = START + (7 + week) * 7 * DAY
        world.rotate(world.people["owner"])
    newcomer = join(world, "newcomer")
    assert min(due(world, newcomer)) == 12
    closed = aged(history_days=0)
    rotator = join(closed, "rotator")
    closed.append(closed.entry(rotator, rotate=True, ts=closed.now + 10_000 * DAY))
    late = join(closed, "late")
    assert due(closed, late) == [11]

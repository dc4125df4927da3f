"""The roster as a value: any history of entries leaves it sound, and every device makes the same of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerbot.errors import Refused
from peerbot.protocol import log
from peerbot.protocol.log import Kind
from peerbot.protocol.roster import checks
from peerbot.protocol.roster.entry import parse_entry
from peerbot.protocol.roster.ops import (
    AddHost,
    AddMember,
    Checkpoint,
    Leave,
    Op,
    RemoveDevice,
    RemoveHost,
    RemoveMember,
    RevokeInvite,
    Role,
    SetRecovery,
    SetRole,
)
from peerbot.protocol.roster.state import FOREVER, Roster, dump, load, recipients, recipients_digest
from peerbot.protocol.wire import ZERO16
from tests.protocol import spec
from tests.protocol.builders import (
    GUEST,
    POLICY,
    START,
    Device,
    World,
    add_device,
    circle,
    hosted_member,
    join,
    name,
    native_join,
    new_device,
    new_invite,
)

WHO: Final = ("owner", "moderator", "organiser", "member", "other", "gateway", "gateway2")
Draw = Callable[[Any], Any]


def somebody(world: World, draw: Draw) -> bytes:
    return bytes(draw(st.sampled_from([*sorted(m.id for m in world.roster.members.values()), name("nobody")])))


def some_op(world: World, draw: Draw, signer: Device) -> Op:
    """An op that may or may not be the signer's to use, about anybody."""
    member = somebody(world, draw)
    device = draw(st.sampled_from(sorted(world.roster.devices)))
    gateway = world.people[draw(st.sampled_from(("gateway", "gateway2")))]
    fresh = new_device(draw(st.sampled_from([member, signer.member])))
    made: list[Op] = [
        AddMember(name(str(draw(st.integers(0, 5)))), 0, ZERO16, ZERO16, b""),
        hosted_member(world, gateway, world.invites["member"], name(str(draw(st.integers(0, 5))))),
        add_device(fresh, world.cid),
        RemoveDevice(device),
        RemoveMember(member),
        Leave(draw(st.sampled_from([member, signer.member]))),
        AddHost(member, gateway.member),
        RemoveHost(member, gateway.member),
        SetRole(member, draw(st.sampled_from(list(Role)))),
        replace(POLICY, history_days=draw(st.integers(0, 9))),
        SetRecovery(signer.member, signer.key.public),
        new_invite(world.cid, draw(st.sampled_from(list(Role))))[1],
        RevokeInvite(draw(st.sampled_from(sorted(world.roster.invites)))),
        Checkpoint(1, world.heads[1]),
    ]
    return made[draw(st.integers(0, len(made) - 1))]


def step(world: World, draw: Draw) -> None:
    """One entry, allowed or not."""
    if draw(st.integers(0, 4)) == 0:
        device = new_device(name(str(draw(st.integers(0, 5)))))
        invite = world.invites[draw(st.sampled_from(("member", "approved")))]
        wire = world.entry(invite, *native_join(world, invite, device), rotate=True)
    else:
        signer = world.people[draw(st.sampled_from(WHO))]
        ops = [some_op(world, draw, signer) for _ in range(draw(st.integers(0, 2)))]
        also = (world.people["gateway"],) if any(isinstance(op, AddHost) for op in ops) else ()
        wire = world.entry(signer, *ops, rotate=draw(st.booleans()), also=also if signer not in also else ())
    try:
        world.append(wire)
    except Refused:
        return


def sound(before: Roster, after: Roster) -> None:
    """What holds after every admitted entry."""
    owners = [m for m in after.members_active() if m.role is Role.OWNER]
    assert any(after.devices_of(m.id) for m in owners)
    for device in after.active_devices():
        member = after.members[device.member]
        assert member.active, "a device reads for a member who is shown as gone"
        assert device.id in member.devices
    for member in after.members_active():
        host = after.members.get(member.host)
        if host is not None and host.active:
            assert host.role is Role.GATEWAY
            assert member.role in (Role.MEMBER, Role.ORGANISER)
    assert before.epoch is not None
    assert after.epoch is not None
    changed = {d.id for d in before.active_devices()} != {d.id for d in after.active_devices()}
    rotated = after.epoch.e == before.epoch.e + 1
    assert rotated or after.epoch == before.epoch
    assert rotated or not changed or after.rekey_required
    assert not (rotated and after.rekey_required)
    assert all(invite.uses >= 0 for invite in after.invites.values())
    assert {d.id: d.dsk for d in before.devices.values()}.items() <= {
        d.id: d.dsk for d in after.devices.values()
    }.items()
    gone = {d.id for d in before.devices.values() if not d.active}
    assert not any(after.devices[device].active for device in gone)


@given(st.data())
def test_no_history_of_entries_leaves_a_roster_unsound(data: st.DataObject) -> None:
    world = circle()
    for _ in range(data.draw(st.integers(1, 6))):
        before = world.roster
        step(world, data.draw)
        if world.roster is not before:
            sound(before, world.roster)
    assert again(world) == world.roster
    assert load(dump(world.roster)) == world.roster


def again(world: World) -> Roster:
    """What another device makes of the same log."""
    roster = checks.found(world.wires[1], world.cid)
    heads = [log.LOG_START, log.link(log.LOG_START, 1, Kind.ENTRY, spec.h(world.wires[1]))]
    for p, wire in enumerate(world.wires[2:], 2):
        roster = checks.admit(roster, parse_entry(wire), p, lambda at: heads[at] if at < len(heads) else None)
        heads.append(log.link(heads[-1], p, Kind.ENTRY, spec.h(wire)))
    assert heads == world.heads
    return roster


def test_a_stored_roster_is_the_roster() -> None:
    world = circle()
    world.publish(world.people["member"], 2)
    owner, member = world.people["owner"], world.people["member"]
    world.append(world.entry(owner, RemoveMember(world.people["other"].member), rotate=True))
    world.append(world.entry(member, Leave(member.member)))
    stored = load(dump(world.roster))
    assert stored == world.roster
    assert (stored.rekey_required, stored.epoch) == (True, world.roster.epoch)
    assert stored.members[member.member].left_p == world.p
    wire = world.entry(owner, rotate=True)
    assert checks.admit(stored, parse_entry(wire), world.p + 1, world.head_at) == world.admit(wire)


def test_a_roster_before_its_first_epoch_is_stored_too() -> None:
    genesis = circle().rosters[1]
    assert genesis.epoch is None
    assert load(dump(genesis)) == genesis


def test_a_stored_roster_remembers_the_proposals_it_has_used() -> None:
    world = circle()
    owner, moderator = world.people["owner"], world.people["moderator"]
    world.append(world.entry(owner, replace(POLICY, quorum=2), rotate=True))
    op = SetRole(world.people["member"].member, Role.MODERATOR)
    world.append(world.entry(owner, op, approvals=(world.approval(moderator, op, nonce=b"n" * 16),)))
    stored = load(dump(world.roster))
    assert stored == world.roster
    assert stored.nonces[b"n" * 16] == world.roster.seq


def test_the_largest_numbers_are_stored_as_they_are() -> None:
    world = circle()
    owner = world.people["owner"]
    _, invite = new_invite(world.cid, expires=2**64 - 1, uses=2**64 - 1)
    world.append(world.entry(owner, invite, ts=2**64 - 1))
    assert load(dump(world.roster)) == world.roster
    assert world.roster.time == 2**64 - 1


@given(st.randoms(use_true_random=False))
def test_recipients_are_the_same_whatever_order_devices_were_learned_in(chance: random.Random) -> None:
    world = circle()
    world.publish(world.people["member"], 2)
    devices = list(world.roster.devices.values())
    chance.shuffle(devices)
    shuffled = load(dump(world.roster))
    for device in devices:
        shuffled = msgspec.structs.replace(
            shuffled, devices=shuffled.devices.remove(device.id).insert(device.id, device)
        )
    pairs = recipients(shuffled, world.p)
    assert pairs == recipients(world.roster, world.p)
    assert recipients_digest(pairs) == spec.recipients_digest(world.recipients_after(()))


def test_nobody_is_the_recipient_of_nothing() -> None:
    assert recipients_digest([]) == bytes(32)


def test_histories_answer_for_each_position() -> None:
    world = circle()
    owner, member, gateway = world.people["owner"], world.people["member"], world.people["gateway"]
    start = world.p
    world.append(world.entry(owner, SetRole(member.member, Role.ORGANISER)))
    world.append(world.entry(member, AddHost(member.member, gateway.member), also=(gateway,)))
    world.append(world.entry(member, RemoveHost(member.member, gateway.member)))
    world.append(world.entry(owner, RemoveMember(member.member), rotate=True))
    found = world.roster.members[member.member]
    assert [found.role_at(start + i).name for i in (1, 2)] == ["MEMBER", "ORGANISER"]
    assert [found.host_at(start + i) for i in (2, 3, 4)] == [ZERO16, gateway.member, ZERO16]
    assert [found.active_at(start + i) for i in (3, 4, 5)] == [True, False, False]
    assert [found.active_at(p) for p in (found.joined_p, found.joined_p + 1)] == [False, True]
    device = world.roster.devices[member.id]
    assert [device.active_at(p) for p in (device.added_p, device.added_p + 1, start + 4)] == [False, True, False]
    seqs = (device.added_seq - 1, device.added_seq, device.removed_seq - 1, device.removed_seq)
    assert [device.active_at_seq(seq) for seq in seqs] == [False, True, True, False]
    assert world.roster.devices[owner.id].removed_p == FOREVER


def test_the_time_is_the_newest_that_a_present_leader_or_gateway_has_signed_as_one() -> None:
    world = circle()
    owner, moderator, member = (world.people[who] for who in ("owner", "moderator", "member"))

    def signed(who: Device, at: int, *ops: Op) -> int:
        return world.append(world.entry(who, *ops, rotate=not ops, ts=START + at)).time - START

    assert signed(owner, 50) == 50
    assert signed(owner, 20) == 50
    assert signed(member, 900) == 50
    assert signed(moderator, 70) == 70
    assert signed(owner, 60, SetRole(member.member, Role.MODERATOR)) == 70
    assert signed(member, 80) == 80
    assert signed(owner, 60, SetRole(member.member, Role.MEMBER)) == 70
    world.append(world.entry(owner, RemoveMember(moderator.member), rotate=True, ts=START))
    assert world.roster.time == START + 60
    assert load(dump(world.roster)) == world.roster


def test_an_epoch_is_in_force_after_its_entry_until_the_next() -> None:
    world = circle()
    assert world.roster.epoch is not None
    e, p = world.roster.epoch.e, world.roster.epoch.p
    world.rotate(world.people["owner"])
    found = [world.roster.epoch_at(at) for at in (p, p + 1, world.p, world.p + 1)]
    assert [epoch.e if epoch else None for epoch in found] == [e - 1, e, e, e + 1]
    assert world.roster.epoch_at(1) is None
    assert world.roster.epoch_at(2) is None


def test_whose_devices_are_whose() -> None:
    world = circle()
    second = new_device(name("member"))
    world.rotate(world.people["member"], add_device(second, world.cid))
    devices = {d.id for d in world.roster.devices_of(name("member"))}
    assert devices == {second.id, world.people["member"].id}
    assert world.roster.member_of(second.id).id == name("member")
    assert world.roster.devices_of(name("nobody")) == []
    assert world.roster.reaching(name("nobody")) == []
    join(world, "late")
    assert world.roster.members[GUEST].hosted
    world.append(world.entry(world.people["owner"], AddMember(name("nowhere"), 0, ZERO16, ZERO16, b"")))
    assert world.roster.suspended(world.roster.members[name("nowhere")])
    assert [d.id for d in world.roster.reaching(GUEST)] == [world.people["gateway"].id]
    world.append(world.entry(world.people["gateway"], Leave(GUEST)))
    assert world.roster.reaching(GUEST) == []
    assert world.roster.time == START


@pytest.mark.parametrize("which", ["not msgpack", "nothing", "a list", "cut"])
def test_a_damaged_roster_is_one_error(which: str) -> None:
    raw = dump(circle().roster)
    damaged = {"not msgpack": b"\xc1", "nothing": b"", "a list": b"\x90", "cut": raw[:-1]}[which]
    with pytest.raises(msgspec.DecodeError):
        load(damaged)

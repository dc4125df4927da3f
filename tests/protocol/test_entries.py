"""E01 to E19 except E10: what makes a roster entry valid, one check at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from peerbot.protocol.keys import new_recovery_code, recovery_key
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import SealingKey, SigningKey, random_bytes
from peerbot.protocol.roster import checks
from peerbot.protocol.roster.entry import (
    MAX_OPS,
    By,
    Core,
    Reason,
    Signer,
    circle_id,
    encode_core,
    parse_entry,
    sign_entry,
)
from peerbot.protocol.roster.ops import (
    AddDevice,
    AddHost,
    AddInvite,
    AddMember,
    Checkpoint,
    Leave,
    Op,
    RemoveDevice,
    RemoveMember,
    RevokeInvite,
    Role,
    SetPolicy,
    SetRecovery,
    SetRelay,
    SetRole,
    encode_op,
)
from peerbot.protocol.wire import MAX_ENTRY, ZERO16, ZERO32
from tests.protocol import spec
from tests.protocol.builders import (
    DAY,
    GUEST,
    POLICY,
    START,
    Device,
    World,
    add_device,
    circle,
    forked,
    founded,
    genesis_core,
    genesis_ops,
    hosted_member,
    join,
    make_subkey,
    name,
    native_join,
    new_device,
    new_invite,
    raw_core,
    raw_entry,
    raw_signature,
    refused,
    small_order_signature,
    upgrade,
)


@pytest.fixture
def world() -> World:
    return circle()


@pytest.fixture
def owner(world: World) -> Device:
    return world.people["owner"]


@pytest.fixture
def member(world: World) -> Device:
    return world.people["member"]


def joiner(world: World, who: str = "joiner") -> tuple[Device, AddMember]:
    device = new_device(name(who))
    return device, AddMember(device.member, 0, ZERO16, ZERO16, b"")


# --- E01 ---


def entry_of(world: World, size: int) -> bytes:
    """A valid entry of exactly `size` bytes: many invites, and an address of the length that is missing."""
    owner = world.people["owner"]
    _, invite = new_invite(world.cid)
    keys = (SigningKey.generate().public for _ in range(MAX_OPS))
    smallest = len(world.entry(owner, SetRelay(b"x", world.relay.public)))
    each = len(encode_op(invite)) + 4
    many = (size - smallest - 1) // each
    filler = size - smallest - many * each
    invites = [
        replace(invite, invite=spec.h(b"invite" + key)[:16], public=key)
        for key, _ in zip(keys, range(many), strict=False)
    ]
    wire = world.entry(owner, *invites, SetRelay(b"x" * (1 + filler), world.relay.public))
    assert len(wire) == size
    return wire


def test_E01_an_entry_may_be_as_large_as_the_cap_and_not_a_byte_larger(world: World) -> None:
    assert world.admit(entry_of(world, MAX_ENTRY)).relay_key == world.relay.public
    with refused("E01"):
        world.admit(entry_of(world, MAX_ENTRY + 1))


# --- E02 ---


def broken(core: Core, signer: Device, *items: bytes, **raw: Any) -> bytes:
    packed = raw_core(core, **raw)
    return raw_entry(packed, *(items or (raw_signature(core.signer, signer.key, packed),)))


def test_the_document_gives_the_bytes_of_an_entry(world: World, owner: Device) -> None:
    core = world.draft(owner, SetRole(world.people["member"].member, Role.ORGANISER), rotate=True)
    assert raw_core(core) == encode_core(core)
    assert raw_entry(raw_core(core), raw_signature(core.signer, owner.key, raw_core(core))) == world.sign(core, owner)
    assert parse_entry(world.sign(core, owner)).core == core


def test_E02_an_entry_is_exactly_one_structure(world: World, owner: Device) -> None:
    wire = world.entry(owner, rotate=True)
    assert world.admit(wire).seq == world.roster.seq + 1
    core = world.draft(owner, rotate=True)
    packed = raw_core(core)
    signature = raw_signature(core.signer, owner.key, packed)
    for wrong in (
        wire + b"\x00",
        wire[:-1],
        b"",
        spec.s("entry", packed),
        spec.s("entry", packed, spec.s("sigs", signature), b""),
        spec.s("other", packed, spec.s("sigs", signature)),
        spec.s("entry", packed, spec.s("signatures", signature)),
        spec.s("entry", packed + b"\x00", spec.s("sigs", signature)),
    ):
        with refused("E02"):
            world.admit(wrong)


@pytest.mark.parametrize(
    "op",
    [
        SetRole(name("member"), 0),
        SetRole(name("member"), 6),
        AddMember(name("new"), 2, ZERO16, ZERO16, b""),
        AddMember(name("new"), 0, ZERO16, ZERO16, b"s" * 63),
        AddInvite(name("i"), b"k" * 32, 0, 1, START, 0),
        AddInvite(name("i"), b"k" * 32, 1, 0, START, 0),
        AddInvite(name("i"), b"k" * 32, 1, 1, START, 2),
        replace(POLICY, epoch_days=0),
        replace(POLICY, epoch_days=36_501),
        replace(POLICY, history_days=36_501),
        replace(POLICY, retention_days=36_501),
        replace(POLICY, quorum=0),
        replace(POLICY, quorum=3),
        SetRelay(b"\xff\xfe", b"k" * 32),
    ],
    ids=lambda op: type(op).__name__,
)
def test_E02_an_op_has_only_values_that_mean_something(world: World, owner: Device, op: Op) -> None:
    with refused("E02"):
        world.admit(world.entry(owner, op))


def test_E02_the_largest_values_that_mean_something_are_taken(world: World, owner: Device) -> None:
    longest = replace(POLICY, epoch_days=36_500, history_days=36_500, retention_days=36_500)
    least = replace(POLICY, epoch_days=1, history_days=0, retention_days=0, doors=0, max_checkpoint_age=0)
    for policy in (longest, least):
        assert world.admit(world.entry(owner, policy, rotate=True)).policy == policy


def test_E02_the_ops_are_a_list_of_ops(world: World, owner: Device) -> None:
    core = world.draft(owner, Checkpoint(world.p, world.heads[-1]))
    assert world.admit(broken(core, owner)).seq == core.seq
    op = encode_op(core.ops[0])
    too_many = [op] * (MAX_OPS + 1)
    for ops in (b"", spec.s("sigs", op), spec.s("ops", op + b"\x00"), spec.s("ops", b"\x05other"), spec.s("ops", b"")):
        with refused("E02"):
            world.admit(broken(core, owner, ops=ops))
    with refused("E02"):
        world.admit(broken(core, owner, ops=spec.s("ops", *too_many)))


def test_E02_signatures_begin_with_the_signer_and_have_one_order(world: World, owner: Device) -> None:
    member, gateway = world.people["member"], world.people["gateway"]
    core = world.draft(owner, Checkpoint(world.p, world.heads[-1]))
    packed = raw_core(core)
    mine, theirs, third = (raw_signature(d.signer, d.key, packed) for d in (owner, member, gateway))
    approval = world.approval(owner, core.ops[0])
    assert world.admit(raw_entry(packed, mine)).seq == core.seq
    for items in (
        (),
        (theirs,),
        (theirs, mine),
        (approval, mine),
        (mine, *sorted((theirs, third), reverse=True)),
        (mine, theirs, theirs),
        (mine, b""),
        (mine, raw_signature(member.signer, member.key, packed, by=9)),
        (mine, *(raw_signature(Signer(By.DEVICE, bytes([i]) * 16), owner.key, packed) for i in range(1, 17))),
    ):
        with refused("E02"):
            world.admit(raw_entry(packed, *items))


def test_E02_only_known_kinds_of_signer(world: World, owner: Device) -> None:
    core = world.draft(owner, Checkpoint(world.p, world.heads[-1]))
    with refused("E02"):
        world.admit(broken(core, owner, by=4))
    with refused("E02"):
        world.admit(broken(replace(core, signer=Signer(By.DEVICE, ZERO16)), owner))


def test_E02_a_new_devices_subkey_is_one_for_this_circle(world: World, owner: Device) -> None:
    device, added = joiner(world)
    good = add_device(device, world.cid)
    other_circle = add_device(device, world.cid, subkey_cid=ZERO32)
    assert world.admit(world.entry(owner, added, good, rotate=True)).devices.get(device.id)
    for op in (replace(good, subkey=good.subkey + b"\x00"), replace(good, subkey=b""), other_circle):
        with refused("E02"):
            world.admit(world.entry(owner, added, op, rotate=True))


def test_E02_a_genesis_holds_no_circle_no_history_and_no_epoch() -> None:
    founder, relay = new_device(name("owner")), SigningKey.generate()
    core = genesis_core(founder, *genesis_ops(founder, relay))
    cid = circle_id(encode_core(core))
    assert checks.found(sign_entry(core, founder.key), cid).cid == cid
    opening = founded().draft(founder, rotate=True).epoch
    wrong: list[dict[str, Any]] = [
        {"cid": b"c" * 32},
        {"prev": b"p" * 32},
        {"log_pos": 1},
        {"log_head": b"h" * 32},
        {"epoch": opening},
    ]
    for changes in wrong:
        with refused("E02"):
            parse_entry(sign_entry(replace(core, **changes), founder.key))
    with refused("E02"):
        parse_entry(sign_entry(replace(core, seq=1), founder.key))


def test_E02_a_genesis_has_one_founder_with_one_device_who_is_the_owner() -> None:
    founder, second, relay = new_device(name("owner")), new_device(name("second")), SigningKey.generate()
    ops = genesis_ops(founder, relay)
    code = SetRecovery(founder.member, recovery_key(new_recovery_code(), ZERO32).public)

    def found(*given: Op) -> None:
        core = genesis_core(founder, *given)
        checks.found(sign_entry(core, founder.key), circle_id(encode_core(core)))

    found(*ops)
    found(*ops, code)
    another = AddMember(second.member, 0, ZERO16, ZERO16, b"")
    for wrong in (
        (),
        ops[:4],
        (ops[1], ops[0], *ops[2:]),
        (*ops, another),
        (*ops, add_device(second, ZERO32)),
        (*ops, code, code),
        (*ops, replace(code, member=second.member)),
        (AddMember(founder.member, 1, ZERO16, ZERO16, b""), *ops[1:]),
        (AddMember(founder.member, 0, name("host"), ZERO16, b""), *ops[1:]),
        (AddMember(founder.member, 0, ZERO16, name("invite"), b""), *ops[1:]),
        (AddMember(ZERO16, 0, ZERO16, ZERO16, b""), *ops[1:]),
        (another, *ops[1:]),
        (ops[0], ops[1], SetRole(founder.member, Role.MEMBER), *ops[3:]),
        (ops[0], ops[1], SetRole(second.member, Role.OWNER), *ops[3:]),
        (ops[0], add_device(founder, ZERO32, n=2), *ops[2:]),
        genesis_ops(replace(founder, member=ZERO16), relay),
    ):
        with refused("E02"):
            found(*wrong)


# --- E03 ---


def test_E03_an_unknown_suite_or_op_stops_for_an_upgrade(world: World, owner: Device) -> None:
    core = world.draft(owner, Checkpoint(world.p, world.heads[-1]))
    assert world.admit(broken(core, owner)).seq == core.seq
    for suite in (0, 2, 2**64 - 1):
        with upgrade("E03"):
            world.admit(broken(core, owner, suite=suite))
    with upgrade("E03"):
        world.admit(broken(core, owner, ops=spec.s("ops", spec.s("set-colour", b"blue"))))


def test_E03_a_policy_that_asks_for_a_newer_suite_stops_everything_after_it(world: World, owner: Device) -> None:
    member = world.people["member"]
    world.append(world.entry(owner, replace(POLICY, min_suite=1), rotate=True))
    world.append(world.entry(owner, replace(POLICY, min_suite=2), rotate=True))
    with upgrade("E03"):
        world.admit(world.entry(owner, rotate=True))
    record = make_subkey(member, world.cid, 2, SealingKey.generate().public, roster_head=world.roster.head)
    with upgrade("E03"):
        checks.admit_subkey(world.roster, record, world.p + 1)


def test_E03_a_new_devices_subkey_of_another_suite_stops_for_an_upgrade(world: World, owner: Device) -> None:
    device, added = joiner(world)
    record = make_subkey(device, world.cid, 1, device.sealing[1].public, suite=2)
    with upgrade("S01"):
        world.admit(world.entry(owner, added, replace(add_device(device, world.cid), subkey=record), rotate=True))


# --- E04 ---


def test_E04_an_entry_is_for_its_own_circle_only(world: World, owner: Device) -> None:
    with refused("E04"):
        world.admit(world.entry(owner, rotate=True, cid=b"x" * 32))
    assert world.admit(world.entry(owner, rotate=True)).cid == world.cid


def test_E04_a_genesis_is_never_a_later_entry(world: World) -> None:
    with refused("E04"):
        world.admit(world.wires[1])


def test_E04_a_swapped_genesis_is_another_circle(world: World) -> None:
    """Attack 33: the invite names the circle by the hash of its genesis."""
    other = founded()
    with refused("E04"):
        checks.found(other.wires[1], world.cid)
    assert checks.found(world.wires[1], world.cid).cid == world.cid


def test_E04_an_entry_that_is_no_genesis_founds_nothing(world: World) -> None:
    wire = world.wires[2]
    with refused("E04"):
        checks.found(wire, circle_id(parse_entry(wire).core_bytes))


# --- E05, E06 ---


def test_E05_entries_count_one_by_one(world: World, owner: Device) -> None:
    seq = world.roster.seq
    assert world.admit(world.entry(owner, rotate=True, seq=seq + 1)).seq == seq + 1
    for wrong in (seq, seq + 2, 2**64 - 1, 1):
        with refused("E05"):
            world.admit(world.entry(owner, rotate=True, seq=wrong))


def test_E06_an_entry_follows_the_one_before_it(world: World, owner: Device) -> None:
    assert world.admit(world.entry(owner, rotate=True, prev=world.roster.head)).seq
    for wrong in (ZERO32, world.entry_heads[world.roster.seq - 1], b"p" * 32):
        with refused("E06"):
            world.admit(world.entry(owner, rotate=True, prev=wrong))


def test_E05_E06_of_two_rotations_at_once_one_wins(world: World, owner: Device, member: Device) -> None:
    """Attack 25: the loser has to make a new secret, whichever of the two fields it brings up to date."""
    first, second = world.entry(owner, rotate=True), world.draft(member, rotate=True)
    world.append(first)
    with refused("E05"):
        world.admit(world.sign(second, member))
    with refused("E06"):
        world.admit(world.sign(replace(second, seq=second.seq + 1), member))
    assert world.admit(world.entry(member, rotate=True)).seq == world.roster.seq + 1


def test_E06_the_log_an_entry_saw_is_the_log_before_it(world: World, owner: Device) -> None:
    ahead = world.p + 1
    with refused("E06"):
        world.admit(world.entry(owner, rotate=True, log_pos=ahead, log_head=b"l" * 32))
    with forked("E06"):
        world.admit(world.entry(owner, rotate=True, log_head=b"l" * 32))
    with forked("E06"):
        world.admit(world.entry(owner, rotate=True, log_pos=world.p, log_head=world.heads[-2]))
    assert world.admit(world.entry(owner, rotate=True, log_pos=world.p, log_head=world.heads[-1])).seq


def test_E06_a_head_this_device_no_longer_has_is_no_alarm(world: World, owner: Device) -> None:
    entry = parse_entry(world.entry(owner, rotate=True))
    assert checks.admit(world.roster, entry, world.p + 1, lambda _: None).seq == entry.core.seq


def test_E06_nobody_but_a_signer_can_raise_the_alarm(world: World, owner: Device, member: Device) -> None:
    core = world.draft(owner, rotate=True, log_head=b"l" * 32)
    with refused("E08"):
        world.admit(world.sign(core, member.key))


def test_E06_a_checkpoint_names_the_log_as_it_is(world: World, owner: Device) -> None:
    assert world.admit(world.entry(owner, Checkpoint(3, world.heads[3]))).seq
    with forked("E06"):
        world.admit(world.entry(owner, Checkpoint(3, world.heads[4])))
    with refused("E06"):
        world.admit(world.entry(owner, Checkpoint(world.p + 1, b"l" * 32)))


# --- E07 ---


def test_E07_only_an_active_device_signs(world: World, owner: Device, member: Device) -> None:
    stranger = new_device(member.member)
    assert world.admit(world.entry(member, rotate=True)).seq
    with refused("E07"):
        world.admit(world.entry(stranger, rotate=True))
    world.append(world.entry(owner, RemoveDevice(member.id), rotate=True))
    with refused("E07"):
        world.admit(world.entry(member, rotate=True))


def test_E07_only_an_invite_of_the_roster_signs(world: World) -> None:
    device = new_device(name("joiner"))
    invite, _ = new_invite(world.cid)
    with refused("E07"):
        world.admit(world.entry(invite, *native_join(world, invite, device), rotate=True))
    known = world.invites["member"]
    assert world.admit(world.entry(known, *native_join(world, known, device), rotate=True)).devices.get(device.id)


def recover(world: World, whom: Device, key: SigningKey) -> tuple[Core, Device]:
    """What the holder of a recovery code puts into the roster: their new device in, their old ones out."""
    fresh = new_device(whom.member)
    old = [RemoveDevice(d.id) for d in world.roster.devices_of(whom.member)]
    return world.draft(Signer(By.RECOVERY, whom.member), add_device(fresh, world.cid), *old, rotate=True), fresh


def test_E07_only_a_recovery_key_of_an_active_member_signs(world: World, owner: Device, member: Device) -> None:
    """Attack 38."""
    key = recovery_key(new_recovery_code(), world.cid)
    core, _ = recover(world, member, key)
    with refused("E07"):
        world.admit(world.sign(core, key))
    world.append(world.entry(member, SetRecovery(member.member, key.public)))
    core, fresh = recover(world, member, key)
    assert [d.id for d in world.admit(world.sign(core, key)).devices_of(member.member)] == [fresh.id]
    for nobody in (world.people["other"], new_device(name("nobody"))):
        core, _ = recover(world, nobody, key)
        with refused("E07"):
            world.admit(world.sign(core, key))
    world.append(world.entry(owner, RemoveMember(member.member), rotate=True))
    core, _ = recover(world, member, key)
    with refused("E07"):
        world.admit(world.sign(core, key))


def test_E07_a_genesis_is_signed_by_the_founders_device_alone() -> None:
    founder, other, relay = new_device(name("owner")), new_device(name("owner")), SigningKey.generate()
    ops = genesis_ops(founder, relay)
    stranger = genesis_core(other, *ops)
    with refused("E07"):
        checks.found(sign_entry(stranger, other.key), circle_id(encode_core(stranger)))
    core = genesis_core(founder, *ops)
    cid = circle_id(encode_core(core))
    with refused("E07"):
        checks.found(sign_entry(core, founder.key, ((other.signer, other.key),)), cid)
    approval = founded().approval(founder, ops[2])
    with refused("E07"):
        checks.found(sign_entry(core, founder.key, (), (approval,)), cid)


# --- E08 ---


def test_E08_the_signer_signs_the_whole_core(world: World, owner: Device, member: Device) -> None:
    core = world.draft(owner, rotate=True)
    assert world.admit(world.sign(core, owner)).seq
    with refused("E08"):
        world.admit(world.sign(core, member.key))
    packed = raw_core(core)
    later = raw_core(replace(core, ts=core.ts + 1))
    with refused("E08"):
        world.admit(raw_entry(later, raw_signature(core.signer, owner.key, packed)))


def test_E08_the_relay_makes_no_devices(world: World, owner: Device) -> None:
    """Attack 7: an ADD_DEVICE that nobody, the new device itself or the relay signed."""
    device, added = joiner(world)
    core = world.draft(owner, added, add_device(device, world.cid), rotate=True)
    packed = raw_core(core)
    for key in (device.key, world.relay):
        with refused("E08"):
            world.admit(world.sign(core, key))
    with refused("E08"):
        world.admit(raw_entry(packed, spec.s("sig", core.signer.by, core.signer.id, bytes(64))))
    with refused("E07"):
        world.admit(world.entry(device, added, add_device(device, world.cid), rotate=True))


def test_E08_a_join_is_signed_by_the_key_of_its_invite(world: World, owner: Device) -> None:
    """Attack 32: who doesn't hold the token can't use the invite."""
    device, invite = new_device(name("joiner")), world.invites["member"]
    core = world.draft(invite, *native_join(world, invite, device), rotate=True)
    for key in (device.key, owner.key, world.relay, world.invites["approved"].key):
        with refused("E08"):
            world.admit(world.sign(core, key))
    assert world.admit(world.sign(core, invite)).devices.get(device.id)


def test_E08_a_recovery_is_signed_by_the_members_own_recovery_key(world: World, member: Device) -> None:
    """Attack 38: a wrong code."""
    key = recovery_key(new_recovery_code(), world.cid)
    world.append(world.entry(member, SetRecovery(member.member, key.public)))
    core, _ = recover(world, member, key)
    for wrong in (recovery_key(new_recovery_code(), world.cid), member.key):
        with refused("E08"):
            world.admit(world.sign(core, wrong))
    assert world.admit(world.sign(core, key)).seq


def test_E08_every_co_signature_is_right_and_there_once(world: World, member: Device) -> None:
    gateway = world.people["gateway"]
    op = AddHost(member.member, gateway.member)
    core = world.draft(member, op)
    packed = raw_core(core)
    mine = raw_signature(member.signer, member.key, packed)
    assert world.admit(world.sign(core, member, (gateway,))).members[member.member].host == gateway.member
    for wrong in (
        raw_signature(gateway.signer, member.key, packed),
        raw_signature(new_device(name("x")).signer, gateway.key, packed),
        spec.s("sig", By.DEVICE, gateway.id, bytes(64)),
    ):
        with refused("E08"):
            world.admit(raw_entry(packed, mine, wrong))


def test_E08_a_signer_does_not_sign_twice(world: World, member: Device) -> None:
    gateway = world.people["gateway"]
    core = world.draft(member, AddHost(member.member, gateway.member))
    packed = raw_core(core)
    mine, theirs = (raw_signature(d.signer, d.key, packed) for d in (member, gateway))
    with refused("E08"):
        world.admit(raw_entry(packed, mine, *sorted((mine, theirs))))


def test_E08_a_new_device_proves_that_it_holds_its_key(world: World, owner: Device) -> None:
    device, added = joiner(world)
    other, invite = new_device(name("other-joiner")), world.invites["member"]

    def statement(cid: bytes, member: bytes, invited: bytes) -> bytes:
        return device.key.sign(b"possession", spec.s("possession", cid, member, invited))

    def admitted(op: AddDevice) -> None:
        assert world.admit(world.entry(owner, added, op, rotate=True)).devices.get(device.id)

    admitted(add_device(device, world.cid))
    for wrong in (
        add_device(device, world.cid, proof=bytes(64)),
        add_device(device, world.cid, proof=statement(ZERO32, device.member, ZERO16)),
        add_device(device, world.cid, proof=statement(world.cid, other.member, ZERO16)),
        add_device(device, world.cid, proof=statement(world.cid, device.member, invite.id)),
        add_device(device, world.cid, proof=add_device(replace(other, member=device.member), world.cid).proof),
    ):
        with refused("E08"):
            admitted(wrong)


def test_E08_a_new_devices_subkey_is_its_own_and_names_no_roster(world: World, owner: Device) -> None:
    device, added = joiner(world)
    other = new_device(device.member)
    for wrong in (
        add_device(device, world.cid, subkey_key=other.key),
        add_device(device, world.cid, subkey_device=other.id),
        add_device(device, world.cid, roster_head=world.roster.head),
    ):
        with refused("E08"):
            world.admit(world.entry(owner, added, wrong, rotate=True))
    assert world.admit(world.entry(owner, added, add_device(device, world.cid), rotate=True)).devices.get(device.id)


def test_E08_holds_for_a_genesis() -> None:
    founder, other, relay = new_device(name("owner")), new_device(name("owner")), SigningKey.generate()
    ops = genesis_ops(founder, relay)
    core = genesis_core(founder, *ops)
    with refused("E08"):
        checks.found(sign_entry(core, other.key), circle_id(encode_core(core)))
    forged = genesis_core(founder, ops[0], add_device(founder, ZERO32, proof=bytes(64)), *ops[2:])
    with refused("E08"):
        checks.found(sign_entry(forged, founder.key), circle_id(encode_core(forged)))


# --- E09 ---


@pytest.fixture
def careful() -> World:
    """A circle in which promotions take two."""
    world = circle()
    world.append(world.entry(world.people["owner"], replace(POLICY, quorum=2), rotate=True))
    return world


def promotions(world: World) -> list[Op]:
    someone = world.people["member"].member
    _, invited = new_invite(world.cid, Role.MODERATOR)
    _, gateway = new_invite(world.cid, Role.GATEWAY)
    return [
        SetRole(someone, Role.MODERATOR),
        SetRole(someone, Role.OWNER),
        SetRole(someone, Role.GATEWAY),
        invited,
        gateway,
        replace(POLICY, quorum=1),
    ]


@pytest.mark.parametrize("which", range(6), ids=["moderator", "owner", "gateway", "invite", "gateway-invite", "quorum"])
def test_E09_what_gives_power_takes_a_second_leader(careful: World, which: int) -> None:
    owner, moderator = careful.people["owner"], careful.people["moderator"]
    op = promotions(careful)[which]
    rotate = isinstance(op, SetPolicy)
    with refused("E09"):
        careful.admit(careful.entry(owner, op, rotate=rotate))
    approval = careful.approval(moderator, op)
    assert careful.admit(careful.entry(owner, op, rotate=rotate, approvals=(approval,))).seq


def test_E09_the_rest_takes_one(careful: World) -> None:
    owner, moderator = careful.people["owner"], careful.people["moderator"]
    member = careful.people["member"].member
    _, invited = new_invite(careful.cid)
    assert careful.admit(careful.entry(owner, SetRole(member, Role.ORGANISER))).seq
    assert careful.admit(careful.entry(owner, SetRole(moderator.member, Role.MEMBER))).seq
    assert careful.admit(careful.entry(moderator, invited)).seq
    assert careful.admit(careful.entry(owner, replace(POLICY, quorum=2, epoch_days=5), rotate=True)).seq


def test_E09_a_second_word_counts_only_from_another_active_leader(careful: World) -> None:
    owner, moderator, member = (careful.people[who] for who in ("owner", "moderator", "member"))
    second = new_device(owner.member)
    careful.append(careful.entry(owner, add_device(second, careful.cid), rotate=True))
    op = SetRole(member.member, Role.MODERATOR)
    stranger = new_device(name("stranger"))
    for wrong in (
        careful.approval(owner, op),
        careful.approval(second, op),
        careful.approval(member, op),
        careful.approval(careful.people["gateway"], op),
        careful.approval(stranger, op),
        careful.approval(moderator, op, key=member.key),
        careful.approval(moderator, op, cid=b"x" * 32),
        careful.approval(moderator, SetRole(member.member, Role.OWNER)),
        careful.approval(moderator, SetRole(careful.people["other"].member, Role.MODERATOR)),
        careful.approval(moderator, op, expires=careful.now - 1),
    ):
        with refused("E09"):
            careful.admit(careful.entry(owner, op, approvals=(wrong,)))
    assert careful.admit(
        careful.entry(owner, op, approvals=(careful.approval(moderator, op, expires=careful.now),))
    ).seq


def test_E09_a_removed_leader_approves_nothing(careful: World) -> None:
    owner, moderator, member = (careful.people[who] for who in ("owner", "moderator", "member"))
    join(careful, "owner2")
    op = SetRole(name("owner2"), Role.OWNER)
    careful.append(careful.entry(owner, op, approvals=(careful.approval(moderator, op),)))
    promote = SetRole(member.member, Role.MODERATOR)
    late = careful.approval(moderator, promote)
    assert careful.admit(careful.entry(owner, promote, approvals=(late,))).seq
    careful.append(careful.entry(owner, RemoveMember(moderator.member), rotate=True))
    with refused("E09"):
        careful.admit(careful.entry(owner, promote, approvals=(late,)))


def test_E09_a_leaders_lost_device_approves_nothing(careful: World) -> None:
    owner, moderator, member = (careful.people[who] for who in ("owner", "moderator", "member"))
    kept = new_device(moderator.member)
    careful.append(careful.entry(moderator, add_device(kept, careful.cid), rotate=True))
    careful.append(careful.entry(kept, RemoveDevice(moderator.id), rotate=True))
    op = SetRole(member.member, Role.MODERATOR)
    with refused("E09"):
        careful.admit(careful.entry(owner, op, approvals=(careful.approval(moderator, op),)))
    assert careful.admit(careful.entry(owner, op, approvals=(careful.approval(kept, op),))).seq


def test_E09_a_proposal_is_used_once(careful: World) -> None:
    owner, moderator, member = (careful.people[who] for who in ("owner", "moderator", "member"))
    op = SetRole(member.member, Role.MODERATOR)
    approval = careful.approval(moderator, op)
    careful.append(careful.entry(owner, op, approvals=(approval,)))
    careful.append(careful.entry(owner, SetRole(member.member, Role.MEMBER)))
    with refused("E09"):
        careful.admit(careful.entry(owner, op, approvals=(approval,)))
    assert careful.admit(careful.entry(owner, op, approvals=(careful.approval(moderator, op),))).seq


def test_E09_an_expired_proposal_is_not_revived_by_an_entry_that_turns_back_its_clock(careful: World) -> None:
    owner, moderator, member = (careful.people[who] for who in ("owner", "moderator", "member"))
    op = SetRole(member.member, Role.MODERATOR)
    approval = careful.approval(moderator, op, expires=careful.now + 10)
    careful.append(careful.entry(moderator, Checkpoint(1, careful.heads[1]), ts=careful.now + 100))
    with refused("E09"):
        careful.admit(careful.entry(owner, op, approvals=(approval,), ts=careful.now))


def test_E09_each_promotion_has_its_own_word_and_no_word_is_left_over(careful: World) -> None:
    """Approvals stand beside the signed core: one to spare could be dropped, and the entry would have a second hash."""
    owner, moderator = careful.people["owner"], careful.people["moderator"]
    first, second = (SetRole(careful.people[who].member, Role.MODERATOR) for who in ("member", "other"))
    word, other_word = careful.approval(moderator, first), careful.approval(moderator, second)
    with refused("E09"):
        careful.admit(careful.entry(owner, first, second, approvals=(word,)))
    with refused("E09"):
        careful.admit(careful.entry(owner, first, approvals=(word, other_word)))
    with refused("E09"):
        careful.admit(careful.entry(owner, first, approvals=(word, careful.approval(moderator, first))))
    with refused("E09"):
        careful.admit(careful.entry(careful.people["member"], rotate=True, approvals=(word,)))
    assert careful.admit(careful.entry(owner, first, second, approvals=(word, other_word))).seq


def test_E09_one_leader_alone_decides_alone() -> None:
    world = founded(replace(POLICY, quorum=2))
    owner = world.people["owner"]
    world.invites["member"], op = new_invite(world.cid)
    world.append(world.entry(owner, op))
    someone = join(world, "someone")
    promote = SetRole(someone.member, Role.MODERATOR)
    world.append(world.entry(owner, promote))
    other = join(world, "other")
    promote = SetRole(other.member, Role.MODERATOR)
    with refused("E09"):
        world.admit(world.entry(owner, promote))
    # A leader who has lost every device can't sign, so nobody waits for them.
    world.append(world.entry(owner, RemoveDevice(someone.id), rotate=True))
    assert world.admit(world.entry(owner, promote)).seq


def test_E09_without_a_quorum_no_second_word_is_asked_or_taken(world: World, owner: Device, member: Device) -> None:
    op = SetRole(member.member, Role.MODERATOR)
    assert world.admit(world.entry(owner, op)).seq
    with refused("E09"):
        world.admit(world.entry(owner, op, approvals=(world.approval(world.people["moderator"], op),)))


# --- E11, E12, E13 ---


def test_E11_a_removal_or_a_change_of_the_rules_carries_an_epoch(world: World, owner: Device, member: Device) -> None:
    """Attack 9."""
    for op in (
        RemoveMember(member.member),
        RemoveDevice(member.id),
        RemoveMember(GUEST),
        replace(POLICY, epoch_days=3),
    ):
        with refused("E11"):
            world.admit(world.entry(owner, op))
        assert world.admit(world.entry(owner, op, rotate=True)).epoch != world.roster.epoch


def test_E11_holds_whatever_else_the_entry_does(world: World, owner: Device, member: Device) -> None:
    other = Checkpoint(1, world.heads[1])
    with refused("E11"):
        world.admit(world.entry(owner, other, RemoveMember(member.member)))
    assert world.admit(world.entry(owner, other, RemoveMember(member.member), rotate=True)).seq


def test_E11_a_members_other_device_goes_with_an_epoch(world: World, member: Device) -> None:
    second = new_device(member.member)
    world.append(world.entry(member, add_device(second, world.cid), rotate=True))
    with refused("E11"):
        world.admit(world.entry(member, RemoveDevice(second.id)))
    assert not world.admit(world.entry(member, RemoveDevice(second.id), rotate=True)).devices[second.id].active


def test_E12_who_goes_does_not_choose_the_next_secret(world: World, member: Device) -> None:
    for op in (Leave(member.member), RemoveDevice(member.id)):
        with refused("E12"):
            world.admit(world.entry(member, op, rotate=True))
        after = world.admit(world.entry(member, op))
        assert after.rekey_required
        assert after.epoch == world.roster.epoch
        assert not after.devices[member.id].active


def test_E12_a_gateway_does_not_choose_it_for_whom_it_lets_go(world: World) -> None:
    gateway = world.people["gateway"]
    with refused("E12"):
        world.admit(world.entry(gateway, Leave(GUEST), rotate=True))
    assert world.admit(world.entry(gateway, Leave(GUEST))).rekey_required


def test_E12_the_next_epoch_lifts_the_requirement(world: World, owner: Device, member: Device) -> None:
    world.append(world.entry(member, Leave(member.member)))
    world.append(world.entry(owner, Checkpoint(1, world.heads[1])))
    assert world.roster.rekey_required
    world.append(world.entry(owner, rotate=True))
    assert not world.roster.rekey_required


def test_E13_a_device_joins_with_an_epoch(world: World, owner: Device, member: Device) -> None:
    device, added = joiner(world)
    invite, own = world.invites["member"], new_device(member.member)
    for signer, ops in (
        (owner, (added, add_device(device, world.cid))),
        (invite, native_join(world, invite, device)),
        (member, (add_device(own, world.cid),)),
    ):
        with refused("E13"):
            world.admit(world.entry(signer, *ops))
        assert world.admit(world.entry(signer, *ops, rotate=True)).epoch != world.roster.epoch


def test_E13_a_hosted_member_brings_no_device_and_needs_no_epoch(world: World) -> None:
    gateway = world.people["gateway"]
    op = hosted_member(world, gateway, world.invites["member"], name("guest2"))
    assert world.admit(world.entry(gateway, op)).members[name("guest2")].active


# --- E14, E15, E16, E17 ---


def test_E14_epochs_count_one_by_one(world: World, owner: Device) -> None:
    assert world.roster.epoch is not None
    e = world.roster.epoch.e
    core = world.draft(owner, rotate=True)
    for wrong in (0, e, e + 2, 2**64 - 1):
        with refused("E14"):
            world.admit(world.sign(replace(core, epoch=world.opening(core, e=wrong)), owner))
    after = world.admit(world.sign(core, owner))
    assert after.epoch is not None
    assert after.epoch.e == e + 1


def test_E14_an_epoch_promises_as_much_history_as_the_policy(world: World, owner: Device, member: Device) -> None:
    core = world.draft(member, rotate=True)
    for days in (POLICY.history_days + 1, 0, 36_500):
        with refused("E14"):
            world.admit(world.sign(replace(core, epoch=world.opening(core, history_days=days)), member))
    stricter = replace(POLICY, history_days=5)
    core = world.draft(owner, stricter, rotate=True)
    with refused("E14"):
        world.admit(world.sign(replace(core, epoch=world.opening(core, history_days=POLICY.history_days)), owner))
    assert world.admit(world.sign(core, owner)).policy == stricter


def test_E15_nobody_is_left_out_of_an_epoch_or_let_in(world: World, owner: Device, member: Device) -> None:
    """Attack 5."""
    core = world.draft(owner, rotate=True)
    right = world.recipients_after(())
    stranger = (new_device(name("x")).id, 1, b"h" * 32)
    changed = [(at, n + 1 if at == member.id else n, digest) for at, n, digest in right]
    for wrong in (right[1:], [*right, stranger], [*right, right[0]], changed, []):
        with refused("E15"):
            digest = spec.recipients_digest(wrong) if wrong else ZERO32
            world.admit(world.sign(replace(core, epoch=world.opening(core, recipients=digest)), owner))
    assert world.admit(world.sign(core, owner)).seq


def test_E15_the_order_of_recipients_does_not_matter(world: World, owner: Device) -> None:
    right = world.recipients_after(())
    assert spec.recipients_digest(right) == spec.recipients_digest(right[::-1])
    assert world.admit(world.entry(owner, rotate=True)).seq


def test_E15_a_device_is_not_left_out_for_an_old_subkey(world: World, owner: Device, member: Device) -> None:
    """Attack 46: the newest subkey counts, however old; an older one doesn't."""
    before = {at: (n, digest) for at, n, digest in world.recipients_after(())}
    world.publish(member, 2)
    core = world.draft(owner, rotate=True)
    right = world.recipients_after(())
    old = [(at, *before[at]) for at, _, _ in right]
    without = [pair for pair in right if pair[0] != member.id]
    for wrong in (old, without):
        with refused("E15"):
            digest = spec.recipients_digest(wrong)
            world.admit(world.sign(replace(core, epoch=world.opening(core, recipients=digest)), owner))
    assert world.admit(world.sign(core, owner)).seq


def test_E15_recipients_are_those_at_the_log_position_the_signer_saw(
    world: World, owner: Device, member: Device
) -> None:
    core = world.draft(owner, rotate=True)
    world.publish(member, 2)
    assert world.admit(world.sign(core, owner)).seq
    seen = world.draft(owner, rotate=True, log_pos=world.p - 1, log_head=world.heads[-2])
    with refused("E15"):
        world.admit(world.sign(seen, owner))


def test_E15_an_entry_saw_the_log_up_to_the_entry_before_it(world: World, owner: Device) -> None:
    last = world.roster.p
    for rotate in (False, True):
        op = (Checkpoint(1, world.heads[1]),)
        with refused("E15"):
            world.admit(world.entry(owner, *op, rotate=rotate, log_pos=last - 1, log_head=world.heads[last - 1]))
        assert world.admit(world.entry(owner, *op, rotate=rotate, log_pos=last, log_head=world.heads[last])).seq


def test_E15_removed_devices_are_no_recipients(world: World, owner: Device, member: Device) -> None:
    """Attack 12."""
    core = world.draft(owner, RemoveMember(member.member), rotate=True)
    everyone = spec.recipients_digest(world.recipients_after(()))
    with refused("E15"):
        world.admit(world.sign(replace(core, epoch=world.opening(core, recipients=everyone)), owner))
    built = world.copy().rotate(owner, RemoveMember(member.member))
    assert len(built.envelopes) == len(world.recipients_after(())) - 1


def test_E16_a_new_device_starts_with_subkey_number_1(world: World, owner: Device) -> None:
    device, added = joiner(world)
    for n in (0, 2, 2**64 - 1):
        core = world.draft(owner, added, add_device(device, world.cid, n=n), rotate=True)
        pairs = [(at, n if at == device.id else m, digest) for at, m, digest in world.recipients_after(core.ops)]
        epoch = world.opening(core, recipients=spec.recipients_digest(pairs))
        with refused("E16"):
            world.admit(world.sign(replace(core, epoch=epoch), owner))
    assert world.admit(world.entry(owner, added, add_device(device, world.cid), rotate=True)).seq


def test_E16_a_device_is_not_added_again(world: World, owner: Device, member: Device) -> None:
    """Its subkey number would fall back to 1 (attack 31), and a removed device would be back."""
    world.publish(member, 2)
    with refused("E16"):
        world.admit(world.entry(member, add_device(member, world.cid), rotate=True))
    other = new_device(member.member)
    world.append(world.entry(member, add_device(other, world.cid), rotate=True))
    world.append(world.entry(member, RemoveDevice(other.id), rotate=True))
    with refused("E16"):
        world.admit(world.entry(member, add_device(other, world.cid), rotate=True))


def test_E17_the_last_owner_stays(world: World, owner: Device, member: Device) -> None:
    for op in (Leave(owner.member), RemoveDevice(owner.id), SetRole(owner.member, Role.MODERATOR)):
        with refused("E17"):
            world.admit(world.entry(owner, op))
    world.append(world.entry(owner, SetRole(member.member, Role.OWNER)))
    for op in (Leave(owner.member), RemoveDevice(owner.id), SetRole(owner.member, Role.MODERATOR)):
        assert world.admit(world.entry(owner, op)).seq


def test_E17_an_owner_without_a_device_is_no_owner_to_rely_on(world: World, owner: Device, member: Device) -> None:
    world.append(world.entry(owner, SetRole(member.member, Role.OWNER)))
    world.append(world.entry(owner, RemoveDevice(member.id), rotate=True))
    with refused("E17"):
        world.admit(world.entry(owner, Leave(owner.member)))


# --- E18 ---


def opened(world: World, **terms: Any) -> Any:
    invite, op = new_invite(world.cid, **terms)
    world.append(world.entry(world.people["owner"], op))
    return invite


def self_join(world: World, invite: Any, who: str = "joiner", **changes: Any) -> bytes:
    device = new_device(name(who))
    return world.entry(invite, *native_join(world, invite, device), rotate=True, **changes)


def test_E18_a_revoked_invite_admits_nobody(world: World, owner: Device) -> None:
    """Attack 45."""
    invite = opened(world)
    assert world.admit(self_join(world, invite)).seq
    world.append(world.entry(owner, RevokeInvite(invite.id)))
    with refused("E18"):
        world.admit(self_join(world, invite))


def test_E18_an_expired_invite_admits_nobody(world: World, owner: Device) -> None:
    """Attack 45: by the newest time an owner, moderator or gateway has signed, or the entry's own."""
    invite = opened(world, expires=START + 100)
    assert world.admit(self_join(world, invite, ts=START + 100)).seq
    with refused("E18"):
        world.admit(self_join(world, invite, ts=START + 101))
    world.append(world.entry(world.people["member"], rotate=True, ts=START + 500))
    assert world.admit(self_join(world, invite)).seq
    world.append(world.entry(owner, rotate=True, ts=START + 101))
    with refused("E18"):
        world.admit(self_join(world, invite, ts=START))


@pytest.mark.parametrize("who", ["owner", "moderator", "gateway"])
def test_E18_leaders_and_gateways_keep_the_time_by_which_invites_expire(world: World, who: str) -> None:
    invite = opened(world, expires=START + 100)
    world.append(world.entry(world.people[who], rotate=True, ts=START + 101))
    with refused("E18"):
        world.admit(self_join(world, invite))


def test_E18_a_moderator_who_dates_the_future_is_removed_together_with_their_time(world: World, owner: Device) -> None:
    """Attack 24."""
    moderator = world.people["moderator"]
    invite = opened(world, expires=START + 100)
    world.append(world.entry(moderator, rotate=True, ts=START + 10**9))
    with refused("E18"):
        world.admit(self_join(world, invite))
    world.append(world.entry(owner, RemoveMember(moderator.member), rotate=True, ts=START + 50))
    assert world.admit(self_join(world, invite, ts=START + 60)).seq


def test_E18_a_used_up_invite_admits_nobody(world: World) -> None:
    """Attacks 32 and 45: uses count in log order."""
    invite = opened(world, uses=2)
    world.append(self_join(world, invite, "first"))
    world.append(self_join(world, invite, "second"))
    with refused("E18"):
        world.admit(self_join(world, invite, "third"))


def test_E18_one_use_does_not_admit_two(world: World) -> None:
    """Attack 45."""
    gateway = world.people["gateway"]
    both = [name("guest2"), name("guest3")]
    one, two = opened(world, uses=1), opened(world, uses=2)
    with refused("E18"):
        world.admit(world.entry(gateway, *(hosted_member(world, gateway, one, member) for member in both)))
    assert world.admit(world.entry(gateway, *(hosted_member(world, gateway, two, member) for member in both))).seq


def test_E18_holds_for_a_moderator_who_lets_somebody_in_by_an_invite(world: World, owner: Device) -> None:
    moderator, invite = world.people["moderator"], opened(world, approve=1)
    device = new_device(name("joiner"))
    ops = native_join(world, invite, device)
    assert world.admit(world.entry(moderator, *ops, rotate=True)).invites[invite.id].uses == 4
    world.append(world.entry(owner, RevokeInvite(invite.id)))
    with refused("E18"):
        world.admit(world.entry(moderator, *ops, rotate=True))


def test_E18_a_hosted_member_comes_with_the_invites_own_signature(world: World) -> None:
    gateway, invite = world.people["gateway"], world.invites["member"]
    guest = name("guest2")
    good = hosted_member(world, gateway, invite, guest)
    elsewhere = spec.s("hosted-join", b"x" * 32, guest, gateway.member)
    assert world.admit(world.entry(gateway, good)).members[guest].host == gateway.member
    for signature in (
        bytes(64),
        hosted_member(world, gateway, invite, name("guest3")).invite_sig,
        hosted_member(world, world.people["gateway2"], invite, guest).invite_sig,
        gateway.key.sign(b"hosted-join", spec.s("hosted-join", world.cid, guest, gateway.member)),
        invite.key.sign(b"hosted-join", elsewhere),
        invite.key.sign(b"possession", spec.s("hosted-join", world.cid, guest, gateway.member)),
    ):
        with refused("E18"):
            world.admit(world.entry(gateway, replace(good, invite_sig=signature)))


def test_E18_an_invite_nobody_made_admits_nobody(world: World) -> None:
    """A leader names an invite; the roster has none of that id, so nobody may say what it grants."""
    unknown, _ = new_invite(world.cid)
    device = new_device(name("joiner"))
    with refused("E10"):
        world.admit(world.entry(world.people["owner"], *native_join(world, unknown, device), rotate=True))


# --- E19 ---

BAD_SIGNING_KEYS = {
    "order 4": 0,
    "order 1": 1,
    "order 2": spec.P25519 - 1,
    "order 8": int.from_bytes(
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
    ),
    "order 8 too": int.from_bytes(
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
    ),
    "order 4, not canonical": spec.P25519,
    "order 1, not canonical": spec.P25519 + 1,
    "order 1, wrong sign": 1 + 2**255,
    "order 2, wrong sign": spec.P25519 - 1 + 2**255,
    "order 4, other sign": 2**255,
}


@pytest.mark.parametrize("number", BAD_SIGNING_KEYS.values(), ids=BAD_SIGNING_KEYS.keys())
def test_E19_no_signing_key_under_which_anybody_can_sign(world: World, owner: Device, number: int) -> None:
    """Attack 29. Signatures are forged under the very key, so nothing else can refuse it."""
    public = number.to_bytes(32, "little")
    device, added = joiner(world)
    at = spec.device_id(public)
    core = spec.s("subkey-core", 1, world.cid, at, 1, device.sealing[1].public, ZERO32)
    record = spec.s("subkey", core, small_order_signature(public, "subkey", core))
    proof = small_order_signature(public, "possession", spec.s("possession", world.cid, device.member, ZERO16))
    with refused("E19"):
        world.admit(world.entry(owner, added, AddDevice(device.member, public, record, proof), rotate=True))


@pytest.mark.parametrize(
    "number", [*BAD_SIGNING_KEYS.values(), spec.P25519 + 7, 2**255 - 1, 2**256 - 1], ids=lambda number: hex(number)[-6:]
)
def test_E19_holds_for_every_signing_key_in_the_roster(world: World, owner: Device, number: int) -> None:
    public = number.to_bytes(32, "little")
    good = SigningKey.generate().public

    def ops(key: bytes) -> list[Op]:
        return [
            AddInvite(spec.h(b"invite" + key)[:16], key, Role.MEMBER, 1, START + DAY, 0),
            SetRecovery(owner.member, key),
            SetRelay(b"https://relay.example", key),
        ]

    for bad, fine in zip(ops(public), ops(good), strict=True):
        assert world.admit(world.entry(owner, fine)).seq
        with refused("E19"):
            world.admit(world.entry(owner, bad))


def bad_sealing_keys() -> dict[str, bytes]:
    good = SealingKey.generate().public
    kem, curve = good[:1184], good[1184:]
    small = 325606250916557431795983626356110631294008115727848805560023387167927233504
    return {
        "all zero": bytes(1216),
        "zero X25519": kem + bytes(32),
        "zero ML-KEM": bytes(1184) + curve,
        "ML-KEM above its modulus": b"\xff" * 1152 + kem[1152:] + curve,
        "X25519 of order 1": kem + (1).to_bytes(32, "little"),
        "X25519 of order 8": kem + small.to_bytes(32, "little"),
        "X25519 of order 2": kem + (spec.P25519 - 1).to_bytes(32, "little"),
        "X25519 zero, not canonical": kem + spec.P25519.to_bytes(32, "little"),
    }


@pytest.mark.parametrize("bad", bad_sealing_keys().values(), ids=bad_sealing_keys().keys())
def test_E19_no_subkey_that_cannot_be_sealed_to(world: World, owner: Device, bad: bytes) -> None:
    """Attack 29."""
    device, added = joiner(world)
    with refused("E19"):
        world.admit(world.entry(owner, added, add_device(device, world.cid, public=bad), rotate=True))
    good = add_device(device, world.cid, public=SealingKey.generate().public)
    assert world.admit(world.entry(owner, added, good, rotate=True)).devices.get(device.id)


def test_E19_holds_for_a_genesis() -> None:
    founder, relay = new_device(name("owner")), SigningKey.generate()
    ops = genesis_ops(founder, relay)

    def found(*given: Op) -> None:
        core = genesis_core(founder, *given)
        checks.found(sign_entry(core, founder.key), circle_id(encode_core(core)))

    found(*ops)
    with refused("E19"):
        found(*ops[:4], SetRelay(b"https://relay.example", ZERO32))
    with refused("E19"):
        found(*ops, SetRecovery(founder.member, ZERO32))
    with refused("E19"):
        found(ops[0], add_device(founder, ZERO32, public=bytes(1216)), *ops[2:])


# --- what an entry does when it may ---


def test_an_admitted_entry_changes_the_roster_and_nothing_before_it(
    world: World, owner: Device, member: Device
) -> None:
    before = world.roster
    device, added = joiner(world)
    after = world.append(world.entry(owner, added, add_device(device, world.cid), rotate=True))
    assert device.id not in before.devices
    assert after.devices[device.id].added_p == after.p == world.p
    core = raw_core(parse_entry(world.wires[-1]).core)
    assert after.head == spec.h(core + spec.s("sigs", raw_signature(owner.signer, owner.key, core)))
    assert after.members[device.member].role is Role.MEMBER
    assert before.epoch is not None
    assert after.epoch is not None
    assert after.epoch.prev == before.head
    removed = world.append(world.entry(owner, RemoveMember(member.member), rotate=True))
    assert removed.devices[member.id].removed_p == removed.p
    assert removed.devices[member.id].active_at(removed.p - 1)
    assert not removed.devices[member.id].active_at(removed.p)


def test_the_relays_key_and_address_can_be_replaced(world: World, owner: Device) -> None:
    key = SigningKey.generate().public
    after = world.append(world.entry(owner, SetRelay(b"https://new.example", key)))
    assert (after.relay_url, after.relay_key) == ("https://new.example", key)


def test_the_reason_of_an_epoch_is_for_people_and_decides_nothing(world: World, owner: Device) -> None:
    core = world.draft(owner, rotate=True)
    for reason in (*Reason, 0, 99):
        assert world.admit(world.sign(replace(core, epoch=world.opening(core, reason=reason)), owner)).seq


def test_a_record_of_another_kind_between_two_entries_changes_nothing_for_them(world: World, owner: Device) -> None:
    core = world.draft(owner, rotate=True)
    world.log(Kind.MESSAGE, random_bytes(40))
    assert world.admit(world.sign(core, owner)).p == world.p + 1

"""E10: who may do what to the roster, each right of docs/protocol.md allowed and refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import pytest

from peerbot.protocol.keys import new_recovery_code, recovery_key
from peerbot.protocol.primitives import SigningKey
from peerbot.protocol.roster.entry import By, Signer, sign_entry
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
    SetRelay,
    SetRole,
)
from peerbot.protocol.wire import ZERO16
from tests.protocol.builders import (
    GUEST,
    POLICY,
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
    refused,
)

EVERYONE: Final = ("owner", "moderator", "organiser", "member", "gateway")
LEADERS: Final = {"owner", "moderator"}
OWNER: Final = {"owner"}
NOBODY: Final[set[str]] = set()


@cache
def full() -> World:
    """The circle with a second owner and moderator, two invites for more, and a second device each for all who act."""
    world = circle()
    owner = world.people["owner"]
    join(world, "owner2", Role.OWNER)
    join(world, "moderator2", Role.MODERATOR)
    join(world, "organiser2", Role.ORGANISER)
    for label, role in (("organiser", Role.ORGANISER), ("moderator", Role.MODERATOR), ("gateway", Role.GATEWAY)):
        world.invites[label], op = new_invite(world.cid, role)
        world.append(world.entry(owner, op))
    for who in (*EVERYONE, "other"):
        second = new_device(world.people[who].member)
        world.append(world.entry(world.people[who], add_device(second, world.cid), rotate=True))
        world.people[who + "'s second"] = second
    return world


@dataclass(frozen=True)
class Deed:
    """What somebody tries, and who may. `rotate` where the ops have to carry an epoch."""

    ops: Callable[[World, Device], tuple[Op, ...]]
    allowed: set[str]
    rotate: bool = False


def newcomer(member: bytes = name("newcomer")) -> Device:
    return new_device(member)


def joined(world: World, invite: str = "", *, devices: int = 1) -> tuple[Op, ...]:
    """A native newcomer with devices, by an invite or by nothing but the signer's word."""
    device = newcomer()
    used = world.invites[invite].id if invite else ZERO16
    extra = [add_device(new_device(device.member), world.cid, invite=used) for _ in range(devices - 1)]
    return (AddMember(device.member, 0, ZERO16, used, b""), add_device(device, world.cid, invite=used), *extra)


def reset(world: World, whom: str, *, keep: int = 0, devices: int = 1) -> tuple[Op, ...]:
    """New devices for somebody, and all their old ones out but `keep`."""
    member = world.people[whom].member
    old = [RemoveDevice(d.id) for d in world.roster.devices_of(member)]
    return (*old[keep:], *(add_device(new_device(member), world.cid) for _ in range(devices)))


def hosting(world: World, gateway: Device, **changes: Any) -> tuple[Op, ...]:
    return (replace(hosted_member(world, gateway, world.invites["member"], name("guest2")), **changes),)


def invited(role: Role) -> Callable[[World, Device], tuple[Op, ...]]:
    return lambda w, who: (new_invite(w.cid, role)[1],)


def on(member: str | bytes, op: Callable[[bytes], Op]) -> Callable[[World, Device], tuple[Op, ...]]:
    return lambda w, who: (op(member if isinstance(member, bytes) else w.people[member].member),)


KEY: Final = SigningKey.generate().public
DEEDS: Final[dict[str, Deed]] = {
    # Members
    "add a member": Deed(lambda w, who: joined(w), LEADERS, True),
    "add a member with two devices": Deed(lambda w, who: joined(w, devices=2), LEADERS, True),
    "add a member by a member's invite": Deed(lambda w, who: joined(w, "member"), LEADERS, True),
    "add a member by an invite to approve": Deed(lambda w, who: joined(w, "approved"), LEADERS, True),
    "add a member by an organiser's invite": Deed(lambda w, who: joined(w, "organiser"), OWNER, True),
    "add a member by a moderator's invite": Deed(lambda w, who: joined(w, "moderator"), OWNER, True),
    "add a member by a gateway's invite": Deed(lambda w, who: joined(w, "gateway"), OWNER, True),
    "add a member without a device": Deed(lambda w, who: joined(w)[:1], LEADERS),
    "add a member who is there": Deed(on("other", lambda m: AddMember(m, 0, ZERO16, ZERO16, b"")), NOBODY),
    "add a member who was there": Deed(on(name("gone"), lambda m: AddMember(m, 0, ZERO16, ZERO16, b"")), LEADERS),
    "add a member of no name": Deed(on(ZERO16, lambda m: AddMember(m, 0, ZERO16, ZERO16, b"")), NOBODY),
    "add a native member with a host": Deed(
        lambda w, who: (AddMember(name("n"), 0, w.people["gateway"].member, ZERO16, b""),), NOBODY
    ),
    "add a native member with a gateway's signature": Deed(
        lambda w, who: (AddMember(name("n"), 0, ZERO16, ZERO16, b"s" * 64),), NOBODY
    ),
    "remove a member": Deed(on("other", RemoveMember), LEADERS, True),
    "remove an organiser": Deed(on("organiser2", RemoveMember), LEADERS, True),
    "remove a gateway": Deed(on("gateway2", RemoveMember), LEADERS, True),
    "remove a moderator": Deed(on("moderator2", RemoveMember), OWNER, True),
    "remove an owner": Deed(on("owner2", RemoveMember), OWNER, True),
    "remove a hosted member": Deed(on(GUEST, RemoveMember), LEADERS | {"gateway"}, True),
    "remove nobody": Deed(on(name("nobody"), RemoveMember), NOBODY, True),
    "remove oneself as one removes others": Deed(lambda w, who: (RemoveMember(who.member),), NOBODY, True),
    "leave": Deed(lambda w, who: (Leave(who.member),), set(EVERYONE)),
    "make another leave": Deed(on("other", Leave), NOBODY),
    "make an organiser leave": Deed(on("organiser2", Leave), NOBODY),
    "let a hosted member go": Deed(on(GUEST, Leave), {"gateway"}),
    # Hosted members
    "host a newcomer": Deed(hosting, {"gateway"}),
    "host a newcomer at another gateway": Deed(
        lambda w, who: (hosted_member(w, w.people["gateway2"], w.invites["member"], name("guest2")),), NOBODY
    ),
    "host a newcomer without an invite": Deed(lambda w, who: hosting(w, who, invite=ZERO16), NOBODY),
    "host a newcomer without the invite's signature": Deed(lambda w, who: hosting(w, who, invite_sig=b""), NOBODY),
    "host a newcomer by an invite to approve": Deed(
        lambda w, who: (hosted_member(w, who, w.invites["approved"], name("guest2")),), NOBODY
    ),
    "host an organiser by an invite": Deed(
        lambda w, who: (hosted_member(w, who, w.invites["organiser"], name("guest2")),), {"gateway"}
    ),
    "host a moderator by an invite": Deed(
        lambda w, who: (hosted_member(w, who, w.invites["moderator"], name("guest2")),), NOBODY
    ),
    "host a gateway by an invite": Deed(
        lambda w, who: (hosted_member(w, who, w.invites["gateway"], name("guest2")),), NOBODY
    ),
    "host somebody who is there": Deed(
        lambda w, who: (hosted_member(w, who, w.invites["member"], w.people["other"].member),), NOBODY
    ),
    # Devices
    "add a device of one's own": Deed(lambda w, who: (add_device(new_device(who.member), w.cid),), set(EVERYONE), True),
    "add a device to another": Deed(
        lambda w, who: (add_device(new_device(w.people["other"].member), w.cid),), NOBODY, True
    ),
    "add a device to nobody": Deed(lambda w, who: (add_device(new_device(name("nobody")), w.cid),), NOBODY, True),
    "add another's device as one's own": Deed(
        lambda w, who: (add_device(replace(w.people["other"], member=who.member), w.cid),), NOBODY, True
    ),
    "add a device to somebody hosted": Deed(lambda w, who: (add_device(new_device(GUEST), w.cid),), LEADERS, True),
    "add a member, and a device to another": Deed(
        lambda w, who: (joined(w)[0], add_device(new_device(w.people["other"].member), w.cid)), NOBODY, True
    ),
    "host a newcomer with a device": Deed(
        lambda w, who: (*hosting(w, who), add_device(new_device(name("guest2")), w.cid, invite=w.invites["member"].id)),
        NOBODY,
        True,
    ),
    "reset a member": Deed(lambda w, who: reset(w, "other"), LEADERS, True),
    "reset an organiser": Deed(lambda w, who: reset(w, "organiser2"), LEADERS, True),
    "reset a gateway": Deed(lambda w, who: reset(w, "gateway2"), LEADERS, True),
    "reset a moderator": Deed(lambda w, who: reset(w, "moderator2"), OWNER, True),
    "reset an owner": Deed(lambda w, who: reset(w, "owner2"), OWNER, True),
    "reset a member and leave an old device": Deed(lambda w, who: reset(w, "other", keep=1), NOBODY, True),
    "remove one's own other device": Deed(
        lambda w, who: (RemoveDevice(next(d.id for d in w.roster.devices_of(who.member) if d.id != who.id)),),
        set(EVERYONE),
        True,
    ),
    "remove a member's device": Deed(lambda w, who: (RemoveDevice(w.people["other"].id),), LEADERS, True),
    "remove a moderator's device": Deed(lambda w, who: (RemoveDevice(w.people["moderator2"].id),), OWNER, True),
    "remove a device that isn't there": Deed(lambda w, who: (RemoveDevice(name("nothing")),), NOBODY, True),
    # Roles, rules, relay
    "promote a member": Deed(on("other", lambda m: SetRole(m, Role.MODERATOR)), OWNER),
    "promote oneself": Deed(lambda w, who: (SetRole(who.member, Role.OWNER),), OWNER),
    "make a gateway": Deed(on("other", lambda m: SetRole(m, Role.GATEWAY)), OWNER),
    "demote a moderator": Deed(on("moderator2", lambda m: SetRole(m, Role.MEMBER)), OWNER),
    "make a hosted member an organiser": Deed(on(GUEST, lambda m: SetRole(m, Role.ORGANISER)), OWNER),
    "make a hosted member a moderator": Deed(on(GUEST, lambda m: SetRole(m, Role.MODERATOR)), NOBODY),
    "make a hosted member a gateway": Deed(on(GUEST, lambda m: SetRole(m, Role.GATEWAY)), NOBODY),
    "demote a gateway that hosts nobody": Deed(on("gateway2", lambda m: SetRole(m, Role.MEMBER)), OWNER),
    "demote a gateway that hosts somebody": Deed(on("gateway", lambda m: SetRole(m, Role.MEMBER)), NOBODY),
    "confirm a gateway that hosts somebody": Deed(on("gateway", lambda m: SetRole(m, Role.GATEWAY)), OWNER),
    "promote nobody": Deed(on(name("nobody"), lambda m: SetRole(m, Role.ORGANISER)), NOBODY),
    "change the rules": Deed(lambda w, who: (replace(POLICY, history_days=7),), OWNER, True),
    "move to another relay": Deed(lambda w, who: (SetRelay(b"https://new.example", KEY),), OWNER),
    # Recovery
    "set one's own recovery key": Deed(lambda w, who: (SetRecovery(who.member, KEY),), set(EVERYONE)),
    "set another's recovery key": Deed(on("other", lambda m: SetRecovery(m, KEY)), NOBODY),
    "set a hosted member's recovery key": Deed(on(GUEST, lambda m: SetRecovery(m, KEY)), {"gateway"}),
    # Invites
    "invite a member": Deed(invited(Role.MEMBER), LEADERS),
    "invite an organiser": Deed(invited(Role.ORGANISER), OWNER),
    "invite a moderator": Deed(invited(Role.MODERATOR), OWNER),
    "invite an owner": Deed(invited(Role.OWNER), OWNER),
    "invite a gateway": Deed(invited(Role.GATEWAY), OWNER),
    "invite under an id that isn't the key's": Deed(
        lambda w, who: (replace(new_invite(w.cid)[1], invite=name("id")),), NOBODY
    ),
    "invite once more by an invite that is there": Deed(
        lambda w, who: (
            replace(new_invite(w.cid)[1], invite=w.invites["member"].id, public=w.invites["member"].key.public),
        ),
        NOBODY,
    ),
    "revoke a member's invite": Deed(lambda w, who: (RevokeInvite(w.invites["member"].id),), LEADERS),
    "revoke a moderator's invite": Deed(lambda w, who: (RevokeInvite(w.invites["moderator"].id),), OWNER),
    "revoke no invite": Deed(lambda w, who: (RevokeInvite(name("nothing")),), NOBODY),
    # The rest
    "write a checkpoint": Deed(lambda w, who: (Checkpoint(1, w.heads[1]),), LEADERS | {"gateway"}),
    "rotate": Deed(lambda w, who: (), set(EVERYONE), True),
    "say nothing": Deed(lambda w, who: (), NOBODY),
    "say a thing twice": Deed(
        lambda w, who: (SetRecovery(who.member, KEY), SetRecovery(who.member, SigningKey.generate().public)), NOBODY
    ),
    "write two checkpoints": Deed(lambda w, who: (Checkpoint(1, w.heads[1]), Checkpoint(2, w.heads[2])), NOBODY),
}


@pytest.mark.parametrize("who", EVERYONE)
@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS.keys())
def test_E10_each_role_may_do_this_and_no_more(deed: Deed, who: str) -> None:
    """Attacks 8 and 16 among them: nobody promotes himself, and a gateway leaves native members alone."""
    world = full().copy()
    signer = world.people[who]
    wire = world.entry(signer, *deed.ops(world, signer), rotate=deed.rotate)
    if who in deed.allowed:
        assert world.admit(wire).seq == world.roster.seq + 1
    else:
        with refused("E10"):
            world.admit(wire)


def test_E10_another_gateway_does_nothing_to_a_hosted_member() -> None:
    world = circle()
    stranger = world.people["gateway2"]
    key = SigningKey.generate().public
    for op, rotate in ((RemoveMember(GUEST), True), (Leave(GUEST), False), (SetRecovery(GUEST, key), False)):
        with refused("E10"):
            world.admit(world.entry(stranger, op, rotate=rotate))


def test_E10_a_gateway_decides_nothing_for_a_member_with_a_device_of_their_own() -> None:
    world = circle()
    gateway, own = world.people["gateway"], new_device(GUEST)
    world.append(world.entry(world.people["owner"], add_device(own, world.cid), rotate=True))
    for op, rotate in ((RemoveMember(GUEST), True), (Leave(GUEST), False), (SetRecovery(GUEST, KEY), False)):
        with refused("E10"):
            world.admit(world.entry(gateway, op, rotate=rotate))
    assert world.admit(world.entry(own, Leave(GUEST))).rekey_required


def test_E10_nothing_is_done_to_somebody_who_has_gone() -> None:
    world = circle()
    owner, gone = world.people["owner"], name("gone")
    device = join(world, "gone")
    world.append(world.entry(owner, RemoveMember(gone), rotate=True))
    for op, rotate in (
        (RemoveMember(gone), True),
        (RemoveDevice(device.id), True),
        (SetRole(gone, Role.ORGANISER), False),
        (add_device(new_device(gone), world.cid), True),
        (AddMember(gone, 0, ZERO16, ZERO16, b""), False),
    ):
        with refused("E10"):
            world.admit(world.entry(owner, op, rotate=rotate))


def test_E10_a_device_is_removed_once() -> None:
    """A second removal would make it active again for what lies between the two."""
    world = circle()
    member, owner = world.people["member"], world.people["owner"]
    second = new_device(member.member)
    world.append(world.entry(member, add_device(second, world.cid), rotate=True))
    world.append(world.entry(member, RemoveDevice(second.id), rotate=True))
    for signer in (member, owner):
        with refused("E10"):
            world.admit(world.entry(signer, RemoveDevice(second.id), rotate=True))


def test_E10_a_hosted_member_who_has_gone_is_neither_hosted_anew_nor_let_go_again() -> None:
    world = circle()
    gateway, gateway2 = world.people["gateway"], world.people["gateway2"]
    world.append(world.entry(gateway, Leave(GUEST)))
    with refused("E10"):
        world.admit(world.entry(gateway, Leave(GUEST)))
    with refused("E10"):
        world.admit(world.entry(gateway, AddHost(GUEST, gateway2.member), also=(gateway2,)))


def test_E10_who_came_in_hosted_is_not_promoted_even_without_a_host() -> None:
    world = circle()
    world.append(world.entry(world.people["gateway"], RemoveHost(GUEST, world.people["gateway"].member)))
    with refused("E10"):
        world.admit(world.entry(world.people["owner"], SetRole(GUEST, Role.MODERATOR)))
    assert world.admit(world.entry(world.people["owner"], SetRole(GUEST, Role.ORGANISER))).seq


# --- what one entry may not combine ---


def test_E10_who_is_removed_gets_nothing_in_the_same_entry() -> None:
    """A device added after its member's removal would read on, and no list of members would show it."""
    world = circle()
    owner, moderator, member = (world.people[who] for who in ("owner", "moderator", "member"))
    ghost = add_device(new_device(GUEST), world.cid)
    for signer, ops in (
        (moderator, (RemoveMember(GUEST), ghost)),
        (moderator, (ghost, RemoveMember(GUEST))),
        (owner, (*reset(world, "member"), RemoveMember(member.member))),
        (owner, (RemoveMember(member.member), SetRole(member.member, Role.ORGANISER))),
    ):
        core = world.draft(signer, *ops, rotate=True)
        with refused("E10"):
            world.admit(world.sign(core, signer))
    gateway = world.people["gateway"]
    hosted = (RemoveMember(member.member), AddHost(member.member, gateway.member))
    with refused("E10"):
        world.admit(world.entry(owner, *hosted, rotate=True, also=(member, gateway)))
    assert world.admit(world.entry(moderator, RemoveMember(GUEST), rotate=True)).seq
    assert world.admit(world.entry(moderator, ghost, rotate=True)).seq


def test_E10_a_gateway_that_goes_takes_nobody_in() -> None:
    world = circle()
    gateway = world.people["gateway2"]
    guest = hosted_member(world, gateway, world.invites["member"], name("guest2"))
    with refused("E10"):
        world.admit(world.entry(gateway, Leave(gateway.member), guest))
    assert world.admit(world.entry(gateway, guest)).seq
    assert world.admit(world.entry(gateway, Leave(gateway.member))).seq


def test_E10_who_leaves_changes_nothing_about_themselves() -> None:
    world = circle()
    member = world.people["member"]
    with refused("E10"):
        world.admit(world.entry(member, Leave(member.member), SetRecovery(member.member, KEY)))
    assert world.admit(world.entry(member, Leave(member.member))).rekey_required


def test_E10_is_judged_in_the_state_before_the_entry() -> None:
    """Nobody uses a right that the same entry gives."""
    world = circle()
    owner, moderator = world.people["owner"], world.people["moderator"]
    device = newcomer()
    added = AddMember(device.member, 0, ZERO16, ZERO16, b"")
    with refused("E10"):
        world.admit(
            world.entry(
                owner, added, add_device(device, world.cid), SetRole(device.member, Role.ORGANISER), rotate=True
            )
        )
    with refused("E10"):
        world.admit(world.entry(owner, add_device(device, world.cid), added, rotate=True))
    invite, op = new_invite(world.cid)
    with refused("E10"):
        world.admit(world.entry(moderator, op, RevokeInvite(invite.id)))


# --- hosts ---


def test_E10_a_member_and_the_new_host_both_sign() -> None:
    world = circle()
    member, gateway, other = (world.people[who] for who in ("member", "gateway", "other"))
    op = AddHost(member.member, gateway.member)
    assert world.admit(world.entry(member, op, also=(gateway,))).members[member.member].host == gateway.member
    assert world.admit(world.entry(gateway, op, also=(member,))).members[member.member].host == gateway.member
    assert world.admit(world.entry(world.people["owner"], op, also=(member, gateway))).seq
    for signer, also in ((member, ()), (gateway, ()), (other, (gateway,)), (world.people["owner"], ())):
        with refused("E10"):
            world.admit(world.entry(signer, op, also=also))


def test_E10_where_there_is_no_device_the_present_host_signs() -> None:
    world = circle()
    gateway, second, owner = (world.people[who] for who in ("gateway", "gateway2", "owner"))
    op = AddHost(GUEST, second.member)
    assert world.admit(world.entry(gateway, op, also=(second,))).members[GUEST].host == second.member
    for signer, also in ((second, ()), (second, (owner,)), (owner, (second,))):
        with refused("E10"):
            world.admit(world.entry(signer, op, also=also))
    own = new_device(GUEST)
    world.append(world.entry(owner, add_device(own, world.cid), rotate=True))
    with refused("E10"):
        world.admit(world.entry(gateway, op, also=(second,)))
    assert world.admit(world.entry(own, op, also=(second,))).members[GUEST].host == second.member


def test_E10_only_gateways_host_and_only_members_and_organisers_are_hosted() -> None:
    world = circle()
    gateway = world.people["gateway"]
    for who in ("owner", "moderator", "gateway2"):
        person = world.people[who]
        with refused("E10"):
            world.admit(world.entry(person, AddHost(person.member, gateway.member), also=(gateway,)))
    member, other = world.people["member"], world.people["other"]
    with refused("E10"):
        world.admit(world.entry(member, AddHost(member.member, other.member), also=(other,)))
    with refused("E10"):
        world.admit(world.entry(member, AddHost(name("nobody"), gateway.member), also=(gateway,)))
    with refused("E10"):
        world.admit(world.entry(member, AddHost(member.member, name("nobody"))))
    organiser = world.people["organiser"]
    assert world.admit(world.entry(organiser, AddHost(organiser.member, gateway.member), also=(gateway,))).seq


def test_E10_who_has_a_host_does_not_rise_above_what_a_gateway_may_say() -> None:
    """Attack 15: else the gateway could post as a moderator."""
    world = circle()
    owner, member, gateway = (world.people[who] for who in ("owner", "member", "gateway"))
    host = AddHost(member.member, gateway.member)
    world.append(world.entry(member, host, also=(gateway,)))
    for role in (Role.MODERATOR, Role.OWNER, Role.GATEWAY):
        with refused("E10"):
            world.admit(world.entry(owner, SetRole(member.member, role)))
    assert world.admit(world.entry(owner, SetRole(member.member, Role.ORGANISER))).seq
    world.append(world.entry(member, RemoveHost(member.member, gateway.member)))
    assert world.admit(world.entry(owner, SetRole(member.member, Role.MODERATOR))).seq
    with refused("E10"):
        world.admit(world.entry(owner, SetRole(member.member, Role.MODERATOR), host, also=(member, gateway)))


def test_E10_a_host_and_somebody_elses_role_may_change_together() -> None:
    world = circle()
    owner, member, other, gateway = (world.people[who] for who in ("owner", "member", "other", "gateway"))
    host = AddHost(member.member, gateway.member)
    role = SetRole(other.member, Role.MODERATOR)
    assert (
        world.admit(world.entry(owner, host, role, also=(member, gateway))).members[other.member].role is Role.MODERATOR
    )


def test_E10_nobody_is_given_to_a_gateway_that_stops_being_one() -> None:
    world = circle()
    owner, member, gateway = (world.people[who] for who in ("owner", "member", "gateway2"))
    demote, host = SetRole(gateway.member, Role.MEMBER), AddHost(member.member, gateway.member)
    with refused("E10"):
        world.admit(world.entry(owner, demote, host, also=(member, gateway)))
    assert world.admit(world.entry(owner, demote)).seq


def test_E10_a_host_is_ended_by_the_member_or_by_the_host() -> None:
    world = circle()
    member, gateway, owner, other = (world.people[who] for who in ("member", "gateway", "owner", "gateway2"))
    world.append(world.entry(member, AddHost(member.member, gateway.member), also=(gateway,)))
    op = RemoveHost(member.member, gateway.member)
    for signer in (member, gateway):
        assert world.admit(world.entry(signer, op)).members[member.member].host == ZERO16
    for signer in (owner, other):
        with refused("E10"):
            world.admit(world.entry(signer, op))
    with refused("E10"):
        world.admit(world.entry(member, RemoveHost(member.member, other.member)))
    with refused("E10"):
        world.admit(world.entry(member, RemoveHost(name("nobody"), gateway.member)))


def test_E10_no_signature_stands_beside_an_entry_that_no_op_asks_for() -> None:
    """Whoever passes the entry on could drop it, and the entry would have a second hash."""
    world = circle()
    owner, member, gateway, other = (world.people[who] for who in ("owner", "member", "gateway", "other"))
    host = AddHost(member.member, gateway.member)
    second = new_device(member.member)
    world.append(world.entry(member, add_device(second, world.cid), rotate=True))
    for signer, op, also in (
        (owner, SetRole(member.member, Role.ORGANISER), (member,)),
        (member, host, (gateway, other)),
        (member, host, (gateway, second)),
    ):
        with refused("E10"):
            world.admit(world.entry(signer, op, also=also))
    invite = world.invites["member"]
    core = world.draft(owner, SetRole(member.member, Role.ORGANISER))
    assert world.admit(world.sign(core, owner)).seq
    with refused("E10"):
        world.admit(sign_entry(core, owner.key, ((invite.signer, invite.key),)))


def test_a_removed_gateway_leaves_its_members_suspended() -> None:
    world = circle()
    gateway = world.people["gateway"]
    guest = world.roster.members[GUEST]
    assert not world.roster.suspended(guest)
    assert [d.id for d in world.roster.reaching(GUEST)] == [gateway.id]
    after = world.append(world.entry(world.people["owner"], RemoveMember(gateway.member), rotate=True))
    assert after.suspended(after.members[GUEST])
    assert after.reaching(GUEST) == []
    assert not after.suspended(after.members[world.people["member"].member])


# --- self-admission ---


def test_E10_an_invite_admits_one_native_member_with_one_device_and_no_more() -> None:
    """Attack 45."""
    world = circle()
    invite, owner = world.invites["member"], world.people["owner"]
    device, other = new_device(name("joiner")), new_device(name("friend"))
    member, dev = native_join(world, invite, device)
    friend, friends = native_join(world, invite, other)
    code = SetRecovery(device.member, KEY)

    def joins(*ops: Op) -> None:
        assert world.admit(world.entry(invite, *ops, rotate=True)).devices.get(device.id)

    joins(member, dev)
    joins(member, dev, code)
    gateway = world.people["gateway"]
    hosted = hosted_member(world, gateway, invite, device.member)
    by_nothing = AddMember(device.member, 0, ZERO16, ZERO16, b"")
    by_another = AddMember(device.member, 0, ZERO16, world.invites["approved"].id, b"")
    assert isinstance(member, AddMember)
    for ops in (
        (),
        (member,),
        (dev, member),
        (add_device(device, world.cid), add_device(other, world.cid)),
        (member, friend),
        (member, code),
        (member, dev, friend, friends),
        (member, dev, add_device(new_device(device.member), world.cid, invite=invite.id)),
        (member, dev, SetRole(device.member, Role.ORGANISER)),
        (member, dev, replace(code, member=owner.member)),
        (member, dev, code, Checkpoint(1, world.heads[1])),
        (hosted, add_device(device, world.cid, invite=invite.id)),
        (replace(member, hosted=1), add_device(device, world.cid, invite=invite.id)),
        (by_nothing, add_device(device, world.cid)),
        (by_another, add_device(device, world.cid, invite=by_another.invite)),
        (
            replace(member, member=owner.member),
            add_device(replace(device, member=owner.member), world.cid, invite=invite.id),
        ),
        (member, add_device(replace(device, member=owner.member), world.cid)),
        (member, add_device(replace(owner, member=device.member), world.cid, invite=invite.id)),
        (RemoveMember(owner.member),),
    ):
        with refused("E10"):
            joins(*ops)


def test_E10_an_invite_to_approve_admits_nobody_by_itself() -> None:
    world = circle()
    invite, device = world.invites["approved"], new_device(name("joiner"))
    ops = native_join(world, invite, device)
    with refused("E10"):
        world.admit(world.entry(invite, *ops, rotate=True))
    assert world.admit(world.entry(world.people["moderator"], *ops, rotate=True)).devices.get(device.id)


@pytest.mark.parametrize("role", list(Role))
def test_an_invite_gives_its_own_role(role: Role) -> None:
    world = circle()
    world.invites["this"], op = new_invite(world.cid, role)
    world.append(world.entry(world.people["owner"], op))
    device = join(world, "joiner", invite=world.invites["this"])
    assert world.roster.members[device.member].role is role


# --- recovery ---


def test_E10_a_recovery_adds_one_own_device_and_removes_all_old_ones() -> None:
    """Attack 38."""
    world = circle()
    member, other = world.people["member"], world.people["other"]
    key, new_key = (recovery_key(new_recovery_code(), world.cid) for _ in range(2))
    world.append(world.entry(member, SetRecovery(member.member, key.public)))
    second = new_device(member.member)
    world.append(world.entry(member, add_device(second, world.cid), rotate=True))
    fresh = new_device(member.member)
    add = add_device(fresh, world.cid)
    drops = (RemoveDevice(member.id), RemoveDevice(second.id))
    renew = SetRecovery(member.member, new_key.public)
    signer = Signer(By.RECOVERY, member.member)

    def recovered(*ops: Op) -> None:
        core = world.draft(signer, *ops, rotate=True)
        after = world.admit(world.sign(core, key))
        assert [d.id for d in after.devices_of(member.member)] == [fresh.id]

    recovered(add, *drops)
    recovered(*drops, add)
    recovered(add, *drops, renew)
    for ops in (
        (),
        (add,),
        drops,
        (add, drops[0]),
        (add, add_device(new_device(member.member), world.cid), *drops),
        (add, *drops, RemoveDevice(other.id)),
        (add_device(new_device(other.member), world.cid), *drops),
        (add_device(new_device(other.member), world.cid), RemoveDevice(other.id)),
        (add, *drops, SetRecovery(other.member, new_key.public)),
        (add, *drops, SetRole(member.member, Role.OWNER)),
        (add, *drops, Checkpoint(1, world.heads[1])),
        (add_device(replace(other, member=member.member), world.cid), *drops),
    ):
        with refused("E10"):
            recovered(*ops)

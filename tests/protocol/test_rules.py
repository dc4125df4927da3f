"""M18: who may say what, and the records that are carried from one epoch into the next."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from peerbot.protocol import message
from peerbot.protocol.bodies import (
    KINDS,
    Acknowledge,
    AnyBody,
    Cafe,
    Carry,
    Edit,
    Hide,
    Lock,
    Pause,
    Post,
    Profile,
    Ref,
    Retract,
    Thread,
)
from peerbot.protocol.log import Kind
from peerbot.protocol.message import VerifiedMessage
from peerbot.protocol.roster.ops import Leave, RemoveMember, Role, SetRole
from peerbot.protocol.rules import CARRIED, Around, open_carried
from tests.protocol import spec
from tests.protocol.builders import (
    GUEST,
    THREAD,
    Device,
    World,
    circle,
    end_of,
    forked,
    founded,
    join,
    key_of,
    name,
    new_device,
    refused,
    upgrade,
)

MINE: Final = name("by the author")
REF: Final = Ref(3, b"i" * 32)
BODIES: Final[dict[str, AnyBody | bytes]] = {
    "profile": Profile("Robin"),
    "thread": Thread(THREAD, "Hello"),
    "post": Post(THREAD, "hello"),
    "edit": Edit(REF, "better"),
    "retract": Retract(REF),
    "acknowledge": Acknowledge(REF),
    "hide": Hide(REF, True, "why"),
    "lock": Lock(THREAD, True, "why"),
    "pause": Pause(True, "why"),
    "cafe": Cafe(THREAD, "Breakfast", 1, "Europe/Berlin"),
    "carry": Carry(b"E", b"s" * 64, b"k" * 32, 1),
    "unknown": msgspec.msgpack.encode({"kind": "poll"}),
}
PEOPLE: Final = ("owner", "moderator", "organiser", "member", "guest", "gateway")
ALL: Final = set(PEOPLE)
NATIVE_OR_HOSTED: Final = ALL - {"gateway"}
LEADERS: Final = {"owner", "moderator"}
MAY: Final = {
    "profile": ALL,
    "thread": NATIVE_OR_HOSTED,
    "post": NATIVE_OR_HOSTED,
    "edit": NATIVE_OR_HOSTED,
    "retract": NATIVE_OR_HOSTED,
    "acknowledge": NATIVE_OR_HOSTED,
    "hide": LEADERS,
    "lock": LEADERS,
    "pause": LEADERS,
    "cafe": LEADERS | {"organiser"},
    "carry": ALL,
    "unknown": NATIVE_OR_HOSTED,
}
STILL_WHILE_PAUSED: Final = {"hide", "lock", "pause", "carry"}


def voice(world: World, who: str) -> tuple[Device, bytes]:
    """The device that speaks for somebody, and the member it speaks as."""
    device = world.people["gateway" if who == "guest" else who]
    return device, GUEST if who == "guest" else device.member


def say(world: World, who: str, body: AnyBody | bytes, around: Around | None = None) -> VerifiedMessage:
    device, author = voice(world, who)
    about_own = around or Around(target_author=author)
    return world.read(world.message(device, body, author=author), about_own)


def test_the_table_of_kinds_is_complete() -> None:
    assert set(MAY) == set(BODIES) == {*KINDS, "unknown"}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("kind", MAY)
def test_M18_each_role_may_say_this_and_no_more(kind: str, who: str) -> None:
    """Attack 43."""
    world = circle()
    if who in MAY[kind]:
        assert say(world, who, BODIES[kind]).p == world.p + 1
    else:
        with refused("M18"):
            say(world, who, BODIES[kind])


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("kind", MAY)
def test_M18_while_paused_there_is_only_moderation(kind: str, who: str) -> None:
    """Attack 43. What is carried was said before; without it, the pause would make newcomers' circles empty."""
    world = circle()
    paused = Around(paused=True, target_author=voice(world, who)[1])
    if who in MAY[kind] and kind in STILL_WHILE_PAUSED:
        assert say(world, who, BODIES[kind], paused).p == world.p + 1
    else:
        with refused("M18"):
            say(world, who, BODIES[kind], paused)


@pytest.mark.parametrize("who", ["owner", "moderator", "organiser", "member", "guest"])
def test_M18_in_a_locked_thread_only_leaders_post(who: str) -> None:
    world = circle()
    locked = Around(locked=True)
    if who in LEADERS:
        assert say(world, who, BODIES["post"], locked).p
    else:
        with refused("M18"):
            say(world, who, BODIES["post"], locked)
    assert say(world, who, BODIES["post"]).p
    assert say(world, who, BODIES["acknowledge"], locked).p


@pytest.mark.parametrize("kind", ["edit", "retract"])
@pytest.mark.parametrize("who", ["owner", "moderator", "organiser", "member", "guest"])
def test_M18_nobody_edits_or_takes_back_what_another_wrote(who: str, kind: str) -> None:
    """Attack 43: not even those who may hide it."""
    world = circle()
    other = world.people["other"].member
    with refused("M18"):
        say(world, who, BODIES[kind], Around(target_author=other))
    assert say(world, who, BODIES[kind], Around(target_author=voice(world, who)[1])).p
    assert say(world, who, BODIES[kind], Around(target_author=None)).p


def test_M18_the_role_at_the_records_own_position_counts() -> None:
    world = circle()
    member, owner = world.people["member"], world.people["owner"]
    early = world.message(member, BODIES["hide"])
    p = world.log(Kind.MESSAGE, early)
    world.append(world.entry(owner, SetRole(member.member, Role.MODERATOR)))
    with refused("M18"):
        world.read(early, p=p)
    assert say(world, "member", BODIES["hide"]).p
    late = world.message(member, BODIES["lock"])
    p = world.log(Kind.MESSAGE, late)
    world.append(world.entry(owner, SetRole(member.member, Role.MEMBER)))
    assert world.read(late, p=p).p == p
    with refused("M18"):
        say(world, "member", BODIES["lock"])


# --- CARRY ---


@pytest.fixture
def world() -> World:
    return circle()


def post(world: World, who: str, body: AnyBody | bytes | None = None, **changes: Any) -> int:
    """A message that stands in the log, whether or not it passes its checks there."""
    device, author = voice(world, who)
    return world.log(Kind.MESSAGE, world.message(device, body, author=author, **changes))


def carry_of(world: World, p: int, /, **changes: object) -> Carry:
    """What an honest carrier makes of the record at p."""
    wire = world.wires[p]
    parsed = message.parse(wire)
    true = Carry(parsed.sealed, parsed.signature, key_of(world, wire).reveal(), p)
    return msgspec.structs.replace(true, **changes)


def carried(world: World, carry: Carry, around: Around | None = None) -> VerifiedMessage:
    return open_carried(carry, world.roster, around or Around(), world.head_at)


@pytest.mark.parametrize("kind", CARRIED)
def test_a_living_record_is_carried_to_a_device_that_never_had_its_epoch(kind: str) -> None:
    world = circle()
    p = post(world, "owner", BODIES[kind])
    carry = carry_of(world, p)
    world.rotate(world.people["owner"])
    newcomer = join(world, "newcomer")
    opened = world.read(world.message(world.people["gateway"], carry))
    assert opened.body == carry
    assert isinstance(opened.body, Carry)
    inner = carried(world, opened.body)
    assert (inner.p, inner.author) == (p, world.people["owner"].member)
    assert inner.body == BODIES[kind]
    assert world.roster.devices[newcomer.id].added_p > p


def test_a_carried_record_is_whole_and_opens_with_its_own_key(world: World) -> None:
    """Attack 47."""
    p = post(world, "owner", Lock(THREAD, True, "why"))
    true = carry_of(world, p)
    other = carry_of(world, post(world, "moderator", Lock(THREAD, False, "no")))
    assert carried(world, true).body == Lock(THREAD, True, "why")
    for code, changes in (
        ("M02", {"sealed": true.sealed + b"\x00"}),
        ("M02", {"sealed": b""}),
        ("M06", {"signature": other.signature}),
        ("M06", {"sealed": other.sealed}),
        ("M14", {"key": other.key}),
        ("M14", {"key": bytes(32)}),
    ):
        with refused(code):
            carried(world, msgspec.structs.replace(true, **changes))
    flipped = bytearray(true.sealed)
    flipped[-1] ^= 1
    with refused("M06"):
        carried(world, msgspec.structs.replace(true, sealed=bytes(flipped)))


def test_a_carried_record_of_another_suite_waits_for_an_upgrade(world: World) -> None:
    header = spec.s("hdr", *msgspec.structs.astuple(world.header(world.people["owner"], suite=2)))
    newer = Carry(spec.s("msg", header, b"c" * 32, b""), b"s" * 64, b"k" * 32, world.p)
    with upgrade("M03"):
        carried(world, newer)


def test_a_carried_record_is_of_this_circle_and_a_known_device(world: World) -> None:
    stranger = new_device(name("owner"))
    elsewhere = circle()
    p = post(elsewhere, "owner", BODIES["lock"], cid=b"x" * 32)
    with refused("M04"):
        carried(elsewhere, carry_of(elsewhere, p))
    p = world.log(Kind.MESSAGE, world.message(stranger, BODIES["lock"]))
    with refused("M05"):
        carried(world, carry_of(world, p))


def test_a_carried_record_stands_where_the_carrier_says(world: World) -> None:
    """Attack 47: the position decides the author's rights, so the log has to bear it out."""
    p = post(world, "owner", BODIES["lock"])
    post(world, "member")
    true = carry_of(world, p)
    assert carried(world, true).p == p
    for wrong in (p + 1, p + 2, 2**62):
        with refused("M12"):
            carried(world, msgspec.structs.replace(true, p=wrong))
    with refused("M12"):
        open_carried(true, world.roster, Around(), {p: world.heads[p]}.get)
    with refused("M12"):
        open_carried(true, world.roster, Around(), {p - 1: world.heads[p - 1]}.get)


def test_a_record_refused_for_its_authors_rights_is_not_carried_past_a_promotion(world: World) -> None:
    """Attack 47: "of a record whose author had no right"."""
    owner, member = world.people["owner"], world.people["member"]
    p = post(world, "member", BODIES["lock"])
    world.append(world.entry(owner, SetRole(member.member, Role.MODERATOR)))
    with refused("M18"):
        carried(world, carry_of(world, p))
    with refused("M12"):
        carried(world, carry_of(world, p, p=world.p + 1))
    with refused("M12"):
        carried(world, carry_of(world, p, p=world.p))


def test_what_a_removed_moderator_signs_later_is_not_carried_in(world: World) -> None:
    """Attacks 11 and 47: whether it stands in the log after the removal, or nowhere."""
    moderator, owner = world.people["moderator"], world.people["owner"]
    old = world.copy()
    before = world.p
    world.rotate(owner, RemoveMember(moderator.member))
    late = old.message(moderator, BODIES["lock"])
    p = world.log(Kind.MESSAGE, late)
    with refused("M07"):
        carried(world, carry_of(world, p))
    with refused("M12"):
        carried(world, carry_of(world, p, p=before))


def test_a_carried_record_is_of_the_epoch_and_the_author_at_its_position(world: World) -> None:
    p = post(world, "owner", BODIES["lock"])
    world.rotate(world.people["owner"])
    late = world.log(Kind.MESSAGE, world.wires[p])
    with refused("M09"):
        carried(world, carry_of(world, late))
    p = world.log(Kind.MESSAGE, world.message(world.people["gateway"], BODIES["profile"], author=name("member")))
    with refused("M08"):
        carried(world, carry_of(world, p))


def test_nothing_is_carried_from_before_the_first_epoch() -> None:
    world = founded()
    p = post(world, "owner", BODIES["lock"])
    assert carried(world, carry_of(world, p)).p == p
    with refused("M09"):
        carried(world, carry_of(world, p, p=2))


def test_a_record_from_an_epoch_that_began_with_a_removal_is_carried(world: World) -> None:
    world.rotate(world.people["owner"], RemoveMember(name("member")))
    p = post(world, "owner", BODIES["lock"])
    assert carried(world, carry_of(world, p)).p == p


def test_a_record_from_while_a_new_epoch_was_due_is_not_carried(world: World) -> None:
    member, owner = world.people["member"], world.people["owner"]
    good = post(world, "owner", BODIES["lock"])
    world.append(world.entry(member, Leave(member.member)))
    p = post(world, "owner", BODIES["lock"])
    world.rotate(owner)
    with refused("M10"):
        carried(world, carry_of(world, p))
    assert carried(world, carry_of(world, good)).p == good
    assert carried(world, carry_of(world, post(world, "owner", BODIES["lock"]))).p == world.p


def test_a_hosted_members_departure_makes_a_new_epoch_due_as_well(world: World) -> None:
    gateway = world.people["gateway"]
    world.append(world.entry(gateway, Leave(GUEST)))
    p = post(world, "owner", BODIES["lock"])
    with refused("M10"):
        carried(world, carry_of(world, p))


@pytest.mark.parametrize("kind", sorted(set(BODIES) - set(CARRIED)))
def test_only_living_records_are_carried(kind: str) -> None:
    """A carry within a carry as little as a post: an old post would come back into an epoch it had left."""
    world = circle()
    p = post(world, "owner", BODIES[kind])
    assert world.read(world.wires[p], p=p, around=Around(target_author=world.people["owner"].member)).p == p
    with refused("M18"):
        carried(world, carry_of(world, p))


def test_a_carried_record_is_judged_by_what_was_around_it(world: World) -> None:
    p = post(world, "owner", BODIES["profile"])
    assert carried(world, carry_of(world, p)).p == p
    with refused("M18"):
        carried(world, carry_of(world, p), Around(paused=True))


def test_a_carried_body_is_checked_like_any_other(world: World) -> None:
    for code, wire in (
        ("M15", world.message(world.people["owner"], forge={"ciphertext": bytes(300)})),
        ("M16", world.message(world.people["owner"], forge={"inside": bytes(300)})),
        ("M17", world.message(world.people["owner"], msgspec.msgpack.encode({"kind": "lock"}))),
    ):
        copy = world.copy()
        p = copy.log(Kind.MESSAGE, wire)
        with refused(code):
            carried(copy, carry_of(copy, p))


def test_forged_carries_are_no_fork(world: World) -> None:
    """Only a record's own author can raise the alarm, by M11 and M12; a carrier can't."""
    p = post(world, "owner", BODIES["lock"])
    with refused("M12"):
        open_carried(carry_of(world, p), world.roster, Around(), lambda _: b"l" * 32)
    with forked("M12"):
        world.place(world.message(world.people["owner"], log_head=b"l" * 32))
    assert end_of(world.wires[p]).dseq == 1

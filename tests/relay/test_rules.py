"""Who may do what at a relay: the same in one process and over HTTP."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from peerbot.core.ports import CircleRelay, ControlChange, NewRecord, Wake
from peerbot.errors import Conflict, RelayError
from peerbot.protocol import log
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import SigningKey, random_bytes, sha256
from peerbot.protocol.roster.entry import By, Reason
from peerbot.protocol.roster.ops import RemoveDevice, RevokeInvite, Role, SetRole
from peerbot.protocol.secret import RecoveryCode
from peerbot.relay.founding import founding_code
from tests.relay.conftest import World
from tests.support.circle_builder import POLICY, START, CircleBuilder, Person

PLACE = b"p" * 32


async def refused(check: str, work: object) -> None:
    """The relay refuses, and names the check."""
    with pytest.raises(RelayError) as caught:
        await work  # type: ignore[misc]
    assert (caught.value.code, caught.value.facts) == ("relay-refused", {"check": check})


async def denied(work: object) -> None:
    with pytest.raises(RelayError) as caught:
        await work  # type: ignore[misc]
    assert (caught.value.code, caught.value.facts) == ("relay-denied", {})


async def conflict(world: World, work: object) -> None:
    """The relay says that the circle moved on, and where it stands now."""
    with pytest.raises(Conflict) as caught:
        await work  # type: ignore[misc]
    assert caught.value.facts == {"seq": world.circle.roster.seq, "p": world.circle.p}


async def denies_everything(relay: CircleRelay) -> None:
    await denied(relay.read(0, 1))
    await denied(relay.append(Kind.MESSAGE, b"m", if_seq=1))
    await denied(relay.append(Kind.SUBKEY, b"s"))
    await denied(relay.envelopes(1))
    await denied(relay.put_envelope(b"e"))
    await denied(relay.mail(1))
    await denied(relay.send_mail([bytes(16)], b"d"))
    await denied(relay.drop_mail([1]))
    await denied(relay.put_note(PLACE, b"n", START + 1))
    await denied(relay.drop_note(PLACE))
    with pytest.raises(RelayError, match="relay-denied"):
        async with relay.watch():
            pass


async def until_it_ends(wakes: AsyncIterator[Wake]) -> None:
    async with asyncio.timeout(10):
        async for _ in wakes:
            pass


# --- founding ---


async def test_the_founding_code_opens_circles_and_any_other_does_not(world: World) -> None:
    circle = CircleBuilder(world.service.key.public)
    for wrong in ("", "0000-0000", founding_code(SigningKey.generate()), "🦊" * 30):
        with pytest.raises(RelayError, match="relay-founding"):
            await world.relay.found(wrong, circle.genesis)
    spoken = founding_code(world.service.key).replace("-", " ").lower()
    receipt = log.open_receipt(await world.relay.found(spoken, circle.genesis), world.service.key.public, circle.cid)
    assert (receipt.p, receipt.head, receipt.time) == (1, circle.head, START)


async def test_founding_again_gives_the_same_receipt(world: World) -> None:
    code = founding_code(world.service.key)
    circle = CircleBuilder(world.service.key.public)
    first = await world.relay.found(code, circle.genesis)
    world.clock.move(60)
    assert await world.relay.found(code, circle.genesis) == first


async def test_what_is_no_genesis_founds_nothing(world: World) -> None:
    code = founding_code(world.service.key)
    circle = CircleBuilder(world.service.key.public)
    await refused("E02", world.relay.found(code, b""))
    await refused("E02", world.relay.found(code, circle.genesis[:-1]))
    await refused("E04", world.relay.found(code, circle.opening().wire))
    tampered = circle.genesis[:-1] + bytes([circle.genesis[-1] ^ 1])
    await refused("E08", world.relay.found(code, tampered))
    assert len(await world.log.circles()) == 1


# --- signing in ---


async def test_only_the_key_in_the_roster_signs_in(world: World) -> None:
    owner = world.circle.credential(world.owner)
    stranger = SigningKey.generate()
    for wrong in (
        replace(owner, key=stranger),
        replace(owner, id=bytes(16)),
        replace(owner, cid=bytes(32)),
        replace(owner, by=By.INVITE),
        replace(owner, by=By.RECOVERY, id=world.owner.member),
    ):
        await denied(world.relay.circle(wrong).read(0, 1))
    assert (await world.relay.circle(owner).read(0, 1)).head == world.circle.p


async def test_the_relay_says_its_key(world: World) -> None:
    assert await world.relay.key() == world.service.key.public


# --- messages ---


async def test_messages_are_appended_in_order_with_receipts(world: World) -> None:
    for text in ("one", "two"):
        await world.append(Kind.MESSAGE, world.circle.message(world.owner, text))
    page = await world.by(world.owner).read(0, 100)
    assert [(r.p, r.kind) for r in page.records] == [
        (1, Kind.ENTRY),
        (2, Kind.ENTRY),
        (3, Kind.MESSAGE),
        (4, Kind.MESSAGE),
    ]
    assert all(r.wire is not None and r.digest == sha256(r.wire) and r.time == START for r in page.records)


async def test_the_same_bytes_again_give_the_receipt_of_where_they_stand(world: World) -> None:
    wire = world.circle.message(world.owner)
    first = await world.append(Kind.MESSAGE, wire)
    rotation = world.circle.rotation()
    placed = await world.append(Kind.ENTRY, rotation.wire, rotation.envelopes)
    world.clock.move(3000)
    relay = world.by(world.owner)
    assert await relay.append(Kind.MESSAGE, wire, if_seq=1) == first.wire
    assert await relay.append(Kind.MESSAGE, wire) == first.wire
    assert await relay.append(Kind.ENTRY, rotation.wire, envelopes=rotation.envelopes) == placed.wire
    assert (await relay.read(0, 100)).head == world.circle.p


async def test_a_message_for_an_older_roster_conflicts(world: World) -> None:
    rotation = world.circle.rotation()
    await world.append(Kind.ENTRY, rotation.wire, rotation.envelopes)
    relay = world.by(world.owner)
    await conflict(world, relay.append(Kind.MESSAGE, b"late", if_seq=1))
    await conflict(world, relay.append(Kind.MESSAGE, b"from the future", if_seq=99))
    await world.append(Kind.MESSAGE, b"the relay reads nothing of this")


async def test_a_message_without_an_entry_number_goes_to_the_end(world: World) -> None:
    rotation = world.circle.rotation()
    await world.append(Kind.ENTRY, rotation.wire, rotation.envelopes)
    receipt = await world.by(world.owner).append(Kind.MESSAGE, b"anyhow")
    assert log.open_receipt(receipt, world.service.key.public, world.circle.cid).p == world.circle.p + 1


async def test_wires_have_a_size(world: World) -> None:
    relay = world.by(world.owner)
    for kind, check in ((Kind.MESSAGE, "M01"), (Kind.SUBKEY, "S01"), (Kind.REQUEST, "R01"), (Kind.ENTRY, "E01")):
        await refused(check, relay.append(kind, b"", if_seq=1))
        await refused(check, relay.append(kind, b"x" * (log.MAX_WIRE[kind] + 1), if_seq=1))
    await world.append(Kind.MESSAGE, b"x" * log.MAX_WIRE[Kind.MESSAGE])


async def test_only_entries_come_with_envelopes(world: World) -> None:
    relay = world.by(world.owner)
    for kind in (Kind.MESSAGE, Kind.SUBKEY, Kind.REQUEST):
        await refused("E20", relay.append(kind, b"wire", envelopes=[b"envelope"], if_seq=1))


# --- entries ---


async def test_an_invalid_entry_never_takes_the_place_of_a_valid_one(world: World) -> None:
    """The compare-and-set would otherwise be jammed by anyone who can sign in (attacks 7 to 9, 15, 16)."""
    member = await world.admit()
    relay = world.by(member)
    await refused("E02", relay.append(Kind.ENTRY, b"\x00" * 100))
    promotion = world.circle.entry(member, SetRole(member.member, Role.OWNER))
    await refused("E10", relay.append(Kind.ENTRY, promotion.wire))
    forged = world.circle.entry(member, SetRole(member.member, Role.OWNER), signer=world.owner.signer)
    await refused("E08", relay.append(Kind.ENTRY, forged.wire))
    silent = world.circle.entry(world.owner, RemoveDevice(member.device))
    await refused("E11", world.by(world.owner).append(Kind.ENTRY, silent.wire))
    other = CircleBuilder(world.service.key.public)
    await refused("E04", relay.append(Kind.ENTRY, other.opening().wire))
    await world.admit()


async def test_of_rotations_at_once_one_wins_and_the_others_fetch(world: World) -> None:
    """Attack 25."""
    members = [await world.admit() for _ in range(3)]
    rivals = [world.circle.rotation(member) for member in members]
    results = await asyncio.gather(
        *(
            world.by(member).append(Kind.ENTRY, rival.wire, envelopes=rival.envelopes)
            for member, rival in zip(members, rivals, strict=True)
        ),
        return_exceptions=True,
    )
    [winner] = [i for i, result in enumerate(results) if isinstance(result, bytes)]
    assert all(isinstance(result, Conflict) for i, result in enumerate(results) if i != winner)
    world.circle.took(Kind.ENTRY, rivals[winner].wire)
    for member in members:
        [envelope] = await world.by(member).envelopes(world.circle.roster.epochs[len(members) + 2].e)
        assert envelope in rivals[winner].envelopes


async def test_a_flood_of_messages_does_not_keep_an_entry_from_its_place(world: World) -> None:
    member = await world.admit()
    removal = world.circle.removal(member)
    stopped = asyncio.Event()

    async def flood(number: int) -> None:
        relay = world.relay.circle(world.circle.credential(member))
        for sent in itertools.count():
            if stopped.is_set():
                return
            await relay.append(Kind.MESSAGE, b"%d %d" % (number, sent))

    floods = [asyncio.create_task(flood(number)) for number in range(8)]
    try:
        async with asyncio.timeout(20):
            await world.by(world.owner).append(Kind.ENTRY, removal.wire, envelopes=removal.envelopes)
            ends = await asyncio.gather(*floods, return_exceptions=True)
    finally:
        stopped.set()
    assert all(isinstance(end, RelayError) and end.code == "relay-denied" for end in ends)


async def test_entries_bring_envelopes_to_the_active_devices_only(world: World) -> None:
    member = await world.admit()
    assert len(await world.by(member).envelopes(1)) == 1
    gone = await world.admit()
    removal = world.circle.removal(gone)
    for wrong in (
        (*removal.envelopes, removal.envelopes[0]),
        (*removal.envelopes, b"garbage"),
        (*removal.envelopes, world.circle.envelope(world.owner, gone, e=3)),
        (world.circle.envelope(world.owner, member, e=3),),
        (world.circle.envelope(member, member, e=3),),
    ):
        await refused("E20", world.by(world.owner).append(Kind.ENTRY, removal.wire, envelopes=wrong))
    plain = world.circle.entry(world.owner, SetRole(member.member, Role.ORGANISER))
    await refused("E20", world.by(world.owner).append(Kind.ENTRY, plain.wire, envelopes=removal.envelopes))
    await world.append(Kind.ENTRY, removal.wire, removal.envelopes)


async def test_a_record_another_device_signed_may_be_handed_on(world: World) -> None:
    """After a relay was restored from a backup, nodes offer what they have again."""
    member = await world.admit()
    rotation = world.circle.rotation(world.owner)
    await world.append(Kind.ENTRY, rotation.wire, rotation.envelopes, through=world.by(member))


async def test_removal_ends_sessions_and_watches_at_once(world: World) -> None:
    gone = await world.admit()
    relay = world.by(gone)
    async with relay.watch() as wakes:
        removal = world.circle.removal(gone)
        await world.append(Kind.ENTRY, removal.wire, removal.envelopes)
        with pytest.raises(RelayError, match="relay-denied"):
            await until_it_ends(wakes)
    await denies_everything(relay)
    await denies_everything(world.relay.circle(world.circle.credential(gone)))


# --- subkeys and requests ---


async def test_a_subkey_is_checked_and_the_next_entry_is_sealed_to_it(world: World) -> None:
    member = await world.admit()
    relay = world.by(member)
    await refused("S01", relay.append(Kind.SUBKEY, b"garbage"))
    await refused("S04", relay.append(Kind.SUBKEY, world.circle.subkey(member, 3)))
    await refused("S02", relay.append(Kind.SUBKEY, world.circle.subkey(Person())))
    await world.append(Kind.SUBKEY, world.circle.subkey(member), through=relay)
    rotation = world.circle.rotation()
    await world.append(Kind.ENTRY, rotation.wire, rotation.envelopes)
    await refused("S04", relay.append(Kind.SUBKEY, world.circle.subkey(member)))


async def test_a_request_stands_once(world: World) -> None:
    member = await world.admit()
    relay = world.by(member)
    wire = world.circle.request(member, world.owner)
    receipt = await world.append(Kind.REQUEST, wire, through=relay)
    assert await relay.append(Kind.REQUEST, wire) == receipt.wire
    await refused("R01", relay.append(Kind.REQUEST, b"garbage"))
    await refused("R02", relay.append(Kind.REQUEST, world.circle.request(Person(), member)))
    await refused("R03", relay.append(Kind.REQUEST, world.circle.request(member, world.owner, e=99)))
    await world.append(Kind.REQUEST, world.circle.request(member, world.owner, e=2), through=relay)


async def test_the_same_request_in_other_bytes_is_refused(world: World) -> None:
    """Ed25519 lets a device sign the same words in many ways; each would take room in the log for ever."""
    member = await world.admit()
    wire = world.circle.request(member, world.owner)
    head = await world.log.head(world.circle.cid)
    assert head is not None
    otherwise = NewRecord(Kind.REQUEST, b"the same, signed otherwise", random_bytes(32), START)
    key = (member.device, 1, world.owner.device)
    await world.log.append_control(world.circle.cid, otherwise, head, ControlChange(request=key))
    await refused("R03", world.by(member).append(Kind.REQUEST, wire))


# --- invites and recovery keys ---


async def test_an_invite_reads_the_roster_and_of_the_rest_the_digests(world: World) -> None:
    await world.append(Kind.MESSAGE, world.circle.message(world.owner, "private"))
    member = await world.admit()
    await world.append(Kind.SUBKEY, world.circle.subkey(member))
    await world.append(Kind.REQUEST, world.circle.request(member, world.owner))
    token, built = world.circle.invitation()
    await world.append(Kind.ENTRY, built.wire)
    page = await world.seen_by(world.circle.invite_credential(token)).read(0, 100)
    full = await world.by(world.owner).read(0, 100)
    assert [r.digest for r in page.records] == [r.digest for r in full.records]
    for record in page.records:
        assert (record.wire is None) == (record.kind in (Kind.MESSAGE, Kind.REQUEST))
    assert log.open_receipt(page.receipt, world.service.key.public, world.circle.cid).head == world.circle.head


async def test_an_invite_may_do_nothing_else(world: World) -> None:
    token, built = world.circle.invitation(uses=5)
    await world.append(Kind.ENTRY, built.wire)
    credential = world.circle.invite_credential(token)
    relay = world.seen_by(credential)
    await denied(relay.append(Kind.MESSAGE, b"m", if_seq=world.circle.roster.seq))
    await denied(relay.append(Kind.SUBKEY, world.circle.subkey(world.owner)))
    await denied(relay.append(Kind.REQUEST, world.circle.request(world.owner, world.owner)))
    rotation = world.circle.rotation()
    await denied(relay.append(Kind.ENTRY, rotation.wire, envelopes=rotation.envelopes))
    await denied(relay.envelopes(1))
    await denied(relay.put_envelope(world.circle.envelope(world.owner, world.owner)))
    await denied(relay.mail(1))
    await denied(relay.send_mail([world.owner.device], b"d"))
    await denied(relay.drop_mail([1]))
    await denied(relay.put_note(PLACE, b"n", START + 1))
    await denied(relay.drop_note(PLACE))
    with pytest.raises(RelayError, match="relay-denied"):
        async with relay.watch():
            pass


async def test_an_invite_lets_one_person_in_per_visit(world: World) -> None:
    token, built = world.circle.invitation(uses=3)
    await world.append(Kind.ENTRY, built.wire)
    credential = world.circle.invite_credential(token)
    visit = world.relay.circle(credential)
    newcomer = Person()
    join = world.circle.join(newcomer, token)
    first = await world.append(Kind.ENTRY, join.wire, join.envelopes, through=visit)
    second = world.circle.join(Person(), token)
    await denied(visit.append(Kind.ENTRY, second.wire, envelopes=second.envelopes))
    assert await visit.append(Kind.ENTRY, join.wire, envelopes=join.envelopes) == first.wire, "a retry is no second"
    await world.append(Kind.ENTRY, second.wire, second.envelopes, through=world.relay.circle(credential))
    assert await world.by(newcomer).envelopes(1)


async def test_a_lost_race_leaves_the_visit_its_entry(world: World) -> None:
    token, built = world.circle.invitation()
    await world.append(Kind.ENTRY, built.wire)
    visit = world.relay.circle(world.circle.invite_credential(token))
    late = world.circle.join(Person(), token)
    await world.admit()
    await conflict(world, visit.append(Kind.ENTRY, late.wire, envelopes=late.envelopes))
    again = world.circle.join(Person(), token)
    await world.append(Kind.ENTRY, again.wire, again.envelopes, through=visit)


async def test_a_used_up_invite_lets_nobody_in_but_can_still_say_so(world: World) -> None:
    token, built = world.circle.invitation(uses=1, expires=START + 100)
    await world.append(Kind.ENTRY, built.wire)
    credential = world.circle.invite_credential(token)
    join = world.circle.join(Person(), token)
    await world.append(Kind.ENTRY, join.wire, join.envelopes, through=world.relay.circle(credential))
    again = world.relay.circle(credential)
    assert (await again.read(0, 100)).head == world.circle.p
    second = world.circle.join(Person(), token)
    await refused("E18", again.append(Kind.ENTRY, second.wire, envelopes=second.envelopes))
    world.clock.move(101)
    await denied(again.read(0, 1))


async def test_a_revoked_invite_is_out_at_once(world: World) -> None:
    token, built = world.circle.invitation()
    await world.append(Kind.ENTRY, built.wire)
    credential = world.circle.invite_credential(token)
    relay = world.seen_by(credential)
    await relay.read(0, 1)
    await world.append(Kind.ENTRY, world.circle.entry(world.owner, RevokeInvite(credential.id)).wire)
    await denied(relay.read(0, 1))
    await denied(world.relay.circle(credential).read(0, 1))


async def test_a_recovery_code_reads_the_roster_and_brings_a_device_back(world: World) -> None:
    member = await world.admit()
    code = RecoveryCode(random_bytes(16))
    await world.append(Kind.ENTRY, world.circle.with_recovery(member, code).wire, through=world.by(member))
    await world.append(Kind.MESSAGE, world.circle.message(world.owner))
    relay = world.seen_by(world.circle.recovery_credential(member, code))
    page = await relay.read(0, 100)
    assert page.records[-1].wire is None
    await denied(relay.append(Kind.MESSAGE, b"m", if_seq=1))
    await denied(relay.mail(1))
    newer = Person(member.member)
    recovery = world.circle.recovery(member, newer, code)
    await world.append(Kind.ENTRY, recovery.wire, recovery.envelopes, through=relay)
    await denied(world.by(member).read(0, 1))
    assert await world.by(newer).envelopes(1)
    wrong = world.circle.recovery_credential(member, RecoveryCode(random_bytes(16)))
    await denied(world.relay.circle(wrong).read(0, 1))


# --- pages ---


async def test_pages_end_with_the_receipt_of_their_last_record(world: World) -> None:
    for i in range(5):
        await world.append(Kind.MESSAGE, b"%d" % i)
    relay = world.by(world.owner)
    page = await relay.read(2, 3)
    assert [r.p for r in page.records] == [3, 4, 5]
    assert page.head == world.circle.p
    receipt = log.open_receipt(page.receipt, world.service.key.public, world.circle.cid)
    assert (receipt.p, receipt.head) == (5, world.circle.heads[5])
    end = await relay.read(world.circle.p, 10)
    assert end.records == ()
    assert log.open_receipt(end.receipt, world.service.key.public, world.circle.cid).p == world.circle.p
    assert (await relay.read(2**60, 10)).records == ()


async def test_a_page_has_a_size_whatever_is_asked_for(world: World) -> None:
    for i in range(40):
        await world.append(Kind.MESSAGE, bytes([i]) * log.MAX_WIRE[Kind.MESSAGE])
    page = await world.by(world.owner).read(0, 1_000_000)
    assert sum(len(r.wire or b"") for r in page.records) <= 2 * 1024 * 1024
    assert len(page.records) > 25


# --- envelopes, mail, notes ---


async def test_a_device_may_seal_an_epoch_to_another_one_later(world: World) -> None:
    member = await world.admit()
    healing = world.circle.envelope(world.owner, member, e=1)
    await world.by(world.owner).put_envelope(healing)
    assert healing in await world.by(member).envelopes(1)
    relay = world.by(member)
    await refused("E20", relay.put_envelope(healing))
    await refused("E20", relay.put_envelope(b"garbage"))
    stranger = await world.admit()
    removal = world.circle.removal(stranger)
    late = world.circle.envelope(world.owner, stranger, e=1)
    await world.append(Kind.ENTRY, removal.wire, removal.envelopes)
    await refused("E20", world.by(world.owner).put_envelope(late))


async def test_mail_goes_to_the_devices_named_and_stays_until_dropped(world: World) -> None:
    member = await world.admit()
    sender = await world.admit()
    await world.by(sender).send_mail([member.device, member.device], b"direct")
    await world.by(sender).send_mail([member.device], b"direct")
    [mail] = await world.by(member).mail(10)
    assert mail.wire == b"direct"
    assert await world.by(sender).mail(10) == []
    await world.by(sender).drop_mail([mail.id])
    assert await world.by(member).mail(10) == [mail]
    await world.by(member).drop_mail([mail.id, 2**61])
    assert await world.by(member).mail(10) == []


async def test_mail_has_bounds(world: World) -> None:
    member = await world.admit()
    relay = world.by(member)
    await refused("D01", relay.send_mail([member.device], b""))
    await refused("D01", relay.send_mail([member.device], b"x" * (64 * 1024 + 1)))
    await refused("mailbox", relay.send_mail([], b"d"))
    await refused("mailbox", relay.send_mail([bytes(16)], b"d"))
    await refused("mailbox", relay.send_mail([bytes([i]) * 16 for i in range(41)], b"d"))


async def test_a_full_mailbox_makes_the_sender_wait(world: World) -> None:
    member = await world.admit()
    relay = world.by(member)
    for i in range(world.service.limits.mailbox_bytes // 65_003):
        await relay.send_mail([member.device], b"%03d" % i + bytes(65_000))
    with pytest.raises(RelayError) as caught:
        await relay.send_mail([member.device], b"one more" + bytes(65_000))
    assert caught.value.code == "relay-busy"
    await relay.send_mail([member.device, world.owner.device], b"one more" + bytes(65_000))
    assert len(await world.by(world.owner).mail(10)) == 1
    assert len(await relay.mail(1000)) == 32, "two mebibytes at once"


async def test_a_note_waits_for_whoever_knows_the_place(world: World) -> None:
    relay = world.by(world.owner)
    await relay.put_note(PLACE, b"sealed", START + 100)
    assert await world.relay.note(PLACE) == b"sealed"
    assert await world.relay.note(b"q" * 32) is None
    world.clock.move(99)
    assert await world.relay.note(PLACE) == b"sealed"
    world.clock.move(1)
    assert await world.relay.note(PLACE) is None


async def test_a_note_can_be_taken_back(world: World) -> None:
    relay = world.by(world.owner)
    await relay.put_note(PLACE, b"sealed", START + 100)
    await relay.drop_note(PLACE)
    assert await world.relay.note(PLACE) is None


async def test_notes_have_bounds(world: World) -> None:
    relay = world.by(world.owner)
    await refused("note", relay.put_note(PLACE, b"", START + 100))
    await refused("note", relay.put_note(PLACE, b"x" * (32 * 1024 + 1), START + 100))
    await refused("note", relay.put_note(PLACE, b"x", START))
    for i in range(200):
        await relay.put_note(bytes([i]) * 32, b"x", START + 100)
    await refused("note", relay.put_note(b"one more".ljust(32), b"x", START + 100))


# --- watching ---


async def next_wake(wakes: object) -> Wake:
    async with asyncio.timeout(10):
        return await anext(wakes)  # type: ignore[call-overload, no-any-return]


async def test_whoever_watches_hears_of_every_change(world: World) -> None:
    member = await world.admit()
    async with world.by(member).watch() as wakes:
        for i in range(3):
            await world.append(Kind.MESSAGE, b"%d" % i)
            assert await next_wake(wakes) is Wake.LOG
        await world.by(world.owner).send_mail([member.device], b"direct")
        assert await next_wake(wakes) is Wake.MAIL
        await world.by(world.owner).send_mail([world.owner.device], b"not for this one")
        await world.by(world.owner).put_envelope(world.circle.envelope(world.owner, member))
        assert await next_wake(wakes) is Wake.LOG


async def test_a_device_that_watches_too_often_keeps_its_newest_watches(world: World) -> None:
    relay = world.by(world.owner)
    async with relay.watch() as oldest, relay.watch(), relay.watch(), relay.watch(), relay.watch() as newest:
        with pytest.raises(RelayError, match="relay-unreachable"):
            await next_wake(oldest)
        await world.append(Kind.MESSAGE, b"m")
        assert await next_wake(newest) is Wake.LOG


async def test_closing_the_relay_ends_the_watches(world: World) -> None:
    async with world.by(world.owner).watch() as wakes:
        await world.service.close()
        with pytest.raises(RelayError, match="relay-unreachable"):
            await next_wake(wakes)


# --- retention ---


async def test_what_left_the_window_is_forgotten_by_the_relays_own_clock(world: World) -> None:
    day = 86_400
    await world.append(Kind.MESSAGE, b"first epoch")
    world.clock.move(30 * day)
    world.circle.now = 7
    first_end = world.circle.entry(world.owner, rotate=Reason.DUE)
    await world.append(Kind.ENTRY, first_end.wire, first_end.envelopes)
    await world.append(Kind.MESSAGE, b"second epoch")
    await world.service.sweep()
    page = await world.by(world.owner).read(0, 100)
    assert all(r.wire is not None for r in page.records), "its signer's time, long ago, decides nothing"
    world.clock.move(POLICY.retention_days * day + 1)
    await world.service.sweep()
    page = await world.relay.circle(world.circle.credential(world.owner)).read(0, 100)
    assert [r.p for r in page.records if r.wire is None] == [3]
    assert len(await world.by(world.owner).envelopes(1)) == 1


async def test_the_present_epoch_is_kept_however_old(world: World) -> None:
    await world.append(Kind.MESSAGE, b"quiet circle")
    world.clock.move(3650 * 86_400)
    await world.service.sweep()
    page = await world.relay.circle(world.circle.credential(world.owner)).read(0, 100)
    assert all(r.wire is not None for r in page.records)


async def test_sweeping_takes_expired_notes_away(world: World) -> None:
    await world.by(world.owner).put_note(PLACE, b"sealed", START + 100)
    world.clock.move(100)
    await world.service.sweep()
    assert await world.log.drop_expired(START + 1000) == 0

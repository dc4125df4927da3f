"""E20 and the secrets of epochs: envelopes, rotation, and bundles of history."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from peerbot.protocol import epochs
from peerbot.protocol.direct import Grant, History
from peerbot.protocol.epochs import check_commit, keys_of, open_envelope, parse_envelope, seal_epoch
from peerbot.protocol.keys import epoch_commit, epoch_key
from peerbot.protocol.primitives import CryptoFailure, SealingKey, random_bytes, seal
from peerbot.protocol.roster.entry import Reason, parse_entry
from peerbot.protocol.roster.ops import AddMember, RemoveMember
from peerbot.protocol.roster.state import Epoch, Roster, SubkeyRef
from peerbot.protocol.secret import EpochSecret
from peerbot.protocol.wire import MAX_ENVELOPE, ZERO16
from tests.protocol import spec
from tests.protocol.builders import Device, World, circle, join, name, new_device, refused
from tests.protocol.builders import add_device as adds
from tests.protocol.test_entries import bad_sealing_keys


@pytest.fixture
def world() -> World:
    world = circle()
    world.rotate(world.people["owner"])
    return world


@pytest.fixture
def member(world: World) -> Device:
    return world.people["member"]


def current(world: World) -> Epoch:
    assert world.roster.epoch is not None
    return world.roster.epoch


def mine(world: World, device: Device, e: int | None = None) -> bytes:
    """The envelope the relay holds for a device."""
    at = current(world).e if e is None else e
    return next(raw for raw in world.envelopes[at] if parse_envelope(raw).to == device.id)


def opened(world: World, device: Device, raw: bytes, **changes: Any) -> EpochSecret:
    n = changes.get("n", 1)
    found = next(s for s in world.roster.devices[device.id].subkeys if s.n == n)
    epoch = changes.get("epoch", current(world))
    return open_envelope(
        raw,
        changes.get("cid", world.cid),
        epoch,
        changes.get("device", device.id),
        changes.get("key", device.sealing[n]),
        changes.get("hash", found.hash),
    )


def envelope(world: World, device: Device, plaintext: bytes, **changes: Any) -> bytes:
    """An ENVELOPE by the code under spec.py, with any part of it or of its context replaced."""
    epoch = current(world)
    subkey = world.roster.devices[device.id].subkeys[-1]
    owner = world.people["owner"].id
    right = {
        "purpose": b"epoch",
        "cid": world.cid,
        "e": epoch.e,
        "prev": epoch.prev,
        "commit": epoch.commit,
        "sender": owner,
        "to": device.id,
        "hash": subkey.hash,
        "public": subkey.public,
        "n": subkey.n,
    }
    info = {**right, **{k: v for k, v in changes.items() if not k.startswith("outer_")}}
    outer = {**right, **{k.removeprefix("outer_"): v for k, v in changes.items() if k.startswith("outer_")}}
    context = spec.s(
        "hpke-info",
        *(info[k] for k in ("purpose", "cid", "e", "prev", "commit", "sender", "to", "hash")),
    )
    sealed = changes.get("outer_sealed", seal(info["public"], plaintext, context))
    return spec.s("envelope", *(outer[k] for k in ("cid", "e", "sender", "to", "n")), sealed)


# --- E20 ---


def test_E20_each_device_opens_its_envelope_and_gets_the_epochs_secret(world: World) -> None:
    secret = world.secrets[current(world).e].reveal()
    for device in world.people.values():
        assert opened(world, device, mine(world, device)).reveal() == secret
    assert len(world.envelopes[current(world).e]) == len(world.people)


def test_E20_the_document_and_the_library_seal_alike(world: World, member: Device) -> None:
    secret = world.secrets[current(world).e]
    assert opened(world, member, envelope(world, member, secret.reveal())).reveal() == secret.reveal()
    subkey = world.roster.devices[member.id].subkeys[-1]
    healed = seal_epoch(secret, world.cid, current(world), world.people["other"].id, member.id, subkey)
    assert opened(world, member, healed).reveal() == secret.reveal()
    assert len(healed) == len(envelope(world, member, secret.reveal()))


def test_E20_the_relays_own_secret_is_refused(world: World, member: Device) -> None:
    """Attack 1: the relay knows every public key and all context, but the commitment is signed."""
    with refused("E20"):
        opened(world, member, envelope(world, member, random_bytes(32)))


def test_E20_a_rotators_other_secret_for_one_device_is_refused(world: World, member: Device) -> None:
    """Attack 3."""
    subkey = world.roster.devices[member.id].subkeys[-1]
    other = EpochSecret(random_bytes(32))
    with refused("E20"):
        opened(world, member, seal_epoch(other, world.cid, current(world), world.people["owner"].id, member.id, subkey))


def test_E20_garbage_is_refused_and_another_device_heals(world: World, member: Device) -> None:
    """Attack 6."""
    for garbage in (b"", b"\x00", bytes(1168), random_bytes(1168), random_bytes(2048)):
        with refused("E20"):
            opened(world, member, envelope(world, member, b"", outer_sealed=garbage))
    for plaintext in (b"", bytes(31), bytes(33)):
        with refused("E20"):
            opened(world, member, envelope(world, member, plaintext))
    subkey = world.roster.devices[member.id].subkeys[-1]
    secret = world.secrets[current(world).e]
    healed = seal_epoch(secret, world.cid, current(world), world.people["other"].id, member.id, subkey)
    assert opened(world, member, healed).reveal() == secret.reveal()


def test_E20_anothers_envelope_is_refused(world: World, member: Device) -> None:
    """Attack 2."""
    other = world.people["other"]
    secret = world.secrets[current(world).e].reveal()
    with refused("E20"):
        opened(world, member, mine(world, other))
    with refused("E20"):
        opened(world, member, envelope(world, other, secret, outer_to=member.id))
    # The owner seals to the wrong device by mistake or on purpose: the key is right, the name isn't.
    with refused("E20"):
        opened(world, member, envelope(world, member, secret, outer_to=other.id, to=other.id))


def test_E20_the_last_epochs_envelope_is_refused(world: World, member: Device) -> None:
    """Attack 2."""
    before = current(world)
    old = mine(world, member)
    world.rotate(world.people["owner"])
    with refused("E20"):
        opened(world, member, old)
    relabelled = list(parse_parts(old))
    relabelled[1] = current(world).e
    with refused("E20"):
        opened(world, member, spec.s("envelope", *relabelled))
    assert opened(world, member, old, epoch=before).reveal() == world.secrets[before.e].reveal()


def parse_parts(raw: bytes) -> tuple[int | bytes, ...]:
    found = parse_envelope(raw)
    return (found.cid, found.e, found.sender, found.to, found.n, found.sealed)


@pytest.mark.parametrize("part", ["purpose", "cid", "e", "prev", "commit", "sender", "to", "hash"])
def test_E20_an_envelope_is_bound_to_all_of_its_context(world: World, member: Device, part: str) -> None:
    """The secret is the true one each time, so only HPKE's info can tell."""
    wrong: dict[str, Any] = {
        "purpose": b"direct",
        "cid": b"x" * 32,
        "e": current(world).e + 1,
        "prev": b"p" * 32,
        "commit": b"c" * 32,
        "sender": b"f" * 16,
        "to": b"t" * 16,
        "hash": b"h" * 32,
    }
    secret = world.secrets[current(world).e].reveal()
    with refused("E20"):
        opened(world, member, envelope(world, member, secret, **{part: wrong[part]}))
    assert opened(world, member, envelope(world, member, secret)).reveal() == secret


def test_E20_an_envelope_says_for_which_circle_epoch_and_device_it_is(world: World, member: Device) -> None:
    secret = world.secrets[current(world).e].reveal()
    for outer in ({"outer_cid": b"x" * 32}, {"outer_e": current(world).e - 1}, {"outer_to": b"t" * 16}):
        with refused("E20"):
            opened(world, member, envelope(world, member, secret, **outer))


def test_E20_another_forks_secret_is_refused(world: World, member: Device) -> None:
    """The commitment and the keys hold the hash of the entry before, so two branches never share a key."""
    epoch, secret = current(world), world.secrets[current(world).e]
    branch = msgspec.structs.replace(epoch, prev=b"p" * 32)
    with refused("E20"):
        check_commit(secret, world.cid, branch)
    one, two = keys_of(secret, world.cid, epoch), keys_of(secret, world.cid, branch)
    assert one.key.reveal() != two.key.reveal()


def test_E20_an_envelope_is_exactly_one_structure(world: World, member: Device) -> None:
    raw = mine(world, member)
    parts = parse_parts(raw)
    assert raw == spec.s("envelope", *parts)
    for wrong in (
        b"",
        raw[:-1],
        raw + b"\x00",
        bytes(MAX_ENVELOPE + 1),
        spec.s("envelope", *parts, b""),
        spec.s("envelope", *parts[:-1]),
        spec.s("slot", *parts),
        spec.s("envelope", *parts[:-1], bytes(2049)),
    ):
        with refused("E20"):
            opened(world, member, wrong)


def test_the_commitment_and_the_key_are_as_the_document_says(world: World) -> None:
    epoch, secret = current(world), world.secrets[current(world).e]
    assert epoch.commit == spec.m(secret.reveal(), "commit", world.cid, epoch.e, epoch.prev)
    assert epoch_commit(secret, world.cid, epoch.e, epoch.prev) == epoch.commit
    key = spec.m(secret.reveal(), "epoch-key", world.cid, epoch.e, epoch.prev)
    assert epoch_key(secret, world.cid, epoch.e, epoch.prev).reveal() == key
    assert keys_of(secret, world.cid, epoch).key.reveal() == key


# --- rotation ---


def with_bad_subkey(world: World, whom: Device, public: bytes) -> Roster:
    """A roster whose history let a bad subkey in, as an older version or another library might have."""
    found = world.roster.devices[whom.id]
    bad = SubkeyRef(found.subkeys[-1].n, found.subkeys[-1].hash, public, found.subkeys[-1].p)
    device = msgspec.structs.replace(found, subkeys=(bad,))
    return msgspec.structs.replace(world.roster, devices=world.roster.devices.insert(whom.id, device))


@pytest.mark.parametrize("bad", bad_sealing_keys().values(), ids=bad_sealing_keys().keys())
def test_a_bad_subkey_never_stops_a_rotation(world: World, member: Device, bad: bytes) -> None:
    """Attack 30: the others get their envelopes, and the entry is valid: the device is still a recipient."""
    owner = world.people["owner"]
    world.roster = with_bad_subkey(world, member, bad)
    built = world.rotate(owner)
    assert built.unsealable == (member.id,)
    reached = {parse_envelope(raw).to for raw in built.envelopes}
    assert reached == {d.id for d in world.people.values()} - {member.id}
    assert opened(world, world.people["other"], mine(world, world.people["other"])).reveal()


def test_a_rotation_is_sealed_to_everybody_at_their_newest_subkey_and_to_newcomers(world: World) -> None:
    owner, member = world.people["owner"], world.people["member"]
    world.publish(member, 2)
    newcomer = new_device(name("newcomer"))
    built = world.rotate(
        owner,
        AddMember(newcomer.member, 0, ZERO16, ZERO16, b""),
        adds(newcomer, world.cid),
        RemoveMember(name("other")),
    )
    sent = {parse_envelope(raw).to: parse_envelope(raw) for raw in built.envelopes}
    assert set(sent) == ({d.id for d in world.people.values()} | {newcomer.id}) - {world.people["other"].id}
    assert {sent[member.id].n, sent[newcomer.id].n} == {2, 1}
    assert {found.sender for found in sent.values()} == {owner.id}
    world.people["newcomer"] = newcomer
    for device, n in ((newcomer, 1), (member, 2), (owner, 1)):
        assert opened(world, device, mine(world, device), n=n).reveal() == world.secrets[current(world).e].reveal()


def test_every_rotation_has_a_new_secret(world: World) -> None:
    """Attack 25: who loses the race builds anew, and nothing of the first attempt is used again."""
    owner = world.people["owner"]
    args = (world.roster, owner.signer, owner.key, ())
    at = {"log": (world.p, world.heads[-1]), "ts": world.now, "rotate": Reason.DUE}
    one, two = (epochs.build_entry(*args, **at) for _ in range(2))  # type: ignore[arg-type]
    assert one.secret is not None
    assert two.secret is not None
    assert one.secret.reveal() != two.secret.reveal()
    commits = {parse_entry(built.wire).core.epoch for built in (one, two)}
    assert len(commits) == 2


def test_an_entry_without_rotation_brings_no_secret(world: World) -> None:
    owner = world.people["owner"]
    built = epochs.build_entry(
        world.roster, owner.signer, owner.key, (), log=(world.p, world.heads[-1]), ts=world.now, rotate=None
    )
    assert (built.secret, built.envelopes, built.unsealable) == (None, (), ())
    with refused("E10"):
        world.admit(built.wire)


def test_who_was_removed_opens_nothing_new(world: World, member: Device) -> None:
    """Attack 12."""
    built = world.rotate(world.people["owner"], RemoveMember(member.member))
    assert member.id not in {parse_envelope(raw).to for raw in built.envelopes}
    for raw in built.envelopes:
        with pytest.raises(CryptoFailure):
            member.sealing[1].open(parse_envelope(raw).sealed, b"")


# --- bundles of history ---


def test_a_bundle_is_believed_only_where_the_roster_commits_to_it(world: World) -> None:
    newcomer = join(world, "newcomer")
    roster = world.roster
    for grant in History([Grant(e, secret.reveal()) for e, secret in world.secrets.items()]).grants:
        check_commit(EpochSecret(grant.secret), world.cid, roster.epochs[grant.e])
        with refused("E20"):
            check_commit(EpochSecret(random_bytes(32)), world.cid, roster.epochs[grant.e])
        other = roster.epochs[grant.e % len(roster.epochs) + 1]
        with refused("E20"):
            check_commit(EpochSecret(grant.secret), world.cid, other)
        with refused("E20"):
            check_commit(EpochSecret(grant.secret), b"x" * 32, roster.epochs[grant.e])
    assert newcomer.id in roster.devices


def test_a_subkey_of_another_device_is_no_way_in(world: World, member: Device) -> None:
    other = world.people["other"]
    with refused("E20"):
        opened(world, member, mine(world, member), key=other.sealing[1])
    with refused("E20"):
        opened(world, member, mine(world, member), key=SealingKey.generate())
    assert replace(member).id == member.id

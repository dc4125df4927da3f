"""Attack 34: whatever bytes arrive, the answer is one typed error; attack 35: no signature serves for anything else."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from peerbot.errors import Fork, Refused, UpgradeNeeded
from peerbot.protocol import labels, message
from peerbot.protocol.bodies import BodyWrong, Carry, decode_body, encode_body
from peerbot.protocol.box import PaddingWrong, pad, seal_box, unpad
from peerbot.protocol.epochs import open_envelope, parse_envelope
from peerbot.protocol.invite import Note, NotedCircle, open_note, parse_link, seal_note
from peerbot.protocol.keys import new_token, rendezvous, spell, unspell
from peerbot.protocol.log import Kind, open_receipt, sign_receipt
from peerbot.protocol.roster import checks
from peerbot.protocol.roster.ops import AddHost, AddMember, Op, Role, SetRole, decode_op, encode_op
from peerbot.protocol.roster.state import dump, load
from peerbot.protocol.rules import Around, open_carried
from peerbot.protocol.secret import InviteToken
from peerbot.protocol.wire import ZERO16, Malformed
from tests.protocol import spec
from tests.protocol.builders import (
    POLICY,
    START,
    Device,
    World,
    add_device,
    circle,
    hosted_member,
    key_of,
    make_subkey,
    name,
    native_join,
    new_device,
    new_invite,
    raw_core,
    raw_entry,
    raw_signature,
    refused,
)
from tests.protocol.test_directs import NOTHING
from tests.protocol.test_rules import BODIES

REFUSALS: Final = (Refused, Fork, UpgradeNeeded)


@dataclass(frozen=True)
class Structure:
    """A structure's bytes, what reads it, and the errors that may come of it.

    `bound` ones are signed, sealed or committed to, so that no other bytes at all are taken in their place.
    """

    raw: bytes
    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...] = REFUSALS
    bound: bool = True


def careful_world() -> World:
    """A circle in which a promotion needs a second word, so that an entry has every part an entry can have."""
    world = circle()
    world.append(world.entry(world.people["owner"], replace(POLICY, quorum=2), rotate=True))
    world.rotate(world.people["owner"])
    return world


@cache
def structures() -> dict[str, Structure]:
    world = careful_world()
    owner, member, gateway = (world.people[who] for who in ("owner", "member", "gateway"))
    assert world.roster.epoch is not None
    epoch, e = world.roster.epoch, world.roster.epoch.e

    joiner = new_device(name("joiner"))
    promote = SetRole(member.member, Role.MODERATOR)
    ops: tuple[Op, ...] = (
        AddMember(joiner.member, 0, ZERO16, ZERO16, b""),
        add_device(joiner, world.cid),
        promote,
        new_invite(world.cid)[1],
    )
    entry = world.entry(owner, *ops, rotate=True, approvals=(world.approval(world.people["moderator"], promote),))
    hosting = world.entry(member, AddHost(member.member, gateway.member), also=(gateway,))
    subkey = make_subkey(member, world.cid, 2, joiner.sealing[1].public, roster_head=world.roster.head)
    wire = world.message(member)
    envelope = next(raw for raw in world.envelopes[e] if parse_envelope(raw).to == member.id)

    def opened(raw: bytes) -> object:
        found = parse_envelope(raw)
        if found.n not in member.sealing:
            raise Refused("E20")
        subkeys = world.roster.devices[member.id].subkeys
        return open_envelope(raw, world.cid, epoch, member.id, member.sealing[found.n], subkeys[-1].hash)

    posted = world.copy()
    p = posted.log(Kind.MESSAGE, posted.message(owner, BODIES["lock"]))
    parsed = message.parse(posted.wires[p])
    carry = Carry(parsed.sealed, parsed.signature, key_of(posted, posted.wires[p]).reveal(), p)

    def carried(raw: bytes) -> object:
        return open_carried(msgspec.structs.replace(carry, sealed=raw), posted.roster, Around(), posted.head_at)

    receipt = sign_receipt(world.relay, world.cid, world.p, world.heads[-1], START)
    note = Note("c", "o", "k", "de", "g", [NotedCircle(world.cid, "slug", 1)])
    token = InviteToken(b"t" * 16)
    return {
        "genesis": Structure(world.wires[1], lambda raw: checks.found(raw, world.cid)),
        "entry": Structure(entry, world.admit),
        "entry signed by two": Structure(hosting, world.admit),
        "subkey": Structure(subkey, lambda raw: checks.admit_subkey(world.roster, raw, world.p + 1)),
        "message": Structure(wire, world.read),
        "carried message": Structure(parsed.sealed, carried),
        "request": Structure(world.request(member), world.admit_request),
        "direct": Structure(world.direct(member, owner, NOTHING), lambda raw: world.receive(owner, raw)),
        "envelope": Structure(envelope, opened),
        "receipt": Structure(receipt.wire, lambda raw: open_receipt(raw, world.relay.public, world.cid)),
        "note": Structure(seal_note(token, note)[1], lambda raw: open_note(token, raw), (Malformed,)),
        "op": Structure(encode_op(ops[1]), decode_op, (Malformed, UpgradeNeeded), bound=False),
        "body": Structure(encode_body(carry), decode_body, (BodyWrong,), bound=False),
        "padding": Structure(pad(b"plaintext", 256), lambda raw: unpad(raw, 256), (PaddingWrong,), bound=False),
        "roster": Structure(dump(world.roster), load, (msgspec.DecodeError,), bound=False),
    }


NAMES: Final = tuple(structures())


def attempt(structure: Structure, raw: bytes) -> None:
    """One of its errors, and nothing but; where nothing binds the bytes, other ones may also mean something else."""
    if structure.bound:
        with pytest.raises(structure.errors):
            structure.read(raw)
        return
    try:
        structure.read(raw)
    except structure.errors:
        return


@pytest.mark.parametrize("which", NAMES)
def test_every_structure_is_read_as_it_was_made(which: str) -> None:
    structure = structures()[which]
    assert structure.read(structure.raw) is not None


@pytest.mark.parametrize("which", NAMES)
def test_every_truncation_is_one_typed_error(which: str) -> None:
    structure = structures()[which]
    for cut in range(len(structure.raw)):
        with pytest.raises(structure.errors):
            structure.read(structure.raw[:cut])


@pytest.mark.parametrize("which", NAMES)
def test_every_trailing_byte_is_one_typed_error(which: str) -> None:
    structure = structures()[which]
    for tail in (b"\x00", b"\xff", bytes(300), structure.raw):
        with pytest.raises(structure.errors):
            structure.read(structure.raw + tail)
    if structure.errors != (PaddingWrong,):
        attempt(structure, b"\x00" + structure.raw)


@pytest.mark.parametrize("which", NAMES)
def test_every_bit_flip_is_one_typed_error(which: str) -> None:
    """Each byte of the first hundred and two hundred further ones, one bit each."""
    structure = structures()[which]
    chosen = random.Random(7)
    size = len(structure.raw)
    places = [*range(min(100, size)), *(chosen.randrange(size) for _ in range(200))]
    for at in places:
        wrong = bytearray(structure.raw)
        wrong[at] ^= 1 << chosen.randrange(8)
        attempt(structure, bytes(wrong))


def lengths_in(raw: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Where a u32 length stands, in a structure and those nested in it."""
    end = len(raw) if end is None else end
    if end - start < 14 or raw[start + 1 : start + 11] != b"peerbot/1/":
        return
    at = start + 1 + raw[start] + 2
    count = int.from_bytes(raw[at - 2 : at], "big")
    for _ in range(count):
        yield at
        size = int.from_bytes(raw[at : at + 4], "big")
        yield from lengths_in(raw, at + 4, at + 4 + size)
        at += 4 + size


@pytest.mark.parametrize("which", [w for w in NAMES if w not in ("body", "padding", "roster")])
def test_every_wrong_length_is_one_typed_error(which: str) -> None:
    structure = structures()[which]
    found = list(lengths_in(structure.raw))
    assert found
    for at in found:
        right = int.from_bytes(structure.raw[at : at + 4], "big")
        for wrong in {2**32 - 1, 2**31, 2**16, right + 1, max(right - 1, 0), 0} - {right}:
            changed = structure.raw[:at] + wrong.to_bytes(4, "big") + structure.raw[at + 4 :]
            attempt(structure, changed)


@pytest.mark.parametrize("which", [w for w in NAMES if w not in ("body", "padding", "roster")])
def test_every_wrong_arity_is_one_typed_error(which: str) -> None:
    structure = structures()[which]
    at = 1 + structure.raw[0]
    right = int.from_bytes(structure.raw[at : at + 2], "big")
    for wrong in (0, right - 1, right + 1, 2**16 - 1):
        with pytest.raises(structure.errors):
            structure.read(structure.raw[:at] + wrong.to_bytes(2, "big") + structure.raw[at + 2 :])


@pytest.mark.parametrize("which", NAMES)
@given(data=st.data())
def test_any_bytes_at_all_are_one_typed_error(which: str, data: st.DataObject) -> None:
    structure = structures()[which]
    attempt(structure, data.draw(st.binary(max_size=300)))


@given(data=st.data())
def test_no_part_of_one_structure_makes_another(data: st.DataObject) -> None:
    """Two structures cut and joined anywhere."""
    into, of = (structures()[data.draw(st.sampled_from(NAMES))] for _ in range(2))
    head = data.draw(st.integers(0, len(into.raw)))
    tail = data.draw(st.integers(0, len(of.raw)))
    raw = into.raw[:head] + of.raw[tail:]
    if raw != into.raw:
        attempt(into, raw)


@pytest.mark.parametrize("which", NAMES)
def test_no_structure_is_taken_for_another(which: str) -> None:
    structure = structures()[which]
    for other in NAMES:
        if other.split()[0] != which.split()[0]:
            attempt(structure, structures()[other].raw)


@given(st.text(max_size=80))
def test_any_text_is_a_link_or_malformed(text: str) -> None:
    for read in (unspell, parse_link, lambda t: parse_link(t, "https://relay.example")):
        try:
            read(text)
        except Malformed:
            continue


@given(st.data())
def test_a_damaged_link_is_malformed(data: st.DataObject) -> None:
    link = f"https://relay.example/join#{spell(new_token().reveal())}"
    cut = data.draw(st.integers(0, len(link) - 1))
    with pytest.raises(Malformed):
        parse_link(link[:cut])


def test_a_structure_nested_too_deep_is_one_typed_error() -> None:
    deep = b"\x91" * 100_000 + b"\xc0"
    with pytest.raises(BodyWrong):
        decode_body(b"\x82\xa1x" + deep + b"\xa4kind\xa4post")
    token = InviteToken(b"t" * 16)
    place, key = rendezvous(token)
    kc, sealed = seal_box(key, pad(b"\x81\xa1x" + b"\x91" * 10_000 + b"\xc0", 1024), place)
    with pytest.raises(Malformed):
        open_note(token, spec.s("note", kc, sealed))


# --- attack 35 ---

SIGNATURE_LABELS: Final = tuple(value for key, value in vars(labels).items() if key.startswith("SIG_"))


def test_no_two_meanings_share_a_label() -> None:
    for prefix in ("SIG_", "MAC_", "HKDF_", "PURPOSE_"):
        values = [value for key, value in vars(labels).items() if key.startswith(prefix)]
        assert len(values) == len(set(values)) >= 3
        assert not any(b"\x00" in value for value in values)


def entry_with(world: World, label: bytes) -> None:
    owner = world.people["owner"]
    core = world.draft(owner, rotate=True)
    packed = raw_core(core)
    world.admit(raw_entry(packed, spec.s("sig", core.signer.by, core.signer.id, owner.key.sign(label, packed))))


def co_signature_with(world: World, label: bytes) -> None:
    member, gateway = world.people["member"], world.people["gateway"]
    core = world.draft(member, AddHost(member.member, gateway.member))
    packed = raw_core(core)
    second = spec.s("sig", gateway.signer.by, gateway.id, gateway.key.sign(label, packed))
    world.admit(raw_entry(packed, raw_signature(member.signer, member.key, packed), second))


def join_with(world: World, label: bytes) -> None:
    invite, device = world.invites["member"], new_device(name("joiner"))
    core = world.draft(invite, *native_join(world, invite, device), rotate=True)
    packed = raw_core(core)
    world.admit(raw_entry(packed, spec.s("sig", core.signer.by, invite.id, invite.key.sign(label, packed))))


def possession_with(world: World, label: bytes) -> None:
    device = new_device(name("joiner"))
    proof = device.key.sign(label, spec.s("possession", world.cid, device.member, ZERO16))
    added = AddMember(device.member, 0, ZERO16, ZERO16, b"")
    world.admit(world.entry(world.people["owner"], added, add_device(device, world.cid, proof=proof), rotate=True))


def first_subkey_with(world: World, label: bytes) -> None:
    device = new_device(name("joiner"))
    core = spec.s("subkey-core", 1, world.cid, device.id, 1, device.sealing[1].public, bytes(32))
    op = replace(add_device(device, world.cid), subkey=spec.s("subkey", core, device.key.sign(label, core)))
    added = AddMember(device.member, 0, ZERO16, ZERO16, b"")
    world.admit(world.entry(world.people["owner"], added, op, rotate=True))


def subkey_with(world: World, label: bytes) -> None:
    device = world.people["member"]
    core = spec.s("subkey-core", 1, world.cid, device.id, 2, new_device(b"").sealing[1].public, bytes(32))
    checks.admit_subkey(world.roster, spec.s("subkey", core, device.key.sign(label, core)), world.p + 1)


def hosted_with(world: World, label: bytes) -> None:
    gateway, invite = world.people["gateway"], world.invites["member"]
    statement = spec.s("hosted-join", world.cid, name("guest2"), gateway.member)
    op = hosted_member(world, gateway, invite, name("guest2"))
    world.admit(world.entry(gateway, replace(op, invite_sig=invite.key.sign(label, statement))))


def proposal_with(world: World, label: bytes) -> None:
    owner, moderator = world.people["owner"], world.people["moderator"]
    world.append(world.entry(owner, replace(POLICY, quorum=2), rotate=True))
    op = SetRole(world.people["member"].member, Role.MODERATOR)
    proposal = spec.s("proposal", world.cid, encode_op(op), name("nonce"), world.now)
    approval = spec.s("approval", proposal, moderator.id, moderator.key.sign(label, proposal))
    world.admit(world.entry(owner, op, approvals=(approval,)))


def message_with(world: World, label: bytes) -> None:
    member: Device = world.people["member"]
    sealed = message.parse(world.message(member)).sealed
    world.open(spec.s("message", member.key.sign(label, spec.h(sealed)), sealed))


def request_with(world: World, label: bytes) -> None:
    member = world.people["member"]
    core = spec.s("request-core", world.cid, member.id, 1, world.people["owner"].id)
    world.admit_request(spec.s("request", core, member.key.sign(label, core)))


def direct_with(world: World, label: bytes) -> None:
    member, owner = world.people["member"], world.people["owner"]
    front = (world.cid, member.id, member.member, owner.member, 1, world.roster.seq)
    core = spec.s("direct-core", *front, b"history", NOTHING)
    inside = spec.padded(spec.s("direct-signed", core, member.key.sign(label, core)), 1024)
    world.receive(owner, world.direct(member, owner, NOTHING, inside=inside))


def receipt_with(world: World, label: bytes) -> None:
    core = spec.s("receipt-core", world.cid, world.p, world.heads[-1], START)
    open_receipt(spec.s("receipt", core, world.relay.sign(label, core)), world.relay.public, world.cid)


USES: Final[list[tuple[Callable[[World, bytes], None], bytes, str]]] = [
    (entry_with, labels.SIG_ENTRY, "E08"),
    (co_signature_with, labels.SIG_ENTRY, "E08"),
    (join_with, labels.SIG_ENTRY, "E08"),
    (possession_with, labels.SIG_POSSESSION, "E08"),
    (first_subkey_with, labels.SIG_SUBKEY, "E08"),
    (subkey_with, labels.SIG_SUBKEY, "S03"),
    (hosted_with, labels.SIG_HOSTED_JOIN, "E18"),
    (proposal_with, labels.SIG_PROPOSAL, "E09"),
    (message_with, labels.SIG_MESSAGE, "M06"),
    (request_with, labels.SIG_REQUEST, "R02"),
    (direct_with, labels.SIG_DIRECT, "D05"),
    (receipt_with, labels.SIG_RECEIPT, "receipt"),
]


@pytest.mark.parametrize(("use", "right", "code"), USES, ids=[use.__name__ for use, _, _ in USES])
def test_a_signature_is_for_one_label_only(use: Callable[[World, bytes], None], right: bytes, code: str) -> None:
    use(circle(), right)
    for label in (*SIGNATURE_LABELS, b"", right + b"\x00"):
        if label != right:
            with refused(code):
                use(circle(), label)


def test_what_a_key_signs_is_prefix_label_and_a_zero_byte() -> None:
    device = new_device(name("x"))
    for label in SIGNATURE_LABELS:
        signature = device.key.sign(label, b"data")
        Ed25519PublicKey.from_public_bytes(device.key.public).verify(signature, spec.signed(label.decode(), b"data"))

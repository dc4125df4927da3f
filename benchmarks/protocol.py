"""How much the protocol adds to the cryptography it can't do without.

The floors are the bare calls of `cryptography`, keys loaded, nothing encoded, hashed or derived: for a message one
Ed25519 signature (or verification) and one AES-256-GCM of 300 bytes, sealed under a key and nonce drawn for it; for a
rotation one X-Wing seal of 32 bytes for each device.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from random import Random
from statistics import median
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from msgspec.structs import replace

from benchmarks.figures import Figure, beside, figure, side_by_side, spread
from benchmarks.texts import post_text
from peerbot.protocol import labels
from peerbot.protocol.bodies import Post, encode_body
from peerbot.protocol.epochs import build_entry, keys_of
from peerbot.protocol.log import Kind
from peerbot.protocol.message import Header, authenticate, parse, place, seal_message, unseal
from peerbot.protocol.primitives import SigningKey, random_bytes
from peerbot.protocol.roster.entry import Reason
from peerbot.protocol.roster.ops import RemoveMember
from peerbot.protocol.roster.state import FOREVER, Device, Member, Roster, SubkeyRef
from peerbot.protocol.wire import ZERO16, ZERO32
from tests.support.circle_builder import CircleBuilder, Person

DEVICES = 1000
ROTATION_ROUNDS = 5


async def run() -> list[Figure]:
    circle = CircleBuilder(SigningKey.generate().public)
    circle.took(Kind.ENTRY, circle.opening().wire)
    return [*_messages(circle), _rotation(circle)]


# --- messages ---


def _messages(circle: CircleBuilder) -> list[Figure]:
    make = _maker(circle)
    wire = make()
    makes, bare_makes = side_by_side(make, _bare_seal())
    opens, bare_opens = side_by_side(_opener(circle, wire), _bare_open())
    size = f"a post of {len(_TEXT)} characters, {len(wire)} bytes on the wire"
    return [
        beside(
            "protocol.make",
            "1/s",
            makes,
            bare_makes,
            f"{size}; floor: an Ed25519 signature and an AES-GCM sealing of 300 B, {spread(makes)}",
        ),
        beside(
            "protocol.open",
            "1/s",
            opens,
            bare_opens,
            f"the same; floor: an Ed25519 verification and an AES-GCM opening of 300 B, {spread(opens)}",
        ),
    ]


_TEXT = post_text(Random(1), 240)  # noqa: S311 - the same words in every run


def _maker(circle: CircleBuilder) -> Callable[[], bytes]:
    """Header, body and sealing, as the outbox does it for each post."""
    roster, owner, p, head, now = circle.roster, circle.owner, circle.p, circle.head, circle.now
    epoch = roster.epochs[1]
    keys = keys_of(circle.secrets[epoch.e], roster.cid, epoch)
    member, device, thread, text = owner.member, owner.device, random_bytes(16), _TEXT

    def make() -> bytes:
        header = Header(
            labels.SUITE,
            roster.cid,
            epoch.e,
            roster.seq,
            roster.head,
            p,
            head,
            member,
            device,
            ZERO16,
            1,
            ZERO32,
            now,
        )
        return seal_message(keys, owner.key, header, encode_body(Post(thread, text)))

    return make


def _opener(circle: CircleBuilder, wire: bytes) -> Callable[[], object]:
    """M01 to M17, as a fold does it for each message."""
    roster, heads = circle.roster, circle.heads
    epoch = roster.epochs[1]
    keys = keys_of(circle.secrets[epoch.e], roster.cid, epoch)
    entries = {roster.seq: roster.head}
    p = circle.p + 1

    def opened() -> object:
        authentic = authenticate(parse(wire), roster)
        placed = place(authentic, roster, p, roster_head_at=entries.get, log_head_at=heads.get, end=None, pruned=False)
        return unseal(placed, keys)

    return opened


def _bare_seal() -> Callable[[], object]:
    key, message, text = Ed25519PrivateKey.generate(), secrets.token_bytes(32), secrets.token_bytes(300)

    def bare() -> None:
        key.sign(message)
        AESGCM(AESGCM.generate_key(256)).encrypt(secrets.token_bytes(12), text, None)

    return bare


def _bare_open() -> Callable[[], object]:
    key, message, text = Ed25519PrivateKey.generate(), secrets.token_bytes(32), secrets.token_bytes(300)
    public, signature = key.public_key(), key.sign(message)
    cipher_key, nonce = AESGCM.generate_key(256), secrets.token_bytes(12)
    sealed = AESGCM(cipher_key).encrypt(nonce, text, None)

    def bare() -> None:
        public.verify(signature, message)
        AESGCM(cipher_key).decrypt(nonce, sealed, None)

    return bare


# --- a rotation ---


def _rotation(circle: CircleBuilder) -> Figure:
    """An entry that removes a member of a large circle, with an envelope for everybody who stays."""
    roster, leaving = _grown(circle.roster, DEVICES)
    log, owner = (circle.p, circle.head), circle.owner
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    key = MLKEM768X25519PrivateKey(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())
    public, secret = key.public_key(), secrets.token_bytes(32)
    ours, floor, size = [], [], 0
    for _ in range(ROTATION_ROUNDS + 1):
        start = perf_counter()
        for _ in range(DEVICES - 1):
            suite.encrypt(secret, public, info=b"")
        middle = perf_counter()
        built = build_entry(
            roster,
            owner.signer,
            owner.key,
            (RemoveMember(leaving),),
            log=log,
            ts=circle.now,
            rotate=Reason.REMOVAL,
        )
        ours.append(perf_counter() - middle)
        floor.append(middle - start)
        if len(built.envelopes) != DEVICES - 1:
            raise RuntimeError("somebody got no envelope")
        size = sum(map(len, built.envelopes))
    ours, floor = ours[1:], floor[1:]
    return figure(
        "protocol.rotation_1000",
        median(ours),
        "s",
        floor=median(floor),
        ratio=median(floor) / median(ours),
        note=f"a removal among {DEVICES} devices with all envelopes ({size / 1e6:.1f} MB), {spread(ours)}; "
        "floor: as many X-Wing seals to one loaded key",
    )


def _grown(roster: Roster, devices: int) -> tuple[Roster, bytes]:
    """The roster with so many devices, as entries would have added them, and a member who may leave."""
    members, by_id, last = roster.members, roster.devices, ZERO16
    while len(by_id) < devices:
        person = Person()
        subkey = SubkeyRef(1, random_bytes(32), person.sealing.public, roster.p)
        by_id = by_id.insert(
            person.device,
            Device(person.device, person.member, person.key.public, roster.p, roster.seq, FOREVER, FOREVER, (subkey,)),
        )
        last = person.member
        members = members.insert(
            last,
            Member(last, False, roster.p, FOREVER, ((roster.p, 1),), (), (person.device,), ZERO32, ZERO16),
        )
    return replace(roster, members=members, devices=by_id), last

"""A small circle to test with, and forgers for every record, whose structures may be as wrong as a test wants.

Forged records are signed, MACed and sealed correctly over whatever they hold, so that a test breaks one rule at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha512
from itertools import count
from typing import Any, Final

import msgspec
import pytest

from peerbot.errors import Fork, PeerbotError, Refused, UpgradeNeeded
from peerbot.protocol import direct, epochs, message
from peerbot.protocol.bodies import AnyBody, Post, encode_body
from peerbot.protocol.direct import DirectHeader, VerifiedDirect
from peerbot.protocol.epochs import EpochKeys, keys_of
from peerbot.protocol.keys import invite_id, invite_key, new_token
from peerbot.protocol.log import Kind
from peerbot.protocol.message import ChainEnd, Header, OpenedMessage, PlacedMessage, VerifiedMessage
from peerbot.protocol.primitives import CryptoFailure, SealingKey, SigningKey, random_bytes, seal, verify
from peerbot.protocol.request import Request, admit_request
from peerbot.protocol.roster import checks
from peerbot.protocol.roster.entry import (
    By,
    Core,
    NewEpoch,
    Reason,
    Signer,
    approve,
    circle_id,
    parse_entry,
    sign_entry,
)
from peerbot.protocol.roster.ops import (
    AddDevice,
    AddInvite,
    AddMember,
    Leave,
    Op,
    RemoveDevice,
    RemoveMember,
    Role,
    SetPolicy,
    SetRelay,
    SetRole,
    encode_op,
)
from peerbot.protocol.roster.state import Roster
from peerbot.protocol.rules import Around, judge
from peerbot.protocol.secret import EpochSecret, MessageKey, SigningSeed
from peerbot.protocol.wire import ZERO16, ZERO32
from tests.protocol import spec

START: Final = 1_700_000_000
DAY: Final = 86_400
POLICY: Final = SetPolicy(
    retention_days=90, epoch_days=7, history_days=30, doors=3, quorum=1, max_checkpoint_age=14 * DAY, min_suite=1
)
THREAD: Final = b"t" * 16


@contextmanager
def _raises(kind: type[PeerbotError], code: str) -> Iterator[None]:
    with pytest.raises(PeerbotError) as caught:
        yield
    assert (type(caught.value), caught.value.code) == (kind, code)


def refused(code: str) -> Any:
    """The record is refused by exactly this check."""
    return _raises(Refused, code)


def forked(code: str) -> Any:
    """The record proves another view of the circle, and this check says so."""
    return _raises(Fork, code)


def upgrade(code: str) -> Any:
    """The record asks for a newer version."""
    return _raises(UpgradeNeeded, code)


def name(text: str) -> bytes:
    """A readable id of 16 bytes."""
    return text.encode().ljust(16, b".")


@dataclass(frozen=True)
class Device:
    """One device's keys as its vault holds them."""

    member: bytes
    key: SigningKey
    sealing: dict[int, SealingKey]

    @property
    def id(self) -> bytes:
        return spec.device_id(self.key.public)

    @property
    def signer(self) -> Signer:
        return Signer(By.DEVICE, self.id)


def new_device(member: bytes) -> Device:
    return Device(member, SigningKey.generate(), {1: SealingKey.generate()})


def add_device(
    device: Device,
    cid: bytes,
    *,
    invite: bytes = ZERO16,
    n: int = 1,
    public: bytes | None = None,
    roster_head: bytes = ZERO32,
    subkey_cid: bytes | None = None,
    subkey_device: bytes | None = None,
    subkey_key: SigningKey | None = None,
    proof: bytes | None = None,
) -> AddDevice:
    """ADD_DEVICE with a true proof of possession and SUBKEY, unless a part is given."""
    record = make_subkey(
        device,
        subkey_cid if subkey_cid is not None else cid,
        n,
        public if public is not None else device.sealing[1].public,
        roster_head=roster_head,
        of=subkey_device,
        key=subkey_key,
    )
    if proof is None:
        proof = device.key.sign(b"possession", spec.s("possession", cid, device.member, invite))
    return AddDevice(device.member, device.key.public, record, proof)


def make_subkey(
    device: Device,
    cid: bytes,
    n: int,
    public: bytes,
    *,
    roster_head: bytes = ZERO32,
    of: bytes | None = None,
    key: SigningKey | None = None,
    suite: int = 1,
) -> bytes:
    """A signed SUBKEY record."""
    core = spec.s("subkey-core", suite, cid, of if of is not None else device.id, n, public, roster_head)
    return spec.s("subkey", core, (key or device.key).sign(b"subkey", core))


@dataclass(frozen=True)
class Invite:
    """An invite in the roster and the key its token gives."""

    id: bytes
    key: SigningKey

    @property
    def signer(self) -> Signer:
        return Signer(By.INVITE, self.id)


def new_invite(
    cid: bytes, role: Role = Role.MEMBER, uses: int = 5, expires: int = START + 30 * DAY, approve: int = 0
) -> tuple[Invite, AddInvite]:
    key = invite_key(new_token(), cid)
    at = invite_id(key.public)
    return Invite(at, key), AddInvite(at, key.public, role, uses, expires, approve)


@dataclass
class World:
    """One circle as an honest device sees it, and the keys of everybody in it.

    Copies are cheap, so every test breaks its own.
    """

    roster: Roster
    relay: SigningKey
    now: int
    heads: list[bytes] = field(default_factory=list)
    wires: list[bytes] = field(default_factory=list)
    rosters: list[Roster] = field(default_factory=list)
    entry_heads: dict[int, bytes] = field(default_factory=dict)
    secrets: dict[int, EpochSecret] = field(default_factory=dict)
    envelopes: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    people: dict[str, Device] = field(default_factory=dict)
    invites: dict[str, Invite] = field(default_factory=dict)

    def copy(self) -> World:
        return replace(
            self,
            heads=[*self.heads],
            wires=[*self.wires],
            rosters=[*self.rosters],
            entry_heads=dict(self.entry_heads),
            secrets=dict(self.secrets),
            envelopes=dict(self.envelopes),
            people=dict(self.people),
            invites=dict(self.invites),
        )

    # --- the log ---

    @property
    def cid(self) -> bytes:
        return self.roster.cid

    @property
    def p(self) -> int:
        """The log's last position."""
        return len(self.heads) - 1

    def head_at(self, p: int) -> bytes | None:
        return self.heads[p] if p < len(self.heads) else None

    def log(self, kind: Kind, wire: bytes) -> int:
        """The relay appends a record, whatever it holds."""
        self.heads.append(spec.log_link(self.heads[-1], self.p + 1, kind, wire))
        self.wires.append(wire)
        self.rosters.append(self.roster)
        return self.p

    def roster_at(self, p: int) -> Roster:
        """The roster in force for a record at position p."""
        return self.rosters[p - 1]

    # --- entries ---

    def draft(self, signer: Device | Invite | Signer, *ops: Op, rotate: bool = False, **changes: Any) -> Core:
        """An entry's core as the signer ought to write it, then with `changes`."""
        who = signer if isinstance(signer, Signer) else signer.signer
        core = Core(
            self.cid, self.roster.seq + 1, self.roster.head, who, self.p, self.heads[-1], self.now, ops, epoch=None
        )
        if rotate:
            core = replace(core, epoch=self.opening(core))
        return replace(core, **changes)

    def opening(self, core: Core, secret: EpochSecret | None = None, **changes: Any) -> NewEpoch:
        """The epoch part that fits the core: computed here from the ops, not by the library."""
        pairs = self.recipients_after(core.ops)
        policy = next((op for op in core.ops if isinstance(op, SetPolicy)), self.roster.policy)
        e = (self.roster.epoch.e if self.roster.epoch is not None else 0) + 1
        raw = secret.reveal() if secret is not None else b"\x07" * 32
        commit = spec.m(raw, "commit", self.cid, e, core.prev)
        opening = NewEpoch(e, commit, spec.recipients_digest(pairs), policy.history_days, Reason.DUE)
        return replace(opening, **changes)

    def recipients_after(self, ops: tuple[Op, ...]) -> list[tuple[bytes, int, bytes]]:
        """(device, n, H(SUBKEY)) of each device active after the ops."""
        newest = {d.id: (d.member, d.subkeys[-1].n, d.subkeys[-1].hash) for d in self.roster.active_devices()}
        for op in ops:
            match op:
                case RemoveDevice():
                    newest.pop(op.device, None)
                case RemoveMember() | Leave():
                    newest = {at: found for at, found in newest.items() if found[0] != op.member}
                case AddDevice():
                    newest[spec.device_id(op.dsk)] = (op.member, 1, spec.h(op.subkey))
        return [(at, n, digest) for at, (_, n, digest) in newest.items()]

    def sign(
        self,
        core: Core,
        key: SigningKey | Device | Invite,
        also: tuple[Device, ...] = (),
        approvals: tuple[bytes, ...] = (),
    ) -> bytes:
        cosigners = tuple((other.signer, other.key) for other in also)
        return sign_entry(core, key if isinstance(key, SigningKey) else key.key, cosigners, approvals)

    def entry(
        self,
        signer: Device | Invite,
        *ops: Op,
        rotate: bool = False,
        also: tuple[Device, ...] = (),
        approvals: tuple[bytes, ...] = (),
        **changes: Any,
    ) -> bytes:
        """A signed entry."""
        return self.sign(self.draft(signer, *ops, rotate=rotate, **changes), signer, also, approvals)

    def admit(self, wire: bytes, p: int | None = None) -> Roster:
        """E01 to E19 on an entry at the next position, or at `p`."""
        entry = parse_entry(wire)
        return checks.admit(self.roster, entry, self.p + 1 if p is None else p, self.head_at)

    def append(self, wire: bytes) -> Roster:
        """An entry that is admitted and stands in the log."""
        after = self.admit(wire)
        p = self.log(Kind.ENTRY, wire)
        self.roster = self.rosters[p] = after
        self.entry_heads[after.seq] = after.head
        return after

    def rotate(self, signer: Device | Invite, *ops: Op, secret: EpochSecret | None = None) -> epochs.Built:
        """An entry that opens an epoch with its envelopes, made by the library and appended."""
        built = epochs.build_entry(
            self.roster,
            signer.signer,
            signer.key,
            ops,
            log=(self.p, self.heads[-1]),
            ts=self.now,
            rotate=Reason.DUE,
        )
        after = self.append(built.wire)
        assert after.epoch is not None
        assert built.secret is not None
        self.secrets[after.epoch.e] = built.secret
        self.envelopes[after.epoch.e] = built.envelopes
        return built

    def approval(self, device: Device, op: Op, *, cid: bytes | None = None, **changes: Any) -> bytes:
        """A second person's PROPOSAL for `op`."""
        given = {"nonce": random_bytes(16), "expires": self.now + DAY, "of": device.id, "key": device.key, **changes}
        return approve(given["key"], given["of"], cid or self.cid, op, given["nonce"], given["expires"])

    # --- subkeys ---

    def publish(self, device: Device, n: int) -> bytes:
        """The device's next SUBKEY, appended."""
        device.sealing[n] = SealingKey.generate()
        wire = make_subkey(device, self.cid, n, device.sealing[n].public, roster_head=self.roster.head)
        after = checks.admit_subkey(self.roster, wire, self.p + 1)
        p = self.log(Kind.SUBKEY, wire)
        self.roster = self.rosters[p] = after
        return wire

    # --- messages ---

    def keys(self, e: int | None = None) -> EpochKeys:
        assert self.roster.epoch is not None
        at = self.roster.epoch.e if e is None else e
        return keys_of(self.secrets[at], self.cid, self.roster.epochs[at])

    def header(self, device: Device, author: bytes | None = None, **changes: Any) -> Header:
        """The header the device ought to write for its first message, then with `changes`."""
        assert self.roster.epoch is not None
        right: dict[str, Any] = {
            "suite": 1,
            "cid": self.cid,
            "e": self.roster.epoch.e,
            "roster_seq": self.roster.seq,
            "roster_head": self.roster.head,
            "log_pos": self.p,
            "log_head": self.heads[-1],
            "author": device.member if author is None else author,
            "device": device.id,
            "chain": b"c" * 16,
            "dseq": 1,
            "prev_own": ZERO32,
            "ts": self.now,
        }
        return Header(**{**right, **changes})

    def message(
        self,
        device: Device,
        body: AnyBody | bytes | None = None,
        *,
        author: bytes | None = None,
        keys: EpochKeys | None = None,
        key: SigningKey | None = None,
        forge: dict[str, Any] | None = None,
        **changes: Any,
    ) -> bytes:
        """A MESSAGE made by the code under spec.py. `forge` goes to seal_message below, `changes` to the header."""
        said = Post(THREAD, "hello") if body is None else body
        plaintext = said if isinstance(said, bytes) else encode_body(said)
        return seal_message(
            keys or self.keys(),
            key or device.key,
            self.header(device, author, **changes),
            plaintext,
            **(forge or {}),
        )

    def place(
        self, wire: bytes, p: int | None = None, end: ChainEnd | None = None, pruned: bool = False
    ) -> PlacedMessage:
        """M01 to M13 at the next position, or at `p` of the log so far."""
        at = self.p + 1 if p is None else p
        roster = self.roster if p is None else self.roster_at(p)
        return message.place(
            message.authenticate(message.parse(wire), self.roster),
            roster,
            at,
            roster_head_at=self.entry_heads.get,
            log_head_at=self.head_at,
            end=end,
            pruned=pruned,
        )

    def open(self, wire: bytes, keys: EpochKeys | None = None, **where: Any) -> OpenedMessage:
        """M01 to M17."""
        return message.unseal(self.place(wire, **where), keys or self.keys())

    def read(self, wire: bytes, around: Around | None = None, **where: Any) -> VerifiedMessage:
        """M01 to M18."""
        return judge(self.open(wire, **where), around or Around())

    # --- requests and directs ---

    def request(self, device: Device, **changes: Any) -> bytes:
        assert self.roster.epoch is not None
        right = {"cid": self.cid, "device": device.id, "e": self.roster.epoch.e, "whom": self.people["owner"].id}
        given = {**right, **{k: v for k, v in changes.items() if k != "key"}}
        core = spec.s("request-core", given["cid"], given["device"], given["e"], given["whom"])
        return spec.s("request", core, changes.get("key", device.key).sign(b"request", core))

    def admit_request(self, wire: bytes, seen: set[tuple[bytes, int, bytes]] | None = None) -> Request:
        return admit_request(wire, self.roster, self.p + 1, seen if seen is not None else set())

    def direct_header(self, sender: Device, to: bytes, **changes: Any) -> DirectHeader:
        return replace(DirectHeader(self.cid, sender.id, sender.member, to, 1, self.roster.seq), **changes)

    def slot(self, device: Device, mk: bytes, kc: bytes, n: int = 1, **changes: Any) -> bytes:
        """The key of a DIRECT, sealed to one device."""
        found = next(s for s in self.roster.devices[device.id].subkeys if s.n == n)
        given = {"purpose": b"direct", "cid": self.cid, "to": device.id, "hash": found.hash, **changes}
        info = spec.s("hpke-info", given["purpose"], given["cid"], 0, ZERO32, kc, ZERO16, given["to"], given["hash"])
        return spec.s("slot", given["to"], n, seal(found.public, mk, info))

    def direct(
        self,
        sender: Device,
        to: Device,
        body: bytes,
        *,
        kind: bytes = b"history",
        suite: int = 1,
        outer_cid: bytes | None = None,
        kc: bytes | None = None,
        slots: list[bytes] | None = None,
        key: SigningKey | None = None,
        inside: bytes | None = None,
        ciphertext: bytes | None = None,
        **changes: Any,
    ) -> bytes:
        """A DIRECT made by the code under spec.py."""
        header = self.direct_header(sender, changes.pop("member", to.member), **changes)
        mk = random_bytes(32)
        right_kc = spec.box_keys(mk)[2]
        kc = right_kc if kc is None else kc
        core = spec.s(
            "direct-core",
            header.cid,
            header.sender,
            header.author,
            header.to,
            header.counter,
            header.roster_seq,
            kind,
            body,
        )
        signed = spec.s("direct-signed", core, (key or sender.key).sign(b"direct", core))
        listed = [self.slot(to, mk, kc)] if slots is None else slots
        aad = spec.s("direct-hdr", suite, self.cid if outer_cid is None else outer_cid, spec.s("slots", *listed))
        _, sealed = spec.box(mk, spec.padded(signed, 1024) if inside is None else inside, aad)
        return spec.s("direct", aad, kc, sealed if ciphertext is None else ciphertext)

    def receive(
        self, to: Device, wire: bytes, last: dict[tuple[bytes, bytes, bytes], int] | None = None
    ) -> VerifiedDirect:
        """D01 to D08 on `to`."""
        found = self.roster.devices[to.id]
        keys = {s.n: (to.sealing[s.n], s.hash) for s in found.subkeys}
        return direct.open_direct(wire, self.roster, to.id, keys, last or {})


def seal_message(
    keys: EpochKeys,
    key: SigningKey,
    header: Header,
    plaintext: bytes,
    *,
    inside: bytes | None = None,
    kc: bytes | None = None,
    ciphertext: bytes | None = None,
    signature: bytes | None = None,
    header_bytes: bytes | None = None,
) -> bytes:
    """A MESSAGE by docs/protocol.md, with any part replaced."""
    raw, mk = header_and_key(keys, header)
    right_kc, sealed = spec.box(mk, spec.padded(plaintext) if inside is None else inside, raw)
    inner = spec.s(
        "msg",
        raw if header_bytes is None else header_bytes,
        right_kc if kc is None else kc,
        sealed if ciphertext is None else ciphertext,
    )
    return spec.s("message", key.sign(b"msg", spec.h(inner)) if signature is None else signature, inner)


def header_and_key(keys: EpochKeys, header: Header) -> tuple[bytes, bytes]:
    """hdr and MK."""
    values = msgspec.structs.astuple(header)
    raw = spec.s("hdr", *values[:-1], values[-1] if values[-1] != ZERO32 else random_bytes(32))
    return raw, spec.m(keys.key.reveal(), "mk", raw[-32:], spec.h(raw))


def end_of(wire: bytes) -> ChainEnd:
    """Where a chain stands after this message."""
    parsed = message.parse(wire)
    return ChainEnd(parsed.header.dseq, parsed.id)


def key_of(world: World, wire: bytes) -> MessageKey:
    """A message's own key."""
    parsed = message.parse(wire)
    return message.message_key(world.keys(parsed.header.e), parsed.header_bytes)


def small_order_signature(public: bytes, label: str, data: bytes) -> bytes:
    """A signature that verifies under a public key of small order, which nobody holds the private half of.

    With A of order 1, 2, 4 or 8, S*B = R + k*A holds for R = S*B as soon as k is a multiple of that order.
    """
    for i in count():
        seed = i.to_bytes(32, "big")
        scalar = bytearray(sha512(seed).digest()[:32])
        scalar[0] &= 248
        scalar[31] = scalar[31] & 127 | 64
        s = int.from_bytes(scalar, "little") % spec.L25519
        signature = SigningKey(SigningSeed(seed)).public + s.to_bytes(32, "little")
        try:
            verify(public, label.encode(), data, signature)
        except CryptoFailure:
            continue
        return signature
    raise AssertionError


def raw_core(core: Core, *, suite: int = 1, by: int | None = None, ops: bytes | None = None, **epoch: bytes) -> bytes:
    """An entry's core by docs/protocol.md, with values the library would not write."""
    opening = core.epoch
    packed = (
        b""
        if opening is None
        else spec.s("entry-epoch", opening.e, opening.commit, opening.recipients, opening.history_days, opening.reason)
    )
    return spec.s(
        "entry-core",
        suite,
        core.cid,
        core.seq,
        core.prev,
        core.signer.by if by is None else by,
        core.signer.id,
        core.log_pos,
        core.log_head,
        core.ts,
        spec.s("ops", *map(encode_op, core.ops)) if ops is None else ops,
        epoch.get("epoch", packed),
    )


def raw_entry(core: bytes, *signatures: bytes) -> bytes:
    return spec.s("entry", core, spec.s("sigs", *signatures))


def raw_signature(signer: Signer, key: SigningKey, core: bytes, *, by: int | None = None) -> bytes:
    return spec.s("sig", signer.by if by is None else by, signer.id, key.sign(b"entry", core))


# --- the circle most tests start from ---


def genesis_ops(founder: Device, relay: SigningKey, policy: SetPolicy = POLICY) -> tuple[Op, ...]:
    return (
        AddMember(founder.member, 0, ZERO16, ZERO16, b""),
        add_device(founder, ZERO32),
        SetRole(founder.member, Role.OWNER),
        policy,
        SetRelay(b"https://relay.example", relay.public),
    )


def genesis_core(founder: Device, *ops: Op, **changes: Any) -> Core:
    return replace(Core(ZERO32, 0, ZERO32, founder.signer, 0, ZERO32, START, ops, None), **changes)


def founded(policy: SetPolicy = POLICY) -> World:
    """A circle with its founder alone, in epoch 1."""
    founder, relay = new_device(name("owner")), SigningKey.generate()
    core = genesis_core(founder, *genesis_ops(founder, relay, policy))
    wire = sign_entry(core, founder.key)
    cid = circle_id(parse_entry(wire).core_bytes)
    roster = checks.found(wire, cid)
    world = World(roster, relay, START, heads=[ZERO32], wires=[b""], rosters=[roster])
    world.log(Kind.ENTRY, wire)
    world.entry_heads[0] = roster.head
    world.people["owner"] = founder
    world.rotate(founder)
    return world


def hosted_member(world: World, gateway: Device, invite: Invite, member: bytes) -> AddMember:
    """A hosted member with the invite's signature, as a gateway that was given the token makes it."""
    statement = spec.s("hosted-join", world.cid, member, gateway.member)
    return AddMember(member, 1, gateway.member, invite.id, invite.key.sign(b"hosted-join", statement))


def native_join(
    world: World, invite: Invite, device: Device, *more: Op, member: AddMember | None = None
) -> tuple[Op, ...]:
    """What somebody who holds the token puts into the roster."""
    added = member or AddMember(device.member, 0, ZERO16, invite.id, b"")
    return (added, add_device(device, world.cid, invite=invite.id), *more)


def join(world: World, who: str, role: Role = Role.MEMBER, invite: Invite | None = None) -> Device:
    """A native member comes in by an invite; the owner gives them their role."""
    device = new_device(name(who))
    used = invite or world.invites["member"]
    world.rotate(used, *native_join(world, used, device))
    world.people[who] = device
    if role is not Role.MEMBER:
        world.append(world.entry(world.people["owner"], SetRole(device.member, role)))
    return device


GUEST: Final = name("guest")


@cache
def _circle() -> World:
    world = founded()
    owner = world.people["owner"]
    for label, approve_ in (("member", 0), ("approved", 1)):
        world.invites[label], op = new_invite(world.cid, uses=50, approve=approve_)
        world.append(world.entry(owner, op))
    join(world, "moderator", Role.MODERATOR)
    join(world, "organiser", Role.ORGANISER)
    join(world, "member")
    join(world, "other")
    gateway = join(world, "gateway", Role.GATEWAY)
    join(world, "gateway2", Role.GATEWAY)
    world.append(world.entry(gateway, hosted_member(world, gateway, world.invites["member"], GUEST)))
    return world


def circle() -> World:
    """Owner, moderator, organiser, two members, two gateways, and a guest hosted by the first."""
    return _circle().copy()

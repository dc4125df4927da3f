"""A circle built by hand: keys, valid records, and the log they make, for tests that need no node."""

from __future__ import annotations

from dataclasses import dataclass, field

from peerbot.core.ports import Credential
from peerbot.protocol import labels, log
from peerbot.protocol.bodies import Post, encode_body
from peerbot.protocol.epochs import Built, build_entry, build_genesis, keys_of, seal_epoch
from peerbot.protocol.keys import device_id, invite_id, invite_key, new_token, recovery_key
from peerbot.protocol.log import Kind
from peerbot.protocol.message import Header, seal_message
from peerbot.protocol.primitives import SealingKey, SigningKey, random_bytes, sha256
from peerbot.protocol.request import Request, make_request
from peerbot.protocol.roster.checks import admit, admit_subkey, found, possession
from peerbot.protocol.roster.entry import By, Reason, Signer, circle_id, parse_entry
from peerbot.protocol.roster.ops import (
    AddDevice,
    AddInvite,
    AddMember,
    Op,
    RemoveDevice,
    RemoveMember,
    Role,
    SetPolicy,
    SetRecovery,
    SetRelay,
    SetRole,
)
from peerbot.protocol.roster.state import Roster
from peerbot.protocol.secret import EpochSecret, InviteToken, RecoveryCode
from peerbot.protocol.subkey import make_subkey
from peerbot.protocol.wire import ZERO16, ZERO32

START = 1_800_000_000
"""When tests begin, in seconds since 1970."""
POLICY = SetPolicy(90, 7, 30, 3, 1, 14 * 86_400, 1)


@dataclass(frozen=True, slots=True)
class Person:
    """A member with one device."""

    member: bytes = field(default_factory=lambda: random_bytes(16))
    key: SigningKey = field(default_factory=SigningKey.generate)
    sealing: SealingKey = field(default_factory=SealingKey.generate)

    @property
    def device(self) -> bytes:
        return device_id(self.key.public)

    @property
    def signer(self) -> Signer:
        return Signer(By.DEVICE, self.device)

    def added(self, cid: bytes, invite: bytes) -> AddDevice:
        subkey = make_subkey(self.key, cid, self.device, 1, self.sealing.public, ZERO32)
        proof = self.key.sign(labels.SIG_POSSESSION, possession(cid, self.member, invite))
        return AddDevice(self.member, self.key.public, subkey, proof)


class CircleBuilder:
    """A circle as its owner sees it. Records are made for the log's present end; `took` says that one was appended."""

    def __init__(self, relay_key: bytes, policy: SetPolicy = POLICY, url: bytes = b"http://127.0.0.1") -> None:
        self.now = START
        self.owner = Person()
        ops = (
            AddMember(self.owner.member, 0, ZERO16, ZERO16, b""),
            self.owner.added(ZERO32, ZERO16),
            SetRole(self.owner.member, Role.OWNER),
            policy,
            SetRelay(url, relay_key),
        )
        self.genesis = build_genesis(self.owner.signer, self.owner.key, ops, self.now)
        self.cid = circle_id(parse_entry(self.genesis).core_bytes)
        self.roster: Roster = found(self.genesis, self.cid)
        self.heads = {0: ZERO32, 1: log.link(ZERO32, 1, Kind.ENTRY, sha256(self.genesis))}
        self.secrets: dict[int, EpochSecret] = {}
        self._dseq: dict[bytes, tuple[int, bytes]] = {}

    @property
    def p(self) -> int:
        return max(self.heads)

    @property
    def head(self) -> bytes:
        return self.heads[self.p]

    def took(self, kind: Kind, wire: bytes) -> None:
        """The log has this record next."""
        p = self.p + 1
        if kind is Kind.ENTRY:
            self.roster = admit(self.roster, parse_entry(wire), p, self.heads.get)
        elif kind is Kind.SUBKEY:
            self.roster = admit_subkey(self.roster, wire, p)
        self.heads[p] = log.link(self.head, p, kind, sha256(wire))

    def credential(self, person: Person) -> Credential:
        return Credential(self.cid, By.DEVICE, person.device, person.key)

    # --- entries ---

    def entry(
        self,
        by: Person,
        *ops: Op,
        rotate: Reason | None = None,
        signer: Signer | None = None,
        key: SigningKey | None = None,
    ) -> Built:
        built = build_entry(
            self.roster,
            signer if signer is not None else by.signer,
            key if key is not None else by.key,
            ops,
            log=(self.p, self.head),
            ts=self.now,
            rotate=rotate,
        )
        if built.secret is not None:
            self.secrets[self.roster.epoch.e + 1 if self.roster.epoch is not None else 1] = built.secret
        return built

    def opening(self) -> Built:
        """The founder's second entry, which opens epoch 1."""
        return self.entry(self.owner, rotate=Reason.FOUNDING)

    def rotation(self, by: Person | None = None) -> Built:
        return self.entry(by if by is not None else self.owner, rotate=Reason.DUE)

    def invitation(self, uses: int = 1, expires: int = START + 1000) -> tuple[InviteToken, Built]:
        token = new_token()
        public = self.invite_key(token).public
        return token, self.entry(self.owner, AddInvite(invite_id(public), public, Role.MEMBER, uses, expires, 0))

    def invite_key(self, token: InviteToken) -> SigningKey:
        return invite_key(token, self.cid)

    def invite_credential(self, token: InviteToken) -> Credential:
        key = self.invite_key(token)
        return Credential(self.cid, By.INVITE, invite_id(key.public), key)

    def join(self, person: Person, token: InviteToken) -> Built:
        invite = self.invite_credential(token)
        ops = (AddMember(person.member, 0, ZERO16, invite.id, b""), person.added(self.cid, invite.id))
        return self.entry(person, *ops, rotate=Reason.JOIN, signer=Signer(By.INVITE, invite.id), key=invite.key)

    def admission(self, person: Person) -> Built:
        """The owner adds a person without an invite."""
        ops = (AddMember(person.member, 0, ZERO16, ZERO16, b""), person.added(self.cid, ZERO16))
        return self.entry(self.owner, *ops, rotate=Reason.JOIN)

    def removal(self, person: Person) -> Built:
        return self.entry(self.owner, RemoveMember(person.member), rotate=Reason.REMOVAL)

    def with_recovery(self, person: Person, code: RecoveryCode) -> Built:
        return self.entry(person, SetRecovery(person.member, recovery_key(code, self.cid).public))

    def recovery_credential(self, person: Person, code: RecoveryCode) -> Credential:
        return Credential(self.cid, By.RECOVERY, person.member, recovery_key(code, self.cid))

    def recovery(self, person: Person, newer: Person, code: RecoveryCode) -> Built:
        """`newer` is the same member with a new device, which takes the place of the old one."""
        return self.entry(
            newer,
            newer.added(self.cid, ZERO16),
            RemoveDevice(person.device),
            rotate=Reason.REMOVAL,
            signer=Signer(By.RECOVERY, person.member),
            key=recovery_key(code, self.cid),
        )

    # --- other records ---

    def subkey(self, person: Person, n: int = 2) -> bytes:
        public = SealingKey.generate().public
        return make_subkey(person.key, self.cid, person.device, n, public, self.roster.head)

    def request(self, person: Person, whom: Person, e: int = 1) -> bytes:
        return make_request(person.key, Request(self.cid, person.device, e, whom.device))

    def envelope(self, by: Person, to: Person, e: int = 1) -> bytes:
        epoch = self.roster.epochs[e]
        subkey = self.roster.devices[to.device].subkeys[-1]
        return seal_epoch(self.secrets[e], self.cid, epoch, by.device, to.device, subkey)

    def message(self, by: Person, text: str = "hello") -> bytes:
        """The next message of this person's chain, in the newest epoch."""
        epoch = self.roster.epoch
        assert epoch is not None
        dseq, prev = self._dseq.get(by.device, (0, ZERO32))
        header = Header(
            labels.SUITE,
            self.cid,
            epoch.e,
            self.roster.seq,
            self.roster.head,
            self.p,
            self.head,
            by.member,
            by.device,
            ZERO16,
            dseq + 1,
            prev,
            self.now,
        )
        keys = keys_of(self.secrets[epoch.e], self.cid, epoch)
        wire = seal_message(keys, by.key, header, encode_body(Post(ZERO16, text)))
        self._dseq[by.device] = (dseq + 1, sha256(wire))
        return wire

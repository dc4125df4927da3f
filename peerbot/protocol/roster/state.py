"""The roster as a value: what every device that folded the same entries agrees on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from rpds import HashTrieMap

from peerbot.protocol import labels, wire
from peerbot.protocol.primitives import sha256
from peerbot.protocol.roster.ops import Role, SetPolicy
from peerbot.protocol.wire import U64, ZERO16, ZERO32, Layout, Raw

FOREVER: Final = 2**63


class SubkeyRef(msgspec.Struct, frozen=True, array_like=True):
    """One SUBKEY of a device: its number, H(SUBKEY), the public key and the log position it stands at."""

    n: int
    hash: bytes
    public: bytes
    p: int


class Device(msgspec.Struct, frozen=True, array_like=True):
    """A device, kept after its removal so that its old records can be judged. Active where added_p < p < removed_p."""

    id: bytes
    member: bytes
    dsk: bytes
    added_p: int
    added_seq: int
    removed_p: int
    removed_seq: int
    subkeys: tuple[SubkeyRef, ...]

    @property
    def active(self) -> bool:
        return self.removed_p == FOREVER

    def active_at(self, p: int) -> bool:
        """At log position p (M07)."""
        return self.added_p < p < self.removed_p

    def active_at_seq(self, seq: int) -> bool:
        """In the state after entry `seq` (D06)."""
        return self.added_seq <= seq < self.removed_seq

    def newest(self, log_pos: int) -> SubkeyRef:
        """The newest SUBKEY that stood in the log at `log_pos`; the one of ADD_DEVICE if no other did."""
        return next((s for s in reversed(self.subkeys) if s.p <= log_pos), self.subkeys[0])


class Member(msgspec.Struct, frozen=True, array_like=True):
    """A member with the history of roles and hosts, each as (position it began at, value)."""

    id: bytes
    hosted: bool
    joined_p: int
    left_p: int
    roles: tuple[tuple[int, int], ...]
    hosts: tuple[tuple[int, bytes], ...]
    devices: tuple[bytes, ...]
    recovery: bytes
    invite: bytes

    @property
    def active(self) -> bool:
        return self.left_p == FOREVER

    @property
    def role(self) -> Role:
        return Role(self.roles[-1][1])

    @property
    def host(self) -> bytes:
        """The gateway's member id, or zero."""
        return self.hosts[-1][1] if self.hosts else ZERO16

    def active_at(self, p: int) -> bool:
        return self.joined_p < p < self.left_p

    def role_at(self, p: int) -> Role:
        """The role in force for a record at position p."""
        return Role(next((role for since, role in reversed(self.roles) if since < p), self.roles[0][1]))

    def host_at(self, p: int) -> bytes:
        return next((host for since, host in reversed(self.hosts) if since < p), ZERO16)


class Invite(msgspec.Struct, frozen=True, array_like=True):
    """An invite; `uses` are those left."""

    id: bytes
    public: bytes
    role: int
    uses: int
    expires: int
    approve: bool
    by: bytes
    revoked: bool


class Epoch(msgspec.Struct, frozen=True, array_like=True):
    """Epoch `e`, opened by the entry at position `p`, whose `prev` the keys are bound to. `time` is that entry's."""

    e: int
    p: int
    seq: int
    prev: bytes
    commit: bytes
    history_days: int
    time: int


class Roster(msgspec.Struct, frozen=True):
    """A circle's roster after entry `seq`, which stands at log position `p` and has hash `head`.

    `times` are the newest times that owners, moderators and gateways have signed in entries, by member, in seconds
    since 1970. `time` is the newest of those who are that still: invites expire by it, and whoever dates theirs into
    the future to end them all can be removed, and their time with them. `nonces` are the proposals already used.
    """

    cid: bytes
    seq: int
    head: bytes
    p: int
    time: int
    policy: SetPolicy
    relay_url: str
    relay_key: bytes
    epoch: Epoch | None
    rekey_required: bool
    members: HashTrieMap[bytes, Member]
    devices: HashTrieMap[bytes, Device]
    invites: HashTrieMap[bytes, Invite]
    epochs: HashTrieMap[int, Epoch]
    nonces: HashTrieMap[bytes, int]
    times: HashTrieMap[bytes, int]

    def active_devices(self) -> Iterator[Device]:
        return (d for d in self.devices.values() if d.active)

    def members_active(self) -> Iterator[Member]:
        return (m for m in self.members.values() if m.active)

    def member_of(self, device: bytes) -> Member:
        return self.members[self.devices[device].member]

    def devices_of(self, member: bytes) -> list[Device]:
        """The member's active devices."""
        found = self.members.get(member)
        return [d for i in found.devices if (d := self.devices[i]).active] if found else []

    def reaching(self, member: bytes) -> list[Device]:
        """The devices a direct to this member is sealed to: their own, else their gateway's."""
        found = self.members.get(member)
        if found is None or not found.active:
            return []
        return self.devices_of(member) or self.devices_of(found.host)

    def suspended(self, member: Member) -> bool:
        """Left without a device and without a living host."""
        host = self.members.get(member.host)
        return not self.devices_of(member.id) and (host is None or not host.active)

    def epoch_at(self, p: int) -> Epoch | None:
        """The epoch in force for a record at position p (M09), looking back from the newest."""
        epoch = self.epoch
        while epoch is not None and epoch.p >= p:
            epoch = self.epochs.get(epoch.e - 1)
        return epoch


_RECIPIENT = Layout(b"rcpt-item", Raw(16), U64(), Raw(32))


def recipients(roster: Roster, log_pos: int) -> list[tuple[Device, SubkeyRef]]:
    """Every active device with its newest SUBKEY as of log_pos, by device id."""
    found = [(device, device.newest(log_pos)) for device in roster.active_devices()]
    return sorted(found, key=lambda pair: pair[0].id)


def recipients_digest(pairs: list[tuple[Device, SubkeyRef]]) -> bytes:
    """rcpt_digest: what every device recomputes so that nobody is left out unseen (E15)."""
    items = (_RECIPIENT.encode(device.id, subkey.n, subkey.hash) for device, subkey in pairs)
    return sha256(wire.encode_list(labels.HASH_RECIPIENTS, items)) if pairs else ZERO32


class _Snapshot(msgspec.Struct, frozen=True, array_like=True):
    cid: bytes
    seq: int
    head: bytes
    p: int
    time: int
    policy: tuple[int, int, int, int, int, int, int]
    relay_url: str
    relay_key: bytes
    epoch: int
    rekey_required: bool
    members: list[Member]
    devices: list[Device]
    invites: list[Invite]
    epochs: list[Epoch]
    nonces: dict[bytes, int]
    times: dict[bytes, int]


_SNAPSHOT = msgspec.msgpack.Decoder(_Snapshot)


def dump(roster: Roster) -> bytes:
    """The roster as the vault keeps it, so that opening a circle replays nothing."""
    policy = roster.policy
    return msgspec.msgpack.encode(
        _Snapshot(
            roster.cid,
            roster.seq,
            roster.head,
            roster.p,
            roster.time,
            (
                policy.retention_days,
                policy.epoch_days,
                policy.history_days,
                policy.doors,
                policy.quorum,
                policy.max_checkpoint_age,
                policy.min_suite,
            ),
            roster.relay_url,
            roster.relay_key,
            roster.epoch.e if roster.epoch else 0,
            roster.rekey_required,
            list(roster.members.values()),
            list(roster.devices.values()),
            list(roster.invites.values()),
            list(roster.epochs.values()),
            dict(roster.nonces.items()),
            dict(roster.times.items()),
        )
    )


def load(raw: bytes) -> Roster:
    """The reverse of dump. Raises msgspec.DecodeError."""
    try:
        s = _SNAPSHOT.decode(raw)
    except UnicodeDecodeError:
        raise msgspec.DecodeError("not a roster") from None
    epochs = HashTrieMap({e.e: e for e in s.epochs})
    return Roster(
        cid=s.cid,
        seq=s.seq,
        head=s.head,
        p=s.p,
        time=s.time,
        policy=SetPolicy(*s.policy),
        relay_url=s.relay_url,
        relay_key=s.relay_key,
        epoch=epochs.get(s.epoch),
        rekey_required=s.rekey_required,
        members=HashTrieMap({m.id: m for m in s.members}),
        devices=HashTrieMap({d.id: d for d in s.devices}),
        invites=HashTrieMap({i.id: i for i in s.invites}),
        epochs=epochs,
        nonces=HashTrieMap(s.nonces),
        times=HashTrieMap(s.times),
    )

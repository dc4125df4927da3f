"""ENTRY: parsing, signing and hashing of one step of the roster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from peerbot.errors import Refused, UpgradeNeeded
from peerbot.protocol import labels, wire
from peerbot.protocol.primitives import SigningKey, sha256
from peerbot.protocol.roster.ops import AddDevice, Op, decode_op, encode_op
from peerbot.protocol.subkey import SubkeyRecord, parse_subkey
from peerbot.protocol.wire import U64, ZERO16, ZERO32, Layout, Malformed, Raw, Var

MAX_OPS: Final = 10_000
MAX_SIGNATURES: Final = 16
_CORE: Final = Layout(
    b"entry-core",
    U64(),
    Raw(32),
    U64(),
    Raw(32),
    U64(),
    Raw(16),
    U64(),
    Raw(32),
    U64(),
    Var(wire.MAX_ENTRY),
    Var(256),
)
_EPOCH: Final = Layout(b"entry-epoch", U64(), Raw(32), Raw(32), U64(), U64())
_SIGNATURE: Final = Layout(b"sig", U64(), Raw(16), Raw(64))
_ENTRY: Final = Layout(b"entry", Var(wire.MAX_ENTRY), Var(wire.MAX_ENTRY))
_APPROVAL: Final = Layout(b"approval", Var(wire.MAX_ENTRY), Raw(16), Raw(64))
_PROPOSAL: Final = Layout(b"proposal", Raw(32), Var(wire.MAX_ENTRY), Raw(16), U64())


class By(IntEnum):
    """Whose key signs an entry."""

    DEVICE = 1
    INVITE = 2
    RECOVERY = 3


class Reason(IntEnum):
    """Why an epoch begins. It explains the entry to people and decides nothing."""

    FOUNDING = 1
    JOIN = 2
    REMOVAL = 3
    DUE = 4
    POLICY = 5
    HEALING = 6


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: a device id, an invite id, or for a recovery key the member's id."""

    by: By
    id: bytes


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """The epoch part of an entry; `history_days` is `hist` of docs/protocol.md."""

    e: int
    commit: bytes
    recipients: bytes
    history_days: int
    reason: int


@dataclass(frozen=True, slots=True)
class Core:
    """What the signatures of an entry cover. `ts` in seconds since 1970."""

    cid: bytes
    seq: int
    prev: bytes
    signer: Signer
    log_pos: int
    log_head: bytes
    ts: int
    ops: tuple[Op, ...]
    epoch: NewEpoch | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A second person's signed word for one op (E09)."""

    cid: bytes
    op: bytes
    nonce: bytes
    expires: int
    device: bytes
    proposal: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed entry. `signatures` holds the signer's first, `subkeys` one SUBKEY for each ADD_DEVICE in order."""

    core: Core
    core_bytes: bytes
    signatures: tuple[tuple[Signer, bytes], ...]
    approvals: tuple[Approval, ...]
    subkeys: tuple[SubkeyRecord, ...]
    wire: bytes
    hash: bytes

    @property
    def genesis(self) -> bool:
        return self.core.seq == 0


def encode_core(core: Core) -> bytes:
    epoch = core.epoch
    return _CORE.encode(
        labels.SUITE,
        core.cid,
        core.seq,
        core.prev,
        core.signer.by,
        core.signer.id,
        core.log_pos,
        core.log_head,
        core.ts,
        wire.encode_list(b"ops", (encode_op(op) for op in core.ops)),
        b""
        if epoch is None
        else _EPOCH.encode(epoch.e, epoch.commit, epoch.recipients, epoch.history_days, epoch.reason),
    )


def circle_id(genesis_core: bytes) -> bytes:
    """cid: H of the genesis core, in which every field that would hold it is zero."""
    return sha256(genesis_core)


def sign_entry(
    core: Core, key: SigningKey, also: tuple[tuple[Signer, SigningKey], ...] = (), approvals: tuple[bytes, ...] = ()
) -> bytes:
    """The wire of an entry, signed by its signer and by others where an op asks for them."""
    raw = encode_core(core)
    signers = ((core.signer, key), *also)
    first, *others = [_SIGNATURE.encode(who.by, who.id, k.sign(labels.SIG_ENTRY, raw)) for who, k in signers]
    return _ENTRY.encode(raw, wire.encode_list(b"sigs", [first, *sorted([*others, *approvals])]))


def approve(key: SigningKey, device: bytes, cid: bytes, op: Op, nonce: bytes, expires: int) -> bytes:
    """A signed PROPOSAL, as the entry carries it."""
    proposal = _PROPOSAL.encode(cid, encode_op(op), nonce, expires)
    return _APPROVAL.encode(proposal, device, key.sign(labels.SIG_PROPOSAL, proposal))


def parse_entry(raw: bytes) -> Entry:
    """E01 size, E02 exact parse, E03 suite. Raises Refused, or UpgradeNeeded for an unknown suite or op."""
    if len(raw) > wire.MAX_ENTRY:
        raise Refused("E01")
    try:
        core_bytes, sigs_bytes = _ENTRY.decode(raw)
        core = _parse_core(core_bytes)
        signatures, approvals = _parse_signatures(sigs_bytes)
        if not signatures or signatures[0][0] != core.signer:
            raise Malformed
        subkeys = tuple(parse_subkey(op.subkey, core.cid) for op in core.ops if isinstance(op, AddDevice))
    except (Malformed, Refused):
        raise Refused("E02") from None
    return Entry(core, core_bytes, signatures, approvals, subkeys, raw, sha256(core_bytes + sigs_bytes))


def devices_added(entry: Entry) -> Iterator[tuple[AddDevice, SubkeyRecord]]:
    """Each ADD_DEVICE with its parsed SUBKEY."""
    return zip((op for op in entry.core.ops if isinstance(op, AddDevice)), entry.subkeys, strict=True)


def _parse_core(raw: bytes) -> Core:
    suite, cid, seq, prev, by, signer, log_pos, log_head, ts, ops_bytes, epoch_bytes = _CORE.decode(raw)
    if suite != labels.SUITE:
        raise UpgradeNeeded("E03")
    if by not in set(By) or (seq == 0) != (cid == ZERO32):
        raise Malformed
    ops = tuple(decode_op(op) for op in wire.decode_list(b"ops", ops_bytes, MAX_OPS))
    epoch = NewEpoch(*_EPOCH.decode(epoch_bytes)) if epoch_bytes else None
    if seq == 0 and (epoch is not None or prev != ZERO32 or log_pos or log_head != ZERO32):
        raise Malformed
    if signer == ZERO16:
        raise Malformed
    return Core(cid, seq, prev, Signer(By(by), signer), log_pos, log_head, ts, ops, epoch)


def _parse_signatures(raw: bytes) -> tuple[tuple[tuple[Signer, bytes], ...], tuple[Approval, ...]]:
    signatures: list[tuple[Signer, bytes]] = []
    approvals: list[Approval] = []
    items = wire.decode_list(b"sigs", raw, MAX_SIGNATURES)
    # They aren't under the signature themselves: any other order would give one entry a second hash.
    if list(items[1:]) != sorted(set(items[1:])):
        raise Malformed
    for item in items:
        if signatures and wire.label_of(item) == b"approval":
            proposal, device, signature = _APPROVAL.decode(item)
            cid, op, nonce, expires = _PROPOSAL.decode(proposal)
            approvals.append(Approval(cid, op, nonce, expires, device, proposal, signature))
            continue
        by, key_id, signature = _SIGNATURE.decode(item)
        if by not in set(By):
            raise Malformed
        signatures.append((Signer(By(by), key_id), signature))
    return tuple(signatures), tuple(approvals)

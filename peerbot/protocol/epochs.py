"""Epoch secrets: entries that open an epoch, the envelopes that carry its secret, and opening them (E20)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from peerbot.errors import Refused
from peerbot.protocol import labels, wire
from peerbot.protocol.box import mac
from peerbot.protocol.keys import epoch_commit, epoch_key
from peerbot.protocol.primitives import CryptoFailure, MacKey, SealingKey, SigningKey, random_bytes, same, seal
from peerbot.protocol.roster.apply import apply_entry
from peerbot.protocol.roster.entry import Core, NewEpoch, Reason, Signer, parse_entry, sign_entry
from peerbot.protocol.roster.ops import Op, SetPolicy
from peerbot.protocol.roster.state import Epoch, Roster, SubkeyRef, recipients, recipients_digest
from peerbot.protocol.secret import EpochSecret
from peerbot.protocol.wire import U64, ZERO32, Layout, Malformed, Raw, Var

_INFO: Final = Layout(b"hpke-info", Var(16), Raw(32), U64(), Raw(32), Raw(32), Raw(16), Raw(16), Raw(32))
_ENVELOPE: Final = Layout(b"envelope", Raw(32), U64(), Raw(16), Raw(16), U64(), Var(2048))


@dataclass(frozen=True, slots=True)
class Envelope:
    """ES_e sealed to one device's SUBKEY number `n`; `sender` is the signer's id of the entry, or a healing device."""

    cid: bytes
    e: int
    sender: bytes
    to: bytes
    n: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Built:
    """An entry ready to be appended, with the secret it opens. `unsealable` are devices whose subkey is bad."""

    wire: bytes
    secret: EpochSecret | None
    envelopes: tuple[bytes, ...]
    unsealable: tuple[bytes, ...]


def hpke_info(
    purpose: bytes, cid: bytes, e: int, prev: bytes, commit: bytes, sender: bytes, to: bytes, subkey: bytes
) -> bytes:
    """All context of an envelope: HPKE here has no public AAD, so it goes into info."""
    return _INFO.encode(purpose, cid, e, prev, commit, sender, to, subkey)


def parse_envelope(raw: bytes) -> Envelope:
    """Raises Refused("E20")."""
    try:
        if len(raw) > wire.MAX_ENVELOPE:
            raise Malformed
        return Envelope(*_ENVELOPE.decode(raw))
    except Malformed:
        raise Refused("E20") from None


def seal_epoch(secret: EpochSecret, cid: bytes, epoch: Epoch, sender: bytes, to: bytes, subkey: SubkeyRef) -> bytes:
    """An envelope's wire. Raises CryptoFailure for a subkey that can't be sealed to."""
    info = hpke_info(labels.PURPOSE_EPOCH, cid, epoch.e, epoch.prev, epoch.commit, sender, to, subkey.hash)
    return _ENVELOPE.encode(cid, epoch.e, sender, to, subkey.n, seal(subkey.public, secret.reveal(), info))


def open_envelope(
    raw: bytes, cid: bytes, epoch: Epoch, device: bytes, key: SealingKey, subkey_hash: bytes
) -> EpochSecret:
    """E20: the envelope is mine, opens, and matches the entry's commit. Raises Refused("E20")."""
    envelope = parse_envelope(raw)
    if envelope.cid != cid or envelope.e != epoch.e or envelope.to != device:
        raise Refused("E20")
    info = hpke_info(labels.PURPOSE_EPOCH, cid, epoch.e, epoch.prev, epoch.commit, envelope.sender, device, subkey_hash)
    try:
        secret = EpochSecret(key.open(envelope.sealed, info))
    except (CryptoFailure, ValueError):
        raise Refused("E20") from None
    check_commit(secret, cid, epoch)
    return secret


def check_commit(secret: EpochSecret, cid: bytes, epoch: Epoch) -> None:
    """The secret is the one the roster names; asked of envelopes and history bundles alike. Raises Refused("E20")."""
    if not same(epoch_commit(secret, cid, epoch.e, epoch.prev), epoch.commit):
        raise Refused("E20")


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """An epoch's derived keys, made once and used for every message in it: EK, and `hedge`, which is M(EK, "hedge")."""

    e: int
    key: MacKey
    hedge: MacKey


def keys_of(secret: EpochSecret, cid: bytes, epoch: Epoch) -> EpochKeys:
    key = epoch_key(secret, cid, epoch.e, epoch.prev)
    return EpochKeys(epoch.e, MacKey(key.reveal()), MacKey(mac(key.reveal(), labels.MAC_HEDGE)))


def build_entry(
    before: Roster,
    signer: Signer,
    key: SigningKey,
    ops: tuple[Op, ...],
    *,
    log: tuple[int, bytes],
    ts: int,
    rotate: Reason | None = None,
    also: tuple[tuple[Signer, SigningKey], ...] = (),
    approvals: tuple[bytes, ...] = (),
) -> Built:
    """The next entry on `before`, seen from log position and head `log`; with `rotate` it opens a new epoch.

    A bad subkey in the roster is reported and skipped, never a reason to stop (attack 30).
    """
    core = Core(before.cid, before.seq + 1, before.head, signer, *log, ts, ops)
    if rotate is None:
        return Built(sign_entry(core, key, also, approvals), None, (), ())
    log_pos = log[0]
    after = apply_entry(before, parse_entry(sign_entry(core, key)), log_pos + 1)
    pairs = recipients(after, log_pos)
    e = (before.epoch.e if before.epoch is not None else 0) + 1
    secret = EpochSecret(random_bytes(32))
    commit = epoch_commit(secret, before.cid, e, before.head)
    policy = next((op for op in ops if isinstance(op, SetPolicy)), before.policy)
    opening = NewEpoch(e, commit, recipients_digest(pairs), policy.history_days, rotate)
    epoch = Epoch(e, log_pos + 1, core.seq, core.prev, commit, policy.history_days, ts)
    envelopes, bad = [], []
    for device, subkey in pairs:
        try:
            envelopes.append(seal_epoch(secret, before.cid, epoch, signer.id, device.id, subkey))
        except CryptoFailure:
            bad.append(device.id)
    raw = sign_entry(replace(core, epoch=opening), key, also, approvals)
    return Built(raw, secret, tuple(envelopes), tuple(bad))


def build_genesis(signer: Signer, key: SigningKey, ops: tuple[Op, ...], ts: int) -> bytes:
    """The first entry of a circle; its cid is H of its core."""
    return sign_entry(Core(ZERO32, 0, ZERO32, signer, 0, ZERO32, ts, ops), key)

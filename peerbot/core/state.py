"""What a node holds in memory of one circle, between the vault and the protocol."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from peerbot.core.ports import StoredCircle
from peerbot.errors import PeerbotError
from peerbot.protocol.epochs import EpochKeys, keys_of
from peerbot.protocol.keys import device_id
from peerbot.protocol.message import ChainEnd
from peerbot.protocol.primitives import SealingKey, SigningKey
from peerbot.protocol.roster.entry import By, Signer
from peerbot.protocol.roster.state import Member, Roster
from peerbot.protocol.secret import EpochSecret

RECENT_HEADS = 4096
"""How many log heads are held in memory; older ones are asked of the vault."""

ChainKey = tuple[bytes, bytes, bytes]
"""(device, author, chain id)."""


@dataclass(frozen=True, slots=True)
class Me:
    """My keys in one circle: the device, the member it belongs to, and the sealing keys by number with H(SUBKEY)."""

    member: bytes
    device: bytes
    key: SigningKey = field(repr=False)
    sealing: dict[int, tuple[SealingKey, bytes]] = field(repr=False)
    chain: bytes

    @property
    def signer(self) -> Signer:
        return Signer(By.DEVICE, self.device)


@dataclass(frozen=True, slots=True)
class CircleState:
    """One circle as of log position `p`. Replaced as a whole after the vault has stored the change.

    `heads` are the newest log heads by position; `pruned`, `alarm`, `broken` are as in ports.Folded. `own_secrets` are
    epoch secrets of entries of mine that may or may not stand in the log yet, by H(wire); `own_rows` outbox ids, too.
    """

    cid: bytes
    slug: str
    me: Me
    ready: bool
    p: int
    head: bytes
    roster: Roster | None
    secrets: dict[int, EpochSecret]
    chains: dict[ChainKey, ChainEnd]
    pauses: tuple[tuple[int, bool], ...]
    locks: dict[bytes, tuple[tuple[int, bool], ...]]
    requests: frozenset[tuple[bytes, int, bytes]]
    entry_hashes: dict[int, bytes]
    counters_in: dict[tuple[bytes, bytes, bytes], int]
    heads: dict[int, bytes]
    pruned: int
    alarm: str
    broken: bool
    own_secrets: dict[bytes, EpochSecret]
    own_rows: dict[bytes, int]
    _keys: dict[int, EpochKeys] = field(default_factory=dict, repr=False)

    @property
    def rules(self) -> Roster:
        """The roster. Raises PeerbotError("circle-empty") where nothing of the circle has been fetched yet."""
        if self.roster is None:
            raise PeerbotError("circle-empty")
        return self.roster

    @property
    def epoch(self) -> int:
        """The newest epoch's number, 0 before the first."""
        return self.roster.epoch.e if self.roster is not None and self.roster.epoch is not None else 0

    @property
    def member(self) -> Member | None:
        """Me as the roster has me; None before my join is folded."""
        return self.roster.members.get(self.me.member) if self.roster is not None else None

    @property
    def removed(self) -> bool:
        """My device was in the circle and isn't any more."""
        device = self.roster.devices.get(self.me.device) if self.roster is not None else None
        return device is not None and not device.active

    def keys(self, e: int) -> EpochKeys | None:
        """The keys of epoch e, derived once; None where its secret isn't here."""
        found = self._keys.get(e)
        if found is not None:
            return found
        secret, epoch = self.secrets.get(e), self.rules.epochs.get(e)
        if secret is None or epoch is None:
            return None
        self._keys[e] = keys_of(secret, self.cid, epoch)
        return self._keys[e]

    def chain_end(self, author: bytes) -> ChainEnd | None:
        """Where my own chain for an author ends."""
        return self.chains.get((self.me.device, author, self.me.chain))

    def paused_at(self, p: int) -> bool:
        return _latest(self.pauses, p)

    def locked_at(self, thread: bytes, p: int) -> bool:
        return _latest(self.locks.get(thread, ()), p)


def _latest(changes: Iterable[tuple[int, bool]], p: int) -> bool:
    """What the last change before p said."""
    return max(((since, value) for since, value in changes if since < p), default=(0, False))[1]


def restore(stored: StoredCircle) -> CircleState:
    """The state a vault's row describes."""
    key = SigningKey(stored.signing)
    locks: dict[bytes, tuple[tuple[int, bool], ...]] = {}
    for thread, p, locked in stored.locks:
        locks[thread] = (*locks.get(thread, ()), (p, locked))
    return CircleState(
        cid=stored.cid,
        slug=stored.slug,
        me=Me(
            stored.member,
            device_id(key.public),
            key,
            {row.n: (SealingKey(row.seed), row.hash) for row in stored.sealing},
            stored.chain,
        ),
        ready=stored.ready,
        p=stored.p,
        head=stored.head,
        roster=stored.roster,
        secrets=dict(stored.secrets),
        chains={(c.device, c.author, c.chain): ChainEnd(c.dseq, c.id, c.p) for c in stored.chains},
        pauses=tuple(stored.pauses),
        locks=locks,
        requests=frozenset(stored.requests),
        entry_hashes=dict(stored.entry_hashes),
        counters_in=dict(stored.counters_in),
        heads={0: bytes(32), stored.p: stored.head},
        pruned=stored.pruned,
        # This may be the newer version that was asked for; if it isn't, the next fold says so again.
        alarm="" if stored.alarm == "upgrade" else stored.alarm,
        broken=stored.broken,
        own_secrets={},
        own_rows={},
    )


def with_secrets(state: CircleState, found: Iterable[tuple[int, EpochSecret]]) -> CircleState:
    return replace(state, secrets={**state.secrets, **dict(found)})

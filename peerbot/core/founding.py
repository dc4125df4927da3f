"""Founding a circle: its genesis, and the first epoch."""

from __future__ import annotations

from dataclasses import dataclass

from peerbot.clock import epoch_seconds
from peerbot.core.node import Circle, Node
from peerbot.core.ports import NewCircle
from peerbot.protocol import labels
from peerbot.protocol.epochs import build_genesis
from peerbot.protocol.keys import device_id, recovery_key
from peerbot.protocol.primitives import SealingKey, SigningKey, random_bytes, sha256
from peerbot.protocol.roster.checks import possession
from peerbot.protocol.roster.entry import By, Reason, Signer, circle_id, parse_entry
from peerbot.protocol.roster.ops import AddDevice, AddMember, Op, Role, SetPolicy, SetRecovery, SetRelay, SetRole
from peerbot.protocol.secret import RecoveryCode
from peerbot.protocol.subkey import make_subkey
from peerbot.protocol.wire import ZERO16, ZERO32

DEFAULT_POLICY = SetPolicy(
    retention_days=90,
    epoch_days=7,
    history_days=30,
    doors=3,
    quorum=1,
    max_checkpoint_age=14 * 86_400,
    min_suite=labels.SUITE,
)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Fresh keys for one device of one new member in one circle."""

    member: bytes
    signing: SigningKey
    sealing: SealingKey
    chain: bytes

    @property
    def device(self) -> bytes:
        return device_id(self.signing.public)

    def ops(self, cid: bytes, invite: bytes) -> tuple[AddMember, AddDevice]:
        """The ops that add this member and device; `cid` is zero in a genesis, `invite` zero without one."""
        subkey = make_subkey(self.signing, cid, self.device, 1, self.sealing.public, ZERO32)
        proof = self.signing.sign(labels.SIG_POSSESSION, possession(cid, self.member, invite))
        return (
            AddMember(self.member, 0, ZERO16, invite, b""),
            AddDevice(self.member, self.signing.public, subkey, proof),
        )

    def stored(self, cid: bytes, slug: str, relay_url: str, add: AddDevice, ready: bool) -> NewCircle:
        """What the vault keeps before anything is sent."""
        return NewCircle(
            cid,
            slug,
            relay_url,
            self.member,
            self.signing.seed(),
            self.sealing.seed(),
            sha256(add.subkey),
            self.chain,
            ready,
        )


def enrol() -> Enrolment:
    return Enrolment(random_bytes(16), SigningKey.generate(), SealingKey.generate(), random_bytes(16))


def recovery_op(code: RecoveryCode, cid: bytes, member: bytes) -> SetRecovery:
    """Only the public key goes into the roster, one per circle so that circles can't be linked by it."""
    return SetRecovery(member, recovery_key(code, cid).public)


async def found_circle(
    node: Node,
    slug: str,
    *,
    relay_url: str,
    relay_key: bytes,
    founding_code: str,
    policy: SetPolicy = DEFAULT_POLICY,
) -> Circle:
    """Found a circle with me as its owner, and open its first epoch. Can be called again after a crash: a circle of
    this slug that is in the vault already is finished, not founded twice. Raises RelayError, VaultError.
    """
    known = next((cid for cid, found, _ in await node.vault.circles() if found == slug), None)
    cid = known if known is not None else await _prepare(node, slug, relay_url, relay_key, policy)
    genesis = await node.vault.get_setting(f"genesis:{cid.hex()}")
    if genesis:
        await node.relay(relay_url, relay_key).found(founding_code, bytes.fromhex(genesis))
        await node.vault.mark_ready(cid)
    circle = await node.open(cid)
    follower = circle.follower
    async with follower.lock:
        await follower.catch_up()
        if follower.state.rules.epoch is None:
            await circle.outbox.append_entry((), Reason.FOUNDING, unless_rotated=0)
    await node.vault.set_setting(f"genesis:{cid.hex()}", "")
    return circle


async def _prepare(node: Node, slug: str, relay_url: str, relay_key: bytes, policy: SetPolicy) -> bytes:
    """Make the keys and the genesis, and store both before anyone hears of them."""
    me = enrol()
    add_member, add_device = me.ops(ZERO32, ZERO16)
    ops: tuple[Op, ...] = (
        add_member,
        add_device,
        SetRole(me.member, Role.OWNER),
        policy,
        SetRelay(relay_url.encode("utf-8"), relay_key),
    )
    genesis = build_genesis(Signer(By.DEVICE, me.device), me.signing, ops, epoch_seconds(node.clock.now()))
    cid = circle_id(parse_entry(genesis).core_bytes)
    await node.vault.set_setting(f"genesis:{cid.hex()}", genesis.hex())
    await node.vault.add_circle(me.stored(cid, slug, relay_url, add_device, ready=False), None)
    return cid


async def set_recovery(circle: Circle, code: RecoveryCode) -> None:
    """Put the public half of my recovery code into the roster."""
    follower = circle.follower
    async with follower.lock:
        await circle.outbox.append_entry((recovery_op(code, circle.cid, follower.state.me.member),), None)

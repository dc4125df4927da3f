"""From new posts of a circle to deliveries: one for each reader this gateway hosts, written in one statement a post.

Nothing of a post is copied, and nothing is decided for a single reader: its words are made when it is sent, of what
`post_of` gives then. A post has one delivery for each chat, so writing them again after a crash changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import Final

from peerbot.clock import Clock, epoch_seconds
from peerbot.core.doors import Delivery, Fan, GatewayStore, Platform, What
from peerbot.core.node import Circle, Node
from peerbot.core.ports import ShownPost
from peerbot.core.state import CircleState
from peerbot.errors import VaultError
from peerbot.protocol.roster.ops import Door

BATCH: Final = 10
"""Posts whose deliveries are written in one transaction."""
PAUSE: Final = 60.0
"""Seconds to wait where the vault can't be written."""
_PENDING: Final = 1000
_BITS: Final = {Platform.TELEGRAM: Door.TELEGRAM, Platform.MATRIX: Door.MATRIX}
_GONE: Final = ("hidden", "retracted")


def open_doors(state: CircleState) -> frozenset[Platform]:
    """The platforms that may be shown what is posted here; the others only hear that there is something new."""
    return frozenset(platform for platform, bit in _BITS.items() if state.rules.policy.doors & bit)


def reads_since(state: CircleState, member: bytes) -> int:
    """Behind which position a member whom this gateway hosts may read; 0 for not at all."""
    found = state.rules.members.get(member)
    hosted = found is not None and found.active and found.host == state.me.member and not state.removed
    return found.joined_p if found is not None and hosted else 0


async def allowed(node: Node, store: GatewayStore, delivery: Delivery) -> bool:
    """Whether a chat may still have what a delivery names: much may have changed since it was written."""
    circle = _circle(node, delivery.cid)
    guest = await store.guest(delivery.platform, delivery.chat)
    if circle is None or guest is None or guest.blocked:
        return False
    state = circle.follower.state
    if delivery.what is What.POST and delivery.platform not in open_doors(state):
        return False
    return reads_since(state, guest.members.get(delivery.cid, b"")) > 0


async def post_of(node: Node, store: GatewayStore, delivery: Delivery) -> ShownPost | None:
    """The post of a POST as it reads now; None where the chat may not have it, or it was hidden or taken back."""
    if delivery.what is not What.POST or not await allowed(node, store, delivery):
        return None
    post = await node.vault.post_at(delivery.cid, delivery.p)
    return post if post is not None and post.state not in _GONE else None


def _circle(node: Node, cid: bytes) -> Circle | None:
    return next((circle for circle in node.circles if circle.cid == cid), None)


class FanOut:
    """Writes the deliveries of new posts. `trouble` is the code of the vault's last failure, "" for none."""

    def __init__(self, node: Node, store: GatewayStore, clock: Clock) -> None:
        self.trouble = ""
        self._node = node
        self._store = store
        self._clock = clock
        # What was done last, by circle: the roster that was judged, how far it went, how many secrets there were.
        self._judged: dict[bytes, int] = {}
        self._reached: dict[bytes, int] = {}
        self._secrets: dict[bytes, int] = {}

    async def run(self) -> None:
        """Fan out what is new, at once and whenever a circle has moved on, until cancelled."""
        events = self._node.events()
        while True:
            # It listens before anything is looked at, so that nothing falls between.
            heard = asyncio.ensure_future(anext(events))
            try:
                await asyncio.sleep(0)
                await self._all()
                await heard
            finally:
                heard.cancel()

    async def _all(self) -> None:
        while True:
            try:
                for circle in self._node.circles:
                    await self.fan_out(circle)
            except VaultError as error:
                self.trouble = error.code
                await self._clock.sleep(PAUSE)
            else:
                self.trouble = ""
                return

    async def fan_out(self, circle: Circle) -> int:
        """Write what is missing for one circle; returns how many deliveries. One call at a time."""
        state = circle.follower.state
        if state.roster is None:
            return 0
        await self._judge(state)
        after = await self._after(state)
        written = await self._opened_late(state)
        while after < state.p:
            fan = await self._next(state, after)
            written += await self._store.fan_out(fan)
            after = self._reached[state.cid] = fan.reach
        return written

    async def _judge(self, state: CircleState) -> None:
        """See to it that the store knows who may read: all members anew after each entry, else those who are new."""
        same = self._judged.get(state.cid) == state.rules.seq
        members = await self._store.members(state.cid, fresh=same)
        if members:
            await self._store.set_readers(state.cid, {member: reads_since(state, member) for member in members})
        self._judged[state.cid] = state.rules.seq

    async def _after(self, state: CircleState) -> int:
        """How far posts have been fanned out. What stood in a circle before its first time is nobody's news."""
        if state.cid not in self._reached:
            reached = await self._store.fanned(state.cid)
            if reached is None:
                await self._store.fan_out(Fan(state.cid, state.p, self._now()))
                reached = state.p
            self._reached[state.cid] = reached
        return self._reached[state.cid]

    async def _next(self, state: CircleState, after: int) -> Fan:
        # Asked first: what is opened between the two questions is in both answers, and that is harmless.
        unread = await self._unread(state, after)
        posts = await self._node.vault.posts_after(state.cid, after, BATCH)
        reach = min(posts[-1].p, state.p) if len(posts) == BATCH else state.p
        return Fan(
            state.cid,
            reach,
            self._now(),
            open_doors(state),
            [(post.p, post.author) for post in posts if post.p <= reach and post.state not in _GONE],
            [p for p in unread if p <= reach],
        )

    async def _unread(self, state: CircleState, after: int) -> list[int]:
        """Positions behind `after` whose epoch's secret isn't here yet."""
        found: list[int] = []
        epoch = state.rules.epoch
        while epoch is not None:
            if epoch.e not in state.secrets:
                found += [p for p, _ in await self._node.vault.pending(state.cid, epoch.e, after, _PENDING)]
            if epoch.p <= after:
                break
            epoch = state.rules.epochs.get(epoch.e - 1)
        return sorted(found)

    async def _opened_late(self, state: CircleState) -> int:
        """Fan out what could not be opened when its turn came, once there are more secrets than the last time."""
        if self._secrets.get(state.cid) == len(state.secrets):
            return 0
        known, opened, posts = len(state.secrets), [], []
        for p in await self._store.unread(state.cid):
            epoch = state.rules.epoch_at(p)
            e = epoch.e if epoch is not None else 0
            if any(found == p for found, _ in await self._node.vault.pending(state.cid, e, p - 1, 1)):
                if e in state.secrets:
                    # Being opened at this moment: ask again the next time.
                    known = -1
                continue
            opened.append(p)
            post = await self._node.vault.post_at(state.cid, p)
            if post is not None and post.state not in _GONE:
                posts.append((p, post.author))
        self._secrets[state.cid] = known
        if not opened:
            return 0
        return await self._store.fan_out(Fan(state.cid, 0, self._now(), open_doors(state), posts, read=opened))

    def _now(self) -> int:
        return epoch_seconds(self._clock.now())

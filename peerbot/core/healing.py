"""Epoch secrets that travel after the fact: asking for them, answering, and carrying living records forward."""

from __future__ import annotations

from collections.abc import Iterable

from peerbot.clock import Clock, epoch_seconds
from peerbot.core.follow import Follower
from peerbot.core.outbox import Outbox
from peerbot.core.ports import LivingRow
from peerbot.errors import RelayError
from peerbot.protocol.bodies import AnyBody, Carry
from peerbot.protocol.direct import DirectHeader, Grant, History, seal_direct
from peerbot.protocol.log import Kind
from peerbot.protocol.request import DAY, Request, epochs_due, make_request
from peerbot.protocol.roster.ops import Role
from peerbot.protocol.roster.state import Device, Roster

PATIENCE = 30
"""Seconds a device that was asked has before the next one is."""
MOST_GRANTS = 400
"""Epochs in one bundle, so that it fits under the cap of a DIRECT."""
_ASK_FIRST = {Role.GATEWAY: 0, Role.OWNER: 1, Role.MODERATOR: 2, Role.ORGANISER: 3, Role.MEMBER: 4}


class Healing:
    """Requests, history bundles and carries of one circle. Call with the follower's lock held."""

    def __init__(self, follower: Follower, outbox: Outbox, clock: Clock) -> None:
        self._f = follower
        self._outbox = outbox
        self._clock = clock

    async def ask(self) -> None:
        """Ask for the newest epoch I may read and can't: a gateway and an owner at once, as either may be the only one
        who is on; then one more device each PATIENCE seconds.
        """
        if (e := self.wanted()) is None:
            return
        state, now = self._f.state, epoch_seconds(self._clock.now())
        key = f"asked:{state.cid.hex()}"
        asked = await self._f.vault.get_setting(key)
        when, last_e = (int(part) for part in asked.split(":")) if asked else (0, 0)
        if e == last_e and now - when < PATIENCE:
            return
        asked_before = {whom for device, of, whom in state.requests if (device, of) == (state.me.device, e)}
        left = [d for d in _candidates(state.rules, state.me.device) if d.id not in asked_before]
        if not left:
            return
        await self._f.vault.set_setting(key, f"{now}:{e}")
        for whom in left[:1] if asked_before else _likeliest(state.rules, left):
            raw = make_request(state.me.key, Request(state.cid, state.me.device, e, whom.id))
            await self._outbox.send_now(Kind.REQUEST, raw)

    def wanted(self) -> int | None:
        """The newest epoch without its secret here that someone may give me, or None."""
        state = self._f.state
        me = state.rules.devices.get(state.me.device)
        if me is None or not me.active:
            return None
        now = epoch_seconds(self._clock.now())
        due = epochs_due(state.rules, me, state.epoch, now)
        return next((epoch.e for epoch in due if epoch.e not in state.secrets), None)

    async def answer(self) -> None:
        """Seal a history bundle for each request that names me and has no answer yet, then send what waits."""
        state = self._f.state
        mine = [(device, e) for device, e, whom in state.requests if whom == state.me.device]
        for device_id, e in sorted(mine):
            key = f"answered:{state.cid.hex()}:{device_id.hex()}:{e}"
            if await self._f.vault.get_setting(key) is None:
                await self._answer(device_id, e)
                await self._f.vault.set_setting(key, "1")
        await self.send_directs()

    async def _answer(self, device_id: bytes, e: int) -> None:
        """It answers only a device active now, for epochs it was active in or that history allows."""
        state = self._f.state
        device = state.rules.devices[device_id]
        due = epochs_due(state.rules, device, e, epoch_seconds(self._clock.now()))
        grants = [Grant(x.e, state.secrets[x.e].reveal()) for x in due if x.e in state.secrets][:MOST_GRANTS]
        if not grants:
            return
        counter = await self._f.vault.next_counter(state.cid, state.me.member, device.member)
        header = DirectHeader(state.cid, state.me.device, state.me.member, device.member, counter, state.rules.seq)
        newest = device.newest(state.p)
        raw, reached = seal_direct(header, state.me.key, History(grants), [(device.id, newest)])
        if reached:
            await self._f.vault.post_direct(state.cid, reached, raw)

    async def send_directs(self) -> None:
        """Put the directs that wait into their mailboxes. The same bytes twice are one there.

        Each goes by itself: one whose devices are gone is given up, one whose mailboxes are full stays for later, and
        neither keeps the others.
        """
        for direct in await self._f.vault.directs(self._f.state.cid):
            try:
                await self._f.relay.send_mail(direct.devices, direct.wire)
            except RelayError as error:
                if error.code == "relay-busy":
                    continue
                if error.code != "relay-refused":
                    raise
            await self._f.vault.settle_direct(direct.id)

    async def carry(self) -> None:
        """Post again what must outlive its epoch, before newcomers can no longer be given that epoch's secret.

        The leaders and gateways do it; in a circle without any, whoever comes first.
        """
        state = self._f.state
        me = state.member
        if me is None or state.broken or state.alarm or not self._may_carry(me.role):
            return
        edge = self._edge(state.rules)
        if edge == 0:
            return
        rows = await self._f.vault.living(state.cid, edge, 200)
        if rows:
            await self._outbox.post(state.me.member, _carries(rows))
            await self._outbox.pump()

    def _may_carry(self, role: Role) -> bool:
        leads = {Role.OWNER, Role.MODERATOR, Role.GATEWAY}
        return role in leads or not any(m.role in leads for m in self._f.state.rules.members_active())

    def _edge(self, rules: Roster) -> int:
        """Living records last seen in an epoch older than this one's number are due: half the window is gone."""
        window = min(rules.policy.history_days or rules.policy.retention_days, rules.policy.retention_days) * DAY
        now = epoch_seconds(self._clock.now())
        epoch, edge = rules.epoch, 0
        while epoch is not None:
            if now - epoch.time > window // 2:
                edge = epoch.e + 1
                break
            epoch = rules.epochs.get(epoch.e - 1)
        return min(edge, rules.epoch.e if rules.epoch is not None else 0)


def _candidates(roster: Roster, me: bytes) -> list[Device]:
    """Whom to ask, gateways and owners first."""
    devices = [device for device in roster.active_devices() if device.id != me]
    return sorted(devices, key=lambda d: (_ASK_FIRST[roster.members[d.member].role], d.id))


def _likeliest(roster: Roster, candidates: list[Device]) -> list[Device]:
    """The first gateway and the first owner; where there is neither, the first of all."""
    roles = {device.id: roster.members[device.member].role for device in candidates}
    firsts = [next((d for d in candidates if roles[d.id] is role), None) for role in (Role.GATEWAY, Role.OWNER)]
    return [device for device in firsts if device is not None] or candidates[:1]


def _carries(rows: Iterable[LivingRow]) -> list[AnyBody]:
    return [Carry(row.sealed, row.signature, row.key_bytes, row.p) for row in rows]

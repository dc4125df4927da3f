"""How my circles are, who is in them, and my devices."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from peerbot.core import people
from peerbot.core.desk import answers, asks
from peerbot.core.desk.base import Desk, circles_named, refresh
from peerbot.core.node import Circle
from peerbot.core.pseudonym import check_pseudonym
from peerbot.core.text import clean_line
from peerbot.errors import UserError
from peerbot.protocol.keys import compare_code

_LOOK_EVERY: Final = 0.25


async def list_circles(desk: Desk, ask: asks.Circles) -> answers.CircleList:
    circles = list(desk.node.circles)
    stale = await refresh(desk, circles) if ask.fresh else []
    return answers.CircleList(circles=[await _circle_line(desk, c) for c in circles], stale=stale)


async def _circle_line(desk: Desk, circle: Circle) -> answers.CircleLine:
    state = circle.follower.state
    rules, member = state.rules, state.member
    names = await desk.node.vault.names(circle.cid)
    return answers.CircleLine(
        circle=circle.slug,
        cid=circle.cid.hex(),
        role=int(member.role) if member is not None else 0,
        name=clean_line(names.get(state.me.member, "")),
        relay_url=rules.relay_url,
        seq=rules.seq,
        code=compare_code(circle.cid, rules.seq, rules.head),
        members=sum(1 for _ in rules.members_active()),
        waiting=circle.outbox.waiting,
        alarm=state.alarm,
        broken=state.broken,
        removed=state.removed,
        refused=await desk.node.vault.refused(circle.cid),
    )


async def members(desk: Desk, ask: asks.Members) -> answers.MemberList:
    circles = circles_named(desk, ask.circle)
    stale = await refresh(desk, circles)
    members = [
        answers.MemberLine(**{**asdict(member), "name": clean_line(member.name), "circle": circle.slug})
        for circle in circles
        for member in await people.list_members(circle)
    ]
    return answers.MemberList(members=members, stale=stale)


async def remove(desk: Desk, ask: asks.Remove) -> answers.Done:
    name = await people.remove_member(desk.node, desk.node.circle(ask.circle), ask.member)
    return answers.Done(text=clean_line(name))


async def leave(desk: Desk, ask: asks.Leave) -> answers.Done:
    circle = desk.node.circle(ask.circle)
    await people.leave_circle(desk.node, circle)
    return answers.Done(text=circle.slug)


async def clear_alarm(desk: Desk, ask: asks.ClearAlarm) -> answers.Done:
    circle = desk.node.circle(ask.circle)
    async with desk.node.holding(circle):
        await circle.follower.clear_alarm()
    return answers.Done(text=circle.slug)


async def devices(desk: Desk, ask: asks.Devices) -> answers.DeviceList:
    circles = circles_named(desk, ask.circle)
    stale = await refresh(desk, circles)
    devices = []
    for circle in circles:
        me, rules = circle.follower.state.me, circle.follower.state.rules
        devices += [answers.DeviceLine(circle.slug, d.id.hex(), d.id == me.device) for d in rules.devices_of(me.member)]
    return answers.DeviceList(devices=devices, stale=stale)


async def rename(desk: Desk, ask: asks.Rename) -> answers.Done:
    """Say how I am called, unless the name would give me away or pass for another's. Raises UserError("name-…").

    The answer counts those whose names aren't known here.
    """
    circle = desk.node.circle(ask.circle)
    others, unknown = await _other_names(desk, circle)
    waited = 0.0
    while unknown and waited < ask.patience:
        # A newcomer has the older names only once another device has sent the keys.
        await desk.node.clock.sleep(_LOOK_EVERY)
        waited += _LOOK_EVERY
        await desk.node.sync(circle)
        others, unknown = await _other_names(desk, circle)
    problems = [code for code in check_pseudonym(ask.name, others) if not code.startswith("may-")]
    if problems:
        raise UserError(problems[0])
    await people.set_profile(desk.node, circle, clean_line(ask.name))
    return answers.Done(text=clean_line(ask.name), count=unknown)


async def _other_names(desk: Desk, circle: Circle) -> tuple[list[str], int]:
    """What the other members are called, and how many of them aren't known by name."""
    me = circle.follower.state.me.member
    active = {member.id for member in circle.follower.state.rules.members_active()} - {me}
    names = await desk.node.vault.names(circle.cid)
    known = [name for member, name in names.items() if member in active]
    return known, len(active) - len(known)

"""Who is in a circle: names, roles, removal, my own devices."""

from __future__ import annotations

from dataclasses import dataclass, field

from peerbot.core.node import Circle, Node
from peerbot.core.pseudonym import skeleton
from peerbot.errors import Refused, UserError
from peerbot.protocol.bodies import Profile
from peerbot.protocol.roster.entry import Reason
from peerbot.protocol.roster.ops import Leave, RemoveMember, Role
from peerbot.protocol.roster.state import Member


@dataclass(frozen=True, slots=True)
class ShownMember:
    """A member as others see them. `door` is "device" or "hosted"; `name` is unique in the circle."""

    id: str
    name: str = field(repr=False)
    role: Role
    door: str
    devices: int
    me: bool
    suspended: bool


async def display_names(circle: Circle) -> dict[bytes, str]:
    """A name for each member, told apart where two look alike: whoever joined later gets a few digits of their id.

    A member whose profile isn't readable here is shown by id alone. Nobody can be called what another is shown as.
    """
    known = await circle.follower.vault.names(circle.cid)
    members = sorted(circle.follower.state.rules.members.values(), key=lambda m: m.joined_p)
    taken: set[str] = set()
    names = {}
    for member in members:
        name = known.get(member.id)
        mark = member.id.hex()[:4]
        if name is None:
            name = f"member {mark}"
        elif (shape := skeleton(name)) in taken:
            name = f"{name} #{mark}"
        else:
            taken.add(shape)
            names[member.id] = name
            continue
        taken.add(skeleton(name))
        names[member.id] = name
    return names


async def list_members(circle: Circle) -> list[ShownMember]:
    """Active members in the order they joined."""
    rules, me = circle.follower.state.rules, circle.follower.state.me.member
    names = await display_names(circle)
    return [
        ShownMember(
            id=member.id.hex(),
            name=names[member.id],
            role=member.role,
            door="hosted" if member.hosted else "device",
            devices=len(rules.devices_of(member.id)),
            me=member.id == me,
            suspended=rules.suspended(member),
        )
        for member in sorted(rules.members_active(), key=lambda m: m.joined_p)
    ]


async def find_member(circle: Circle, who: str) -> Member:
    """By displayed name (case doesn't matter) or by hex digits of the id.

    Raises UserError("no-such-member") or ("ambiguous-member").
    """
    names = await display_names(circle)
    active = {m.id: m for m in circle.follower.state.rules.members_active()}
    wanted = who.strip().casefold()
    by_name = [i for i in active if names[i].casefold() == wanted]
    by_id = [i for i in active if len(wanted) >= 4 and i.hex().startswith(wanted)]
    found = by_name or by_id
    if not found:
        raise UserError("no-such-member")
    if len(found) > 1:
        raise UserError("ambiguous-member")
    return active[found[0]]


async def remove_member(node: Node, circle: Circle, who: str) -> str:
    """Remove a member with all their devices and open an epoch they have no key for; returns the name.

    Raises UserError("no-such-member", "ambiguous-member", "remove-self"), Refused("E10"), RelayError.
    """
    await node.sync(circle)
    member = await find_member(circle, who)
    if member.id == circle.follower.state.me.member:
        raise UserError("remove-self")
    name = (await display_names(circle))[member.id]
    async with node.holding(circle):
        await circle.outbox.append_entry((RemoveMember(member.id),), Reason.REMOVAL)
    return name


async def leave_circle(node: Node, circle: Circle) -> None:
    """Go, with all my devices. The others get new keys when the next of them writes; what is here stays here.

    Raises UserError("last-owner") where nobody else could look after the circle, RelayError.
    """
    await node.sync(circle)
    async with node.holding(circle):
        try:
            await circle.outbox.append_entry((Leave(circle.follower.state.me.member),), None)
        except Refused as refused:
            if refused.code == "E17":
                raise UserError("last-owner") from None
            raise


async def set_profile(node: Node, circle: Circle, pseudonym: str, town: str = "") -> None:
    """Say in this circle how I am called. Sent when the relay can be reached."""
    async with node.holding(circle):
        await circle.outbox.post(circle.follower.state.me.member, [Profile(pseudonym, town)])
    await node.sync(circle)

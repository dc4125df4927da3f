"""Who is speaking to the relay, and whether the circle's roster still knows them."""

from __future__ import annotations

from dataclasses import dataclass

from peerbot.errors import RelayError
from peerbot.protocol.roster.entry import By
from peerbot.protocol.roster.state import Roster
from peerbot.protocol.wire import ZERO32


@dataclass(frozen=True, slots=True)
class Caller:
    """A device, invite or recovery key (named by id) of a circle, with the public key it proved to hold."""

    cid: bytes
    by: By
    id: bytes
    public: bytes


class Session:
    """A caller's visit. An invite or recovery key may append one entry in it, `entry` by its digest."""

    __slots__ = ("caller", "entry")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.entry: bytes | None = None


def denied() -> RelayError:
    """One answer for every reason, so that it tells a stranger nothing about who is in a circle."""
    return RelayError("relay-denied")


def key_of(roster: Roster, by: By, key_id: bytes, now: int) -> bytes | None:
    """The public key that may sign in by this name now, in seconds since 1970.

    A used-up invite may until it expires: a join whose answer got lost is tried again with the same bytes.
    """
    if by is By.DEVICE:
        device = roster.devices.get(key_id)
        return device.dsk if device is not None and device.active else None
    if by is By.INVITE:
        invite = roster.invites.get(key_id)
        stands = invite is not None and not invite.revoked and invite.expires >= now
        return invite.public if invite is not None and stands else None
    member = roster.members.get(key_id)
    return member.recovery if member is not None and member.active and member.recovery != ZERO32 else None


def stands(roster: Roster, caller: Caller, now: int) -> bool:
    """Whether the roster still gives the caller's name to the caller's key."""
    return key_of(roster, caller.by, caller.id, now) == caller.public

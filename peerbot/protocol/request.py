"""REQUEST: a device asks one named device for epochs it can't open (checks R01 to R03)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peerbot.errors import Refused
from peerbot.protocol import labels, wire
from peerbot.protocol.primitives import CryptoFailure, SigningKey, verify
from peerbot.protocol.roster.state import FOREVER, Device, Epoch, Roster
from peerbot.protocol.wire import U64, Layout, Malformed, Raw, Var

_CORE: Final = Layout(b"request-core", Raw(32), Raw(16), U64(), Raw(16))
_REQUEST: Final = Layout(b"request", Var(256), Raw(64))
DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Request:
    """REKEY_REQUEST: `device` asks `whom` for epoch `e` and the ones before it that it may read."""

    cid: bytes
    device: bytes
    e: int
    whom: bytes


def make_request(key: SigningKey, request: Request) -> bytes:
    core = _CORE.encode(request.cid, request.device, request.e, request.whom)
    return _REQUEST.encode(core, key.sign(labels.SIG_REQUEST, core))


def admit_request(raw: bytes, roster: Roster, p: int, seen: set[tuple[bytes, int, bytes]]) -> Request:
    """R01 size, parse, cid; R02 device active, signature; R03 epoch known, another active device asked, each once.

    `seen` holds those already admitted. Were `whom` not looked up, one device could fill the log. Raises Refused.
    """
    try:
        if len(raw) > wire.MAX_REQUEST:
            raise Malformed
        core, signature = _REQUEST.decode(raw)
        request = Request(*_CORE.decode(core))
    except Malformed:
        raise Refused("R01") from None
    if request.cid != roster.cid:
        raise Refused("R01")
    device = roster.devices.get(request.device)
    if device is None or not device.active_at(p):
        raise Refused("R02")
    try:
        verify(device.dsk, labels.SIG_REQUEST, core, signature)
    except CryptoFailure:
        raise Refused("R02") from None
    whom = roster.devices.get(request.whom)
    if request.e not in roster.epochs or whom is None or not whom.active_at(p) or whom.id == device.id:
        raise Refused("R03")
    if (request.device, request.e, request.whom) in seen:
        raise Refused("R03")
    return request


def epochs_due(roster: Roster, device: Device, upto: int, now: int) -> list[Epoch]:
    """The epochs up to number `upto` that `device` may be given: those it was active in, and those whose own `hist`
    and today's policy both still allow (attacks 13 and 14). `now` in seconds since 1970. Newest first.

    An epoch's age counts from its end: when its successor began, or when the policy had one due if nobody wrote then.
    Each signer chooses those times, so they are held under `now` and the times of all later epochs: a time in the
    future keeps nothing young.
    """
    if not device.active:
        return []
    due = []
    ended, ended_p = now, FOREVER
    epoch = roster.epoch
    while epoch is not None:
        window = min(epoch.history_days, roster.policy.history_days) * DAY
        was_there = device.added_p < ended_p
        written_until = min(ended, epoch.time + roster.policy.epoch_days * DAY)
        if epoch.e <= upto and (was_there or now - written_until < window):
            due.append(epoch)
        ended, ended_p = min(ended, epoch.time), epoch.p
        epoch = roster.epochs.get(epoch.e - 1)
    return due

"""The outside of an envelope: enough to deliver it, nothing to open it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from peerbot.core.ports import AddressedEnvelope
from peerbot.errors import Refused
from peerbot.protocol import wire
from peerbot.protocol.roster.entry import Entry
from peerbot.protocol.roster.state import Roster
from peerbot.protocol.wire import U64, Layout, Malformed, Raw, Var

# The layout of protocol.epochs, which the relay may not import; a test holds the two together.
_ENVELOPE: Final = Layout(b"envelope", Raw(32), U64(), Raw(16), Raw(16), U64(), Var(2048))


def read_address(raw: bytes, cid: bytes) -> AddressedEnvelope:
    """Raises Refused("E20")."""
    try:
        if len(raw) > wire.MAX_ENVELOPE:
            raise Malformed
        found, e, sender, to, _, _ = _ENVELOPE.decode(raw)
    except Malformed:
        raise Refused("E20") from None
    if found != cid:
        raise Refused("E20")
    return AddressedEnvelope(e, sender, to, raw)


def of_entry(raws: Sequence[bytes], entry: Entry, after: Roster, most: int) -> list[AddressedEnvelope]:
    """An entry's envelopes: by its signer, for its epoch, one at most for each active device. Raises Refused."""
    if not raws:
        return []
    epoch = entry.core.epoch
    if epoch is None or len(raws) > most:
        raise Refused("E20")
    found = [read_address(raw, entry.core.cid) for raw in raws]
    addressees = {envelope.to for envelope in found}
    if len(addressees) != len(found) or not all(
        envelope.e == epoch.e and envelope.sender == entry.core.signer.id and _active(after, envelope.to)
        for envelope in found
    ):
        raise Refused("E20")
    return found


def of_device(raw: bytes, sender: bytes, roster: Roster) -> AddressedEnvelope:
    """An envelope that a device adds later, for another one and a known epoch. Raises Refused."""
    envelope = read_address(raw, roster.cid)
    if envelope.sender != sender or envelope.e not in roster.epochs or not _active(roster, envelope.to):
        raise Refused("E20")
    return envelope


def _active(roster: Roster, device: bytes) -> bool:
    found = roster.devices.get(device)
    return found is not None and found.active

"""How much of everything a relay gives to anyone."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Generous for people, tight for machines gone wild. Sizes in bytes, times in seconds, rates per second.

    A rate goes with a burst: how much may come at once after a pause.
    """

    page_records: int = 1000
    page_bytes: int = 2 * MIB
    envelopes: int = 5000
    """With one entry."""
    envelopes_read: int = 1000
    mailbox_count: int = 1000
    mailbox_bytes: int = 16 * MIB
    mail_devices: int = 40
    notes: int = 200
    """Of one circle."""
    note_bytes: int = 32 * KIB
    note_seconds: int = 400 * 86_400
    rosters: int = 256
    """Held in memory."""
    watches: int = 4
    """Of one device; the oldest gives way."""
    sessions: int = 8
    """Of one device, invite or recovery key; the oldest gives way."""
    all_sessions: int = 100_000
    session_seconds: int = 3600
    challenges: int = 10_000
    challenge_seconds: int = 60
    device_rate: float = 200.0
    device_burst: float = 3000.0
    address_rate: float = 500.0
    address_burst: float = 6000.0
    door_rate: float = 50.0
    """Of one address, for what needs no session: signing in, founding, notes, pages."""
    door_burst: float = 1000.0

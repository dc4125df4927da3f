"""Events and cursors as a GatewayStore keeps them: in memory, or in a file that outlives a killed process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from peerbot.core.doors import Incoming, Platform, Sort


class MemoryEvents:
    """`events` in the order they came, each once."""

    def __init__(self) -> None:
        self.events: dict[tuple[Platform, str], Incoming] = {}
        self.cursors: dict[Platform, str] = {}
        self.repeats = 0
        self.batches = 0
        self.came = asyncio.Event()

    async def cursor(self, platform: Platform) -> str:
        return self.cursors.get(platform, "")

    async def take_in(self, platform: Platform, events: Sequence[Incoming], cursor: str) -> int:
        new = [event for event in events if (platform, event.key) not in self.events]
        self.events |= {(platform, event.key): event for event in new}
        self.cursors[platform] = cursor
        self.repeats += len(events) - len(new)
        self.batches += 1
        self.came.set()
        return len(new)

    def all(self) -> list[Incoming]:
        return list(self.events.values())


class FileEvents(MemoryEvents):
    """One line for each `take_in`, written before it returns. A killed process leaves whole lines or none."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            found = json.loads(line)
            self.cursors[Platform(found["platform"])] = found["cursor"]
            for raw in found["events"]:
                event = Incoming(**(raw | {"platform": Platform(raw["platform"]), "sort": Sort(raw["sort"])}))
                self.events[event.platform, event.key] = event

    async def take_in(self, platform: Platform, events: Sequence[Incoming], cursor: str) -> int:
        line = {"platform": platform, "cursor": cursor, "events": [asdict(event) for event in events]}
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, json.dumps(line).encode() + b"\n")
        finally:
            os.close(file)
        return await super().take_in(platform, events, cursor)

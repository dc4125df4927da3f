"""A relay in a process of its own that can die at a chosen moment: python -m tests.support.crashing_relay."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from peerbot.core.ports import ControlChange, LogHead, NewRecord, Placed
from peerbot.protocol.primitives import SigningKey
from peerbot.protocol.secret import SigningSeed
from peerbot.relay.server.server import Listen, serve
from peerbot.relay.service import RelayService
from peerbot.store.relay_log.log import SqliteRelayLog


def die() -> NoReturn:
    """As kill -9 does: nothing is flushed, nobody is told."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class Mortal(SqliteRelayLog):
    """Dies at the first append of a kind, before it is written or between write and answer."""

    when = ""

    async def append_message(self, cid: bytes, record: NewRecord, if_seq: int) -> Placed | LogHead:
        if self.when == "before-message":
            die()
        result = await super().append_message(cid, record, if_seq)
        if self.when == "after-message":
            die()
        return result

    async def append_control(
        self, cid: bytes, record: NewRecord, after: LogHead, change: ControlChange
    ) -> Placed | LogHead:
        if self.when == "before-entry":
            die()
        result = await super().append_control(cid, record, after, change)
        if self.when == "after-entry":
            die()
        return result


async def main(path: str, seed: str, when: str) -> None:
    """Serve until the end of input; says its port first."""
    log = await Mortal.open(Path(path))
    log.when = when
    server = await serve(RelayService(log, SigningKey(SigningSeed(bytes.fromhex(seed)))), Listen())
    print(server.port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()
    await log.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

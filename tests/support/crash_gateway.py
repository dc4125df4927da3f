"""Runs one action of a gateway and kills its own process at a named point: `python -m tests.support.crash_gateway`.

Arguments: folder, action, point. A point is "store.step:before:1": the method, whether the kill comes before or after
it, and at which call. What arrives at a platform is a line of a file, which outlives the process as a platform does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peerbot.clock import SystemClock
from peerbot.core.deliveries import Later, answer
from peerbot.core.delivery_worker import DeliveryWorker
from peerbot.core.doors import Delivery, Fan, Platform, Saying, Sort, Step
from peerbot.core.ports import Outgoing
from peerbot.protocol.log import Kind
from peerbot.store.vault.gateway.store import GatewayVault
from tests.store.gateway_builders import event, guest
from tests.store.vault_builders import CID, key, member

EVENTS = 6
POSTS = range(2, 14)
READERS = 5


class Deadly:
    """Passes every call on, and kills the process before or after one of them, however many are under way at once."""

    def __init__(self, inner: object, name: str, point: str) -> None:
        self._inner = inner
        self._name = name
        self._method, self._when, count = (*point.split(":"), "", "")[:3]
        self._left = int(count) if self._method.startswith(f"{name}.") else 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if f"{self._name}.{name}" != self._method:
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            chosen = self._left == 0
            if chosen and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = await found(*args, **kwargs)
            if chosen:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call


@dataclass(slots=True)
class FilePlatform:
    """A platform whose chats are in a file. Matrix knows a transaction; Telegram takes everything for new."""

    folder: Path
    platform: Platform

    @property
    def path(self) -> Path:
        return self.folder / f"{self.platform}.jsonl"

    def arrived(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.path.read_text("utf-8").splitlines()] if self.path.exists() else []

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def send(self, delivery: Delivery, saying: Saying) -> str:
        before = self.arrived()
        known = [n for n, line in enumerate(before) if line["transaction"] == delivery.transaction]
        if self.platform is Platform.MATRIX and known:
            return str(known[0])
        line = {"chat": delivery.chat, "text": saying.text, "transaction": delivery.transaction}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return str(len(before))


class DeadlyRows(Sequence[Outgoing]):
    """Outbox rows that kill whoever comes to the second: in the middle of a transaction."""

    def __init__(self, rows: Sequence[Outgoing]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __iter__(self) -> Iterator[Outgoing]:
        # The first time the store asks which circles they are of.
        yield from self._rows[:1]
        if self._asked:
            os.kill(os.getpid(), signal.SIGKILL)
        self._asked = True
        yield from self._rows[1:]

    _asked = False


async def words_of(delivery: Delivery) -> Saying | Later | None:
    return delivery.saying or Saying(f"post {delivery.p}")


def rows(number: int) -> list[Outgoing]:
    return [Outgoing(0, CID, Kind.MESSAGE, b"%d:%d" % (number, n), member(1)) for n in range(2)]


async def take_in(store: Any, _folder: Path, _point: str) -> None:
    """Events as a platform tells them: again and again until the cursor has moved."""
    for number in range(int(await store.cursor(Platform.TELEGRAM) or 0), EVENTS):
        batch = [event(number, f"chat-{number % 2}", sort=Sort.TEXT), event(max(0, number - 1), "chat-0")]
        await store.take_in(Platform.TELEGRAM, batch, str(number + 1))


async def handle(store: Any, _folder: Path, point: str) -> None:
    """What waits, one step each: the dialogue counts, answers, and says something in the circle."""
    while waiting := await store.waiting(1):
        found = waiting[0]
        before = await store.guest(found.platform, found.chat)
        count = int(before.dialogue) + 1 if before is not None else 1
        outgoing: Sequence[Outgoing] = rows(found.id)
        if point == f"in-step:{found.id}":
            outgoing = DeadlyRows(outgoing)
        after = guest(found.chat, dialogue=str(count).encode())
        await store.step(Step(found.id, after, [answer(found, Saying(f"answer {found.key}"))], outgoing))


async def fan_out(store: Any, _folder: Path, _point: str) -> None:
    """Posts to all readers, a few at a time, from where it was."""
    after = await store.fanned(CID) or POSTS.start - 1
    while after < POSTS.stop - 1:
        batch = [(p, member(1)) for p in POSTS if after < p <= after + 5]
        after = batch[-1][0]
        await store.fan_out(Fan(CID, after, 1, tuple(Platform), batch))


async def deliver(store: Any, folder: Path, point: str) -> None:
    """Send everything that can be sent now, on both platforms."""
    workers = [
        DeliveryWorker(
            store, Deadly(FilePlatform(folder, platform), "adapter", point), words_of, SystemClock(), width=3
        )
        for platform in Platform
    ]
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    with store.departures.listen() as news:
        while True:
            news.clear()
            found = await store.counts()
            if not found["waiting"] and not found["leased"]:
                break
            await news.wait()
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


Action = Callable[[Any, Path, str], Awaitable[None]]
ACTIONS: dict[str, Action] = {"take-in": take_in, "handle": handle, "fan-out": fan_out, "deliver": deliver}


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[GatewayVault]:
    vault = await GatewayVault.open(folder / "vault.db", key(), readers=1)
    try:
        yield vault
    finally:
        await vault.close()


async def main(folder: Path, action: str, point: str) -> None:
    async with gateway(folder) as vault:
        await ACTIONS[action](Deadly(vault, "store", point), folder, point)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:4]))

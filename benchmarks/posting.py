"""How fast posts go out one after another: sealed, stored in the vault, appended by an HTTP relay, folded and stored.

The relay runs in a process of its own. The peer is matrix-nio in an encrypted room on a Synapse on loopback, by turns
in the same run; it stores nothing of what it sends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks import matrix
from benchmarks.figures import Figure, figure, spread
from benchmarks.processes import relay
from benchmarks.texts import post_text
from peerbot.clock import SystemClock
from peerbot.core.founding import found_circle
from peerbot.core.node import LANES, Node
from peerbot.core.ports import Relay
from peerbot.core.threads import post
from peerbot.protocol.primitives import SigningKey, random_bytes
from peerbot.protocol.secret import SigningSeed
from peerbot.relay.client import HttpRelay
from peerbot.relay.founding import founding_code
from peerbot.store.vault.keyfile import KEY_SIZE, VaultKey
from peerbot.store.vault.vault import SqlVault

ROUNDS = 7
POSTS = 150
SENDS = 30
LENGTH = 240

Send = Callable[[Sequence[str]], Awaitable[float]]


async def run() -> list[Figure]:
    rng = Random(3)  # noqa: S311 - nothing secret
    ours: list[float] = []
    peer: list[float] = []
    with TemporaryDirectory() as name:
        async with AsyncExitStack() as stack:
            write = await stack.enter_async_context(_node(Path(name)))
            room = await stack.enter_async_context(matrix.room(Path(name))) if matrix.available() else None
            for _ in range(ROUNDS + 1):
                ours.append(await write(_texts(rng, POSTS)))
                if room is not None:
                    peer.append(await room.send(_texts(rng, SENDS)))
    # The first round warms up.
    return _figures(ours[1:], peer[1:])


def _texts(rng: Random, count: int) -> list[str]:
    return [post_text(rng, LENGTH) for _ in range(count)]


def _figures(ours: list[float], peer: list[float]) -> list[Figure]:
    note = f"{LENGTH} characters, one after another, {spread(ours)}"
    if not peer:
        return [figure("node.post", median(ours), "posts/s", note=note)]
    floor = median(peer)
    return [
        figure(
            "node.post",
            median(ours),
            "posts/s",
            floor=floor,
            ratio=median(ours) / floor,
            note=f"{note}; floor: matrix_nio.send",
        ),
        figure("matrix_nio.send", floor, "posts/s", note=f"encrypted, Synapse on loopback, {spread(peer)}"),
    ]


@asynccontextmanager
async def _node(folder: Path) -> AsyncIterator[Send]:
    """A founder's node that posts into one thread; says how many posts per second it managed."""
    seed = random_bytes(32)
    key = SigningKey(SigningSeed(seed))
    vault = await SqlVault.create(folder / "vault.db", VaultKey(random_bytes(KEY_SIZE)))
    executor = ThreadPoolExecutor(LANES)
    async with relay(folder / "relay.db", seed) as url:
        node = Node(vault, _relay_at, SystemClock(), executor)
        code = founding_code(key)
        circle = await found_circle(node, "forum", relay_url=url, relay_key=key.public, founding_code=code)

        async def write(texts: Sequence[str]) -> float:
            start = perf_counter()
            for text in texts:
                posted = await post(node, circle, "welcome", text)
                if not posted.sent:
                    raise RuntimeError(posted.code)
            return len(texts) / (perf_counter() - start)

        try:
            yield write
        finally:
            await node.close()
    await vault.close()
    executor.shutdown()


def _relay_at(url: str, key: bytes | None) -> Relay:
    return HttpRelay(url, expected_key=key)

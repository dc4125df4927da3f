"""How long the first screen of the terminal UI takes, beside an app of Textual's that shows one line; and a key.

Both start as processes of their own in a terminal of 80 × 24, and are timed until the words one would read are painted:
interpreter, imports, opening the vault by its key file, reading, layout. The relay is away, as on a train.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import resource
import select
import signal
import struct
import sys
import termios
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.figures import Figure, figure, spread
from benchmarks.screens import MARK
from peerbot.core.threads import post
from peerbot.tui.app import PeerbotApp
from peerbot.tui.widgets.compose import Compose
from tests.support.world import COMMUNITY, World

ROUNDS = 7
THREADS, POSTS = 20, 524
ROOT = Path(__file__).parent.parent


def until_shown(arguments: list[str]) -> tuple[float, float]:
    """Seconds, and seconds of CPU, until a process has painted MARK."""
    before = _cpu()
    start = perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        os.environ["TERM"] = "xterm-256color"
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.screens", *arguments])  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    seen = b""
    while MARK.encode() not in seen:
        if not select.select([terminal], [], [], 60)[0]:
            raise RuntimeError("nothing was painted")
        seen += os.read(terminal, 65_536)
    took = perf_counter() - start
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(terminal)
    return took, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def write_vault(folder: Path) -> None:
    """What a moderator's vault holds after half a year."""
    world = World(folder)
    heron = await world.founder("Heron")
    for n in range(POSTS - 1):
        await post(heron.node, heron.circle, f"Thread {n % THREADS}", f"Words of post {n}. " * 5)
    await post(heron.node, heron.circle, "Thread 3", MARK)
    await world.close()


async def run() -> list[Figure]:
    with TemporaryDirectory() as name:
        await write_vault(Path(name))
        bare, ours = [], []
        for _ in range(ROUNDS + 1):
            bare.append(until_shown(["bare"]))
            ours.append(until_shown(["screen", name]))
    # The first of each has warmed the disk's cache.
    bare, ours = bare[1:], ours[1:]
    times, floors = [wall for wall, _ in ours], [wall for wall, _ in bare]
    share = median(a / b for (_, a), (_, b) in zip(ours, bare, strict=True))
    note = f"{spread(times)}; {share:.2f} times the bare app's CPU; {POSTS} posts, key file"
    ratio = median(a / b for a, b in zip(times, floors, strict=True))
    return [
        figure("tui.first_screen", median(times), "s", floor=median(floors), ratio=ratio, note=note),
        figure("textual.bare_first_screen", median(floors), "s", note=spread(floors)),
        await key_to_paint(),
    ]


async def key_to_paint() -> Figure:
    """From a letter in the text box to the repainted screen, in this process."""
    with TemporaryDirectory() as name:
        world = World(Path(name))
        heron = await world.founder("Heron")
        await post(heron.node, heron.circle, "Thread", "Words. " * 50)
        app, took = PeerbotApp(heron.node, COMMUNITY, follow=False), []
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            app.screen.query_one("#compose", Compose).focus()
            await pilot.pause()
            for _ in range(60):
                painted = asyncio.Event()
                start = perf_counter()
                app.simulate_key("a")
                while not app.screen.query_one("#compose", Compose).text:  # noqa: ASYNC110 - turns of the loop are timed
                    await asyncio.sleep(0)
                app.screen.call_after_refresh(painted.set)
                await painted.wait()
                took.append(perf_counter() - start)
                app.screen.query_one("#compose", Compose).load_text("")
                await pilot.pause()
        await world.close()
    return figure(
        "tui.key_to_paint", median(took[10:]), "s", note=f"{spread(took[10:])}, of letters typed into the box"
    )

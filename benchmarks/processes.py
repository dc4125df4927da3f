"""Servers and nodes in processes of their own, so that none shares another's interpreter, cores or memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent


@asynccontextmanager
async def relay(database: Path, seed: bytes) -> AsyncIterator[str]:
    """A relay over HTTP on this database, without caps, signing with this key; yields its URL."""
    process = await _start("benchmarks.relay", "relay", str(database), seed.hex(), told=asyncio.subprocess.PIPE)
    try:
        port = int(await _line(process))
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def told_by(module: str, *arguments: str) -> bytes:
    """What a process says before it ends. Raises RuntimeError where it fails."""
    process = await _start(module, *arguments)
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{module} ended with {process.returncode}")
    return said


async def _start(module: str, *arguments: str, told: int | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdin=told, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )


async def _line(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None or not (said := await process.stdout.readline()):
        raise RuntimeError("a benchmark's process ended before it was ready")
    return said

"""Words that are being written: kept in the vault while they are, at most once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from peerbot.core.ports import Vault
from peerbot.errors import PeerbotError

PAUSE: Final = 1.0
"""Seconds between two writes of one draft."""
_ANSWERS: Final = "tui.answers"
_NEW: Final = "tui.new"


@dataclass(frozen=True, slots=True)
class Draft:
    """What was being written in a thread: the name it is kept under, the words, and the post they answer (or 0)."""

    name: str = field(repr=False)
    text: str = field(repr=False)
    answers_p: int


class Drafts:
    """One draft for each thread, under the thread's title as the command line has it, else under its id."""

    def __init__(self, vault: Vault, failed: Callable[[PeerbotError], object], pause: float = PAUSE) -> None:
        self._vault = vault
        self._failed = failed
        self._pause = pause
        self._changed: dict[tuple[bytes, str], str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()

    async def of(self, cid: bytes, thread: bytes, title: str) -> Draft:
        """What was being written in a thread when it was left, however it was left."""
        name = await self.name(cid, thread, title)
        return Draft(name, await self.read(cid, name), await self.answered(cid, thread))

    async def name(self, cid: bytes, thread: bytes, title: str) -> str:
        """What a thread's draft is kept under."""
        return title if title and await self._vault.find_thread(cid, title) == thread else thread.hex()

    async def read(self, cid: bytes, name: str) -> str:
        """The draft of a thread, "" where there is none."""
        if (cid, name) in self._changed:
            return self._changed[cid, name]
        return next((text for c, n, text in await self._vault.drafts() if (c, n) == (cid, name)), "")

    def put(self, cid: bytes, name: str, text: str) -> None:
        """These words are there now; they will be on disk within a second."""
        self._changed[cid, name] = text
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._write)

    def _write(self) -> None:
        task = asyncio.get_running_loop().create_task(self.flush())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def flush(self) -> None:
        """Write what has changed, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        async with self._lock:
            changed, self._changed = self._changed, {}
            for (cid, name), text in changed.items():
                try:
                    await self._put(cid, name, text)
                except PeerbotError as error:
                    self._changed.setdefault((cid, name), text)
                    self._failed(error)

    async def _put(self, cid: bytes, name: str, text: str) -> None:
        if name == _NEW:
            await self._vault.set_setting(f"{_NEW}:{cid.hex()}", text)
        else:
            await self._vault.put_draft(cid, name, text if text.strip() else "")

    async def drop(self, cid: bytes, name: str) -> None:
        """The words are on their way, or are not wanted any more."""
        async with self._lock:
            self._changed.pop((cid, name), None)
            await self._put(cid, name, "")

    # a thread that isn't begun yet has no title to keep its draft under

    async def read_new(self, cid: bytes) -> tuple[str, str]:
        """(title, text) of the thread that is being begun in a circle."""
        kept = self._changed.get((cid, _NEW)) or await self._vault.get_setting(f"{_NEW}:{cid.hex()}") or ""
        title, _, text = kept.partition("\n")
        return title, text

    def put_new(self, cid: bytes, title: str, text: str) -> None:
        line = title.replace("\n", " ")
        self.put(cid, _NEW, f"{line}\n{text}" if line or text else "")

    async def drop_new(self, cid: bytes) -> None:
        await self.drop(cid, _NEW)

    # which post a draft answers

    async def answered(self, cid: bytes, thread: bytes) -> int:
        return int(await self._vault.get_setting(f"{_ANSWERS}:{cid.hex()}:{thread.hex()}") or 0)

    async def set_answered(self, cid: bytes, thread: bytes, p: int) -> None:
        await self._vault.set_setting(f"{_ANSWERS}:{cid.hex()}:{thread.hex()}", str(p) if p else "")

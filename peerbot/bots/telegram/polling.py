"""Reading updates: each batch is stored together with where it ends, and only then does the next poll confirm it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from peerbot.bots.telegram.calls import LONGEST_POLL, CallFailed, PollingBot, Trouble
from peerbot.bots.telegram.intake import ALLOWED, Batch, Intake
from peerbot.clock import Clock
from peerbot.core.doors import Incoming, Platform
from peerbot.errors import PeerbotError

log = structlog.get_logger("peerbot.telegram")

_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_CONFLICT_WAIT: Final = 5.0
"""Below that two pollers only keep interrupting each other."""

Tell = Callable[[str], None]
"""Told how the way to Telegram is, when that changes: a code with a sentence, or "" for well."""


class Events(Protocol):
    """What polling needs of a GatewayStore."""

    async def cursor(self, platform: Platform) -> str: ...

    async def take_in(self, platform: Platform, events: Sequence[Incoming], cursor: str) -> int: ...


class Poller:
    """Polls for one bot. `stored` hears of each batch once it is safe."""

    def __init__(self, bot: PollingBot, own_id: str, store: Events, intake: Intake, clock: Clock, tell: Tell) -> None:
        self._bot = bot
        self._own_id = own_id
        self._store = store
        self._intake = intake
        self._clock = clock
        self._tell = tell
        self._told = ""
        self._failures = 0

    async def poll(self, stored: Callable[[Batch], None]) -> None:
        """Until cancelled. Raises PeerbotError("telegram-token"), and VaultError where nothing can be stored."""
        offset = self._offset(await self._store.cursor(Platform.TELEGRAM))
        while True:
            try:
                raws = await self._bot.raw_updates(offset, LONGEST_POLL, ALLOWED)
            except CallFailed as failed:
                await self._stumble(failed)
                continue
            batch = self._intake.batch(raws)
            if raws and batch.last is None:
                # Nothing to confirm it by: asking again at once would bring the same.
                await self._stumble(CallFailed(Trouble.LOST))
                continue
            self._failures = 0
            self._say("")
            if batch.last is None:
                continue
            if batch.skipped:
                log.warning("updates that could not be read were skipped", count=batch.skipped)
            offset = batch.last + 1
            await self._store.take_in(Platform.TELEGRAM, batch.events, f"{self._own_id}:{offset}")
            stored(batch)

    def _offset(self, cursor: str) -> int:
        """Another bot counts for itself: one's offset would throw away what waits for the other."""
        own_id, _, offset = cursor.partition(":")
        return int(offset) if own_id == self._own_id and offset.isdecimal() else 0

    async def _stumble(self, failed: CallFailed) -> None:
        self._say(code_of(failed))
        if failed.trouble is Trouble.TOKEN:
            raise PeerbotError("telegram-token")
        self._failures += 1
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._failures - 1, 10))
        if failed.trouble is Trouble.LIMITED:
            wait = float(failed.seconds)
        elif failed.trouble is Trouble.CONFLICT:
            await self._without_webhook(failed)
            wait = max(wait, _CONFLICT_WAIT)
        await self._clock.sleep(wait)

    async def _without_webhook(self, failed: CallFailed) -> None:
        """Somebody set a webhook while we ran; what waits for it is for us."""
        if "webhook" not in failed.said:
            return
        try:
            await self._bot.delete_webhook(drop_pending_updates=False)
        except CallFailed:
            log.warning("the webhook could not be removed")

    def _say(self, code: str) -> None:
        if code != self._told:
            self._told = code
            self._tell(code)


def code_of(failed: CallFailed) -> str:
    """What to tell whoever runs the gateway."""
    match failed.trouble:
        case Trouble.TOKEN:
            return "telegram-token"
        case Trouble.CONFLICT:
            return "telegram-conflict"
        case Trouble.LIMITED:
            return "telegram-busy"
        case Trouble.REFUSED | Trouble.FORBIDDEN:
            return "telegram-refused"
    return "telegram-unreachable"

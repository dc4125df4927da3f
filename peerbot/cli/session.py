"""Whom a command asks: the node that runs already, else one of its own on the vault."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Protocol, TypeVar

from peerbot.bootstrap import Place, is_there, node_on, own_vault, place_at, relays
from peerbot.cli import ask as asking
from peerbot.cli import logs, nodesock, say
from peerbot.cli.options import Options
from peerbot.cli.progress import CatchUp
from peerbot.core.desk.answers import Stale
from peerbot.core.desk.asks import AnyAsk
from peerbot.core.desk.base import Desk
from peerbot.core.desk.handle import handle
from peerbot.errors import PeerbotError, VaultError
from peerbot.i18n.catalogue import _
from peerbot.i18n.errors import sentence_for

A = TypeVar("A")
T = TypeVar("T")

_PATIENCE: Final = 5.0
"""Seconds another command may need for the vault before we give up: most are done in less than one."""
_LOOK_EVERY: Final = 0.1
PASSING: Final = frozenset({"relay-unreachable", "relay-slow", "relay-busy"})
"""Codes that pass by themselves: what waits goes out later."""


class Session(Protocol):
    """Somebody who does what is asked of a node."""

    async def ask(self, ask: AnyAsk, expect: type[A]) -> A: ...


class OwnNode:
    """A node in this process."""

    def __init__(self, desk: Desk, progress: CatchUp) -> None:
        self.desk = desk
        self._progress = progress

    async def ask(self, ask: AnyAsk, expect: type[A]) -> A:
        try:
            answer = await handle(self.desk, ask)
        finally:
            self._progress.clear()
        if not isinstance(answer, expect):
            raise PeerbotError("node-garbage")
        return answer


def run_session(options: Options, work: Callable[[Session], Awaitable[T]]) -> T:
    """Open the vault of --dir, or ask the node that has it open, and do the work."""
    logs.set_up(debug=options.debug)

    async def main() -> T:
        async with session_at(place_at(options.dir)) as session:
            return await work(session)

    return asyncio.run(main())


@asynccontextmanager
async def session_at(place: Place, *, create: bool = False) -> AsyncIterator[Session]:
    """With `create`, a vault is made where there is none. Raises VaultError("vault-missing", "vault-in-use", …)."""
    if not create and not is_there(place.vault):
        raise VaultError("vault-missing")
    until = time.monotonic() + _PATIENCE
    async with AsyncExitStack() as stack:
        while (session := await _enter(stack, place, create=create)) is None:
            if time.monotonic() > until:
                raise VaultError("vault-in-use")
            await asyncio.sleep(_LOOK_EVERY)
        yield session


async def _enter(stack: AsyncExitStack, place: Place, *, create: bool) -> Session | None:
    """None while somebody has the vault who doesn't answer."""
    if (caller := await nodesock.call(place.socket)) is not None:
        stack.callback(caller.close)
        return caller
    try:
        vault = await stack.enter_async_context(own_vault(place, asking.passphrase, create=create))
    except VaultError as error:
        if error.code == "vault-in-use":
            return None
        raise
    progress = CatchUp()
    stack.callback(progress.clear)
    node = await stack.enter_async_context(node_on(vault, relays()))
    return OwnNode(Desk(node, progress), progress)


def tell_stale(stale: Sequence[Stale], circles: int) -> None:
    """Say on stderr which circles could not be brought up to date, and why; once where the reason is the same."""
    reasons: dict[str, list[str]] = {}
    for one in stale:
        reasons.setdefault(sentence_for(one.code, one.facts), []).append(one.circle)
    for reason, names in reasons.items():
        if len(names) == circles and all(one.code in PASSING for one in stale):
            say.note(_("Working offline, with what is on this computer. {reason}").format(reason=reason))
        else:
            say.note(_("{circles}: {reason}").format(circles=", ".join(names), reason=reason))

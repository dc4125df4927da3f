"""Who does what is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from peerbot.core.desk import answers, asks, circles, invites, posts
from peerbot.core.desk.answers import AnyAnswer
from peerbot.core.desk.asks import AnyAsk
from peerbot.core.desk.base import Desk, failed
from peerbot.errors import PeerbotError


async def handle(desk: Desk, ask: AnyAsk) -> AnyAnswer:
    """Do what is asked. Raises PeerbotError."""
    return await _HANDLERS[type(ask)](desk, ask)


async def handle_safely(desk: Desk, ask: AnyAsk) -> AnyAnswer:
    """The same with errors as an answer, for those behind a socket."""
    try:
        return await handle(desk, ask)
    except PeerbotError as error:
        return failed(error)


async def _hello(_: Desk, ask: asks.Hello) -> answers.Done:
    if ask.version != asks.VERSION:
        raise PeerbotError("node-version")
    return answers.Done()


_HANDLERS: Final[dict[type[AnyAsk], Callable[[Desk, Any], Awaitable[AnyAnswer]]]] = {
    asks.Hello: _hello,
    asks.Circles: circles.list_circles,
    asks.Read: posts.read,
    asks.Wait: posts.wait,
    asks.Search: posts.search,
    asks.Write: posts.write,
    asks.Drafts: posts.drafts,
    asks.DropDraft: posts.drop_draft,
    asks.Members: circles.members,
    asks.Remove: circles.remove,
    asks.Leave: circles.leave,
    asks.ClearAlarm: circles.clear_alarm,
    asks.Devices: circles.devices,
    asks.Invite: invites.invite,
    asks.Invites: invites.invites,
    asks.Revoke: invites.revoke,
    asks.LookUp: invites.look_up,
    asks.PendingCode: invites.pending_code,
    asks.Join: invites.join,
    asks.SettleCode: invites.settle_code,
    asks.Rename: circles.rename,
}

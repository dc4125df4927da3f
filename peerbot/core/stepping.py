"""What an event of a chat leads to, stored at once: the dialogue's new state, the answers, and words for a circle."""

from __future__ import annotations

from contextlib import AsyncExitStack

from peerbot.core.doors import GatewayStore, Platform, Step
from peerbot.core.hosting import check_hosted
from peerbot.core.node import Circle, Node
from peerbot.core.ports import Outgoing
from peerbot.core.text import clean
from peerbot.core.threads import check_open
from peerbot.errors import UserError
from peerbot.protocol.bodies import MAX_TEXT_BYTES, Post, Ref, encode_body
from peerbot.protocol.log import Kind


def words_for(
    circle: Circle, member: bytes, thread: bytes, text: str, platform: Platform, answers: Ref | None = None
) -> Outgoing:
    """A hosted member's words for a thread, as a step takes them.

    Raises UserError("empty-post", "too-long", "not-hosted", "paused", "locked", "removed"), PeerbotError("alarm-…").
    """
    words = clean(text).strip()
    if not words:
        raise UserError("empty-post")
    if len(words.encode("utf-8")) > MAX_TEXT_BYTES:
        raise UserError("too-long", length=len(words), most=MAX_TEXT_BYTES)
    check_hosted(circle, member)
    check_open(circle, thread)
    body = encode_body(Post(thread, words, platform.value, answers))
    return Outgoing(0, circle.cid, Kind.MESSAGE, body, member)


async def take_step(node: Node, store: GatewayStore, step: Step) -> None:
    """Store a step, and let the outboxes know what it put into them; `threads.send` sends it. Raises VaultError."""
    wanted = {row.cid for row in step.outgoing}
    circles = sorted((circle for circle in node.circles if circle.cid in wanted), key=lambda circle: circle.cid)
    async with AsyncExitStack() as held:
        # Always in this order, so that two steps can't wait for each other.
        for circle in circles:
            await held.enter_async_context(node.holding(circle))
        await store.step(step)
        for circle in circles:
            await circle.outbox.load()

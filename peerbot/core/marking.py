"""Second thoughts and small interventions: editing, taking back, hiding, closing a thread.

Each is stored to be sent by `threads.send`, and takes effect everywhere once it stands in the log.
"""

from __future__ import annotations

from peerbot.core.node import Circle, Node
from peerbot.core.ports import ShownPost
from peerbot.core.text import clean, clean_line
from peerbot.errors import Refused, UserError
from peerbot.protocol.bodies import MAX_TEXT_BYTES, AnyBody, Edit, Hide, Lock, Ref, Retract
from peerbot.protocol.roster.rights import LEADERS

MOST_REASON = 500


def may_moderate(circle: Circle) -> bool:
    """Whether I may hide posts and close threads here."""
    me = circle.follower.state.member
    return me is not None and not circle.follower.state.removed and me.role in LEADERS


async def edit(node: Node, circle: Circle, p: int, text: str) -> None:
    """New words for my post at p. Raises UserError("empty-post", "too-long", …), Refused("M18") for another's."""
    words = clean(text).strip()
    if not words:
        raise UserError("empty-post")
    if len(words.encode("utf-8")) > MAX_TEXT_BYTES:
        raise UserError("too-long", length=len(words), most=MAX_TEXT_BYTES)
    post = await _mine(node, circle, p)
    await _keep(node, circle, Edit(Ref(post.p, post.id), words))


async def retract(node: Node, circle: Circle, p: int) -> None:
    """Take my post at p back. Raises Refused("M18") for another's."""
    post = await _mine(node, circle, p)
    await _keep(node, circle, Retract(Ref(post.p, post.id)))


async def hide(node: Node, circle: Circle, p: int, *, hidden: bool, reason: str) -> None:
    """Hide anybody's post, or show it again. Raises Refused("M18") where I may not."""
    post = await node.vault.post_at(circle.cid, p)
    if post is None or not may_moderate(circle):
        raise Refused("M18")
    await _keep(node, circle, Hide(Ref(post.p, post.id), hidden, clean_line(reason)[:MOST_REASON]))


async def lock(node: Node, circle: Circle, thread: bytes, *, locked: bool, reason: str) -> None:
    """Close a thread to new posts, or open it again. Raises Refused("M18") where I may not."""
    if not may_moderate(circle):
        raise Refused("M18")
    await _keep(node, circle, Lock(thread, locked, clean_line(reason)[:MOST_REASON]))


async def _mine(node: Node, circle: Circle, p: int) -> ShownPost:
    post = await node.vault.post_at(circle.cid, p)
    if post is None or post.author != circle.follower.state.me.member:
        raise Refused("M18")
    return post


async def _keep(node: Node, circle: Circle, body: AnyBody) -> None:
    async with node.holding(circle):
        state = circle.follower.state
        circle.outbox.check_may_send()
        if isinstance(body, Edit | Retract) and state.paused_at(state.p + 1):
            raise UserError("paused")
        await circle.outbox.post(state.me.member, [body])

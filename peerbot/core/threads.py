"""Writing and reading: threads and posts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from peerbot.core.node import Circle, Node
from peerbot.core.people import display_names
from peerbot.core.ports import ShownPost
from peerbot.core.text import clean, clean_line
from peerbot.errors import Fact, PeerbotError, RelayError, UserError
from peerbot.protocol.bodies import MAX_TEXT_BYTES, AnyBody, Post, Ref, Thread, decode_body
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import random_bytes

MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a post: `sent` is False while it waits for the relay; `code` and `facts` say why."""

    thread: str
    sent: bool
    code: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadPost:
    """A post as people read it. Every one passed all checks. `state` is "", "edited", "hidden" or "retracted"."""

    circle: str
    thread: str = field(repr=False)
    thread_id: str
    author: str = field(repr=False)
    text: str = field(repr=False)
    at: int
    door: str
    id: str
    p: int
    state: str


async def post(node: Node, circle: Circle, thread: str, text: str) -> Posted:
    """Post words into a thread, named by title or id and created if absent.

    Words that can't be posted are kept as a draft. Raises UserError: "empty-post", "empty-title", "long-title",
    "too-long", "paused", "locked", "removed"; PeerbotError("alarm-…").
    """
    words, title = clean(text).strip(), clean_line(thread)
    if not words:
        raise UserError("empty-post")
    if not title:
        raise UserError("empty-title")
    if len(title) > MAX_TITLE:
        raise UserError("long-title", most=MAX_TITLE)
    try:
        return await _post(node, circle, title, words)
    except PeerbotError:
        await _keep_draft(node, circle, title, words)
        raise


async def _keep_draft(node: Node, circle: Circle, title: str, words: str) -> None:
    """Words that could not be posted join those that wait there already, and take the place of none."""
    drafts = {(cid, name): text for cid, name, text in await node.vault.drafts()}
    earlier = drafts.get((circle.cid, title), "")
    if words not in earlier:
        await node.vault.put_draft(circle.cid, title, f"{earlier}\n\n{words}" if earlier else words)


async def _post(node: Node, circle: Circle, title: str, words: str) -> Posted:
    if len(words.encode("utf-8")) > MAX_TEXT_BYTES:
        raise UserError("too-long", length=len(words), most=MAX_TEXT_BYTES)
    unreached: RelayError | None = None
    found = await node.vault.find_thread(circle.cid, title) if circle.synced else None
    if found is None:
        # The thread may have been begun by another a moment ago.
        try:
            await node.sync(circle)
        except RelayError as error:
            if error.code == "relay-denied" and circle.follower.state.roster is not None:
                # A removed device can't read of its own removal: the relay lets it in no more.
                raise UserError("removed") from None
            unreached = error
    async with node.holding(circle):
        thread = await _enqueue(node, circle, title, words, found)
        if any((cid, name) == (circle.cid, title) for cid, name, _ in await node.vault.drafts()):
            await node.vault.put_draft(circle.cid, title, "")
        if unreached is None:
            try:
                await circle.outbox.pump()
            except RelayError as error:
                unreached = error
    if unreached is not None:
        return Posted(thread.hex(), False, unreached.code, unreached.facts)
    return Posted(thread.hex(), True)


async def _enqueue(node: Node, circle: Circle, title: str, words: str, found: bytes | None) -> bytes:
    """Store the post, and the thread where it is new; returns the thread's id, which is `found` if it was here."""
    if found is None:
        found = await node.vault.find_thread(circle.cid, title)
    check_open(circle, found)
    if found is None and circle.outbox.waiting:
        # Begun here a moment ago, and not sent yet.
        begun = (await waiting(node, circle)).threads
        found = next((id for id, name in begun.items() if name.casefold() == title.casefold()), None)
    thread = found or random_bytes(16)
    bodies: list[AnyBody] = [] if found is not None else [Thread(thread, title)]
    await circle.outbox.post(circle.follower.state.me.member, [*bodies, Post(thread, words)])
    return thread


def check_open(circle: Circle, thread: bytes | None) -> None:
    """Whether posts may be sent now. Raises UserError("paused", "locked", "removed"), PeerbotError("alarm-…")."""
    circle.outbox.check_may_send()
    state = circle.follower.state
    if state.paused_at(state.p + 1):
        raise UserError("paused")
    if thread is not None and state.locked_at(thread, state.p + 1):
        raise UserError("locked")


async def keep(node: Node, circle: Circle, thread: bytes, text: str, answers: Ref | None = None) -> None:
    """Store words for a thread that is here, or is on its way; `send` sends them. Nothing is asked of the relay.

    Raises UserError: "empty-post", "too-long", "paused", "locked", "removed", "outbox-full"; PeerbotError("alarm-…").
    """
    words = clean(text).strip()
    if not words:
        raise UserError("empty-post")
    if len(words.encode("utf-8")) > MAX_TEXT_BYTES:
        raise UserError("too-long", length=len(words), most=MAX_TEXT_BYTES)
    async with node.holding(circle):
        check_open(circle, thread)
        await circle.outbox.post(circle.follower.state.me.member, [Post(thread, words, reply=answers)])


async def send(node: Node, circle: Circle) -> None:
    """Send what waits. Raises RelayError and leaves the rest for later."""
    async with node.holding(circle):
        await circle.outbox.pump()


@dataclass(frozen=True, slots=True)
class WaitingPost:
    """A post that has not reached the relay. `reply_p` is 0 for none."""

    thread: bytes
    text: str = field(repr=False)
    reply_p: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of my writing has not reached the relay: threads by id with their titles, and posts, oldest first."""

    threads: dict[bytes, str] = field(repr=False)
    posts: list[WaitingPost]


async def waiting(node: Node, circle: Circle) -> Waiting:
    """Posts and threads of the outbox."""
    found = Waiting({}, [])
    rows = await node.vault.outbox(circle.cid, max(100, circle.outbox.waiting)) if circle.outbox.waiting else []
    for row in rows:
        match decode_body(row.intent) if row.kind is Kind.MESSAGE else None:
            case Thread(thread=thread, title=title):
                found.threads[thread] = title
            case Post(thread=thread, text=text, reply=reply):
                found.posts.append(WaitingPost(thread, text, reply.p if reply is not None else 0))
    return found


async def read_posts(
    node: Node, circle: Circle, thread: str | None, *, after: int = 0, limit: int = 100
) -> list[ReadPost]:
    """The newest posts of a circle or thread, oldest first; with `after`, those behind that log position.

    Raises UserError("no-such-thread").
    """
    chosen: bytes | None = None
    if thread is not None:
        chosen = await node.vault.find_thread(circle.cid, clean_line(thread))
        if chosen is None:
            raise UserError("no-such-thread")
    if after:
        rows = await node.vault.posts_after(circle.cid, after, limit)
        rows = [row for row in rows if chosen is None or row.thread == chosen]
    else:
        rows = await node.vault.posts(circle.cid, chosen, 2**40 - 1, limit)
    names = await display_names(circle)
    return [shown(circle.slug, row, names) for row in rows]


def shown(slug: str, row: ShownPost, names: dict[bytes, str]) -> ReadPost:
    """A vault row in the words of people."""
    return ReadPost(
        circle=slug,
        thread=clean_line(row.title),
        thread_id=row.thread.hex(),
        author=names.get(row.author, f"member {row.author.hex()[:4]}"),
        text=clean(row.text),
        at=row.ts,
        door=row.door,
        id=row.id.hex(),
        p=row.p,
        state=row.state,
    )


async def search(node: Node, words: str, circle: Circle | None, limit: int = 50) -> list[ReadPost]:
    """Posts that hold all the words, newest first."""
    rows = await node.vault.search(words, circle.cid if circle is not None else None, limit)
    by_cid = {c.cid: c for c in node.circles}
    names = {cid: await display_names(by_cid[cid]) for cid in {cid for cid, _ in rows} if cid in by_cid}
    return [shown(by_cid[cid].slug, row, names[cid]) for cid, row in rows if cid in by_cid]

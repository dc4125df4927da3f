"""The walk of two machines (and a third) through one sealed circle, with what the relay sees beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from peerbot.clock import epoch_seconds, from_seconds
from peerbot.core.founding import found_circle
from peerbot.core.inviting import Community, make_invite
from peerbot.core.joining import join_circle, look_up
from peerbot.core.node import Circle, Node
from peerbot.core.people import list_members, remove_member, set_profile
from peerbot.core.ports import LogRecord
from peerbot.core.threads import post, read_posts
from peerbot.errors import RelayError
from peerbot.protocol.invite import format_link
from peerbot.protocol.keys import new_recovery_code
from peerbot.protocol.log import Kind
from peerbot.protocol.message import parse

COMMUNITY = Community("Open Door", "Kari", "kari@example.org", "en")
FIRST_POST = "I went to the café on Tuesday. I sat outside for ten minutes first. Then I went in."
ANSWER = "Ten minutes outside is part of going in. I'm glad you told us."
LAST_POST = "From here on, only those who are still in the circle can read this."
CANARIES = ("Open Door", "Heron", "Wren", "Owl", "café", "ten minutes", "Tuesday walks")
THREAD = "Tuesday walks"
_DAY = 86_400
_KINDS = {Kind.ENTRY: "roster entry", Kind.SUBKEY: "subkey", Kind.MESSAGE: "message", Kind.REQUEST: "request"}


class Stage(Protocol):
    """What the walk needs of the machine: a running relay, nodes in directories of their own, and a look into the
    relay's files.
    """

    relay_url: str
    relay_key: bytes
    founding_code: str

    async def node(self, name: str) -> Node: ...

    async def relay_records(self, cid: bytes, after: int) -> Sequence[LogRecord]:
        """What stands in the relay's log after a position."""

    async def relay_search(self, words: Sequence[str]) -> tuple[int, list[str]]:
        """How many bytes the relay's files hold, and which of the words are found in them."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a heading, what the members see, and what the relay sees of it."""

    title: str
    members: tuple[str, ...]
    relay: tuple[str, ...]


Show = Callable[[Step], Awaitable[None]]


class Walk:
    """Plays the walk on a stage and shows each step as it has happened."""

    def __init__(self, stage: Stage, show: Show) -> None:
        self._stage = stage
        self._show = show
        self._seen = 0

    async def play(self) -> None:
        heron = await self._stage.node("heron")
        circle = await self._found(heron)
        wren = await self._stage.node("wren")
        wren_circle = await self._join(heron, circle, wren, "Wren")
        await self._talk(heron, circle, wren, wren_circle)
        owl = await self._stage.node("owl")
        owl_circle = await self._newcomer(heron, circle, owl)
        await self._remove(heron, circle, wren, wren_circle, owl, owl_circle)
        await self._search()

    async def _relay_lines(self, cid: bytes) -> tuple[str, ...]:
        lines = []
        for record in await self._stage.relay_records(cid, self._seen):
            self._seen = record.p
            wire = record.wire or b""
            when = from_seconds(record.time).strftime("%H:%M:%S")
            lines.append(f"{record.p} at {when}: {_KINDS[record.kind]}, {len(wire):,} bytes, …{wire[-3:].hex()}")
        return tuple(lines)

    async def _found(self, heron: Node) -> Circle:
        circle = await found_circle(
            heron,
            "forum",
            relay_url=self._stage.relay_url,
            relay_key=self._stage.relay_key,
            founding_code=self._stage.founding_code,
        )
        await set_profile(heron, circle, "Heron")
        await self._show(
            Step(
                "Kari founds a circle and calls herself Heron in it",
                ("Heron's machine made all keys.", f"Circle {circle.cid.hex()[:8]}…, 1 member."),
                await self._relay_lines(circle.cid),
            )
        )
        return circle

    async def _join(self, heron: Node, circle: Circle, newcomer: Node, name: str) -> Circle:
        expires = epoch_seconds(heron.clock.now()) + 14 * _DAY
        shown = await make_invite(heron, [circle], COMMUNITY, expires=expires)
        if shown.link is None:
            raise AssertionError("an invite made here has its link")
        link = format_link(shown.link)
        await self._show(
            Step(
                f"Heron makes an invite for {name}",
                (f"{link[: link.index('#') + 10]}…", "It travels on paper or by voice, not through the relay."),
                (*await self._relay_lines(circle.cid), "and one sealed note about who runs this"),
            )
        )
        invitation = await look_up(newcomer, shown.link)
        joined = await join_circle(newcomer, invitation, invitation.note.circles[0], new_recovery_code())
        await set_profile(newcomer, joined, name)
        await self._show(
            Step(
                f"{name} joins from another machine; nobody else is online",
                (f"“{invitation.note.community}”, run by {invitation.note.operator}.", f"{name} is in."),
                await self._relay_lines(circle.cid),
            )
        )
        return joined

    async def _talk(self, heron: Node, circle: Circle, wren: Node, wren_circle: Circle) -> None:
        await post(heron, circle, THREAD, FIRST_POST)
        await wren.sync(wren_circle)
        await post(wren, wren_circle, THREAD, ANSWER)
        await heron.sync(circle)
        await self._show(
            Step(
                "They talk",
                tuple(f"{p.author}: {p.text}" for p in await read_posts(heron, circle, THREAD)),
                await self._relay_lines(circle.cid),
            )
        )

    async def _newcomer(self, heron: Node, circle: Circle, owl: Node) -> Circle:
        joined = await self._join(heron, circle, owl, "Owl")
        before = len(await read_posts(owl, joined, None))
        await heron.sync(circle)
        await owl.sync(joined)
        posts = await read_posts(owl, joined, None)
        await self._show(
            Step(
                "Heron's machine hands Owl the keys of the last 30 days",
                (f"Owl could read {before} posts, now {len(posts)}:", *(f"{p.author}: {p.text}" for p in posts)),
                (*await self._relay_lines(circle.cid), "and one sealed letter in Owl's mailbox"),
            )
        )
        return joined

    async def _remove(
        self, heron: Node, circle: Circle, wren: Node, wren_circle: Circle, owl: Node, owl_circle: Circle
    ) -> None:
        await remove_member(heron, circle, "Wren")
        await post(heron, circle, THREAD, LAST_POST)
        records = await self._relay_lines(circle.cid)
        await owl.sync(owl_circle)
        newest = (await read_posts(owl, owl_circle, THREAD))[-1]
        rows = await self._stage.relay_records(circle.cid, 0)
        last = next(r.wire for r in reversed(rows) if r.kind is Kind.MESSAGE and r.wire is not None)
        key = wren_circle.follower.state.secrets.get(parse(last).header.e)
        await self._show(
            Step(
                "Heron removes Wren, and posts again",
                (
                    f"In the circle: {', '.join(m.name for m in await list_members(owl_circle))}.",
                    f"Owl reads: {newest.text}",
                    f"Wren's machine: {await _refusal(wren, wren_circle)}",
                    f"Given the bytes all the same: {'it opens them' if key is not None else 'no key of hers fits.'}",
                ),
                records,
            )
        )

    async def _search(self) -> None:
        size, found = await self._stage.relay_search(CANARIES)
        await self._show(
            Step(
                "And if the relay is stolen?",
                ("Looked for: " + ", ".join(f"“{word}”" for word in CANARIES),),
                (f"{size:,} bytes of files; found: {', '.join(found) or 'nothing'}.",),
            )
        )


async def _refusal(node: Node, circle: Circle) -> str:
    try:
        await node.sync(circle)
    except RelayError as error:
        return "the relay lets her in no more." if error.code == "relay-denied" else error.code
    return "still follows the circle."

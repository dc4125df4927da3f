"""What the screens show: plain values, cleaned of everything that isn't text."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ThreadLine:
    """A thread in the list. `waits` while it has not been sent yet."""

    cid: bytes
    thread: bytes
    title: str = field(repr=False)
    posts: int
    unread: int
    last_p: int
    waits: bool = False


@dataclass(frozen=True, slots=True)
class CircleLine:
    """A circle in the list, with its threads, newest activity first."""

    cid: bytes
    slug: str
    trouble: bool
    threads: tuple[ThreadLine, ...]

    @property
    def unread(self) -> int:
        return sum(thread.unread for thread in self.threads)


@dataclass(frozen=True, slots=True)
class PostView:
    """A post on the screen. `p` is its log position; below zero while it waits to be sent.

    `state` is "", "edited", "hidden", "retracted" or "waiting"; `leads` the role of an owner or moderator, in words;
    `answers` a line about the post it answers.
    """

    p: int
    author: str = field(repr=False)
    mine: bool
    leads: str
    text: str = field(repr=False)
    at: int
    door: str
    state: str
    answers: str = field(default="", repr=False)
    answers_p: int = 0

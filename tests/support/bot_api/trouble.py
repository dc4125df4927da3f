"""Trouble to order: refusals, lost answers, cut connections, nonsense, delays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.bot_api.refusal import Refusal


@dataclass(slots=True)
class Rule:
    """What happens to the next `times` calls of a method, in one chat or in all."""

    method: str
    chat: int | None = None
    times: int = 1
    refusal: Refusal | None = None
    cut: bool = False
    """Nothing is done and nothing answered."""
    lose: bool = False
    """All is done and nothing answered."""
    raw: tuple[int, bytes] | None = None
    """Nothing is done, and something that isn't Telegram answers."""
    gate: asyncio.Event | None = None
    """Nothing is done before this is set."""

    def concerns(self, method: str, args: Mapping[str, str]) -> bool:
        return self.method.lower() == method.lower() and self.chat in (None, _chat(args))


class Trouble:
    """The rules that stand. Each call meets the first one that concerns it."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def refuse(
        self, method: str, status: int, description: str, *, chat: int | None = None, times: int = 1, **parameters: Any
    ) -> None:
        self._rules.append(Rule(method, chat, times, refusal=Refusal(status, description, **parameters)))

    def cut(self, method: str, *, chat: int | None = None, times: int = 1) -> None:
        self._rules.append(Rule(method, chat, times, cut=True))

    def lose_answer(self, method: str, *, chat: int | None = None, times: int = 1) -> None:
        self._rules.append(Rule(method, chat, times, lose=True))

    def answer_with(self, method: str, status: int, body: bytes, *, chat: int | None = None, times: int = 1) -> None:
        self._rules.append(Rule(method, chat, times, raw=(status, body)))

    @contextmanager
    def hold(self, method: str, *, chat: int | None = None, times: int = 1) -> Iterator[asyncio.Event]:
        """Calls wait until the event is set, at the end of the block at the latest."""
        gate = asyncio.Event()
        self._rules.append(Rule(method, chat, times, gate=gate))
        try:
            yield gate
        finally:
            gate.set()

    def met(self, method: str, args: Mapping[str, str]) -> Rule | None:
        """The rule this call meets; it counts as met."""
        for rule in self._rules:
            if rule.times > 0 and rule.concerns(method, args):
                rule.times -= 1
                return rule
        return None


def _chat(args: Mapping[str, str]) -> int | None:
    found = args.get("chat_id", "")
    return int(found) if found.lstrip("-").isdecimal() else None

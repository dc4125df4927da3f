"""Challenges and sessions, in memory only: a restart signs everyone out."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from peerbot.relay.access import Caller, Session
from peerbot.relay.limits import Limits


class Challenges:
    """Random challenges, each good once and for a short time. The oldest give way when there are too many."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._open: OrderedDict[bytes, float] = OrderedDict()

    def make(self) -> bytes:
        challenge = secrets.token_bytes(32)
        self._open[challenge] = self._now() + self._limits.challenge_seconds
        if len(self._open) > self._limits.challenges:
            self._open.popitem(last=False)
        return challenge

    def use(self, challenge: bytes) -> bool:
        """Whether it was made here a short while ago and not used yet."""
        expires = self._open.pop(challenge, None)
        return expires is not None and self._now() < expires


class Sessions:
    """Who is signed in, by the hash of their token: what is in memory doesn't let anyone in.

    Bounded for each caller and altogether; the oldest give way.
    """

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._sessions: OrderedDict[bytes, tuple[Session, float]] = OrderedDict()
        self._of: dict[Caller, list[bytes]] = {}

    def open(self, caller: Caller) -> str:
        """A new session's token."""
        token = secrets.token_urlsafe(32)
        name = _hash(token)
        self._sessions[name] = (Session(caller), self._now() + self._limits.session_seconds)
        own = self._of.setdefault(caller, [])
        own.append(name)
        if len(own) > self._limits.sessions:
            self._close(own[0])
        if len(self._sessions) > self._limits.all_sessions:
            self._close(next(iter(self._sessions)))
        return token

    def get(self, token: str) -> Session | None:
        """The session of a token, unless it has ended."""
        name = _hash(token)
        found = self._sessions.get(name)
        if found is None:
            return None
        session, expires = found
        if self._now() >= expires:
            self._close(name)
            return None
        return session

    def _close(self, name: bytes) -> None:
        session, _ = self._sessions.pop(name)
        own = self._of[session.caller]
        own.remove(name)
        if not own:
            del self._of[session.caller]


def _hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()

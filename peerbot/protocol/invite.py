"""Invites: the link, the spoken code, and the sealed note that waits at the relay's rendezvous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from peerbot.protocol import wire
from peerbot.protocol.box import LEAST_DIRECT, PaddingWrong, open_box, pad, seal_box, unpad
from peerbot.protocol.keys import rendezvous, spell, unspell
from peerbot.protocol.primitives import CryptoFailure
from peerbot.protocol.secret import InviteToken
from peerbot.protocol.wire import Layout, Malformed, Raw, Var

MAX_NOTE: Final = 16 * 1024
_NOTE: Final = Layout(b"note", Raw(32), Var(MAX_NOTE))
_JOIN: Final = "/join#"


class NotedCircle(Struct, frozen=True):
    """A circle the invite leads to. `cid` proves the genesis, so the relay can't swap it (attack 33)."""

    cid: Annotated[bytes, Meta(min_length=32, max_length=32)]
    slug: Annotated[str, Meta(min_length=1, max_length=64)]
    role: int


class Note(Struct, frozen=True):
    """What someone who holds an invite needs to know before saying yes. The relay can't read it."""

    community: Annotated[str, Meta(max_length=200)]
    operator: Annotated[str, Meta(max_length=200)]
    contact: Annotated[str, Meta(max_length=200)]
    language: Annotated[str, Meta(max_length=16)]
    gateways: Annotated[str, Meta(max_length=200)]
    circles: Annotated[list[NotedCircle], Meta(min_length=1, max_length=64)]


_DECODER: Final = msgspec.msgpack.Decoder(Note)


@dataclass(frozen=True, slots=True)
class InviteLink:
    """Where to go and the secret to go with."""

    relay_url: str
    token: InviteToken


def format_link(link: InviteLink) -> str:
    """The token stands behind the #, which browsers don't send."""
    return f"{link.relay_url.rstrip('/')}{_JOIN}{spell(link.token.reveal())}"


def parse_link(text: str, relay_url: str | None = None) -> InviteLink:
    """A link, or a spoken code together with `relay_url`. Raises Malformed."""
    url, found, code = text.strip().partition(_JOIN)
    if not found:
        if relay_url is None:
            raise Malformed
        url, code = relay_url, url
    elif not url.startswith(("http://", "https://")):
        raise Malformed
    return InviteLink(url.rstrip("/"), InviteToken(unspell(code)))


def seal_note(token: InviteToken, note: Note) -> tuple[bytes, bytes]:
    """(rendezvous id, sealed note). Each token's key seals one note and no other."""
    place, key = rendezvous(token)
    kc, ciphertext = seal_box(key, pad(msgspec.msgpack.encode(note), LEAST_DIRECT), place)
    return place, _NOTE.encode(kc, ciphertext)


def open_note(token: InviteToken, raw: bytes) -> Note:
    """Raises Malformed where the note isn't one that the inviter sealed."""
    place, key = rendezvous(token)
    try:
        if len(raw) > wire.MAX_DIRECT:
            raise Malformed
        kc, ciphertext = _NOTE.decode(raw)
        return _DECODER.decode(unpad(open_box(key, kc, ciphertext, place), LEAST_DIRECT))
    except (CryptoFailure, PaddingWrong, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed from None

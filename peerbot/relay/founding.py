"""The founding code: who may open new circles at this relay."""

from __future__ import annotations

from typing import Final

from peerbot.protocol.keys import spell, unspell
from peerbot.protocol.primitives import SigningKey, hkdf, same
from peerbot.protocol.wire import Malformed

_LABEL: Final = b"founding-code"


def founding_code(key: SigningKey) -> str:
    """The code of the relay with this key, to be read out or typed; 128 bits, the same as long as the key is."""
    return spell(_raw(key))


def is_founding_code(key: SigningKey, code: str) -> bool:
    """Compares in constant time; lower case, blanks and dashes don't matter."""
    try:
        given = unspell(code)
    except Malformed:
        return False
    return same(given, _raw(key))


def _raw(key: SigningKey) -> bytes:
    return hkdf(key.seed(), _LABEL, length=16)

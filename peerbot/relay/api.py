"""What server and client say to each other: MessagePack arrays over HTTP, and one byte for each wake.

Every call is a POST of one structure and answers with one. Errors answer with a status and a `Failure`.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from peerbot.core.ports import LogRecord
from peerbot.protocol import labels
from peerbot.protocol.log import Kind
from peerbot.protocol.roster.entry import By
from peerbot.protocol.wire import U64, Layout, Raw

MEDIA_TYPE: Final = "application/msgpack"

KEY: Final = "/v1/key"
CHALLENGE: Final = "/v1/challenge"
SIGN_IN: Final = "/v1/sign-in"
FOUND: Final = "/v1/found"
NOTE: Final = "/v1/note"
APPEND: Final = "/v1/append"
"""Of messages, subkeys and requests."""
APPEND_ENTRY: Final = "/v1/append-entry"
READ: Final = "/v1/read"
ENVELOPES: Final = "/v1/envelopes"
PUT_ENVELOPE: Final = "/v1/put-envelope"
MAIL: Final = "/v1/mail"
SEND_MAIL: Final = "/v1/send-mail"
DROP_MAIL: Final = "/v1/drop-mail"
PUT_NOTE: Final = "/v1/put-note"
DROP_NOTE: Final = "/v1/drop-note"
WATCH: Final = "/v1/watch"

SHORT: Final = 8 * 1024
"""The most bytes of a call or answer that carries no wire."""
ONE_WIRE: Final = 72 * 1024
"""Of one that carries one wire, short of an entry."""
PAGE: Final = 4 * 1024 * 1024
"""Of an answer that carries as much as a relay gives at once."""
CLOSED_DENIED: Final = 4403
"""The WebSocket's close code for a device that was removed."""

B16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
B32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
B64 = Annotated[bytes, Meta(min_length=64, max_length=64)]
Number = Annotated[int, Meta(ge=0, le=2**62)]
Text = Annotated[str, Meta(max_length=64)]
Receipt = Annotated[bytes, Meta(max_length=512)]


class Data(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A structure of this API: exactly its fields, in order."""


class KeyAnswer(Data, frozen=True):
    key: B32


class ChallengeAnswer(Data, frozen=True):
    challenge: B32


class SignInCall(Data, frozen=True):
    """`signature` is Sig("relay-sign-in") over `sign_in_statement`."""

    cid: B32
    by: By
    id: B16
    challenge: B32
    signature: B64


class SignInAnswer(Data, frozen=True):
    """`token` opens the other calls for `seconds`; `time` is the relay's, in seconds since 1970."""

    token: Annotated[str, Meta(min_length=16, max_length=128)]
    seconds: Number
    time: Number


class FoundCall(Data, frozen=True):
    code: Text
    genesis: bytes


class ReceiptAnswer(Data, frozen=True):
    receipt: Receipt


class NoteCall(Data, frozen=True):
    place: B32


class NoteAnswer(Data, frozen=True):
    note: bytes | None


class AppendCall(Data, frozen=True):
    kind: Kind
    wire: bytes
    envelopes: list[bytes]
    if_seq: Number | None


class ReadCall(Data, frozen=True):
    after: Number
    limit: Number


class Row(Data, frozen=True):
    """A log record. The digest is sent only where the wire isn't: nobody should take another's word for a hash."""

    p: Number
    kind: Kind
    time: Number
    digest: B32 | None
    wire: bytes | None


class PageAnswer(Data, frozen=True):
    records: list[Row]
    receipt: Receipt
    head: Number


class EnvelopesCall(Data, frozen=True):
    first: Number


class WiresAnswer(Data, frozen=True):
    wires: list[bytes]


class WireCall(Data, frozen=True):
    wire: bytes


class MailCall(Data, frozen=True):
    limit: Number


class MailAnswer(Data, frozen=True):
    mail: list[tuple[Number, bytes]]


class SendMailCall(Data, frozen=True):
    devices: Annotated[list[B16], Meta(max_length=256)]
    wire: bytes


class DropMailCall(Data, frozen=True):
    ids: Annotated[list[Number], Meta(max_length=10_000)]


class PutNoteCall(Data, frozen=True):
    place: B32
    note: bytes
    expires: Number


class DoneAnswer(Data, frozen=True):
    """It is done, and there is nothing to say."""


class Failure(Data, frozen=True):
    """A PeerbotError's code and facts, or one of the two codes below."""

    code: Text
    facts: dict[Text, str | int]


NO_SESSION: Final = "session"
"""Sign in (again)."""
BAD_CALL: Final = "call"
"""The server didn't understand the call."""

_SIGN_IN: Final = Layout(labels.SIG_RELAY_SIGN_IN, Raw(32), Raw(32), U64(), Raw(16), Raw(32))


def sign_in_statement(relay_key: bytes, cid: bytes, by: By, key_id: bytes, challenge: bytes) -> bytes:
    """What a credential signs. It names the relay, so that no relay can use the signature at another one."""
    return _SIGN_IN.encode(relay_key, cid, int(by), key_id, challenge)


def row_of(record: LogRecord) -> Row:
    digest = record.digest if record.wire is None else None
    return Row(record.p, record.kind, record.time, digest, record.wire)

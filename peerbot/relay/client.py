"""HttpRelay: a relay reached over HTTP and WebSocket."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from peerbot.clock import Clock, SystemClock, epoch_seconds
from peerbot.core.ports import CircleRelay, Credential, LogRecord, Mail, Page, Wake
from peerbot.errors import RelayError
from peerbot.protocol import labels
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import sha256
from peerbot.relay import api
from peerbot.relay.transport import Timeouts, Transport

MOST_APART = 3600
"""The relay's clock and ours may differ by so many seconds."""
D = TypeVar("D", bound=api.Data)
T = TypeVar("T")


class HttpRelay:
    """The port Relay over HTTP(S). Raises RelayError("relay-plain-http") for plain HTTP to another machine.

    With `expected_key` the relay must hold that key: signing in and `key` fail with any other. `tls` replaces the
    system's idea of whom to trust. To be used and closed within one event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        expected_key: bytes | None = None,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.url = url
        self._clock = clock if clock is not None else SystemClock()
        self._expected = expected_key
        self._key: bytes | None = None
        self._transport = Transport(url, tls, timeouts if timeouts is not None else Timeouts())

    async def key(self) -> bytes:
        """The relay's public key. Raises RelayError("relay-garbage") where another was expected."""
        if self._key is None:
            answer = await self._transport.call(api.KEY, None, api.KeyAnswer, api.SHORT)
            if self._expected is not None and answer.key != self._expected:
                raise RelayError("relay-garbage")
            self._key = answer.key
        return self._key

    async def found(self, code: str, genesis: bytes) -> bytes:
        call = api.FoundCall(code[:64], genesis)
        return (await self._transport.call(api.FOUND, call, api.ReceiptAnswer, api.SHORT)).receipt

    async def note(self, place: bytes) -> bytes | None:
        return (await self._transport.call(api.NOTE, api.NoteCall(place), api.NoteAnswer, api.ONE_WIRE)).note

    def circle(self, credential: Credential) -> CircleRelay:
        return HttpCircleRelay(self, credential)

    async def close(self) -> None:
        await self._transport.close()

    async def sign_in(self, credential: Credential) -> str:
        """A session's token. Raises RelayError, "relay-clock" among others."""
        key = self._expected if self._expected is not None else await self.key()
        challenge = (await self._transport.call(api.CHALLENGE, None, api.ChallengeAnswer, api.SHORT)).challenge
        statement = api.sign_in_statement(key, credential.cid, credential.by, credential.id, challenge)
        signature = credential.key.sign(labels.SIG_RELAY_SIGN_IN, statement)
        call = api.SignInCall(credential.cid, credential.by, credential.id, challenge, signature)
        answer = await self._transport.call(api.SIGN_IN, call, api.SignInAnswer, api.SHORT)
        apart = answer.time - epoch_seconds(self._clock.now())
        if abs(apart) > MOST_APART:
            raise RelayError("relay-clock", seconds=apart)
        return answer.token

    @property
    def transport(self) -> Transport:
        """For the circles at this relay."""
        return self._transport


class HttpCircleRelay:
    """The port CircleRelay over HTTP(S). Signs in at the first call, and once more when its session has ended."""

    def __init__(self, relay: HttpRelay, credential: Credential) -> None:
        self._relay = relay
        self._credential = credential
        self._token: str | None = None
        self._signing_in = asyncio.Lock()

    async def append(
        self, kind: Kind, wire: bytes, *, envelopes: Sequence[bytes] = (), if_seq: int | None = None
    ) -> bytes:
        path = api.APPEND_ENTRY if kind is Kind.ENTRY else api.APPEND
        call = api.AppendCall(kind, wire, list(envelopes), if_seq)
        return (await self._call(path, call, api.ReceiptAnswer, api.SHORT)).receipt

    async def read(self, after: int, limit: int) -> Page:
        answer = await self._call(api.READ, api.ReadCall(after, limit), api.PageAnswer, api.PAGE)
        records = tuple(_record(row) for row in answer.records)
        if [record.p for record in records] != list(range(after + 1, after + 1 + len(records))):
            raise RelayError("relay-garbage")
        return Page(records, answer.receipt, answer.head)

    async def envelopes(self, first: int) -> list[bytes]:
        return (await self._call(api.ENVELOPES, api.EnvelopesCall(first), api.WiresAnswer, api.PAGE)).wires

    async def put_envelope(self, wire: bytes) -> None:
        await self._call(api.PUT_ENVELOPE, api.WireCall(wire), api.DoneAnswer, api.SHORT)

    async def mail(self, limit: int) -> list[Mail]:
        answer = await self._call(api.MAIL, api.MailCall(limit), api.MailAnswer, api.PAGE)
        return [Mail(number, wire) for number, wire in answer.mail]

    async def send_mail(self, devices: Sequence[bytes], wire: bytes) -> None:
        await self._call(api.SEND_MAIL, api.SendMailCall(list(devices), wire), api.DoneAnswer, api.SHORT)

    async def drop_mail(self, ids: Sequence[int]) -> None:
        await self._call(api.DROP_MAIL, api.DropMailCall(list(ids)), api.DoneAnswer, api.SHORT)

    async def put_note(self, place: bytes, note: bytes, expires: int) -> None:
        await self._call(api.PUT_NOTE, api.PutNoteCall(place, note, expires), api.DoneAnswer, api.SHORT)

    async def drop_note(self, place: bytes) -> None:
        await self._call(api.DROP_NOTE, api.NoteCall(place), api.DoneAnswer, api.SHORT)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[Wake]]:
        token = await self._signed_in(None)
        try:
            wakes = await self._relay.transport.watch(token)
        except RelayError as error:
            if error.code != api.NO_SESSION:
                raise
            wakes = await self._again(self._relay.transport.watch, await self._signed_in(token))
        try:
            yield aiter(wakes)
        finally:
            await wakes.close()

    async def _call(self, path: str, call: api.Data, answer: type[D], most: int) -> D:
        token = await self._signed_in(None)
        transport = self._relay.transport
        try:
            return await transport.call(path, call, answer, most, token)
        except RelayError as error:
            if error.code != api.NO_SESSION:
                raise
        fresh = await self._signed_in(token)
        found: D = await self._again(transport.call, path, call, answer, most, fresh)
        return found

    async def _again(self, what: Callable[..., Awaitable[T]], *args: object) -> T:
        """A second try with a new session; a relay that doesn't know it either doesn't want us."""
        try:
            return await what(*args)
        except RelayError as error:
            if error.code == api.NO_SESSION:
                raise RelayError("relay-denied") from None
            raise

    async def _signed_in(self, ended: str | None) -> str:
        """A token other than the one that has `ended`; calls that run side by side sign in once."""
        if self._token is not None and ended is None:
            return self._token
        async with self._signing_in:
            if self._token is None or self._token == ended:
                self._token = None
                self._token = await self._relay.sign_in(self._credential)
            return self._token


def _record(row: api.Row) -> LogRecord:
    """Raises RelayError("relay-garbage") for a row without wire and digest."""
    if row.wire is not None:
        return LogRecord(row.p, row.kind, sha256(row.wire), row.wire, row.time)
    if row.digest is None:
        raise RelayError("relay-garbage")
    return LogRecord(row.p, row.kind, row.digest, None, row.time)

"""The calls of the API: each takes a decoded structure and answers with one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from peerbot.errors import RelayError
from peerbot.protocol import labels
from peerbot.protocol import wire as wires
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import CryptoFailure, verify
from peerbot.relay import api
from peerbot.relay.access import Caller, Session, denied
from peerbot.relay.limits import KIB, MIB
from peerbot.relay.server.sessions import Challenges, Sessions
from peerbot.relay.service import RelayService


@dataclass(frozen=True, slots=True)
class Call:
    """A path, what is sent to it, the most bytes of that, and who answers. `open` calls need no session."""

    path: str
    takes: type[Any] | None
    most: int
    answer: Callable[[Any, Any], Awaitable[api.Data]]
    open: bool = False


class Calls:
    """Every call, over one service."""

    def __init__(self, service: RelayService, challenges: Challenges, sessions: Sessions) -> None:
        self._service = service
        self._challenges = challenges
        self._sessions = sessions

    def all(self) -> list[Call]:
        """The table of the API."""
        entry = wires.MAX_ENTRY + 4 * KIB
        with_envelopes = entry + self._service.limits.envelopes * 1536
        return [
            Call(api.KEY, None, 0, self._key, open=True),
            Call(api.CHALLENGE, None, 0, self._challenge, open=True),
            Call(api.SIGN_IN, api.SignInCall, api.SHORT, self._sign_in, open=True),
            Call(api.FOUND, api.FoundCall, entry, self._found, open=True),
            Call(api.NOTE, api.NoteCall, api.SHORT, self._note, open=True),
            Call(api.APPEND, api.AppendCall, api.ONE_WIRE, self._append),
            Call(api.APPEND_ENTRY, api.AppendCall, max(with_envelopes, 2 * MIB), self._append_entry),
            Call(api.READ, api.ReadCall, api.SHORT, self._read),
            Call(api.ENVELOPES, api.EnvelopesCall, api.SHORT, self._envelopes),
            Call(api.PUT_ENVELOPE, api.WireCall, api.SHORT, self._put_envelope),
            Call(api.MAIL, api.MailCall, api.SHORT, self._mail),
            Call(api.SEND_MAIL, api.SendMailCall, api.ONE_WIRE, self._send_mail),
            Call(api.DROP_MAIL, api.DropMailCall, 128 * KIB, self._drop_mail),
            Call(api.PUT_NOTE, api.PutNoteCall, self._service.limits.note_bytes + KIB, self._put_note),
            Call(api.DROP_NOTE, api.NoteCall, api.SHORT, self._drop_note),
        ]

    async def _key(self, _: None, __: None) -> api.Data:
        return api.KeyAnswer(self._service.key.public)

    async def _challenge(self, _: None, __: None) -> api.Data:
        return api.ChallengeAnswer(self._challenges.make())

    async def _sign_in(self, _: None, call: api.SignInCall) -> api.Data:
        if not self._challenges.use(call.challenge):
            raise denied()
        public = await self._service.key_of(call.cid, call.by, call.id)
        if public is None:
            raise denied()
        own = self._service.key.public
        statement = api.sign_in_statement(own, call.cid, call.by, call.id, call.challenge)
        try:
            verify(public, labels.SIG_RELAY_SIGN_IN, statement, call.signature)
        except CryptoFailure:
            raise denied() from None
        token = self._sessions.open(Caller(call.cid, call.by, call.id, public))
        return api.SignInAnswer(token, self._service.limits.session_seconds, self._service.now())

    async def _found(self, _: None, call: api.FoundCall) -> api.Data:
        return api.ReceiptAnswer(await self._service.found(call.code, call.genesis))

    async def _note(self, _: None, call: api.NoteCall) -> api.Data:
        return api.NoteAnswer(await self._service.note(call.place))

    async def _append(self, session: Session, call: api.AppendCall) -> api.Data:
        if call.kind is Kind.ENTRY:
            raise RelayError(api.BAD_CALL)
        return api.ReceiptAnswer(await self._service.append(session, call.kind, call.wire, call.envelopes, call.if_seq))

    async def _append_entry(self, session: Session, call: api.AppendCall) -> api.Data:
        return api.ReceiptAnswer(await self._service.append(session, call.kind, call.wire, call.envelopes, call.if_seq))

    async def _read(self, session: Session, call: api.ReadCall) -> api.Data:
        page = await self._service.read(session, call.after, call.limit)
        return api.PageAnswer([api.row_of(record) for record in page.records], page.receipt, page.head)

    async def _envelopes(self, session: Session, call: api.EnvelopesCall) -> api.Data:
        return api.WiresAnswer(await self._service.envelopes(session, call.first))

    async def _put_envelope(self, session: Session, call: api.WireCall) -> api.Data:
        await self._service.put_envelope(session, call.wire)
        return api.DoneAnswer()

    async def _mail(self, session: Session, call: api.MailCall) -> api.Data:
        return api.MailAnswer([(mail.id, mail.wire) for mail in await self._service.mail(session, call.limit)])

    async def _send_mail(self, session: Session, call: api.SendMailCall) -> api.Data:
        await self._service.send_mail(session, call.devices, call.wire)
        return api.DoneAnswer()

    async def _drop_mail(self, session: Session, call: api.DropMailCall) -> api.Data:
        await self._service.drop_mail(session, call.ids)
        return api.DoneAnswer()

    async def _put_note(self, session: Session, call: api.PutNoteCall) -> api.Data:
        await self._service.put_note(session, call.place, call.note, call.expires)
        return api.DoneAnswer()

    async def _drop_note(self, session: Session, call: api.NoteCall) -> api.Data:
        await self._service.drop_note(session, call.place)
        return api.DoneAnswer()

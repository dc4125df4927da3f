"""Every error peerbot raises on purpose: a stable code and plain facts; the words for people live in i18n."""

from __future__ import annotations

Fact = str | int


class PeerbotError(Exception):
    """Something that went wrong in a way we foresaw.

    `code` is stable and is what i18n looks up. `facts` fill the sentence; they never hold a secret, a plaintext, a
    pseudonym or a chat id, because an error may end up in a log.
    """

    def __init__(self, code: str, **facts: Fact) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        return self.code


class Refused(PeerbotError):
    """A record failed a numbered check of docs/protocol.md; `code` is the check's number, such as "M07"."""


class Fork(PeerbotError):
    """Two signed views of one circle disagree (checks M11, M12, E06, or a relay that went back). Sending stops."""


class UpgradeNeeded(PeerbotError):
    """A suite or an operation this version doesn't know: stop, never skip (docs/protocol.md, attack 36)."""


class UserError(PeerbotError):
    """The person can put it right: wrong input, wrong passphrase, an invite that is used up."""


class RelayError(PeerbotError):
    """The relay could not be reached, or answered something a relay doesn't say."""


class Conflict(RelayError):
    """The relay's log has moved on since the append was prepared: fetch, then prepare it again."""


class VaultError(PeerbotError):
    """The vault can't be opened, read or written."""

"""Handing out a recovery code: one for all circles of a person, kept in the vault only until they have it."""

from __future__ import annotations

from peerbot.core.founding import set_recovery
from peerbot.core.node import Node
from peerbot.core.ports import Vault
from peerbot.errors import UserError
from peerbot.protocol.keys import new_recovery_code, recovery_key, spell, unspell
from peerbot.protocol.secret import RecoveryCode
from peerbot.protocol.wire import Malformed

_PENDING = "recovery-pending"


async def pending_code(vault: Vault) -> RecoveryCode | None:
    """The code that is being handed out, or None."""
    spelled = await vault.get_setting(_PENDING)
    return RecoveryCode(unspell(spelled)) if spelled else None


async def begin_code(vault: Vault) -> RecoveryCode:
    """The pending code; a new one where there is none, so that a run that was cut off shows the same code again."""
    found = await pending_code(vault)
    return found if found is not None else await _keep(vault, new_recovery_code())


async def reuse_code(node: Node, typed: str) -> RecoveryCode:
    """Take the code the person has already, for further circles. Raises UserError("recovery-wrong")."""
    try:
        code = RecoveryCode(unspell(typed))
    except Malformed:
        raise UserError("recovery-wrong") from None
    mine = [(c.cid, c.follower.state.member) for c in node.circles]
    if not any(member is not None and member.recovery == recovery_key(code, cid).public for cid, member in mine):
        raise UserError("recovery-wrong")
    return await _keep(node.vault, code)


async def settle_code(node: Node) -> None:
    """Put the pending code into each circle that hasn't got it, then forget it: a thief of the vault must not find it.

    Raises RelayError and leaves the rest for the next call.
    """
    code = await pending_code(node.vault)
    if code is None:
        return
    for circle in node.circles:
        member = circle.follower.state.member
        if member is None or circle.follower.state.removed:
            continue
        if member.recovery != recovery_key(code, circle.cid).public:
            await set_recovery(circle, code)
    await node.vault.set_setting(_PENDING, "")


async def _keep(vault: Vault, code: RecoveryCode) -> RecoveryCode:
    await vault.set_setting(_PENDING, spell(code.reveal()))
    return code

"""Circles, the outbox, directs, invites, settings: what was put in comes back, typed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peerbot.core.ports import InviteRow, Outgoing, SealingRow, Vault
from peerbot.errors import VaultError
from peerbot.protocol.log import Kind
from peerbot.protocol.secret import EpochSecret, InviteToken, SealingSeed, SigningSeed
from peerbot.store.vault.vault import SqlVault
from tests.store.vault_builders import (
    CID,
    ME,
    THREAD,
    check_index,
    folded,
    long,
    mark,
    member,
    new_circle,
    new_vault,
    post,
    profile,
    raw,
    roster,
    short,
    thread,
)

OTHER = long("other circle")


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[SqlVault]:
    async with new_vault(tmp_path) as opened:
        yield opened


def outgoing(intent: bytes, *, cid: bytes = CID) -> Outgoing:
    return Outgoing(0, cid, Kind.MESSAGE, intent, ME)


def test_the_vault_fulfils_the_port_by_name_and_parameter(vault: SqlVault) -> None:
    port: Vault = vault
    for name, method in inspect.getmembers(Vault, inspect.isfunction):
        if not name.startswith("_"):
            ours = inspect.signature(getattr(type(port), name))
            assert ours.parameters == inspect.signature(method).parameters


async def test_a_new_circle_is_what_was_stored(vault: SqlVault) -> None:
    new = new_circle(OTHER, slug="cafe-oslo", ready=False)
    await vault.add_circle(new, outgoing(b"join", cid=OTHER))
    stored = await vault.circle(OTHER)
    assert (stored.cid, stored.slug, stored.relay_url) == (OTHER, "cafe-oslo", "https://relay.example")
    assert (stored.member, stored.chain, stored.ready) == (new.member, new.chain, False)
    assert (stored.p, stored.head, stored.roster, stored.alarm) == (0, bytes(32), None, "")
    assert isinstance(stored.signing, SigningSeed)
    assert stored.signing.reveal() == new.signing.reveal()
    (row,) = stored.sealing
    assert (row.n, row.seed.reveal(), row.hash) == (1, new.sealing.reveal(), new.subkey_hash)
    assert isinstance(row.seed, SealingSeed)
    assert [row.intent for row in await vault.outbox(OTHER)] == [b"join"]
    assert await vault.circles() == [(CID, "forum", True), (OTHER, "cafe-oslo", False)]


async def test_a_circle_is_added_once(vault: SqlVault) -> None:
    with pytest.raises(VaultError, match="vault-exists"):
        await vault.add_circle(new_circle(slug="again"), outgoing(b"never"))
    assert await vault.circles() == [(CID, "forum", True)]
    assert await vault.outbox(CID) == []


async def test_a_circle_becomes_ready_and_gets_a_new_chain(vault: SqlVault) -> None:
    await vault.add_circle(new_circle(OTHER, ready=False), None)
    await vault.mark_ready(OTHER)
    await vault.new_chain(OTHER, short("new chain"))
    stored = await vault.circle(OTHER)
    assert (stored.ready, stored.chain) == (True, short("new chain"))


async def test_a_dropped_circle_leaves_nothing_and_its_number_is_never_given_again(tmp_path: Path) -> None:
    async with new_vault(tmp_path) as vault:
        await vault.save(folded(1, posts=[post(1, "mine")]))
        await vault.add_circle(new_circle(OTHER, ready=False), outgoing(b"join", cid=OTHER))
        await vault.put_draft(OTHER, "Sleep", "words")
        await vault.post_direct(OTHER, [short("d")], b"wire")
        await vault.save(
            folded(
                4,
                cid=OTHER,
                roster=roster(1),
                threads=[thread(1)],
                posts=[post(2, "walrus")],
                marks=[mark(3, "edit", 2, "narwhal")],
                living=[profile(4, "Fox")],
            )
        )
        await vault.drop_circle(OTHER)
        assert await vault.circles() == [(CID, "forum", True)]
        assert await vault.drafts() == []
        with raw(tmp_path) as connection:
            for table in ("post", "record"):
                assert len(connection.exec_driver_sql(f"SELECT key FROM {table}").all()) == 1  # noqa: S608
            for table in ("outbox", "direct", "mark", "living", "roster"):
                assert connection.exec_driver_sql(f"SELECT * FROM {table}").all() == []  # noqa: S608
            check_index(connection)
        await vault.add_circle(new_circle(OTHER, ready=False), None)
        assert await vault.posts(OTHER, None, 99, 9) == []
        with raw(tmp_path) as connection:
            assert connection.exec_driver_sql("SELECT n FROM circle ORDER BY n").scalars().all() == [1, 3]


async def test_a_circle_that_is_ready_is_not_dropped(vault: SqlVault) -> None:
    with pytest.raises(ValueError, match="ready"):
        await vault.drop_circle(CID)
    assert len(await vault.circles()) == 1


async def test_sealing_keys_are_numbered_and_never_overwritten(vault: SqlVault) -> None:
    second = SealingRow(2, SealingSeed(long("s2") * 3), long("h2"))
    await vault.add_sealing(CID, second)
    with pytest.raises(VaultError, match="vault-exists"):
        await vault.add_sealing(CID, SealingRow(2, SealingSeed(bytes(96)), bytes(32)))
    rows = (await vault.circle(CID)).sealing
    assert [(row.n, row.seed.reveal(), row.hash) for row in rows[1:]] == [(2, long("s2") * 3, long("h2"))]


# the outbox


async def test_the_outbox_gives_ids_in_order_and_rows_as_they_were(vault: SqlVault) -> None:
    secret, envelopes = EpochSecret(long("secret")), [b"one", b"", b"three"]
    entry = Outgoing(0, CID, Kind.ENTRY, b"ops", ME, b"wire", 2**64 - 1, secret, envelopes)
    ids = await vault.enqueue([outgoing(b"a"), entry, outgoing(b"c")])
    assert ids == sorted(set(ids))
    rows = await vault.outbox(CID)
    assert [row.id for row in rows] == ids
    assert [row.intent for row in await vault.outbox(CID, 2)] == [b"a", b"ops"]
    plain, sealed = rows[:2]
    assert (plain.kind, plain.author, plain.wire, plain.dseq, plain.secret, list(plain.envelopes)) == (
        Kind.MESSAGE,
        ME,
        b"",
        0,
        None,
        [],
    )
    assert (sealed.kind, sealed.wire, sealed.dseq, list(sealed.envelopes)) == (
        Kind.ENTRY,
        b"wire",
        2**64 - 1,
        envelopes,
    )
    assert isinstance(sealed.secret, EpochSecret)
    assert sealed.secret.reveal() == secret.reveal()


async def test_rows_of_several_circles_go_in_together_or_not_at_all(vault: SqlVault) -> None:
    with pytest.raises(VaultError, match="vault-no-circle"):
        await vault.enqueue([outgoing(b"a"), outgoing(b"b", cid=OTHER)])
    assert await vault.outbox(CID) == []
    await vault.add_circle(new_circle(OTHER), None)
    ids = await vault.enqueue([outgoing(b"a"), outgoing(b"b", cid=OTHER)])
    assert [row.id for row in await vault.outbox(OTHER)] == ids[1:]


async def test_what_was_sealed_replaces_what_was_sealed_before(vault: SqlVault) -> None:
    (row_id,) = await vault.enqueue([outgoing(b"a")])
    for n in (1, 2):
        sealed = Outgoing(
            row_id, CID, Kind.MESSAGE, b"ignored", ME, b"wire %d" % n, n, EpochSecret(long(n)), [b"e"] * n
        )
        await vault.store_sealed(sealed)
    (row,) = await vault.outbox(CID)
    assert (row.intent, row.wire, row.dseq, list(row.envelopes)) == (b"a", b"wire 2", 2, [b"e", b"e"])
    assert row.secret is not None
    assert row.secret.reveal() == long(2)


async def test_settled_rows_are_gone_and_their_ids_with_them(vault: SqlVault) -> None:
    ids = await vault.enqueue([outgoing(b"a"), outgoing(b"b")])
    await vault.settle(ids)
    await vault.settle(ids)
    await vault.settle([])
    await vault.store_sealed(Outgoing(ids[0], CID, Kind.MESSAGE, b"", ME, b"late"))
    assert await vault.outbox(CID) == []
    assert (await vault.enqueue([outgoing(b"c")]))[0] > max(ids)


async def test_an_empty_list_for_the_outbox_is_nothing(vault: SqlVault) -> None:
    assert await vault.enqueue([]) == []


# directs


async def test_counters_of_directs_rise_for_each_pair_and_survive(vault: SqlVault) -> None:
    asked = [await vault.next_counter(CID, ME, member(n)) for n in (1, 1, 2, 1)]
    assert asked == [1, 2, 1, 3]
    assert await vault.next_counter(CID, member(1), ME) == 1


async def test_directs_wait_until_they_are_settled(vault: SqlVault) -> None:
    devices = [short("d1"), short("d2")]
    first = await vault.post_direct(CID, devices, b"one")
    second = await vault.post_direct(CID, [], b"two")
    rows = await vault.directs(CID)
    assert [(row.id, list(row.devices), row.wire) for row in rows] == [(first, devices, b"one"), (second, [], b"two")]
    assert [row.id for row in await vault.directs(CID, 1)] == [first]
    await vault.settle_direct(first)
    assert [row.id for row in await vault.directs(CID)] == [second]


async def test_a_direct_brings_secrets_and_a_counter_that_never_falls(vault: SqlVault) -> None:
    key = (short("device"), member(1), ME)
    await vault.fold_direct(CID, key, 2**63 + 1, [(3, EpochSecret(long("s3")))])
    await vault.fold_direct(CID, key, 5, [(3, EpochSecret(long("another"))), (4, EpochSecret(long("s4")))])
    stored = await vault.circle(CID)
    assert stored.counters_in == {key: 2**63 + 1}
    assert {e: secret.reveal() for e, secret in stored.secrets.items()} == {3: long("s3"), 4: long("s4")}


# beside the circles


async def test_invites_come_back_in_the_order_they_were_made(vault: SqlVault) -> None:
    def invite(name: str, uses: int) -> InviteRow:
        return InviteRow(short(name), InviteToken(short("token", name)), 1, uses, 2**64 - 1, [CID, OTHER])

    for row in (invite("b", 1), invite("a", 5), invite("b", 2)):
        await vault.put_invite(row)
    rows = await vault.invites()
    assert [(row.id, row.uses, row.expires, list(row.circles)) for row in rows] == [
        (short("b"), 2, 2**64 - 1, [CID, OTHER]),
        (short("a"), 5, 2**64 - 1, [CID, OTHER]),
    ]
    assert isinstance(rows[0].token, InviteToken)
    assert rows[0].token.reveal() == short("token", "b")
    await vault.drop_invite(short("b"))
    await vault.drop_invite(short("b"))
    assert [row.id for row in await vault.invites()] == [short("a")]


async def test_settings_are_kept_by_key(vault: SqlVault) -> None:
    assert await vault.get_setting("language") is None
    await vault.set_setting("language", "nb")
    await vault.set_setting("language", "")
    await vault.set_setting("zone", "Europe/Oslo")
    assert (await vault.get_setting("language"), await vault.get_setting("zone")) == ("", "Europe/Oslo")


async def test_drafts_are_kept_until_they_are_empty(vault: SqlVault) -> None:
    await vault.put_draft(CID, "Sleep", "one")
    await vault.put_draft(CID, "Work", "two")
    await vault.put_draft(CID, "Sleep", "three")
    assert await vault.drafts() == [(CID, "Sleep", "three"), (CID, "Work", "two")]
    await vault.put_draft(CID, "Sleep", "")
    await vault.put_draft(CID, "Sleep", "")
    assert await vault.drafts() == [(CID, "Work", "two")]


async def test_concurrent_callers_each_get_their_own_answer(vault: SqlVault) -> None:
    counters = await asyncio.gather(*(vault.next_counter(CID, ME, member(1)) for _ in range(200)))
    assert sorted(counters) == list(range(1, 201))
    await vault.mark_read(CID, THREAD, 1)

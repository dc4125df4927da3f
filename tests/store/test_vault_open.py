"""Opening a vault: what is refused, what the files look like, and that no secret leaves them."""

from __future__ import annotations

import logging
import sqlite3
import traceback
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from peerbot.core.ports import InviteRow, Outgoing
from peerbot.errors import VaultError
from peerbot.protocol.bodies import Profile, encode_body
from peerbot.protocol.log import Kind
from peerbot.protocol.secret import EpochSecret, InviteToken, SealingSeed, SigningSeed
from peerbot.store.vault import keyfile, models
from peerbot.store.vault.keyfile import Cost, Passphrase, VaultKey
from peerbot.store.vault.vault import SqlVault
from tests.store.vault_builders import (
    CID,
    ME,
    folded,
    key,
    long,
    mark,
    member,
    mode,
    names,
    new_circle,
    new_vault,
    overwrite,
    post,
    profile,
    raw,
    read,
    thread,
)


async def fill(folder: Path) -> None:
    async with new_vault(folder) as vault:
        for since in range(0, 1500, 500):
            posts = [post(p, f"some words of {p} " * 4) for p in range(since + 1, since + 501)]
            await vault.save(folded(since + 500, since=since, threads=[thread(1)], posts=posts))


async def use(folder: Path) -> None:
    """Open the vault, read all of it and write to it."""
    vault = await SqlVault.open(folder / "vault.db", key())
    try:
        stored = await vault.circle(CID)
        await vault.threads(CID)
        await vault.posts(CID, None, 2**40, 10**6)
        await vault.heads_at(CID, range(1, stored.p + 1))
        await vault.search("words", CID, 10**6)
        await vault.save(folded(stored.p + 1, since=stored.p, posts=[post(stored.p + 1)]))
    finally:
        await vault.close()


async def test_a_vault_that_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="vault-missing"):
        await SqlVault.open(tmp_path / "vault.db", key())
    assert names(tmp_path) == []


async def test_a_vault_is_made_once(tmp_path: Path) -> None:
    await fill(tmp_path)
    with pytest.raises(VaultError, match="vault-exists"):
        await SqlVault.create(tmp_path / "vault.db", key())
    assert names(tmp_path) == ["vault.db", "vault.lock"]
    await use(tmp_path)


async def test_what_a_killed_process_left_of_a_vault_is_in_nobodys_way(tmp_path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        overwrite(tmp_path / f"vault.db.new{ending}", b"half" * 3000)
    with pytest.raises(VaultError, match="vault-missing"):
        await SqlVault.open(tmp_path / "vault.db", key())
    await fill(tmp_path)
    await use(tmp_path)
    assert names(tmp_path) == ["vault.db", "vault.lock"]


async def test_only_the_owner_may_touch_the_files(tmp_path: Path) -> None:
    async with new_vault(tmp_path) as vault:
        await vault.set_setting("a", "b")
        assert names(tmp_path) == ["vault.db", "vault.db-shm", "vault.db-wal", "vault.lock"]
        assert {mode(tmp_path / name) for name in names(tmp_path)} == {0o600}


async def test_a_vault_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    await fill(tmp_path)
    (tmp_path / "vault.db").chmod(0o644)
    await use(tmp_path)
    assert mode(tmp_path / "vault.db") == 0o600


async def test_another_key_opens_nothing_and_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    await fill(tmp_path)
    with pytest.raises(VaultError, match="vault-corrupt"):
        await SqlVault.open(tmp_path / "vault.db", VaultKey(bytes(32)))
    assert capfd.readouterr() == ("", "")
    await use(tmp_path)


async def test_a_plain_database_is_no_vault(tmp_path: Path) -> None:
    plain = sqlite3.connect(tmp_path / "vault.db")
    plain.execute("CREATE TABLE meta (key TEXT, value INTEGER)")
    plain.commit()
    plain.close()
    with pytest.raises(VaultError, match="vault-corrupt"):
        await SqlVault.open(tmp_path / "vault.db", key())


async def test_a_folder_that_is_not_there_or_in_the_files_place_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "vault.db").mkdir(mode=0o755)
    with pytest.raises(VaultError, match="vault-exists"):
        await SqlVault.create(tmp_path / "vault.db", key())
    with pytest.raises(VaultError, match="vault-io"):
        await SqlVault.open(tmp_path / "vault.db", key())
    assert mode(tmp_path / "vault.db") == 0o755
    with pytest.raises(VaultError, match="vault-io"):
        await SqlVault.create(tmp_path / "nowhere" / "vault.db", key())
    with pytest.raises(VaultError, match="vault-missing"):
        await SqlVault.open(tmp_path / "nowhere" / "vault.db", key())


async def test_a_vault_is_open_once_and_free_after_it_was_closed(tmp_path: Path) -> None:
    async with new_vault(tmp_path) as vault:
        with pytest.raises(VaultError, match="vault-in-use"):
            await SqlVault.open(tmp_path / "vault.db", key())
        assert len(await vault.circles()) == 1
    await use(tmp_path)


async def test_a_vault_that_could_not_be_opened_is_not_left_locked(tmp_path: Path) -> None:
    await fill(tmp_path)
    for _ in range(2):
        with pytest.raises(VaultError, match="vault-corrupt"):
            await SqlVault.open(tmp_path / "vault.db", VaultKey(bytes(32)))
    await use(tmp_path)


async def test_a_vault_and_a_gateways_vault_in_one_folder_have_locks_of_their_own(tmp_path: Path) -> None:
    async with new_vault(tmp_path):
        other = await SqlVault.create(tmp_path / "gateway.db", VaultKey(bytes(32)))
        await other.close()


async def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    async with new_vault(tmp_path) as vault:
        await vault.close()


@pytest.mark.parametrize(("version", "code"), [(models.SCHEMA + 1, "vault-newer"), (10**6, "vault-newer")])
async def test_a_vault_of_a_newer_version_is_left_alone(tmp_path: Path, version: int, code: str) -> None:
    await fill(tmp_path)
    with raw(tmp_path) as connection:
        connection.exec_driver_sql("UPDATE meta SET value = ? WHERE key = 'schema'", (version,))
    with pytest.raises(VaultError, match=code):
        await SqlVault.open(tmp_path / "vault.db", key())


async def test_a_vault_without_its_version_is_damaged(tmp_path: Path) -> None:
    await fill(tmp_path)
    with raw(tmp_path) as connection:
        connection.exec_driver_sql("DELETE FROM meta")
    with pytest.raises(VaultError, match="vault-corrupt"):
        await SqlVault.open(tmp_path / "vault.db", key())


async def test_a_roster_that_makes_no_sense_is_damage(tmp_path: Path) -> None:
    await fill(tmp_path)
    with raw(tmp_path) as connection:
        connection.exec_driver_sql("INSERT INTO roster (circle, value) VALUES (1, x'c1')")
    with pytest.raises(VaultError, match="vault-corrupt"):
        await use(tmp_path)


@pytest.mark.parametrize("at", [0, 7, 15, 16, 20, 100, 2000, 4095])
async def test_a_flipped_bit_in_the_header_is_damage(tmp_path: Path, at: int) -> None:
    await fill(tmp_path)
    whole = bytearray(read(tmp_path / "vault.db"))
    whole[at] ^= 1
    overwrite(tmp_path / "vault.db", bytes(whole))
    with pytest.raises(VaultError, match="vault-corrupt"):
        await use(tmp_path)


async def test_a_flipped_bit_anywhere_is_damage_or_was_not_read(tmp_path: Path) -> None:
    await fill(tmp_path)
    whole = read(tmp_path / "vault.db")
    damaged = 0
    for at in range(4096 + 17, len(whole), 8192 + 97):
        for name in ("vault.db-wal", "vault.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        overwrite(tmp_path / "vault.db", whole[:at] + bytes((whole[at] ^ 0x80,)) + whole[at + 1 :])
        try:
            await use(tmp_path)
        except VaultError as error:
            assert error.code == "vault-corrupt"  # noqa: PT017
            damaged += 1
    assert damaged > 30


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.3, 0.7, 0.99])
async def test_a_file_that_was_cut_is_damage(tmp_path: Path, share: float) -> None:
    await fill(tmp_path)
    whole = read(tmp_path / "vault.db")
    overwrite(tmp_path / "vault.db", whole[: int(len(whole) * share)])
    with pytest.raises(VaultError, match="vault-corrupt"):
        await use(tmp_path)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("synchronous", 2),
        ("secure_delete", 1),
        ("foreign_keys", 1),
        ("temp_store", 2),
        ("journal_mode", "wal"),
        ("cipher_log_level", "NONE"),
    ],
)
async def test_every_connection_is_set_up_to_lose_nothing_and_to_leave_nothing(
    tmp_path: Path, pragma: str, value: object
) -> None:
    await fill(tmp_path)
    with raw(tmp_path) as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value


async def test_the_index_forgets_words_at_once(tmp_path: Path) -> None:
    await fill(tmp_path)
    with raw(tmp_path) as connection:
        query = "SELECT v FROM words_config WHERE k = 'secure-delete'"
        assert connection.exec_driver_sql(query).scalar_one() == 1


# canaries: strings that must never be seen outside


CANARY = "kanarifugl-Wq7Zx"
BYTES = b"canary-bytes-1234567890abcdefghi"
PASSPHRASE = "passord-kanari-Tt5"


async def fill_with_canaries(vault: SqlVault) -> None:
    second = replace(new_circle(long("c2")), signing=SigningSeed(BYTES), sealing=SealingSeed(BYTES * 3))
    await vault.add_circle(replace(second, slug=CANARY, relay_url=CANARY), None)
    secret = EpochSecret(BYTES)
    (row,) = await vault.enqueue([Outgoing(0, CID, Kind.MESSAGE, BYTES, ME, secret=secret, envelopes=[BYTES])])
    await vault.store_sealed(Outgoing(row, CID, Kind.MESSAGE, BYTES, ME, BYTES, 1, secret, [BYTES]))
    await vault.put_invite(InviteRow(BYTES[:16], InviteToken(BYTES[:16]), 1, 1, 1, [CID]))
    await vault.set_setting("name", CANARY)
    await vault.put_draft(CID, CANARY, CANARY)
    await vault.post_direct(CID, [BYTES[:16]], BYTES)
    alive = replace(profile(4, "x"), body=encode_body(Profile(CANARY)), key_bytes=BYTES)
    await vault.save(
        folded(
            4,
            threads=[thread(1, CANARY)],
            posts=[post(2, CANARY), post(3, CANARY)],
            marks=[mark(4, "edit", 2, CANARY + " again")],
            living=[alive],
            secrets=[(1, secret)],
        )
    )


def shapes() -> list[bytes]:
    """The canaries as they are, and as they would be after common encodings."""
    found = []
    for plain in (CANARY.encode(), BYTES, BYTES[:16], PASSPHRASE.encode(), key().reveal()):
        found += [plain, plain.hex().encode(), plain.hex().upper().encode(), b64encode(plain).rstrip(b"=")]
    for word in (CANARY, PASSPHRASE):
        found += [word.encode("utf-16-le"), word.encode("utf-16-be"), word.lower().encode(), word.encode()[::-1]]
        # In base64 of a longer text a word may start at any of three places.
        found += [b64encode(b"-" * shift + word.encode())[4:-4] for shift in (1, 2)]
    return found


async def test_no_plaintext_and_no_key_is_in_any_file(tmp_path: Path) -> None:
    cheap = Cost(64, 1, 1)
    await keyfile.create_wrap(tmp_path / "vault.wrap", Passphrase.of(PASSPHRASE), cheap)
    async with new_vault(tmp_path) as vault:
        await fill_with_canaries(vault)
        assert (await vault.search(CANARY, CID, 9))[0][1].text == CANARY
        while_open = {name: read(tmp_path / name) for name in names(tmp_path)}
    closed = {name: read(tmp_path / name) for name in names(tmp_path)}
    assert {"vault.db", "vault.db-wal", "vault.db-shm", "vault.lock", "vault.wrap"} == while_open.keys()
    assert len(while_open["vault.db-wal"]) > 100_000
    for content in (*while_open.values(), *closed.values()):
        assert not [shape for shape in shapes() if shape in content]


def shown(error: BaseException) -> str:
    return repr(error) + "".join(traceback.format_exception(error)) + repr(vars(error))


async def test_nothing_is_logged_even_where_logging_is_turned_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="sqlalchemy")
    caplog.set_level(logging.DEBUG, logger="sqlalchemy.engine")
    caplog.set_level(logging.DEBUG, logger="sqlalchemy.engine.Engine")
    async with new_vault(tmp_path) as vault:
        await fill_with_canaries(vault)
        await vault.posts(CID, None, 99, 9)
        await vault.circle(CID)
        assert CANARY in repr(await vault.drafts())
    said = caplog.text + "".join(capfd.readouterr())
    assert not [shape for shape in shapes() if shape.decode("latin-1") in said]


async def test_no_error_holds_a_value(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    async with new_vault(tmp_path) as vault:
        await fill_with_canaries(vault)
    vault = await SqlVault.open(tmp_path / "vault.db", key(), also=("PRAGMA max_page_count = 110",))
    try:
        twice = vault.add_circle(replace(new_circle(), slug=CANARY), None)
        large = vault.set_setting(CANARY, CANARY * 10**5)
        unknown = vault.put_draft(BYTES, CANARY, CANARY)
        again = vault.add_circle(replace(new_circle(long("c2")), signing=SigningSeed(BYTES)), None)
        wrong = vault.save(folded(9, since=4, posts=[replace(post(5, CANARY), author=CANARY)]))  # type: ignore[arg-type]
        for call in (twice, large, unknown, again, wrong):
            with pytest.raises(Exception) as caught:  # noqa: PT011  (whatever it is, it may not hold a value)
                await call
            errors.append(caught.value)
    finally:
        await vault.close()
    assert [error.code for error in errors[:4] if isinstance(error, VaultError)] == [
        "vault-exists",
        "vault-full",
        "vault-no-circle",
        "vault-exists",
    ]
    for error in errors:
        while_shown: BaseException | None = error
        while while_shown is not None:
            text = shown(while_shown)
            assert not [shape for shape in shapes() if shape.decode("latin-1") in text]
            while_shown = while_shown.__context__


async def test_not_even_the_database_librarys_own_error_holds_a_value(tmp_path: Path) -> None:
    await fill(tmp_path)
    with raw(tmp_path) as connection, pytest.raises(DBAPIError) as caught:
        connection.exec_driver_sql("INSERT INTO setting (key, value) VALUES (?, ?)", (CANARY, None))
    assert CANARY not in repr(caught.value) + "".join(traceback.format_exception(caught.value))


async def test_what_comes_out_hides_its_secrets_when_it_is_printed(tmp_path: Path) -> None:
    async with new_vault(tmp_path) as vault:
        await fill_with_canaries(vault)
        text = repr(
            [await vault.circle(CID), await vault.outbox(CID), await vault.invites(), await vault.living(CID, 9, 9)]
        )
        assert "<EpochSecret>" in text
        assert "<InviteToken>" in text
        assert repr(key()) == "<VaultKey>"
        stored = await vault.circle(long("c2"))
        assert BYTES.decode() not in repr([stored.signing, stored.sealing, stored.secrets])
        assert member(0) == stored.member

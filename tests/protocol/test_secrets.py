"""Attack 42 inside the protocol: no secret shows itself, and no error carries one."""

from __future__ import annotations

import base64
import copy
import pickle
import traceback
from collections.abc import Callable
from typing import Any, Final

import pytest

from peerbot.errors import PeerbotError
from peerbot.protocol import message
from peerbot.protocol.bodies import Carry, Post, encode_body
from peerbot.protocol.direct import Grant, History
from peerbot.protocol.epochs import EpochKeys, check_commit, keys_of, open_envelope, parse_envelope
from peerbot.protocol.invite import InviteLink, format_link, open_note, parse_link
from peerbot.protocol.keys import invite_key, rendezvous, spell, unspell
from peerbot.protocol.primitives import SealingKey, SigningKey, seal
from peerbot.protocol.roster.ops import Role, SetRole
from peerbot.protocol.secret import (
    EpochKey,
    EpochSecret,
    InviteToken,
    MessageKey,
    RecoveryCode,
    SealingSeed,
    Secret,
    SigningSeed,
)
from tests.protocol import spec
from tests.protocol.builders import THREAD, Device, circle, key_of, name

# Every kind the protocol has, so that a new one is tested without being listed.
SIZES: Final = {
    kind: kind.size
    for kind in sorted(Secret.__subclasses__(), key=lambda kind: kind.__name__)
    if kind.__module__.startswith("peerbot.protocol") and kind.size is not None
}


def canary(size: int, seed: int = 1) -> bytes:
    """Bytes that look like nothing else."""
    return spec.h(bytes([seed]))[:16].ljust(size, bytes([0xC0 + seed]))


def shows(text: str, value: bytes) -> bool:
    """Whether a text has the bytes in it in any of the forms that Python and people print."""
    part = value[:8]
    forms = (part.hex(), repr(part)[2:-1], str(list(part))[1:-1], base64.b64encode(value[:9]).decode()[:11])
    return any(form in text or form.upper() in text for form in forms)


EVERY: Final[list[Any]] = [kind(canary(size)) for kind, size in SIZES.items()] + [
    SigningKey(SigningSeed(canary(32))),
    SealingKey(SealingSeed(canary(96))),
]
IDS: Final = [type(value).__name__ for value in EVERY]


def test_every_kind_of_secret_has_one_size() -> None:
    ours = [kind for kind in Secret.__subclasses__() if kind.__module__.startswith("peerbot.protocol")]
    assert set(ours) == set(SIZES) >= {EpochSecret, EpochKey, MessageKey, InviteToken, RecoveryCode}


@pytest.mark.parametrize("value", EVERY, ids=IDS)
def test_a_secret_shows_only_its_kind(value: Any) -> None:
    held: list[Any] = [value]
    for text in (repr(value), str(value), f"{value!r}", f"{value!s}", "%s" % value, repr(held), ascii(value)):  # noqa: UP031
        assert type(value).__name__ in text
        assert not shows(text, canary(96))


@pytest.mark.parametrize("value", [v for v in EVERY if isinstance(v, Secret)], ids=lambda v: type(v).__name__)
def test_a_secret_is_not_formatted_compared_or_hashed(value: Secret) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: f"{value}",
        lambda: f"{value:>40}",
        lambda: format(value),
        lambda: value == value,
        lambda: value != value,
        lambda: value == value.reveal(),
        lambda: value in (type(value)(value.reveal()),),
        lambda: hash(value),
        lambda: {value: 1},
        lambda: bytes(value),  # type: ignore[call-overload]
        lambda: len(value),  # type: ignore[arg-type]
        lambda: value[0],  # type: ignore[index]
    ]
    for attempt in attempts:
        with pytest.raises(TypeError):
            attempt()


@pytest.mark.parametrize("value", EVERY, ids=IDS)
def test_a_secret_is_not_copied_or_pickled(value: Any) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: copy.copy(value),
        lambda: copy.deepcopy(value),
        lambda: copy.deepcopy([value]),
        *(lambda p=p: pickle.dumps(value, p) for p in range(pickle.HIGHEST_PROTOCOL + 1)),
    ]
    for attempt in attempts:
        with pytest.raises(TypeError) as caught:
            attempt()
        assert not shows(str(caught.value), canary(96))


@pytest.mark.parametrize("value", EVERY, ids=IDS)
def test_a_secret_has_no_dictionary_to_look_into(value: Any) -> None:
    with pytest.raises(TypeError):
        vars(value)
    with pytest.raises(AttributeError):
        value.note = 1


@pytest.mark.parametrize(("kind", "size"), SIZES.items(), ids=lambda v: getattr(v, "__name__", v))
def test_a_secret_has_its_size(kind: type[Secret], size: int) -> None:
    assert kind(canary(size)).reveal() == canary(size)
    for wrong in (b"", canary(size)[:-1], canary(size + 1)):
        with pytest.raises(ValueError, match=str(size)) as caught:
            kind(wrong)
        assert not shows(whole(caught.value), canary(size))


def test_what_holds_a_secret_does_not_show_it() -> None:
    world = circle()
    built = world.rotate(world.people["owner"])
    assert built.secret is not None
    epoch = world.roster.epoch
    assert epoch is not None
    keys = keys_of(built.secret, world.cid, epoch)
    wire = world.message(world.people["member"])
    opened = world.open(wire)
    mk = key_of(world, wire).reveal()
    token = InviteToken(canary(16))
    for held, value in (
        (built, built.secret.reveal()),
        (keys, keys.key.reveal()),
        (opened, mk),
        (InviteLink("https://relay.example", token), token.reveal()),
        (Grant(1, canary(32)), canary(32)),
        (History([Grant(1, canary(32))]), canary(32)),
        (Carry(b"", b"s" * 64, canary(32), 1), canary(32)),
    ):
        assert not shows(repr(held), value)
        assert not shows(str(held), value)
    assert isinstance(keys, EpochKeys)


# --- errors ---


def whole(error: BaseException) -> str:
    """All of an error that a log could show: its text and traceback, and those of what it came from."""
    seen: list[str] = []
    current: BaseException | None = error
    while current is not None:
        seen += [repr(current), str(current), *traceback.format_exception(current)]
        seen += [repr(vars(current))]
        current = current.__cause__ or current.__context__
    return "".join(seen)


def test_no_error_carries_a_secret_or_a_plaintext() -> None:
    """Whatever fails here had the secrets at hand while it failed."""
    world = circle()
    world.rotate(world.people["owner"])
    member, owner = world.people["member"], world.people["owner"]
    epoch = world.roster.epoch
    assert epoch is not None
    es = world.secrets[epoch.e]
    text = "canary-of-the-plaintext"
    body = encode_body(Post(THREAD, text))
    wire = world.message(member, body)
    mk = key_of(world, wire)
    token = InviteToken(canary(16))
    _, note_key = rendezvous(token)
    seeds = [device.key.seed().reveal() for device in world.people.values()]
    seeds += [device.sealing[1].seed().reveal() for device in world.people.values()]
    secrets = [
        *seeds,
        es.reveal(),
        world.keys().key.reveal(),
        mk.reveal(),
        token.reveal(),
        note_key.reveal(),
        invite_key(token, world.cid).seed().reveal(),
        canary(32),
    ]
    envelope = next(raw for raw in world.envelopes[epoch.e] if parse_envelope(raw).to == owner.id)
    direct = world.direct(member, owner, b"\x81\xa6grants\x91\x92\x01\xc4\x20" + canary(32)[:31] + b"!" + b"!")
    subkey = world.roster.devices[member.id].subkeys[-1]
    typo = spell(token.reveal())[:-1] + "!"

    attempts: list[Callable[[], object]] = [
        lambda: open_envelope(envelope, world.cid, epoch, member.id, member.sealing[1], subkey.hash),
        lambda: open_envelope(envelope[:-1], world.cid, epoch, owner.id, owner.sealing[1], subkey.hash),
        lambda: open_envelope(envelope, world.cid, epoch, owner.id, owner.sealing[1], subkey.hash),
        lambda: check_commit(EpochSecret(canary(32)), world.cid, epoch),
        lambda: message.open_body(message.parse(wire), MessageKey(canary(32))),
        lambda: world.open(world.message(member, body, forge={"kc": b"k" * 32})),
        lambda: world.open(world.message(member, body, forge={"ciphertext": b"c" * 300})),
        lambda: world.open(world.message(member, body, forge={"inside": body})),
        lambda: world.open(world.message(member, body + b"!")),
        lambda: world.open(world.message(member, body.replace(b"post", b"lock"))),
        lambda: world.open(world.message(member, body, dseq=2)),
        lambda: world.receive(owner, direct),
        lambda: world.receive(member, direct),
        lambda: open_note(token, b"n" * 80),
        lambda: open_note(token, spec.s("note", b"k" * 32, b"c" * 2000)),
        lambda: unspell(typo),
        lambda: parse_link(f"https://relay.example/join#{typo}"),
        lambda: seal(bytes(1216), canary(32), b"info"),
        lambda: EpochSecret(canary(33)),
        lambda: member.sealing[1].open(b"s" * 1200, b"info"),
        lambda: world.admit(world.entry(member, *_promotion(member))),
    ]
    for i, attempt in enumerate(attempts):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            attempt()
        said = whole(caught.value)
        assert text not in said, i
        assert not any(shows(said, value) for value in secrets), i
        assert spell(token.reveal())[:9] not in _without_source(said), i
        if isinstance(caught.value, PeerbotError):
            assert caught.value.facts.keys() <= {"equivocation"}, i


def _promotion(member: Device) -> list[Any]:
    return [SetRole(member.member, Role.OWNER)]


def _without_source(said: str) -> str:
    return "".join(line for line in said.splitlines() if not line.startswith("  "))


def test_a_links_secret_stands_behind_the_hash_sign() -> None:
    token = InviteToken(canary(16))
    link = format_link(InviteLink("https://relay.example/", token))
    assert link.startswith("https://relay.example/join#")
    assert name("x") not in link.encode()
    assert parse_link(link).token.reveal() == token.reveal()

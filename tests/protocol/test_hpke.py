"""Envelopes opened by a second implementation: X-Wing from its draft, and HPKE from pyhpke.

pyhpke knows no X-Wing, but takes any KEM: the one here is written from draft-connolly-cfrg-xwing-kem, and the key
schedule, nonces and AEAD of RFC 9180 are pyhpke's.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMInterface, KEMKeyInterface, OpenError
from pyhpke.aead import AEAD
from pyhpke.kdf import KDF
from pyhpke.kem_key import KEMKeyPair

from peerbot.protocol.epochs import hpke_info, open_envelope, parse_envelope
from peerbot.protocol.primitives import SealingKey, seal
from peerbot.protocol.secret import SealingSeed
from tests.protocol import spec
from tests.protocol.builders import circle

LABEL: Final = b"\\.//^\\"
ENC: Final = 1088 + 32


class XWingId(Enum):
    MLKEM768_X25519 = 0x647A


class RawKey(KEMKeyInterface):
    """A key as bytes: 96 of a private one, 1216 of a public one."""

    def to_public_bytes(self) -> bytes:
        return bytes(self.raw)

    def to_private_bytes(self) -> bytes:
        return bytes(self.raw)


class XWing(KEMInterface):
    """Combiner: SHA3-256(ss_M, ss_X, ct_X, pk_X, label)."""

    @property
    def id(self) -> KEMId:
        return XWingId.MLKEM768_X25519  # type: ignore[return-value]

    def decap(self, enc: bytes, skr: KEMKeyInterface, pks: KEMKeyInterface | None = None) -> bytes:
        raw = skr.to_private_bytes()
        kem, curve = MLKEM768PrivateKey.from_seed_bytes(raw[:64]), X25519PrivateKey.from_private_bytes(raw[64:])
        ss_m = kem.decapsulate(enc[:1088])
        ss_x = curve.exchange(X25519PublicKey.from_public_bytes(enc[1088:]))
        return combine(ss_m, ss_x, enc[1088:], curve.public_key().public_bytes_raw())

    def encap(
        self, pkr: KEMKeyInterface, sks: KEMKeyInterface | None = None, eks: KEMKeyPair | None = None
    ) -> tuple[bytes, bytes]:
        raw = pkr.to_public_bytes()
        ss_m, ct_m = MLKEM768PublicKey.from_public_bytes(raw[:1184]).encapsulate()
        ephemeral = X25519PrivateKey.generate()
        ct_x = ephemeral.public_key().public_bytes_raw()
        ss_x = ephemeral.exchange(X25519PublicKey.from_public_bytes(raw[1184:]))
        return combine(ss_m, ss_x, ct_x, raw[1184:]), ct_m + ct_x


def combine(ss_m: bytes, ss_x: bytes, ct_x: bytes, pk_x: bytes) -> bytes:
    return hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + LABEL).digest()


def suite() -> CipherSuite:
    suite_id = b"HPKE" + bytes.fromhex("647a 0001 0002")
    return CipherSuite(XWing(), KDF(KDFId.HKDF_SHA256, suite_id), AEAD(AEADId.AES256_GCM))


def test_an_envelope_opens_in_a_second_implementation() -> None:
    world = circle()
    world.rotate(world.people["owner"])
    epoch, member = world.roster.epoch, world.people["member"]
    assert epoch is not None
    raw = next(raw for raw in world.envelopes[epoch.e] if parse_envelope(raw).to == member.id)
    sealed = parse_envelope(raw).sealed
    info = spec.s(
        "hpke-info",
        b"epoch",
        world.cid,
        epoch.e,
        epoch.prev,
        epoch.commit,
        world.people["owner"].id,
        member.id,
        world.roster.devices[member.id].subkeys[-1].hash,
    )
    key = RawKey(member.sealing[1].seed().reveal())
    found = suite().create_recipient_context(sealed[:ENC], key, info).open(sealed[ENC:])
    assert found == world.secrets[epoch.e].reveal()
    with pytest.raises(OpenError):
        suite().create_recipient_context(sealed[:ENC], key, info + b"\x00").open(sealed[ENC:])


def test_a_second_implementations_envelope_opens_here() -> None:
    world = circle()
    epoch, member = world.roster.epoch, world.people["member"]
    assert epoch is not None
    subkey = world.roster.devices[member.id].subkeys[-1]
    sender = world.people["owner"].id
    info = hpke_info(b"epoch", world.cid, epoch.e, epoch.prev, epoch.commit, sender, member.id, subkey.hash)
    enc, context = suite().create_sender_context(RawKey(subkey.public), info)
    sealed = enc + context.seal(world.secrets[epoch.e].reveal())
    raw = spec.s("envelope", world.cid, epoch.e, sender, member.id, 1, sealed)
    secret = open_envelope(raw, world.cid, epoch, member.id, member.sealing[1], subkey.hash)
    assert secret.reveal() == world.secrets[epoch.e].reveal()


# The first test vector of draft-connolly-cfrg-xwing-kem, appendix C; of the public key its SHA-256.
SEED: Final = "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"
PUBLIC_SHA256: Final = "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb"
SHARED: Final = "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384"
CIPHERTEXT: Final = (
    "b83aa828d4d62b9a83ceffe1d3d3bb1ef31264643c070c5798927e41fb07914a273f8f96e7826cd5375a283d7da885304c5de0516a0f0654"
    "243dc5b97f8bfeb831f68251219aabdd723bc6512041acbaef8af44265524942b902e68ffd23221cda70b1b55d776a92d1143ea3a0c475f6"
    "3ee6890157c7116dae3f62bf72f60acd2bb8cc31ce2ba0de364f52b8ed38c79d719715963a5dd3842d8e8b43ab704e4759b5327bf027c63c"
    "8fa857c4908d5a8a7b88ac7f2be394d93c3706ddd4e698cc6ce370101f4d0213254238b4a2e8821b6e414a1cf20f6c1244b699046f5a01ca"
    "a0a1a55516300b40d2048c77cc73afba79afeea9d2c0118bdf2adb8870dc328c5516cc45b1a2058141039e2c90a110a9e16b318dfb53bd49"
    "a126d6b73f215787517b8917cc01cabd107d06859854ee8b4f9861c226d3764c87339ab16c3667d2f49384e55456dd40414b70a6af841585"
    "f4c90c68725d57704ee8ee7ce6e2f9be582dbee985e038ffc346ebfb4e22158b6c84374a9ab4a44e1f91de5aac5197f89bc5e5442f51f9a5"
    "937b102ba3beaebf6e1c58380a4a5fedce4a4e5026f88f528f59ffd2db41752b3a3d90efabe463899b7d40870c530c8841e8712b733668ed"
    "033adbfafb2d49d37a44d4064e5863eb0af0a08d47b3cc888373bc05f7a33b841bc2587c57eb69554e8a3767b7506917b6b70498727f16ea"
    "c1a36ec8d8cfaf751549f2277db277e8a55a9a5106b23a0206b4721fa9b3048552c5bd5b594d6e247f38c18c591aea7f56249c72ce7b117a"
    "fcc3a8621582f9cf71787e183dee09367976e98409ad9217a497df888042384d7707a6b78f5f7fb8409e3b535175373461b776002d799cba"
    "d62860be70573ecbe13b246e0da7e93a52168e0fb6a9756b895ef7f0147a0dc81bfa644b088a9228160c0f9acf1379a2941cd28c06ebc80e"
    "44e17aa2f8177010afd78a97ce0868d1629ebb294c5151812c583daeb88685220f4da9118112e07041fcc24d5564a99fdbde28869fe07223"
    "87d7a9a4d16e1cc8555917e09944aa5ebaaaec2cf62693afad42a3f518fce67d273cc6c9fb5472b380e8573ec7de06a3ba2fd5f931d725b4"
    "93026cb0acbd3fe62d00e4c790d965d7a03a3c0b4222ba8c2a9a16e2ac658f572ae0e746eafc4feba023576f08942278a041fb82a70a595d"
    "5bacbf297ce2029898a71e5c3b0d1c6228b485b1ade509b35fbca7eca97b2132e7cb6bc465375146b7dceac969308ac0c2ac89e7863eb894"
    "3015b24314cafb9c7c0e85fe543d56658c213632599efabfc1ec49dd8c88547bb2cc40c9d38cbd3099b4547840560531d0188cd1e9c23a0e"
    "bee0a03d5577d66b1d2bcb4baaf21cc7fef1e03806ca96299df0dfbc56e1b2b43e4fc20c37f834c4af62127e7dae86c3c25a2f696ac8b589"
    "dec71d595bfbe94b5ed4bc07d800b330796fda89edb77be0294136139354eb8cd37591578f9c600dd9be8ec6219fdd507adf3397ed4d6870"
    "7b8d13b24ce4cd8fb22851bfe9d632407f31ed6f7cb1600de56f17576740ce2a32fc5145030145cfb97e63e0e41d354274a079d3e6fb2e15"
)


def test_keys_and_shared_secrets_are_those_of_the_drafts_test_vector() -> None:
    seed = hashlib.shake_256(bytes.fromhex(SEED)).digest(96)
    assert hashlib.sha256(SealingKey(SealingSeed(seed)).public).hexdigest() == PUBLIC_SHA256
    assert XWing().decap(bytes.fromhex(CIPHERTEXT), RawKey(seed)).hex() == SHARED


def test_a_stored_seed_always_gives_the_same_key() -> None:
    seed = hashlib.shake_256(b"a fixed seed").digest(96)
    one, two = SealingKey(SealingSeed(seed)), SealingKey(SealingSeed(seed))
    assert one.public == two.public
    assert two.open(seal(one.public, b"hello", b"info"), b"info") == b"hello"
    assert one.seed().reveal() == seed

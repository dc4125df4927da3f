"""Every label and domain separator of the protocol, in one place so that no two meanings can share one."""

from __future__ import annotations

from typing import Final

PREFIX: Final = b"peerbot/1/"
"""Put before each label of an encoded structure and of a signature."""

SUITE: Final = 1
"""X-Wing, HKDF-SHA256, AES-256-GCM, Ed25519, SHA-256."""

# What a signature is for: Sig(label, x) is Ed25519 over PREFIX, label, 0x00, x.
SIG_ENTRY: Final = b"entry"
SIG_SUBKEY: Final = b"subkey"
SIG_POSSESSION: Final = b"possession"
SIG_HOSTED_JOIN: Final = b"hosted-join"
SIG_PROPOSAL: Final = b"proposal"
SIG_MESSAGE: Final = b"msg"
SIG_REQUEST: Final = b"request"
SIG_DIRECT: Final = b"direct"
SIG_RECEIPT: Final = b"receipt"
SIG_RELAY_SIGN_IN: Final = b"relay-sign-in"

# What a MAC or a derived key is for: M(key, label, ...) and HKDF's info.
MAC_COMMIT: Final = b"commit"
MAC_EPOCH_KEY: Final = b"epoch-key"
MAC_HEDGE: Final = b"hedge"
MAC_SALT: Final = b"salt"
MAC_MESSAGE_KEY: Final = b"mk"
MAC_CIPHER_KEY: Final = b"k"
MAC_NONCE: Final = b"n"
MAC_KEY_COMMITMENT: Final = b"kc"
HKDF_INVITE_KEY: Final = b"invite-key"
HKDF_RENDEZVOUS_ID: Final = b"rendezvous-id"
HKDF_RENDEZVOUS_KEY: Final = b"rendezvous-key"
HKDF_RECOVERY_KEY: Final = b"recovery-key"

# What an HPKE envelope carries.
PURPOSE_EPOCH: Final = b"epoch"
PURPOSE_DIRECT: Final = b"direct"
PURPOSE_TRIAL: Final = b"trial"

# What is hashed into an id or a chain.
HASH_DEVICE: Final = b"dev"
HASH_INVITE: Final = b"invite"
HASH_LOG: Final = b"log"
HASH_RECIPIENTS: Final = b"rcpt"
HASH_COMPARE: Final = b"compare"

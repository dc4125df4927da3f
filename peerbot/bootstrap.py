"""The composition root: data directory, vaults, nodes and the relay, built and wired here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from peerbot.clock import Clock, SystemClock
from peerbot.config.keys import Config
from peerbot.config.read import NAME, load
from peerbot.config.values import LOOPBACK_URL, split_listen
from peerbot.errors import UserError, VaultError

if TYPE_CHECKING:
    from peerbot.core.node import Node, RelayAt
    from peerbot.core.ports import Relay, RelayLog, Vault
    from peerbot.protocol.primitives import SigningKey
    from peerbot.relay.server.server import RelayServer
    from peerbot.relay.service import RelayService
    from peerbot.store.vault.keyfile import VaultKey

# What a command doesn't use it doesn't import: a stranger's `peerbot --help` must not load a database.

AskPassphrase = Callable[[bool], str]
"""Asks for a passphrase; with True for a new one, to be typed twice."""
ENV_DIR: Final = "PEERBOT_DIR"


@dataclass(frozen=True, slots=True)
class Place:
    """A data directory, and its config.toml (what it says by default where there is none)."""

    dir: Path
    config: Config

    @property
    def config_file(self) -> Path:
        return self.dir / NAME

    @property
    def vault(self) -> Path:
        """The person's own."""
        return self.dir / "vault.db"

    @property
    def wrap(self) -> Path:
        """The vault's key, wrapped under the passphrase."""
        return self.dir / "vault.wrap"

    @property
    def gateway(self) -> Path:
        return self.dir / "gateway.db"

    @property
    def gateway_key(self) -> Path:
        return self.dir / "gateway.key"

    @property
    def relay(self) -> Path:
        return self.dir / "relay.db"

    @property
    def relay_key(self) -> Path:
        return self.dir / self.config.relay.key_file

    @property
    def socket(self) -> Path:
        return self.dir / "node.sock"


def default_dir() -> Path:
    """Where data goes when nobody says where."""
    if named := os.environ.get(ENV_DIR):
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("peerbot", appauthor=False)


def place_at(folder: Path | None) -> Place:
    """The directory with its config. Raises UserError("config-…")."""
    folder = folder if folder is not None else default_dir()
    try:
        config = load(folder / NAME)
    except UserError as error:
        if error.code != "config-missing":
            raise
        config = Config()
    return Place(folder, config)


def make_folder(folder: Path) -> None:
    """Make the directory, for its owner alone. Raises UserError("folder")."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UserError("folder", path=str(folder))
    except OSError:
        raise UserError("folder", path=str(folder)) from None


def write_config(place: Place, config: Config) -> Place:
    """Write the first config.toml, 0600. Raises UserError("config-value"), VaultError("vault-exists", "vault-full")."""
    from peerbot.config.read import parse
    from peerbot.config.template import initial
    from peerbot.store.vault.files import write_new

    text = initial(config)
    # What we write we must be able to read.
    written = parse(text)
    write_new(place.config_file, text.encode("utf-8"))
    return Place(place.dir, written)


def is_there(file: Path) -> bool:
    """Whether a vault has been made: it gets its name only when all of it is there."""
    return file.is_file()


# --- vaults ---


@asynccontextmanager
async def own_vault(place: Place, ask: AskPassphrase, *, create: bool = False) -> AsyncIterator[Vault]:
    """The person's vault. Raises VaultError, "vault-missing" where there is none to open."""
    if not is_there(place.vault) and not create:
        raise VaultError("vault-missing")
    if is_there(place.vault):
        # Before a passphrase is asked for and stretched for nothing.
        _refuse_in_use(place.vault)
    key = await _own_key(place, ask)
    async with _vault(place.vault, key) as vault:
        yield vault


@asynccontextmanager
async def gateway_vault(place: Place, *, create: bool = False) -> AsyncIterator[Vault]:
    """The gateway's vault, opened by its key file. Raises UserError("no-gateway-here"), VaultError."""
    if not is_there(place.gateway) and not create:
        raise UserError("no-gateway-here")
    async with _vault(place.gateway, _key_in(place.gateway_key, make=not is_there(place.gateway))) as vault:
        yield vault


@asynccontextmanager
async def _vault(path: Path, key: VaultKey) -> AsyncIterator[Vault]:
    from peerbot.store.vault.vault import SqlVault

    opened = await (SqlVault.open if is_there(path) else SqlVault.create)(path, key)
    try:
        yield opened
    finally:
        await opened.close()


def _refuse_in_use(path: Path) -> None:
    from peerbot.store.vault.connect import VaultLock

    VaultLock(path).release()


async def _own_key(place: Place, ask: AskPassphrase) -> VaultKey:
    from peerbot.store.vault import keyfile

    config = place.config.vault
    new = not is_there(place.vault)
    if config.key_file:
        return _key_in(place.dir / config.key_file, make=new)
    if config.keyring:
        return await _keyring_key(str(place.dir.resolve()), make=new)
    if not new and not place.wrap.exists():
        raise VaultError("wrap-missing")
    if new and not place.wrap.exists():
        return await keyfile.create_wrap(place.wrap, keyfile.Passphrase.of(ask(True)))
    return await keyfile.open_wrap(place.wrap, keyfile.Passphrase.of(ask(False)))


def _key_in(path: Path, *, make: bool) -> VaultKey:
    """A raw key file, which may also be one of systemd's credentials."""
    from peerbot.store.vault import keyfile

    if make and not path.exists():
        return keyfile.create_key_file(path)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return keyfile.read_key_file(path, Path(folder) if folder else None)


async def _keyring_key(name: str, *, make: bool) -> VaultKey:
    from peerbot.protocol.primitives import random_bytes
    from peerbot.store.vault import keyfile

    key = await keyfile.keyring_load(name)
    if key is None:
        if not make:
            raise VaultError("keyring-empty")
        key = keyfile.VaultKey(random_bytes(keyfile.KEY_SIZE))
        await keyfile.keyring_store(name, key)
    return key


# --- nodes ---


@asynccontextmanager
async def node_on(vault: Vault, relay_at: RelayAt, clock: Clock | None = None) -> AsyncIterator[Node]:
    """A loaded node on an open vault."""
    from peerbot.core.node import LANES, Node

    executor = ThreadPoolExecutor(LANES, "fold")
    node = Node(vault, relay_at, clock or SystemClock(), executor)
    try:
        await node.load()
        yield node
    finally:
        await node.close()
        executor.shutdown()


def relays(clock: Clock | None = None, *here: Relay) -> RelayAt:
    """Relay clients over HTTP, except for those that run in this process."""

    def relay_at(url: str, key: bytes | None) -> Relay:
        from peerbot.relay.client import HttpRelay

        local = next((relay for relay in here if relay.url == url), None)
        return local if local is not None else HttpRelay(url, expected_key=key, clock=clock)

    return relay_at


# --- the relay ---


def relay_signing_key(place: Place, *, make: bool = False) -> SigningKey:
    """What the relay signs receipts with. Raises UserError("no-relay-here"), VaultError("key-file-…")."""
    from peerbot.protocol.primitives import SigningKey
    from peerbot.protocol.secret import SigningSeed

    if not make and not place.relay_key.exists():
        raise UserError("no-relay-here")
    return SigningKey(SigningSeed(_key_in(place.relay_key, make=make).reveal()))


@asynccontextmanager
async def relay_log(place: Place) -> AsyncIterator[RelayLog]:
    """The relay's database, which is made where there is none."""
    from peerbot.store.relay_log.log import SqliteRelayLog

    log = await SqliteRelayLog.open(place.relay)
    try:
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def relay_service(place: Place, key: SigningKey, clock: Clock | None = None) -> AsyncIterator[RelayService]:
    """The relay over its database."""
    from peerbot.relay.limits import Limits
    from peerbot.relay.service import RelayService

    given = place.config.limits
    limits = Limits(device_rate=given.device_rate, address_rate=given.address_rate, door_rate=given.door_rate)
    async with relay_log(place) as log:
        service = RelayService(log, key, clock=clock, limits=limits)
        try:
            yield service
        finally:
            await service.close()


def founding_code_of(key: SigningKey) -> str:
    """What lets someone found circles at the relay that has this key."""
    from peerbot.relay.founding import founding_code

    return founding_code(key)


@asynccontextmanager
async def founding_relay(place: Place, code: str, clock: Clock | None = None) -> AsyncIterator[tuple[Relay, str]]:
    """Where new circles are founded, with its founding code: elsewhere with `code`, else in this directory."""
    from peerbot.relay.client import HttpRelay
    from peerbot.relay.local import LocalRelay

    url = place.config.relay.url or LOOPBACK_URL
    if code or not place.config.relay.listen:
        elsewhere = HttpRelay(url, clock=clock)
        try:
            yield elsewhere, code
        finally:
            await elsewhere.close()
        return
    key = relay_signing_key(place, make=True)
    async with relay_service(place, key, clock) as service:
        yield LocalRelay(service, url), founding_code_of(key)


@asynccontextmanager
async def relay_server(place: Place, service: RelayService) -> AsyncIterator[RelayServer]:
    """The relay's front on relay.listen. Raises UserError("relay-listen", "relay-tls")."""
    from peerbot.relay.server.server import Listen, serve

    config = place.config.relay
    host, port = split_listen(config.listen) or ("127.0.0.1", 8440)
    cert, key = (place.dir / file if file else None for file in (config.tls_cert, config.tls_key))
    server = await serve(service, Listen(host, port, cert, key))
    try:
        yield server
    finally:
        await server.stop()

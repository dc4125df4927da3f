"""What `peerbot doctor` finds in the data directory itself: folder, config, files."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from peerbot.bootstrap import Place, default_dir, place_at
from peerbot.config.keys import Config
from peerbot.config.values import host_of, is_loopback, split_listen
from peerbot.errors import UserError
from peerbot.i18n.catalogue import _
from peerbot.i18n.errors import sentence

_ROOM: Final = 200 * 1024 * 1024
_SECRET: Final = ("*.db", "*.db-wal", "*.db-shm", "*.key", "*.wrap", "config.toml", "node.sock")


class State(StrEnum):
    """How bad it is."""

    FINE = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and what to do about it (nothing where all is well)."""

    about: str
    state: State
    says: str
    do: str = ""


def fine(about: str, says: str) -> Finding:
    return Finding(about, State.FINE, says)


def note(about: str, says: str, do: str = "") -> Finding:
    return Finding(about, State.NOTE, says, do)


def wrong(about: str, says: str, do: str = "") -> Finding:
    return Finding(about, State.WRONG, says, do)


def look_at(folder: Path | None) -> tuple[Place | None, list[Finding]]:
    """The place, if there is one whose config can be read, and what was found on the way."""
    path = folder if folder is not None else default_dir()
    if not path.is_dir():
        says = _("There is no folder {path} yet.").format(path=path)
        return None, [wrong("folder", says, _("Begin with “peerbot init” or “peerbot join”, or name a folder: --dir"))]
    found = list(_folder(path))
    try:
        place = place_at(path)
    except UserError as error:
        return None, [*found, wrong("config", sentence(error))]
    return place, [*found, *_config(place), *_files(place)]


def _folder(path: Path) -> Iterator[Finding]:
    mode = path.stat()
    if mode.st_uid != os.geteuid():
        yield wrong("folder", _("{path} belongs to another user.").format(path=path), _("Run peerbot as that user."))
    elif mode.st_mode & 0o077:
        says = _("Other users of this computer may look into {path}.").format(path=path)
        yield wrong("folder", says, f"chmod 700 {path}")
    else:
        yield fine("folder", str(path))
    free = shutil.disk_usage(path).free
    if free < _ROOM:
        says = _("Only {mib} MiB are free on the disk.").format(mib=free // (1024 * 1024))
        yield wrong("disk", says, _("Make room: nothing can be stored on a full disk."))


def _config(place: Place) -> Iterator[Finding]:
    if not place.config_file.exists():
        # Those who only joined need none.
        yield fine("config", _("There is no config.toml; everything is as usual."))
        return
    config = place.config
    yield fine("config", _("config.toml can be read."))
    founded = bool(config.community.name)
    if founded and not (config.community.operator and config.community.contact):
        says = _("Newcomers are not told who runs this, or how to reach them.")
        yield wrong("config", says, _("Fill in operator and contact under [community] in config.toml."))
    if config.relay.listen:
        yield from _address(config)


def _address(config: Config) -> Iterator[Finding]:
    """Whether others can reach the relay that runs here."""
    url = config.relay.url
    listen = split_listen(config.relay.listen)
    if not url or listen is None:
        return
    if not is_loopback(host_of(url)):
        if url.startswith("http://"):
            says = _("The relay's address begins with http://, and peerbot refuses that.")
            yield wrong("relay address", says, _("Put a proxy with a certificate before it; https:// into relay.url."))
    elif is_loopback(listen[0]):
        says = _("The relay can be reached from this computer only.")
        yield note("relay address", says, _("For others, found a community with a public address: init --relay-url"))
    else:
        says = _("The relay listens for other computers, but its address means this one only.")
        yield wrong("relay address", says, _("A community keeps its first address: found one with init --relay-url"))


def _files(place: Place) -> Iterator[Finding]:
    names = [path for pattern in _SECRET for path in sorted(place.dir.glob(pattern))]
    if key_file := place.config.vault.key_file:
        names.append(place.dir / key_file)
    open_ = [path for path in names if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    for path in open_:
        says = _("Other users of this computer may read {path}.").format(path=path)
        yield wrong("files", says, f"chmod 600 {path}")
    if names and not open_:
        yield fine("files", _("Only you can read the files."))
    if place.gateway.exists() and not place.gateway_key.exists():
        says = _("The gateway's key file {path} is missing.").format(path=place.gateway_key)
        yield wrong("gateway", says, _("Put it back from a backup; without it gateway.db can't be opened by anyone."))

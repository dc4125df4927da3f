"""A real Matrix homeserver on loopback, in a process of its own. Linux only, as Synapse's wheels are."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

SERVER_NAME: Final = "peerbot.test"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
_SECRET: Final = "of this test run only"
_RATES: Final = (
    "rc_message",
    "rc_registration",
    "rc_admin_redaction",
    "rc_joins_per_room",
    "rc_3pid_validation",
    "rc_third_party_invite",
    "rc_key_requests",
    "rc_presence",
    "rc_reports",
)
_GROUPED_RATES: Final = {
    "rc_login": ("address", "account", "failed_attempts"),
    "rc_joins": ("local", "remote"),
    "rc_invites": ("per_room", "per_user", "per_issuer"),
}
_NO_LIMIT: Final = {"per_second": 1_000_000, "burst_count": 1_000_000}


def available() -> bool:
    """Whether Synapse is installed; elsewhere than on Linux its tests are skipped."""
    return sys.platform == "linux" and find_spec("synapse") is not None


@dataclass(frozen=True, slots=True)
class MatrixUser:
    """An account with a device that is logged in."""

    user_id: str
    device_id: str
    access_token: str
    password: str


@dataclass(frozen=True, slots=True)
class Synapse:
    """A running homeserver. `url` is where its clients go."""

    url: str
    port: int
    log: Path

    def register(self, name: str, *, admin: bool = False) -> MatrixUser:
        """A new account, by the shared secret. The name is what stands before the colon."""
        path, password = "/_synapse/admin/v1/register", f"password of {name}"
        nonce = self.call("GET", path)["nonce"]
        parts = (nonce, name, password, "admin" if admin else "notadmin")
        # Synapse's own choice of hash, keyed and of no lasting value.
        mac = hmac.new(_SECRET.encode(), "\x00".join(parts).encode(), hashlib.sha1).hexdigest()
        told = {"nonce": nonce, "username": name, "password": password, "admin": admin, "mac": mac}
        answer = self.call("POST", path, told)
        return MatrixUser(answer["user_id"], answer["device_id"], answer["access_token"], password)

    def unlimited(self, user: MatrixUser, admin: MatrixUser) -> None:
        """Take the caps off an account, as a bot's account has it in earnest."""
        path = f"/_synapse/admin/v1/users/{user.user_id}/override_ratelimit"
        self.call("POST", path, {"messages_per_second": 0, "burst_count": 0}, admin.access_token)

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """One call of the client API, for what a test wants to do behind the adapter's back."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            raw = response.read()
            if response.status != 200:
                raise RuntimeError(f"{method} {path}: {response.status} {raw[:500]!r}")
            return json.loads(raw) if raw[:1] in (b"{", b"[") else raw.decode()
        finally:
            connection.close()


@contextmanager
def synapse(folder: Path) -> Iterator[Synapse]:
    """A homeserver whose files lie in `folder`, which must exist. Raises RuntimeError with the end of its log."""
    port = _free_port()
    config = folder / "homeserver.yaml"
    # JSON is YAML.
    config.write_text(json.dumps(_config(folder, port)), "utf-8")
    log = folder / "homeserver.log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, log.open("wb") as sink:
        # An empty name gives a free abstract one, which no path can be too long for.
        ready.bind("")
        name = "@" + ready.getsockname()[1:].decode("ascii")
        command = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(config)]
        environment = {**os.environ, "NOTIFY_SOCKET": name}
        process = subprocess.Popen(command, stdout=sink, stderr=sink, cwd=folder, env=environment)
        try:
            _wait_until_ready(process, ready, log)
            server = Synapse(f"http://127.0.0.1:{port}", port, log)
            if server.call("GET", "/health") != "OK":
                raise RuntimeError("Synapse isn't healthy")
            yield server
        finally:
            _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], ready: socket.socket, log: Path) -> None:
    """Until it says so, as it would to systemd, or has ended."""
    ended = os.pidfd_open(process.pid)
    try:
        said, _, _ = select.select([ready.fileno(), ended], [], [], START_SECONDS)
    finally:
        os.close(ended)
    if ready.fileno() not in said:
        tail = log.read_text("utf-8", "replace")[-2000:]
        raise RuntimeError(f"Synapse {'ended' if said else 'is not ready'}:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    """Synapse can't be told to take any port and say which."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _config(folder: Path, port: int) -> dict[str, Any]:
    """One process, nothing federated, nothing slow on purpose, nothing that calls home."""
    seed = "YTAtJUv0DdzrXfm1uaC7bMyA8ztzy/+PU1Q5Qym2Rlo"
    return {
        "server_name": SERVER_NAME,
        "report_stats": False,
        "pid_file": str(folder / "homeserver.pid"),
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "media_store_path": str(folder / "media"),
        "listeners": [
            {
                "port": port,
                "type": "http",
                "bind_addresses": ["127.0.0.1"],
                "resources": [{"names": ["client"], "compress": False}],
            }
        ],
        "signing_key": f"ed25519 a_test {seed}",
        "macaroon_secret_key": _SECRET,
        "form_secret": _SECRET,
        "registration_shared_secret": _SECRET,
        "bcrypt_rounds": 4,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "federation_domain_whitelist": [],
        "presence": {"enabled": False},
        "user_directory": {"enabled": False},
        "push": {"enabled": False},
        # Else a second first sync is answered with what was true two minutes ago.
        "caches": {"sync_response_cache_duration": "0s"},
        "filter_timeline_limit": -1,
        **dict.fromkeys(_RATES, _NO_LIMIT),
        **{group: dict.fromkeys(kinds, _NO_LIMIT) for group, kinds in _GROUPED_RATES.items()},
    }

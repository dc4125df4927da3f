"""A founded community on a machine, with its relay."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.household import (
    COMMUNITY,
    PYTHON,
    Machine,
    copy_of,
    environment,
    free_port,
    gateway_running,
    relay_running,
)


@pytest.fixture(autouse=True)
def _plain_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the developer's own environment, and logging as it was."""
    for name in ("PEERBOT_DIR", "PEERBOT_PASSPHRASE", "LANGUAGE", "NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A founded community that nobody else has joined; tests work on copies."""
    folder = tmp_path_factory.mktemp("template") / "owner"
    command = [PYTHON, "-m", "peerbot", "init", "--dir", str(folder), *COMMUNITY, "--town", "Bergen", "--yes"]
    command += ["--pseudonym", "Heron", "--key-file", str(folder / "my.key")]
    command += ["--relay-url", f"http://127.0.0.1:{free_port()}"]
    subprocess.run(command, check=True, env=environment(), capture_output=True, timeout=120)
    return folder


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """An empty directory."""
    return Machine(tmp_path / "machine", capsys, monkeypatch)


@pytest.fixture
def away(template: Path, machine: Machine) -> Machine:
    """The owner's machine while no relay runs."""
    copy_of(template, machine.dir.parent / "owner")
    return machine.beside("owner")


@pytest.fixture
def alone(away: Machine) -> Iterator[Machine]:
    """The owner's machine while the relay runs, and no other device is online."""
    with relay_running(away.dir):
        yield away


@pytest.fixture
def owner(alone: Machine) -> Iterator[Machine]:
    """The owner's machine while the relay and the gateway run."""
    with gateway_running(alone.dir):
        yield alone

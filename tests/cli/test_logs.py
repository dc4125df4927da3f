"""Nothing that could be a secret, an address or somebody's words reaches a log."""

from __future__ import annotations

import logging

import pytest
import structlog

from peerbot.cli import logs
from peerbot.protocol.secret import InviteToken

CANARY = "CANARY-4711"


@pytest.fixture(autouse=True)
def _as_before() -> object:
    yield
    structlog.reset_defaults()
    return None


def test_only_plain_keys_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    logs.use_structlog()
    structlog.get_logger("x").warning(
        "relay.failed",
        token=CANARY,
        passphrase=CANARY,
        text=CANARY,
        name=CANARY,
        address=CANARY,
        remote="10.0.0.1",
        url=CANARY,
        wire=CANARY.encode(),
        unheard_of=CANARY,
        code=InviteToken(b"x" * 16),
        reason=CANARY.encode(),
        at=[CANARY.encode(), "file.py:3"],
        seconds=5,
        error="OSError\x1b[2J",
    )
    said = capsys.readouterr().err
    assert CANARY not in said
    assert "10.0.0.1" not in said
    assert "event=relay.failed" in said
    assert "seconds=5" in said
    assert "file.py:3" in said
    assert "token=…" in said
    assert "\x1b" not in said


def test_other_peoples_logs_lose_their_words(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("asyncio").exception("Task failed: %s", CANARY)
    logging.getLogger("aiohttp.server").error("%s", CANARY, extra={"remote": CANARY})
    said = capsys.readouterr().err
    assert CANARY not in said
    assert "error asyncio error=ValueError" in said
    assert "error aiohttp.server" in said


def test_quiet_below_warning(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    logs.use_structlog()
    structlog.get_logger().info("hello", seconds=1)
    logging.getLogger("anything").info("hello")
    assert capsys.readouterr().err == ""

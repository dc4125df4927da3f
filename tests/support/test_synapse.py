"""The homeserver that other tests rely on comes up, takes users, and goes without a trace."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support.synapse import available, synapse

pytestmark = pytest.mark.skipif(not available(), reason="Synapse isn't installed")


def test_it_takes_users_and_stops(tmp_path: Path) -> None:
    with synapse(tmp_path) as server:
        admin, user = server.register("admin", admin=True), server.register("heron")
        server.unlimited(user, admin)
        who = server.call("GET", "/_matrix/client/v3/account/whoami", token=user.access_token)
        assert who["user_id"] == user.user_id == "@heron:peerbot.test"
        with pytest.raises(RuntimeError, match="401"):
            server.call("GET", "/_matrix/client/v3/account/whoami", token="wrong")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_one_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "homeserver.db").mkdir()
    with pytest.raises(RuntimeError, match=r"(?s)ended.*unable to open database"), synapse(tmp_path):
        pass

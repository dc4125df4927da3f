"""The server at its edge: what it makes of strangers, nonsense, floods and slow readers."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import structlog
from aiohttp import ClientSession, WSMsgType
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from peerbot.core.ports import Credential, NewRecord, Placed, Wake
from peerbot.errors import RelayError, UserError
from peerbot.protocol import labels
from peerbot.protocol.log import Kind, open_receipt
from peerbot.protocol.primitives import SigningKey, random_bytes
from peerbot.relay import api
from peerbot.relay.client import HttpRelay
from peerbot.relay.limits import Limits
from peerbot.relay.local import LocalRelay
from peerbot.relay.server.server import Listen, RelayServer, serve
from peerbot.relay.service import RelayService
from peerbot.relay.wakes import Hub
from tests.relay.conftest import World, founded, limits
from tests.support.circle_builder import POLICY
from tests.support.fake_clock import FakeClock
from tests.support.memory_log import MemoryRelayLog
from tests.support.small_disk import on_small_disk

POSTS = [
    api.KEY,
    api.CHALLENGE,
    api.SIGN_IN,
    api.FOUND,
    api.NOTE,
    api.APPEND,
    api.APPEND_ENTRY,
    api.READ,
    api.ENVELOPES,
    api.PUT_ENVELOPE,
    api.MAIL,
    api.SEND_MAIL,
    api.DROP_MAIL,
    api.PUT_NOTE,
    api.DROP_NOTE,
]
OPEN = POSTS[:5]


class Served:
    """A server with a founded circle, and plain HTTP to it."""

    def __init__(self, world: World, server: RelayServer, http: ClientSession) -> None:
        self.world = world
        self.server = server
        self.http = http

    async def post(self, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body."""
        async with self.http.post(self.server.url + path, data=body, headers=headers) as response:
            return response.status, await response.read()

    async def failure(self, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, str]:
        status, raw = await self.post(path, body, headers)
        return status, msgspec.msgpack.decode(raw, type=api.Failure).code

    async def token(self, credential: Credential) -> str:
        assert isinstance(self.world.relay, HttpRelay)
        return await self.world.relay.sign_in(credential)

    async def bearer(self) -> dict[str, str]:
        """The owner's session, as a header."""
        return bearing(await self.token(self.world.circle.credential(self.world.owner)))


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": "Bearer " + token}


@asynccontextmanager
async def a_server(clock: FakeClock, given: Limits, listen: Listen | None = None) -> AsyncIterator[Served]:
    store = MemoryRelayLog()
    service = RelayService(store, SigningKey.generate(), clock=clock, limits=given)
    server = RelayServer(service, listen if listen is not None else Listen(), now=clock.steady)
    await server.start()
    relay = HttpRelay(server.url, expected_key=service.key.public, clock=clock)
    async with ClientSession() as http:
        yield Served(await founded(relay, service, store, clock, POLICY), server, http)
    await relay.close()
    await server.stop()


@pytest.fixture
async def served(clock: FakeClock) -> AsyncIterator[Served]:
    async with a_server(clock, limits()) as made:
        yield made


# --- strangers and nonsense ---


@pytest.mark.parametrize("path", POSTS)
async def test_nonsense_is_answered_with_a_plain_no(served: Served, path: str) -> None:
    bearer = await served.bearer()
    takes_nothing = path in (api.KEY, api.CHALLENGE)
    for body in (b"\xc1", b"<html>", b"\x90", b"\x9f" * 1000, random_bytes(2000), msgspec.msgpack.encode([1] * 9)):
        status, _ = await served.post(path, body, bearer)
        assert status == (200 if takes_nothing else 400), (path, body[:20])


@pytest.mark.parametrize("path", [path for path in POSTS if path not in OPEN])
async def test_without_a_session_nothing_is_read_or_told(served: Served, path: str) -> None:
    for given in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer "}, {"Authorization": "Basic eDp4"}):
        assert await served.failure(path, b"\xc1", given) == (401, api.NO_SESSION)


async def test_a_watch_needs_a_session(served: Served) -> None:
    async with served.http.get(served.server.url + api.WATCH) as response:
        assert response.status == 401


async def test_bodies_must_say_their_size_and_keep_to_it(served: Served) -> None:
    bearer = await served.bearer()
    assert await served.failure(api.READ, b"x" * 100_000, bearer) == (400, api.BAD_CALL)
    assert await served.failure(api.APPEND, b"x" * 200_000, bearer) == (400, api.BAD_CALL)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    async with served.http.post(served.server.url + api.READ, data=pieces(), headers=bearer) as response:
        assert response.status == 400


async def test_one_session_sends_one_large_body_at_a_time(served: Served) -> None:
    bearer = await served.bearer()
    size = 500_000
    head = f"POST {api.APPEND_ENTRY} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n"
    head += f"Authorization: {bearer['Authorization']}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(head.encode("ascii") + b"x" * 1000)
    await until(lambda: len(served.server._front._uploading) == 1)
    assert await served.failure(api.APPEND_ENTRY, b"x" * size, bearer) == (429, "relay-busy")
    assert await served.failure(api.APPEND_ENTRY, b"x" * 1000, bearer) == (400, api.BAD_CALL), "small ones may"
    writer.write(b"x" * (size - 1000))
    assert b" 400 " in await reader.readline()
    assert await served.failure(api.APPEND_ENTRY, b"x" * size, bearer) == (400, api.BAD_CALL)
    writer.close()


async def test_entries_have_a_path_of_their_own(served: Served) -> None:
    call = msgspec.msgpack.encode(api.AppendCall(Kind.ENTRY, b"wire", [], None))
    assert await served.failure(api.APPEND, call, await served.bearer()) == (400, api.BAD_CALL)


async def test_paths_and_methods_that_are_not_there_are_not_there(served: Served) -> None:
    for path in ("/", "/v1/other", api.READ, "/join/x", "/v1/read/", "/../etc/passwd"):
        async with served.http.get(served.server.url + path) as response:
            assert response.status == 404, path


async def test_requests_that_are_no_http_end_without_a_trace_in_the_logs(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        for raw in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST /v1/read HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
            writer.write(raw)
            writer.write_eof()
            await reader.read()
            writer.close()
    assert logs == []
    assert not [record for record in caplog.records if record.name.startswith(("aiohttp", "peerbot"))]


# --- signing in ---


async def sign_in(served: Served, credential: Credential, challenge: bytes, relay_key: bytes) -> tuple[int, bytes]:
    statement = api.sign_in_statement(relay_key, credential.cid, credential.by, credential.id, challenge)
    signature = credential.key.sign(labels.SIG_RELAY_SIGN_IN, statement)
    call = api.SignInCall(credential.cid, credential.by, credential.id, challenge, signature)
    return await served.post(api.SIGN_IN, msgspec.msgpack.encode(call))


async def challenge_of(served: Served) -> bytes:
    _, raw = await served.post(api.CHALLENGE)
    return msgspec.msgpack.decode(raw, type=api.ChallengeAnswer).challenge


async def test_a_challenge_is_good_once_and_for_a_minute(served: Served) -> None:
    own = served.world.service.key.public
    credential = served.world.circle.credential(served.world.owner)
    challenge = await challenge_of(served)
    assert (await sign_in(served, credential, challenge, own))[0] == 200
    assert (await sign_in(served, credential, challenge, own))[0] == 403
    assert (await sign_in(served, credential, random_bytes(32), own))[0] == 403
    late = await challenge_of(served)
    served.world.clock.move(60)
    assert (await sign_in(served, credential, late, own))[0] == 403


async def test_a_signature_made_for_another_relay_is_no_good_here(served: Served) -> None:
    credential = served.world.circle.credential(served.world.owner)
    other = SigningKey.generate().public
    assert (await sign_in(served, credential, await challenge_of(served), other))[0] == 403


async def test_every_refusal_to_sign_in_looks_the_same(served: Served) -> None:
    own = served.world.service.key.public
    credential = served.world.circle.credential(served.world.owner)
    nobody = replace(credential, id=random_bytes(16))
    nowhere = replace(credential, cid=random_bytes(32))
    forged = replace(credential, key=SigningKey.generate())
    answers = {await sign_in(served, one, await challenge_of(served), own) for one in (nobody, nowhere, forged)}
    assert len(answers) == 1


async def test_sessions_end_after_an_hour_and_the_client_signs_in_again(served: Served) -> None:
    token = await served.token(served.world.circle.credential(served.world.owner))
    relay = served.world.by(served.world.owner)
    await relay.read(0, 1)
    served.world.clock.move(3600)
    assert (await relay.read(0, 1)).head == 2
    assert await served.failure(api.READ, b"", bearing(token)) == (401, api.NO_SESSION)
    served.world.clock.move(3600)
    async with relay.watch():
        pass


async def test_a_device_keeps_its_newest_sessions(served: Served) -> None:
    credential = served.world.circle.credential(served.world.owner)
    tokens = [await served.token(credential) for _ in range(9)]
    call = msgspec.msgpack.encode(api.ReadCall(0, 1))
    answers = [(await served.post(api.READ, call, bearing(token)))[0] for token in tokens]
    assert answers == [401] + [200] * 8


async def test_a_flood_of_sign_ins_pushes_out_the_oldest_challenges_and_sessions(clock: FakeClock) -> None:
    async with a_server(clock, replace(limits(), challenges=3, all_sessions=3, sessions=100)) as served:
        own = served.world.service.key.public
        credential = served.world.circle.credential(served.world.owner)
        challenges = [await challenge_of(served) for _ in range(4)]
        assert [(await sign_in(served, credential, one, own))[0] for one in challenges] == [403, 200, 200, 200]
        first = await served.token(credential)
        for _ in range(3):
            await served.token(credential)
        assert await served.failure(api.READ, b"", bearing(first)) == (401, api.NO_SESSION)


# --- rate caps ---


async def test_a_device_that_asks_too_fast_is_told_how_long_to_wait(clock: FakeClock) -> None:
    async with a_server(clock, replace(limits(), device_burst=11, device_rate=0.5)) as served:
        relay = served.world.by(served.world.owner)
        for _ in range(10):
            await relay.read(0, 1)
        with pytest.raises(RelayError) as caught:
            await relay.read(0, 1)
        assert (caught.value.code, caught.value.facts) == ("relay-busy", {"seconds": 2})
        clock.move(2)
        await relay.read(0, 1)
        with pytest.raises(RelayError, match="relay-busy"):
            await relay.read(0, 1)


async def test_one_address_knocks_only_so_often(clock: FakeClock) -> None:
    async with a_server(clock, replace(limits(), door_burst=12, door_rate=1)) as served:
        codes = [(await served.post(api.CHALLENGE))[0] for _ in range(20)]
        assert codes[-1] == 429
        async with served.http.get(served.server.url + "/join") as response:
            assert response.status == 429
            assert response.headers["Retry-After"] == "1"
        assert (await served.post(api.CHALLENGE, headers={"X-Forwarded-For": "203.0.113.9"}))[0] == 200
        crowd = {"X-Forwarded-For": "198.51.100.1, 2001:db8:1:2::1"}
        for _ in range(12):
            await served.post(api.CHALLENGE, headers=crowd)
        crowd = {"X-Forwarded-For": "198.51.100.1, 2001:db8:1:2:ffff::2"}
        assert (await served.post(api.CHALLENGE, headers=crowd))[0] == 429, "one household has many IPv6 addresses"


async def test_only_a_trusted_proxy_speaks_for_others(clock: FakeClock) -> None:
    listen = Listen(proxies=frozenset())
    async with a_server(clock, replace(limits(), door_burst=12, door_rate=1), listen) as served:
        codes = [
            (await served.post(api.CHALLENGE, headers={"X-Forwarded-For": f"203.0.113.{i}"}))[0] for i in range(20)
        ]
        assert codes[-1] == 429


async def test_one_address_has_a_cap_whatever_its_sessions(clock: FakeClock) -> None:
    async with a_server(clock, replace(limits(), address_burst=10, address_rate=1)) as served:
        codes = [(await served.post(api.READ, b"", bearing("x")))[0] for _ in range(20)]
        assert codes[0] == 401
        assert codes[-1] == 429


# --- watching ---


async def test_a_subscriber_that_reads_nothing_is_dropped_and_costs_the_others_nothing(clock: FakeClock) -> None:
    async with a_server(clock, limits(), Listen(heartbeat=0.2)) as served:
        owner, member = served.world.owner, await served.world.admit()
        token = await served.token(served.world.circle.credential(member))
        deaf = socket.create_connection(("127.0.0.1", served.server.port))
        deaf.sendall(
            f"GET {api.WATCH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode("ascii")
        )
        hub = served.world.service._hub
        await until(lambda: watching(hub) == 1)
        async with served.world.by(owner).watch() as wakes, asyncio.timeout(20):
            for i in range(200):
                await served.world.append(Kind.MESSAGE, b"%d" % i)
                assert await anext(wakes) is Wake.LOG
            await until(lambda: watching(hub) == 1)
        deaf.close()


def watching(hub: Hub) -> int:
    """How many watches there are."""
    return sum(len(watches) for watches in hub._circles.values())


async def until(what: Callable[[], bool]) -> None:
    """Wait for a condition that has no event of its own."""
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


async def test_a_watcher_who_talks_is_shown_out(served: Served) -> None:
    bearer = await served.bearer()
    async with served.http.ws_connect(served.server.url + api.WATCH, headers=bearer) as talker:
        await talker.send_bytes(b"hello?")
        async with asyncio.timeout(10):
            assert (await talker.receive()).type is WSMsgType.CLOSE
    async with served.http.ws_connect(served.server.url + api.WATCH, headers=bearer) as talker:
        await talker.send_bytes(bytes(100_000))
        async with asyncio.timeout(10):
            assert (await talker.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)
    await until(lambda: watching(served.world.service._hub) == 0)


# --- pages ---


async def test_the_join_page_explains_and_runs_nothing(served: Served) -> None:
    async with served.http.get(served.server.url + "/join") as response:
        text = await response.text()
        assert response.status == 200
        assert response.content_type == "text/html"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Server"] == "peerbot"
        assert "Strict-Transport-Security" not in response.headers, "a proxy before a plain server decides that"
    assert "code after the # sign" in text
    assert "<script" not in text
    assert "http" not in text, "it loads and links to nothing"


async def test_health_says_that_it_answers_and_nothing_else(served: Served) -> None:
    async with served.http.get(served.server.url + "/health") as response:
        assert (response.status, await response.text()) == (200, "ok\n")
        assert response.headers["Server"] == "peerbot"


async def test_no_answer_says_what_software_this_is(served: Served) -> None:
    for method, path in (("GET", "/none"), ("POST", api.KEY), ("GET", api.READ), ("GET", "/join")):
        async with served.http.request(method, served.server.url + path) as response:
            assert "aiohttp" not in str(response.headers), path
            assert "Python" not in str(response.headers), path


# --- when the store fails ---


class Failing(MemoryRelayLog):
    """A store that raises what it is told to, with a message that must not be told to anyone."""

    error: Exception | None = None

    async def append_message(self, cid: bytes, record: NewRecord, if_seq: int) -> Placed:
        assert self.error is not None
        raise self.error


async def test_a_failing_store_is_told_in_few_words_and_logged_without_secrets(clock: FakeClock) -> None:
    store = Failing()
    service = RelayService(store, SigningKey.generate(), clock=clock, limits=limits())
    server = await serve(service, Listen())
    relay = HttpRelay(server.url, clock=clock)
    world = await founded(relay, service, store, clock, POLICY)
    secret = "wire-and-token-and-203.0.113.5"
    for error, code in (
        (RelayError("relay-full", reason="SQLITE_FULL"), "relay-full"),
        (RelayError("relay-io", reason="SQLITE_IOERR"), "relay-io"),
        (ValueError(secret), "relay-io"),
    ):
        store.error = error
        with structlog.testing.capture_logs() as logs, pytest.raises(RelayError, match=code):
            await world.by(world.owner).append(Kind.MESSAGE, secret.encode(), if_seq=1)
        [entry] = logs
        assert entry["event"] == "relay.failed"
        assert entry["error"] == type(error).__name__
        assert secret not in str(entry)
    await relay.close()
    await server.stop()


async def append_for_ever(world: World) -> None:
    for number in itertools.count():
        await world.append(Kind.MESSAGE, number.to_bytes(4, "big") * 1250)


async def test_a_full_disk_is_told_and_the_relay_goes_on_reading(clock: FakeClock, tmp_path: Path) -> None:
    store = await on_small_disk(tmp_path / "relay.db", pages=60)
    service = RelayService(store, SigningKey.generate(), clock=clock, limits=limits())
    server = await serve(service, Listen())
    relay = HttpRelay(server.url, clock=clock)
    world = await founded(relay, service, store, clock, POLICY)
    async with world.by(world.owner).watch() as wakes:
        with structlog.testing.capture_logs() as logs, pytest.raises(RelayError) as caught:
            await append_for_ever(world)
        assert (caught.value.code, caught.value.facts) == ("relay-full", {})
        assert [(entry["code"], entry["reason"]) for entry in logs] == [("relay-full", "SQLITE_FULL")]
        page = await world.by(world.owner).read(0, 1000)
        assert page.head == world.circle.p, "what was acknowledged is what is there"
        assert open_receipt(page.receipt, service.key.public, world.circle.cid).head == world.circle.head
        assert await anext(wakes) is Wake.LOG
    await relay.close()
    await server.stop()
    await store.close()


# --- TLS, listening, stopping ---


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


async def test_it_speaks_https_from_certificate_files(clock: FakeClock, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "first")
    store = MemoryRelayLog()
    service = RelayService(store, SigningKey.generate(), clock=clock, limits=limits())
    server = await serve(service, Listen(tls_cert=cert, tls_key=key))
    assert server.url.startswith("https://127.0.0.1:")
    trusting = HttpRelay(server.url, clock=clock, tls=ssl.create_default_context(cafile=str(cert)))
    world = await founded(trusting, service, store, clock, POLICY)
    async with world.by(world.owner).watch() as wakes, asyncio.timeout(10):
        await world.append(Kind.MESSAGE, b"over TLS")
        assert await anext(wakes) is Wake.LOG
    stranger = HttpRelay(server.url, clock=clock)
    with pytest.raises(RelayError, match="relay-unreachable") as caught:
        await stranger.key()
    assert caught.value.facts == {"reason": "tls"}
    context = ssl.create_default_context(cafile=str(cert))
    async with ClientSession() as http, http.get(server.url + "/join", ssl=context) as response:
        assert "max-age" in response.headers["Strict-Transport-Security"]
    for relay in (trusting, stranger):
        await relay.close()
    await server.stop()


async def test_a_renewed_certificate_is_taken_without_a_restart(clock: FakeClock, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "first")
    service = RelayService(MemoryRelayLog(), SigningKey.generate(), clock=clock)
    server = await serve(service, Listen(tls_cert=cert, tls_key=key))
    certificate(tmp_path, "second")
    assert server._tls is not None
    (tmp_path / "key.pem").rename(tmp_path / "away")
    with pytest.raises(UserError, match="relay-tls"):
        server._tls.renew()
    (tmp_path / "away").rename(tmp_path / "key.pem")
    server._tls.renew()
    relay = HttpRelay(server.url, clock=clock, tls=ssl.create_default_context(cafile=str(cert)))
    assert await relay.key() == service.key.public
    await relay.close()
    await server.stop()


async def test_certificate_files_that_do_not_work_are_told(clock: FakeClock, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "name")
    service = RelayService(MemoryRelayLog(), SigningKey.generate(), clock=clock)
    for listen in (
        Listen(tls_cert=tmp_path / "missing.pem", tls_key=key),
        Listen(tls_cert=cert, tls_key=tmp_path / "missing.pem"),
        Listen(tls_cert=key, tls_key=key),
    ):
        with pytest.raises(UserError, match="relay-tls"):
            await serve(service, listen)


async def test_a_port_that_is_taken_is_told(served: Served) -> None:
    service = RelayService(MemoryRelayLog(), SigningKey.generate())
    with pytest.raises(UserError, match="relay-listen") as caught:
        await serve(service, Listen(port=served.server.port))
    assert caught.value.facts["port"] == served.server.port


class Slow(MemoryRelayLog):
    """A store whose appends wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.leave = asyncio.Event()

    async def append_message(self, cid: bytes, record: NewRecord, if_seq: int) -> Placed:
        self.entered.set()
        await self.leave.wait()
        placed = await super().append_message(cid, record, if_seq)
        assert isinstance(placed, Placed)
        return placed


async def test_a_client_that_hangs_up_has_appended_all_the_same(clock: FakeClock) -> None:
    store = Slow()
    service = RelayService(store, SigningKey.generate(), clock=clock, limits=limits())
    server = await serve(service, Listen())
    relay = HttpRelay(server.url, clock=clock)
    world = await founded(relay, service, store, clock, POLICY)
    bystander = LocalRelay(service, server.url).circle(world.circle.credential(world.owner))
    async with bystander.watch() as wakes:
        append = asyncio.create_task(world.by(world.owner).append(Kind.MESSAGE, b"m"))
        await store.entered.wait()
        append.cancel()
        with pytest.raises(asyncio.CancelledError):
            await append
        await relay.close()
        store.leave.set()
        async with asyncio.timeout(10):
            assert await anext(wakes) is Wake.LOG
    page = await bystander.read(world.circle.p, 9)
    assert [r.wire for r in page.records] == [b"m"]
    assert await world.by(world.owner).append(Kind.MESSAGE, b"m") == page.receipt
    await relay.close()
    await server.stop()


async def test_stopping_ends_watches_and_finishes_what_runs(clock: FakeClock) -> None:
    store = Slow()
    service = RelayService(store, SigningKey.generate(), clock=clock, limits=limits())
    server = await serve(service, Listen())
    relay = HttpRelay(server.url, clock=clock)
    world = await founded(relay, service, store, clock, POLICY)
    async with world.by(world.owner).watch() as wakes:
        append = asyncio.create_task(world.by(world.owner).append(Kind.MESSAGE, b"m", if_seq=1))
        await store.entered.wait()
        stop = asyncio.create_task(server.stop())
        with pytest.raises(RelayError, match="relay-unreachable"):
            async with asyncio.timeout(10):
                await anext(wakes)
        store.leave.set()
        assert await append
        await stop
    await server.stop()
    with pytest.raises(RelayError, match="relay-unreachable"):
        await relay.note(bytes(32))
    await relay.close()


async def test_a_stranger_who_sends_nothing_does_not_hold_up_the_end(clock: FakeClock) -> None:
    service = RelayService(MemoryRelayLog(), SigningKey.generate(), clock=clock)
    server = await serve(service, Listen())
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(5):
        await server.stop()
    writer.close()

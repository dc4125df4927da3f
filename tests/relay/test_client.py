"""The client against relays that lie, drivel, dawdle or send it elsewhere."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerbot.core.ports import CircleRelay, Credential, Wake
from peerbot.errors import Conflict, RelayError
from peerbot.protocol.log import Kind
from peerbot.protocol.primitives import SigningKey, sha256
from peerbot.protocol.roster.entry import By
from peerbot.relay import api
from peerbot.relay.client import HttpRelay
from peerbot.relay.server.server import RelayServer
from peerbot.relay.service import RelayService
from peerbot.relay.transport import Timeouts
from tests.support.circle_builder import START
from tests.support.fake_clock import FakeClock

Script = Callable[[bytes, bytes, asyncio.StreamWriter], Awaitable[None]]
KEY = SigningKey.generate()
CREDENTIAL = Credential(b"c" * 32, By.DEVICE, b"d" * 16, SigningKey.generate())


def answer(body: bytes, status: str = "200 OK", *more: str, kind: str = api.MEDIA_TYPE) -> bytes:
    """An HTTP answer as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode("ascii") + body


def said(data: api.Data) -> bytes:
    return answer(msgspec.msgpack.encode(data))


def failing(code: str, status: str = "422 No", **facts: str | int) -> bytes:
    return answer(msgspec.msgpack.encode(api.Failure(code, facts)), status)


class Actor:
    """A relay that signs everybody in and otherwise says what it is told to, by path."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.says = {
            api.KEY: said(api.KeyAnswer(KEY.public)),
            api.CHALLENGE: said(api.ChallengeAnswer(bytes(32))),
            api.SIGN_IN: said(api.SignInAnswer("t" * 40, 3600, START)),
        }

    async def __call__(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        path = head.split(b" ")[1].decode("ascii")
        self.asked.append(path)
        writer.write(self.says.get(path, answer(b"", "404 None")))
        await writer.drain()


@asynccontextmanager
async def acting(script: Script) -> AsyncIterator[str]:
    """A server on loopback that answers each request by `script(head, body, writer)`."""
    going: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        going.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = head.lower().split(b"content-length: ")
                size = int(fields[1].split(b"\r\n")[0]) if len(fields) > 1 else 0
                await script(head, await reader.readexactly(size), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            going.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.close()
    for task in going:
        task.cancel()
    await asyncio.gather(*going, return_exceptions=True)
    await server.wait_closed()


@dataclass
class Ours:
    """A client of an acting relay."""

    relay: HttpRelay
    circle: CircleRelay


@asynccontextmanager
async def client(
    script: Script, timeouts: Timeouts | None = None, expected: bytes | None = None
) -> AsyncIterator[Ours]:
    async with acting(script) as url:
        relay = HttpRelay(url, expected_key=expected, clock=FakeClock(START), timeouts=timeouts)
        yield Ours(relay, relay.circle(CREDENTIAL))
        await relay.close()


async def fails(work: Awaitable[object], code: str, **facts: str | int) -> None:
    with pytest.raises(RelayError) as caught:
        async with asyncio.timeout(20):
            await work
    assert (caught.value.code, caught.value.facts) == (code, facts)
    assert caught.value.__cause__ is None


# --- where it goes at all ---


@pytest.mark.parametrize(
    "url",
    [
        "http://relay.example",
        "http://192.0.2.1:80",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://[::2]",
    ],
)
def test_plain_http_goes_to_this_machine_only(url: str) -> None:
    with pytest.raises(RelayError, match="relay-plain-http"):
        HttpRelay(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost", "http://[::1]:80", "https://relay.example"])
def test_loopback_and_https_are_fine(url: str) -> None:
    assert HttpRelay(url).url == url


@pytest.mark.parametrize("url", ["", "relay.example", "ftp://127.0.0.1", "http://", "http://[", "file:///etc/passwd"])
def test_what_is_no_address_leads_nowhere(url: str) -> None:
    with pytest.raises(RelayError, match="relay-unreachable"):
        HttpRelay(url)


async def test_a_relay_that_is_not_there_is_unreachable() -> None:
    async with acting(Actor()) as url:
        pass
    relay = HttpRelay(url)
    await fails(relay.key(), "relay-unreachable")
    await fails(relay.circle(CREDENTIAL).read(0, 1), "relay-unreachable")
    await relay.close()


async def test_a_relay_below_a_path_is_found_there() -> None:
    actor = Actor()
    actor.says["/below" + api.KEY] = actor.says[api.KEY]
    async with acting(actor) as url:
        relay = HttpRelay(url + "/below/")
        assert await relay.key() == KEY.public
        await relay.close()


# --- nonsense ---

NONSENSE = {
    "not http": b"\x00\x01\x02 hello\r\n\r\n",
    "html": answer(b"<html>Welcome to the hotel</html>", kind="text/html"),
    "html with our type": answer(b"<html>"),
    "nothing": answer(b""),
    "another structure": answer(b"\x93\x01\x02\x03"),
    "one field more": answer(msgspec.msgpack.encode([bytes(32), 1])),
    "bytes after the end": answer(msgspec.msgpack.encode(api.KeyAnswer(KEY.public)) + b"\x00"),
    "a short key": answer(msgspec.msgpack.encode([bytes(31)])),
    "text for bytes": answer(msgspec.msgpack.encode(["k" * 32])),
    "deep nesting": answer(b"\x91" * 5000),
    "a status of its own": answer(b"", "299 Odd"),
    "not found": answer(b"nothing here", "404 None", kind="text/plain"),
    "a failure of another kind": failing("vault-corrupt"),
    "a failure without its facts": failing("relay-refused"),
    "facts that are a sentence": failing("relay-refused", check="call +47 815 493 00 and say your password"),
    "facts of a wrong type": answer(msgspec.msgpack.encode(["relay-refused", {"check": [1]}]), "422 No"),
    "a session it never had": failing(api.NO_SESSION, "401 No"),
    "compressed": answer(b"\x1f\x8b\x08\x00", "200 OK", "Content-Encoding: gzip"),
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\nabc",
    "a length in words": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc",
    "an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "far too long": b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nContent-Length: 99999999999\r\n\r\n",
}


@pytest.mark.parametrize("what", NONSENSE)
async def test_nonsense_is_garbage(what: str) -> None:
    actor = Actor()
    actor.says[api.KEY] = NONSENSE[what]
    async with client(actor) as ours:
        await fails(ours.relay.key(), "relay-garbage")


@given(st.binary(max_size=300))
def test_no_answer_does_more_than_fail(body: bytes) -> None:
    async def run() -> None:
        actor = Actor()
        actor.says[api.READ] = answer(body)
        async with client(actor) as ours:
            await fails(ours.circle.read(0, 10), "relay-garbage")

    asyncio.run(run())


async def test_redirects_are_not_followed() -> None:
    actor = Actor()
    async with acting(Actor()) as elsewhere:
        for status in ("301 Moved", "302 Found", "303 Other", "307 There", "308 There"):
            actor.says[api.KEY] = answer(b"", status, f"Location: {elsewhere}{api.KEY}")
            actor.says[api.WATCH] = answer(b"", status, f"Location: {elsewhere}{api.WATCH}")
            async with client(actor) as ours:
                await fails(ours.relay.key(), "relay-garbage")
            async with client(actor, expected=KEY.public) as ours:
                with pytest.raises(RelayError, match="relay-garbage"):
                    async with ours.circle.watch():
                        pass


async def test_proxies_in_trouble_make_the_relay_unreachable_or_busy() -> None:
    actor = Actor()
    async with client(actor) as ours:
        for status in ("502 Bad Gateway", "503 Unavailable", "504 Timeout"):
            actor.says[api.KEY] = answer(b"<html>", status, kind="text/html")
            await fails(ours.relay.key(), "relay-unreachable")
        actor.says[api.KEY] = answer(b"<html>", "429 Slow Down", "Retry-After: 7", kind="text/html")
        await fails(ours.relay.key(), "relay-busy", seconds=7)
        actor.says[api.KEY] = answer(b"<html>", "429 Slow Down", "Retry-After: Thursday", kind="text/html")
        await fails(ours.relay.key(), "relay-busy", seconds=1)


@pytest.mark.parametrize("code", ["relay-denied", "relay-full", "relay-io"])
async def test_what_a_relay_says_is_passed_on(code: str) -> None:
    actor = Actor()
    actor.says[api.READ] = failing(code, secret="leftover")
    async with client(actor) as ours:
        await fails(ours.circle.read(0, 1), code)


async def test_conflicts_carry_where_the_circle_stands() -> None:
    actor = Actor()
    actor.says[api.APPEND] = failing("relay-conflict", "409 Conflict", seq=3, p=17)
    async with client(actor) as ours:
        with pytest.raises(Conflict) as caught:
            await ours.circle.append(Kind.MESSAGE, b"m", if_seq=1)
        assert caught.value.facts == {"seq": 3, "p": 17}


# --- pages ---


def page(*rows: api.Row, head: int = 9) -> bytes:
    return said(api.PageAnswer(list(rows), b"receipt", head))


async def test_a_page_with_a_gap_or_out_of_order_is_garbage() -> None:
    actor = Actor()
    rows = [api.Row(p, Kind.MESSAGE, 1, None, b"%d" % p) for p in range(1, 5)]
    async with client(actor) as ours:
        actor.says[api.READ] = page(*rows)
        read = await ours.circle.read(0, 10)
        assert [(r.p, r.digest) for r in read.records] == [(p, sha256(b"%d" % p)) for p in range(1, 5)]
        for wrong in (rows[1:], [rows[0], rows[2]], rows[::-1], [rows[0], rows[0]]):
            actor.says[api.READ] = page(*wrong)
            await fails(ours.circle.read(0, 10), "relay-garbage")


async def test_a_record_has_its_wire_or_at_least_its_digest() -> None:
    actor = Actor()
    async with client(actor) as ours:
        actor.says[api.READ] = page(api.Row(1, Kind.MESSAGE, 1, bytes(32), None))
        assert (await ours.circle.read(0, 10)).records[0].wire is None
        actor.says[api.READ] = page(api.Row(1, Kind.MESSAGE, 1, None, None))
        await fails(ours.circle.read(0, 10), "relay-garbage")
        actor.says[api.READ] = page(api.Row(1, Kind.MESSAGE, 1, bytes(32), b"another wire than its digest"))
        assert (await ours.circle.read(0, 10)).records[0].digest == sha256(b"another wire than its digest")


# --- endless and slow ---


async def test_an_endless_answer_is_garbage_before_it_fills_the_memory() -> None:
    sent = 0

    async def drivel(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in count():
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()
            sent += 0x10000

    async with client(drivel) as ours:
        await fails(ours.relay.key(), "relay-garbage")
    assert sent < 20 * 1024 * 1024


@pytest.mark.parametrize("piece", [b"X-Again: and again\r\n", b"x"], ids=["lines", "one line"])
async def test_endless_headers_are_garbage_before_they_fill_the_memory(piece: bytes) -> None:
    sent = 0

    async def drivel(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in count():
            writer.write(piece * 1000)
            await writer.drain()
            sent += len(piece) * 1000

    async with client(drivel) as ours:
        await fails(ours.relay.key(), "relay-garbage")
    assert sent < 20 * 1024 * 1024


async def test_an_answer_that_never_comes_is_slow() -> None:
    async def think(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with client(think, Timeouts(read=0.2)) as ours:
        await fails(ours.relay.key(), "relay-slow")
        await fails(ours.circle.read(0, 1), "relay-slow")


async def test_an_answer_that_drips_is_slow_in_the_end() -> None:
    async def drip(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nContent-Length: 999\r\n\r\n")
        for _ in count():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with client(drip, Timeouts(read=5, total=0.5)) as ours:
        await fails(ours.relay.key(), "relay-slow")


async def test_an_answer_cut_short_is_a_lost_connection() -> None:
    async def cut(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nContent-Length: 99\r\n\r\nhalf")
        await writer.drain()
        writer.close()

    async with client(cut) as ours:
        await fails(ours.relay.key(), "relay-unreachable")


async def test_a_watch_that_talks_nonsense_ends() -> None:
    actor = Actor()
    async with client(actor) as ours:
        for status, code in (
            ("200 OK", "relay-garbage"),
            ("403 No", "relay-denied"),
            ("429 Slow Down", "relay-busy"),
            ("503 Unavailable", "relay-unreachable"),
            ("401 No", "relay-denied"),
        ):
            actor.says[api.WATCH] = answer(b"", status)
            with pytest.raises(RelayError, match=code):
                async with ours.circle.watch():
                    pass


def upgraded(head: bytes) -> bytes:
    """The answer that turns a request into a WebSocket (RFC 6455, section 4.2.2)."""
    key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
    return b"HTTP/1.1 101 Up\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", "relay-unreachable"),
        (b"\x82\x01\x09", "relay-garbage"),
        (b"\x82\x02\x01\x01", "relay-garbage"),
        (b"\x81\x01\x01", "relay-garbage"),
        (b"\x82\x7f\x00\x00\x00\xff\xff\xff\xff\xff", "relay-garbage"),
        (b"\xff\xff", "relay-garbage"),
        (b"\x88\x02\x11\x33", "relay-denied"),
        (b"\x88\x02\x03\xe9", "relay-unreachable"),
    ],
    ids=["silence", "unknown wake", "two wakes in one", "text", "a huge frame", "no frame", "removed", "going away"],
)
async def test_a_watch_ends_when_the_relay_falls_silent_or_talks_nonsense(frame: bytes, code: str) -> None:
    actor = Actor()

    async def watched(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        if api.WATCH.encode() not in head:
            await actor(head, body, writer)
        else:
            writer.write(upgraded(head) + b"\x82\x01\x01" + frame)
            await asyncio.Event().wait()

    async with client(watched, Timeouts(heartbeat=0.2, goodbye=0.1)) as ours, ours.circle.watch() as wakes:
        async with asyncio.timeout(20):
            assert await anext(wakes) is Wake.LOG
        await fails(anext(wakes), code)


# --- sessions, keys, clocks ---


async def test_a_lost_session_is_renewed_once_and_the_call_repeated() -> None:
    actor = Actor()
    async with client(actor) as ours:
        actor.says[api.READ] = page()
        await ours.circle.read(0, 1)
        await ours.circle.read(0, 1)
        assert actor.asked.count(api.SIGN_IN) == 1, "one session for many calls"
        actor.says[api.READ] = failing(api.NO_SESSION, "401 No")
        await fails(ours.circle.read(0, 1), "relay-denied")
        assert actor.asked.count(api.SIGN_IN) == 2
        assert actor.asked.count(api.READ) == 4


async def test_calls_side_by_side_sign_in_once() -> None:
    actor = Actor()
    actor.says[api.READ] = page()
    async with client(actor) as ours:
        await asyncio.gather(*(ours.circle.read(0, 1) for _ in range(10)))
        assert actor.asked.count(api.SIGN_IN) == 1


async def test_nothing_else_is_tried_again() -> None:
    actor = Actor()
    async with client(actor) as ours:
        for says in (answer(b"", "503 Unavailable"), failing("relay-busy", "429 Slow", seconds=1), b"\x00\r\n\r\n"):
            actor.says[api.APPEND] = says
            actor.asked.clear()
            with pytest.raises(RelayError):
                await ours.circle.append(Kind.MESSAGE, b"m", if_seq=1)
            assert actor.asked.count(api.APPEND) == 1


async def test_another_relay_behind_the_same_address_is_noticed(server: RelayServer, service: RelayService) -> None:
    right, wrong = service.key.public, SigningKey.generate().public
    for expected, code in ((right, None), (wrong, "relay-garbage")):
        relay = HttpRelay(server.url, expected_key=expected)
        if code is None:
            assert await relay.key() == right
        else:
            await fails(relay.key(), code)
        await relay.close()


@pytest.mark.parametrize("apart", [3601, -3601, 10**9])
async def test_clocks_too_far_apart_are_told_at_sign_in(apart: int) -> None:
    actor = Actor()
    actor.says[api.SIGN_IN] = said(api.SignInAnswer("t" * 40, 3600, START + apart))
    async with client(actor) as ours:
        await fails(ours.circle.read(0, 1), "relay-clock", seconds=apart)


@pytest.mark.parametrize("apart", [3600, -3600])
async def test_an_hour_apart_is_let_pass(apart: int) -> None:
    actor = Actor()
    actor.says[api.SIGN_IN] = said(api.SignInAnswer("t" * 40, 3600, START + apart))
    actor.says[api.READ] = page()
    async with client(actor) as ours:
        await ours.circle.read(0, 1)


async def test_a_closed_client_can_be_used_again() -> None:
    actor = Actor()
    async with client(actor) as ours:
        await ours.relay.key()
        await ours.relay.close()
        actor.says[api.NOTE] = said(api.NoteAnswer(None))
        assert await ours.relay.note(bytes(32)) is None


async def test_headers_say_little() -> None:
    heads: list[bytes] = []

    async def listen(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(said(api.KeyAnswer(KEY.public)))

    async with client(listen) as ours:
        await ours.relay.key()
    [head] = heads
    assert b"User-Agent: peerbot\r\n" in head
    assert b"Python" not in head
    assert b"aiohttp" not in head

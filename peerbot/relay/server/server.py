"""RelayServer: a service's front on one address, from start to graceful stop."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from peerbot.errors import UserError
from peerbot.relay import api
from peerbot.relay.server.calls import Calls
from peerbot.relay.server.http import Front, described
from peerbot.relay.server.pages import health, join_handler, nothing_here
from peerbot.relay.server.sessions import Challenges, Sessions
from peerbot.relay.server.watching import watch_handler
from peerbot.relay.service import RelayService

SWEEP_SECONDS: Final = 3600.0
STOP_SECONDS: Final = 10.0
"""How long calls that run may take to end when the server stops."""
IDLE_SECONDS: Final = 75.0

log = structlog.get_logger("peerbot.relay")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where and how to listen. Port 0 takes any free one.

    With `tls_cert` and `tls_key` (PEM files) it speaks HTTPS; without, a proxy in front does, and must be in `proxies`
    to be believed about whom it speaks for. `heartbeat` seconds lie between two pings of a watcher.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    proxies: frozenset[str] = frozenset({"127.0.0.1", "::1"})
    heartbeat: float = 30.0


async def serve(service: RelayService, listen: Listen) -> RelayServer:
    """Start a server. Raises UserError("relay-listen") for an address that can't be had, UserError("relay-tls") for
    certificate files that don't work.
    """
    server = RelayServer(service, listen)
    await server.start()
    return server


class RelayServer:
    """Serves a relay over HTTP and WebSocket. `now` is a steady clock in seconds, for caps and sessions."""

    def __init__(self, service: RelayService, listen: Listen, now: Callable[[], float] = time.monotonic) -> None:
        self.port = listen.port
        self._service = service
        self._listen = listen
        self._tls = Tls(listen.tls_cert, listen.tls_key) if listen.tls_cert is not None else None
        sessions = Sessions(service.limits, now)
        self._front = Front(service.limits, sessions, listen.proxies, now)
        calls = Calls(service, Challenges(service.limits, now), sessions)
        self._runner = web.AppRunner(
            _application(self._front, calls, service, listen),
            access_log=None,
            # aiohttp's own words would name addresses and paths.
            logger=_silent(),
            keepalive_timeout=IDLE_SECONDS,
            shutdown_timeout=STOP_SECONDS,
            auto_decompress=False,
        )
        self._upkeep: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens, as far as this machine can tell."""
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        return f"{'https' if self._tls is not None else 'http'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises UserError("relay-listen"), UserError("relay-tls")."""
        context = self._tls.load() if self._tls is not None else None
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._listen.host, self._listen.port, ssl_context=context)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            reason = type(error).__name__ if error.strerror is None else error.strerror
            raise UserError("relay-listen", host=self._listen.host, port=self._listen.port, reason=reason) from None
        self.port = self._runner.addresses[0][1]
        self._upkeep = asyncio.create_task(self._keep_up())

    async def stop(self) -> None:
        """End all watches, let running calls finish, close. Stopping twice is harmless."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            with suppress(asyncio.CancelledError):
                await self._upkeep
        await self._runner.cleanup()

    async def _keep_up(self) -> None:
        """Now and then: throw away what has expired, and take renewed certificates."""
        while True:
            try:
                await self._service.sweep()
                if self._tls is not None:
                    self._tls.renew()
            except Exception as error:
                log.error("relay.upkeep", **described(error))
            await asyncio.sleep(SWEEP_SECONDS)


class Tls:
    """A certificate and its key, from files that are read again when they change."""

    def __init__(self, cert: Path, key: Path | None) -> None:
        self._cert = cert
        self._key = key
        self._loaded = 0.0
        self._context = _tls_context()

    def load(self) -> ssl.SSLContext:
        """Raises UserError("relay-tls"), and leaves the context as it was."""
        try:
            changed = self._cert.stat().st_mtime
            # In the middle of a renewal the two files may not fit; a context that has tried them is spoilt.
            self._read_into(_tls_context())
            self._read_into(self._context)
        except (OSError, ValueError) as error:
            raise UserError("relay-tls", path=str(self._cert), reason=type(error).__name__) from None
        self._loaded = changed
        return self._context

    def renew(self) -> None:
        """Take a newer certificate for connections from now on. Raises UserError("relay-tls")."""
        with suppress(OSError):
            if self._cert.stat().st_mtime == self._loaded:
                return
        self.load()

    def _read_into(self, context: ssl.SSLContext) -> None:
        # Without an answer ready, OpenSSL would ask for an encrypted key's passphrase at the terminal.
        context.load_cert_chain(self._cert, self._key, password=lambda: b"")


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _application(front: Front, calls: Calls, service: RelayService, listen: Listen) -> web.Application:
    table = calls.all()
    # Every call checks its own size first; this is only the outer bound.
    app = web.Application(client_max_size=max(call.most for call in table) + 1)
    for call in table:
        app.router.add_post(call.path, front.handler(call))
    app.router.add_get(api.WATCH, watch_handler(front, service, listen.heartbeat))
    app.router.add_get("/join", join_handler(front, secure=listen.tls_cert is not None))
    app.router.add_get("/health", health)
    app.router.add_route("*", "/{path:.*}", nothing_here)

    async def end_watches(_: web.Application) -> None:
        await service.close()

    app.on_shutdown.append(end_watches)
    return app


def _silent() -> logging.Logger:
    logger = logging.getLogger("peerbot.relay.aiohttp")
    logger.disabled = True
    return logger

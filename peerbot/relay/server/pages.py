"""What a person or a monitor may open: /join and /health."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from peerbot.relay.server.http import Front, Handler

_SECURITY: Final = {
    "Server": "peerbot",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}

JOIN: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>An invitation</title></head>
<body>
<h1>An invitation</h1>
<p>Somebody gave you a link to this page. It is a personal invitation to a group that writes with peerbot, and it is
meant for you only: please don't pass it on.</p>
<p>The secret part of the link is the code after the # sign. Your browser keeps that part to itself. This page, and the
computer it comes from, have not seen it, and can't let you in with it.</p>
<h2>How to use it</h2>
<ol>
<li>If you have peerbot on your computer, copy the whole link and run:
<pre>peerbot join "the link"</pre></li>
<li>If that tells you nothing, ask the person who invited you.</li>
</ol>
<p>This is not an emergency service, and nobody reads what you do on this page.</p>
<section lang="nb">
<h1>En invitasjon</h1>
<p>Noen har gitt deg en lenke til denne siden. Den er en personlig invitasjon til en gruppe som skriver sammen med
peerbot, og er bare for deg: ikke gi den videre.</p>
<p>Den hemmelige delen av lenken er koden etter tegnet #. Nettleseren din beholder den for seg selv. Denne siden, og
maskinen den kommer fra, har ikke sett den og kan ikke slippe deg inn med den.</p>
<h2>Slik bruker du den</h2>
<ol>
<li>Hvis du har peerbot på maskinen din, kopierer du hele lenken og kjører:
<pre>peerbot join "lenken"</pre></li>
<li>Hvis det ikke sier deg noe, spør den som inviterte deg.</li>
</ol>
<p>Dette er ikke en nødtjeneste, og ingen leser det du gjør på denne siden.</p>
</section>
</body>
</html>
"""


def join_handler(front: Front, secure: bool) -> Handler:
    """Says what an invite link is for. With `secure`, browsers are told to come back by HTTPS only."""
    headers = _SECURITY | {"Cache-Control": "public, max-age=3600"}
    if secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            front.at_the_door(request)
        except Exception as error:
            return front.failure(error)
        return web.Response(text=JOIN, content_type="text/html", charset="utf-8", headers=headers)

    return handle


async def nothing_here(_: web.Request) -> web.StreamResponse:
    """Every other path, and every other method."""
    return web.Response(status=404, text="nothing here\n", headers=_SECURITY | {"Cache-Control": "no-store"})


async def health(_: web.Request) -> web.StreamResponse:
    """That the process answers; nothing about what it holds."""
    return web.Response(text="ok\n", headers=_SECURITY | {"Cache-Control": "no-store"})

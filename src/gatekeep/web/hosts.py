"""Who may address our HTTP doors: Host and Origin allow-lists against DNS rebinding, safe headers.

A middleware and nothing else; what is served lives in `health`, `api` and `pages`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_SAFE_HEADERS: Final = (
    ("Server", "gatekeep"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_UNLESS_SAID: Final = (
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
)


def problem(status: int, what: str, *, why: str = "", advice: str = "") -> web.Response:
    """An error as every door of ours says it: what happened, why, and the thing to do."""
    return web.json_response({"error": {"what": what, "why": why, "try": advice}}, status=status)


def name_of(authority: str) -> str:
    """The name in `name`, `name:port` or `[v6]:port`, lower case, without a trailing dot."""
    try:
        name = urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""
    return name.rstrip(".").lower()


def _name_of_page(origin: str) -> str:
    try:
        return name_of(urlsplit(origin).netloc)
    except ValueError:
        return ""


def guard_hosts(
    names: Iterable[str] = LOOPBACK_NAMES, *, origins: Iterable[str] = ()
) -> Middleware:
    """Refuse requests addressed to a name that is not ours, or sent by a foreign page.

    `names` are compared with Host (ports do not matter); a page may come from one of them or from
    exactly one of `origins`, such as `https://gw.example`.

    A page on `evil.example` that re-points its own name at 127.0.0.1 still sends its own name in
    Host and Origin, and that is what is compared.
    """
    allowed = frozenset(name.rstrip(".").lower() for name in names)
    pages = frozenset(origin.rstrip("/").lower() for origin in origins)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if name_of(request.headers.get("Host", "")) not in allowed:
            return problem(
                421,
                "this name is not served here",
                why="the Host header names nothing on the allow-list",
                advice="use localhost, or add the name to the settings",
            )
        for origin in request.headers.getall("Origin", []):
            if origin.lower() not in pages and _name_of_page(origin) not in allowed:
                return problem(403, "requests from other pages are refused", why="foreign Origin")
        return await handler(request)

    return guard


async def add_safe_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler for `on_response_prepare`: cautious headers on every answer.

    A page that needs more than nothing says its own policy; those of the second table stay then.
    """
    for name, value in _SAFE_HEADERS:
        response.headers[name] = value
    for name, value in _UNLESS_SAID:
        response.headers.setdefault(name, value)

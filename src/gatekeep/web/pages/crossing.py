"""Whether a request comes from one of our own pages, and where it may be sent on to.

Knows cookies, tokens, origins and paths; who is signed in is `browsers`' affair.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

from aiohttp import web

_SAFE: Final = re.compile(
    r"/(?:[A-Za-z0-9][A-Za-z0-9/_.~-]{0,200}(?:\?[A-Za-z0-9=&,_%.~-]{0,200})?)?"
)
_NEVER: Final = re.compile(r"/sign-(?:in|out)\b")
_ID: Final = re.compile(r"[0-9a-f]{64}")

START: Final = "/"


def cookie_name(base_url: str) -> str:
    """The cookie's name: under TLS one that no other host or path can set."""
    return "__Host-gatekeep" if base_url.startswith("https:") else "gatekeep"


def cookie_of(request: web.Request, base_url: str) -> str:
    """The id that the cookie brings; empty for none, and for one that we never made."""
    brought = request.cookies.get(cookie_name(base_url), "")
    return brought if _ID.fullmatch(brought) else ""


def set_cookie(response: web.StreamResponse, base_url: str, browser_id: str) -> None:
    """Give the browser an id: for us alone, never for scripts, gone with the browser."""
    response.set_cookie(
        cookie_name(base_url),
        browser_id,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=base_url.startswith("https:"),
    )


def forget_cookie(response: web.StreamResponse, base_url: str) -> None:
    """Take it back."""
    response.del_cookie(
        cookie_name(base_url),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=base_url.startswith("https:"),
    )


def token_for(key: bytes, browser_id: str) -> str:
    """The token in each form that this browser is shown."""
    return hmac.digest(key, b"form\0" + browser_id.encode(), "sha256").hex()


def is_token(key: bytes, browser_id: str, given: str) -> bool:
    """Whether a form brings it back."""
    if not browser_id or not given.isascii():
        return False
    return hmac.compare_digest(token_for(key, browser_id), given)


def is_from_ourselves(request: web.Request, base_url: str) -> bool:
    """Whether a browser says that this was sent by a page of exactly our origin.

    Names alone are not enough: another program's page on another port of this machine has ours.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site not in {None, "same-origin"}:
        return False
    origins = request.headers.getall("Origin", [])
    if not origins:
        return site == "same-origin"
    own = own_origin(request, base_url)
    return all(origin.lower() == own for origin in origins)


def own_origin(request: web.Request, base_url: str) -> str:
    """Our origin, as a browser that reached us under this Host writes it."""
    authority = request.headers.get("Host", "").lower()
    if base_url and base_url.partition("://")[2] == authority:
        return base_url
    return f"http://{authority}"


def is_led_from_elsewhere(request: web.Request) -> bool:
    """Whether a link on somebody else's page leads here: then our cookie stays at home."""
    return request.headers.get("Sec-Fetch-Site") == "cross-site"


def safe_next(wanted: str) -> str:
    """A path of ours to go on to; the start for whatever could lead anywhere else."""
    if not _SAFE.fullmatch(wanted) or _NEVER.match(wanted) or "//" in wanted or "/." in wanted:
        return START
    return wanted

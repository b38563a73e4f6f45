"""Signing in and out. How somebody is proven lives in `proving`, sign-ins in `browsers`."""

from __future__ import annotations

import orjson
from aiohttp import web

from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.messages import web as words
from gatekeep.web.pages.crossing import forget_cookie, safe_next
from gatekeep.web.pages.proving import Proof, signed_in
from gatekeep.web.pages.visits import Visit

_MAX_PATH = 512


async def show_sign_in(visit: Visit) -> web.StreamResponse:
    """The form; for who is signed in, on to where he wanted to go."""
    onward = safe_next(visit.request.query.get("next", ""))
    if visit.browser is not None:
        return visit.onward(onward)
    return _form(visit, onward)


async def sign_in(visit: Visit) -> web.StreamResponse:
    """Take name, password and code; a new id for the browser, its event durable before."""
    onward = safe_next(visit.given("next", _MAX_PATH))
    proven = await signed_in(visit)
    if not isinstance(proven, Principal):
        busy = proven is Proof.BUSY
        alert = words.SIGN_IN_BUSY if busy else words.SIGN_IN_REFUSED
        return _form(visit, onward, alert, 503 if busy else 403)
    facts = {
        "code": visit.needs.sign_in.proofs.needs_code(proven.name),
        "method": "password",
        "person": proven.person,
        "principal": proven.name,
        "source": visit.source,
        "via": "web",
    }
    await visit.needs.record(
        EventKind.AUTH_SUCCEEDED, orjson.dumps(facts, option=orjson.OPT_SORT_KEYS), b""
    )
    if visit.browser is not None:
        visit.browsers.end(visit.browser_id)
    visit.browser_id = visit.browsers.begin(proven)
    visit.is_new = True
    return visit.onward(onward)


async def show_sign_out(visit: Visit) -> web.StreamResponse:
    """The button; looking at it changes nothing."""
    return visit.page("sign_out", title=words.SIGN_OUT)


async def sign_out(visit: Visit) -> web.StreamResponse:
    """End this sign-in."""
    visit.browsers.end(visit.browser_id)
    response = visit.onward("/sign-in")
    forget_cookie(response, visit.needs.base_url)
    return response


def _form(visit: Visit, onward: str, alert: str = "", status: int = 200) -> web.Response:
    return visit.page(
        "sign_in",
        status=status,
        title=words.SIGN_IN,
        onward=onward,
        alert=alert,
        name=visit.given("name", 63),
    )

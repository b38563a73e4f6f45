"""The JSON API: one small handler an address. Who calls and what may go wrong is in `server`.

Every call is judged by policy. Whoever reads what others did leaves an `audit.read` event that is
durable before a byte of it is given.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from aiohttp import web

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Target
from gatekeep.errors import ClientFault
from gatekeep.gate.ports import SearchQuery, StoredEvent
from gatekeep.web.access import (
    AUDIT_READ,
    NEEDS,
    POLICY_APPLY,
    PRINCIPAL,
    PRINCIPAL_READ,
    TARGET_READ,
    TOKEN_MAKE,
    TOKEN_READ,
    TOKEN_REVOKE,
    VERBS,
    demand,
    permitted,
    record,
)
from gatekeep.web.asking import answer, body, number
from gatekeep.web.hosts import problem
from gatekeep.web.policies import add_policy_routes, wish_of
from gatekeep.web.recordings import add_recording_routes
from gatekeep.web.sessions import add_session_routes
from gatekeep.web.shapes import (
    event_shape,
    found_shape,
    principal_shape,
    target_shape,
    token_shape,
)
from gatekeep.web.tailing import TAILS

API_VERSION: Final = 1
TAIL_PATH: Final = "/v1/audit/tail"
MAX_EVENTS: Final = 1000
MAX_QUERY_CHARS: Final = 4096
MAX_NOTE_CHARS: Final = 200
MAX_TTL_SECONDS: Final = 366 * 86_400
_NO_ID: Final = "0" * 32


def add_routes(app: web.Application) -> None:
    """Every address of version 1."""
    app.router.add_get("/v1/whoami", whoami)
    app.router.add_get("/v1/targets", targets)
    app.router.add_get("/v1/ssh", ssh)
    app.router.add_get("/v1/principals", principals)
    app.router.add_get("/v1/audit/events", search_events)
    app.router.add_get("/v1/audit/events/{n}", show_event)
    app.router.add_get(TAIL_PATH, tail_events)
    app.router.add_get("/v1/tokens", list_tokens)
    app.router.add_post("/v1/tokens", make_token)
    app.router.add_delete("/v1/tokens/{id}", revoke_token)
    app.router.add_post("/v1/reload", reload)
    add_policy_routes(app)
    add_session_routes(app)
    add_recording_routes(app)


async def whoami(request: web.Request) -> web.Response:
    """The caller, what policy lets them do here, and which policy that is."""
    may = [verb for verb in VERBS if permitted(request, verb)]
    return answer(
        {
            "api": API_VERSION,
            "principal": principal_shape(request[PRINCIPAL]),
            "may": may,
            "policy": request.app[NEEDS].desk.version,
        }
    )


async def targets(request: web.Request) -> web.Response:
    """The targets that the caller may open, with the accounts; all for those who may read them."""
    everybody = permitted(request, TARGET_READ) is not None
    shown = [
        target_shape(target, accounts)
        for target in request.app[NEEDS].book.targets()
        if (accounts := _accounts(request, target)) or everybody
    ]
    return answer({"targets": shown})


async def ssh(request: web.Request) -> web.Response:
    """How clients reach the SSH door, and know it; for every principal."""
    door = request.app[NEEDS].ssh
    if door is None:
        return problem(404, "no SSH door", advice="set ssh.port in the settings file")
    return answer(dataclasses.asdict(door))


def _accounts(request: web.Request, target: Target) -> list[str]:
    desk, principal = request.app[NEEDS].desk, request[PRINCIPAL]
    return [
        account
        for account in sorted(target.accounts)
        if desk.may_open(
            Session(_NO_ID, principal, target, account, target.kind.value)
        ).decision.verdict
        is Verdict.ALLOW
    ]


async def principals(request: web.Request) -> web.Response:
    """All principals for those who may read them, else the caller alone."""
    found: list[Principal] = [request[PRINCIPAL]]
    if permitted(request, PRINCIPAL_READ):
        found = list(request.app[NEEDS].directory.principals())
    return answer({"principals": [principal_shape(one) for one in found]})


async def search_events(request: web.Request) -> web.Response:
    """Events that match `q`, newest first; `before` pages backwards."""
    judgement = demand(request, AUDIT_READ)
    text = request.query.get("q", "")
    if len(text) > MAX_QUERY_CHARS:
        raise ClientFault(f"a query has at most {MAX_QUERY_CHARS} characters")
    query = dataclasses.replace(
        request.app[NEEDS].parse_query(text),
        limit=number(request, "limit", low=1, high=MAX_EVENTS, default=100),
        before_n=number(request, "before", low=0, default=None),
    )
    found = await request.app[NEEDS].archive.search(query)
    if not _only_own(query, request[PRINCIPAL]):
        facts = {"verb": AUDIT_READ, "query": text, "found": len(found)}
        if found:
            facts |= {"first": found[-1].n, "last": found[0].n}
        await record(request, EventKind.AUDIT_READ, judgement, facts)
    following = found[-1].n if len(found) == query.limit else None
    return answer({"events": [found_shape(event) for event in found], "before": following})


def _only_own(query: SearchQuery, principal: Principal) -> bool:
    """Whether the query can only find what the caller did."""
    return [value for key, value in query.terms if key == "principal"] == [principal.name]


async def show_event(request: web.Request) -> web.Response:
    """One event, whole."""
    judgement = demand(request, AUDIT_READ)
    text = request.match_info["n"]
    n = int(text) if text.isascii() and text.isdigit() and len(text) < 17 else -1  # noqa: PLR2004 - below 2^53
    event = await request.app[NEEDS].archive.event(n) if n >= 0 else None
    if event is None:
        return problem(404, f"no event {text[:20]}", advice="gatekeep audit search finds events")
    if not _is_own(event, request[PRINCIPAL]):
        await record(request, EventKind.AUDIT_READ, judgement, {"verb": AUDIT_READ, "n": n})
    return answer(event_shape(event))


def _is_own(event: StoredEvent, principal: Principal) -> bool:
    payload = event.payload or {}
    session = payload.get("session")
    who = session.get("principal") if isinstance(session, dict) else payload.get("principal")
    return who == principal.name


async def tail_events(request: web.Request) -> web.StreamResponse:
    """Durable events as JSON lines, from `from` or from now on, until either side ends."""
    judgement = demand(request, AUDIT_READ)
    start = number(request, "from", low=0, default=None)
    # The stream is opened first, so that no event between the two is missed.
    events = request.app[NEEDS].archive.tail(start)
    await record(request, EventKind.AUDIT_READ, judgement, {"verb": AUDIT_READ, "tail": start})
    return await request.app[TAILS].serve(request, events)


async def list_tokens(request: web.Request) -> web.Response:
    """Tokens without their secrets: one's own, or all for those who may read them."""
    everybody = permitted(request, TOKEN_READ) is not None
    rows = request.app[NEEDS].tokens.rows(None if everybody else request[PRINCIPAL].name)
    return answer({"tokens": [token_shape(row) for row in rows], "everybody": everybody})


async def make_token(request: web.Request) -> web.Response:
    """A new token; its secret is in this answer and nowhere else."""
    judgement = demand(request, TOKEN_MAKE)
    wish = await body(request)
    name = wish.get("principal") or request[PRINCIPAL].name
    ttl, note = wish.get("ttl_s"), wish.get("note", "")
    if not isinstance(name, str) or not isinstance(note, str) or len(note) > MAX_NOTE_CHARS:
        raise ClientFault(f"principal and note are texts; a note has ≤ {MAX_NOTE_CHARS} characters")
    if ttl is not None and (type(ttl) is not int or not 0 < ttl <= MAX_TTL_SECONDS):
        raise ClientFault("ttl_s is a whole number of seconds, at most 366 days")
    tokens = request.app[NEEDS].tokens
    row, secret = tokens.make(name, ttl_s=ttl, note=note)
    try:
        facts = {"of": name, "token": row.id, "expires_us": row.expires_us, "note": note}
        await record(request, EventKind.TOKEN_MADE, judgement, facts)
        row = tokens.settle(row.id, EventKind.TOKEN_MADE)
    except BaseException:
        # Nobody has seen the secret, and nobody ever shall.
        tokens.revoke(row.id)
        raise
    return answer({"token": token_shape(row), "secret": secret}, status=201)


async def revoke_token(request: web.Request) -> web.Response:
    """Revoke at once, by id or unique prefix. Taking a right away never waits for the journal."""
    wanted = request.match_info["id"]
    judgement = demand(request, TOKEN_MAKE if _is_own_token(request, wanted) else TOKEN_REVOKE)
    try:
        row = request.app[NEEDS].tokens.revoke(wanted)
    except KeyError:
        return problem(404, "no such token", advice="gatekeep tokens ls shows their ids")
    facts = {"of": row.principal, "token": row.id}
    await record(request, EventKind.TOKEN_REVOKED, judgement, facts)
    row = request.app[NEEDS].tokens.settle(row.id, EventKind.TOKEN_REVOKED)
    return answer({"token": token_shape(row)})


def _is_own_token(request: web.Request, wanted: str) -> bool:
    """Whether `wanted` begins the id of one of the caller's tokens; who makes may also unmake."""
    if permitted(request, TOKEN_MAKE) is None:
        return False
    own = request.app[NEEDS].tokens.rows(request[PRINCIPAL].name)
    return any(row.id.startswith(wanted) for row in own)


async def reload(request: web.Request) -> web.Response:
    """Load targets, principals and policy anew; on any fault the old ones stay."""
    judgement = demand(request, POLICY_APPLY)
    wish = wish_of(request, judgement, "reload")
    return answer(dict(await request.app[NEEDS].reload(wish)))

"""Sessions over the API: listed, shown, ended. Their recordings are `recordings`.

One's own sessions are one's own to see; all else is asked of policy, and reading what others did
is an event that is durable before anything is given.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gatekeep.domain.events import EventKind
from gatekeep.errors import ClientFault, JournalUnavailable
from gatekeep.messages import printable
from gatekeep.web.access import (
    AUDIT_READ,
    NEEDS,
    PRINCIPAL,
    SESSION_KILL,
    SESSION_WATCH,
    demand,
    permitted,
    record,
)
from gatekeep.web.asking import answer, body, number, word
from gatekeep.web.hosts import problem
from gatekeep.web.session_books import (
    Found,
    PastSessions,
    Wanted,
    find,
    kinds_but_chunks,
    places,
    read,
    recording_facts,
    session_row,
)
from gatekeep.web.shapes import found_shape

MAX_SESSIONS: Final = 1000
MAX_EVENTS: Final = 1000
MAX_REASON_CHARS: Final = 200


def add_session_routes(app: web.Application) -> None:
    """The addresses of sessions."""
    app.router.add_get("/v1/sessions", sessions)
    app.router.add_get("/v1/sessions/{id}", show_session)
    app.router.add_post("/v1/sessions/{id}/kill", kill_session)


async def sessions(request: web.Request) -> web.Response:
    """Open sessions, with `past` those that ended: one's own, or all for those who may see them."""
    needs, name = request.app[NEEDS], request[PRINCIPAL].name
    wanted = Wanted(word(request, "principal"), word(request, "target"), word(request, "protocol"))
    everybody = permitted(request, SESSION_WATCH) is not None
    now = needs.clock.wall_us(), needs.clock.monotonic_ns()
    live = [Found(one.session.id, one) for one in needs.live_sessions]
    shown = [
        row
        for one in live
        if everybody or one.principal == name
        if wanted.holds(row := session_row(one, now=now))
    ]
    if word(request, "past") not in ("1", "true"):
        return answer({"sessions": shown, "everybody": everybody})
    reader = permitted(request, AUDIT_READ)
    if reader is None:
        if wanted.principal not in ("", name):
            demand(request, AUDIT_READ)
        wanted = Wanted(name, wanted.target, wanted.protocol)
    limit = number(request, "limit", low=1, high=MAX_SESSIONS, default=100)
    past = PastSessions(needs.archive, wanted, number(request, "before", low=0, default=None))
    rows = await past.rows(limit, frozenset(one.id for one in live))
    if reader is not None and wanted.principal != name:
        facts = {"verb": AUDIT_READ, "query": _words(wanted), "found": len(rows)}
        await record(request, EventKind.AUDIT_READ, reader, facts)
    return answer(
        {"sessions": shown, "past": rows, "before": past.before, "everybody": everybody}
    )


def _words(wanted: Wanted) -> str:
    parts = (("principal", wanted.principal), ("target", wanted.target), ("protocol", wanted.protocol))
    return " ".join(["kind:session.*", *(f"{key}:{value}" for key, value in parts if value)])


async def show_session(request: web.Request) -> web.Response:
    """One session: who and where, what was recorded of its channels, and its events.

    These are at most a thousand, from index `from` on, each action followed by its outcome.
    """
    needs = request.app[NEEDS]
    found = await find(needs, request.match_info["id"])
    own = len(found) == 1 and found[0].principal == request[PRINCIPAL].name
    # Without the right, a session of others and one that does not exist are refused alike.
    judgement = None if own else demand(request, AUDIT_READ)
    session = only(request, found)
    if isinstance(session, web.Response):
        return session
    first = number(request, "from", low=0, default=0)
    indices = [n for n in await places(needs.archive, session.id, *kinds_but_chunks()) if n >= first]
    events = [found_shape(event) async for event in read(needs.archive, indices[:MAX_EVENTS])]
    facts = await recording_facts(needs.archive, session.id)
    if judgement is not None:
        said = {"verb": AUDIT_READ, "query": f"session:{session.id}", "found": len(events)}
        await record(request, EventKind.AUDIT_READ, judgement, said)
    now = needs.clock.wall_us(), needs.clock.monotonic_ns()
    following = indices[MAX_EVENTS] if len(indices) > MAX_EVENTS else None
    return answer(
        {
            "session": session_row(session, now=now),
            "channels": list(needs.recordings.channels(session.id)),
            "recordings": facts,
            "events": events,
            "from": following,
        }
    )


def only(request: web.Request, found: list[Found]) -> Found | web.Response:
    """The one session that was named, or the answer that there is none or more than one."""
    text = request.match_info["id"][:40]
    if len(found) == 1:
        return found[0]
    if found:
        return problem(404, f"{text} begins more than one session", advice="name more of it")
    return problem(404, f"no session {text}", advice="gatekeep sessions ls --past lists them")


async def kill_session(request: web.Request) -> web.Response:
    """End an open session at once; its client is told the reason.

    Taking a right away never waits for the journal: it ends first, and `recorded` says whether
    the event could be written.
    """
    judgement = demand(request, SESSION_KILL)
    reason = (await body(request)).get("reason")
    if not isinstance(reason, str) or not reason.strip() or len(reason) > MAX_REASON_CHARS:
        raise ClientFault(f"a reason is needed, of at most {MAX_REASON_CHARS} characters")
    session = only(request, await find(request.app[NEEDS], request.match_info["id"]))
    if isinstance(session, web.Response):
        return session
    if session.live is None:
        return problem(404, f"{request.match_info['id'][:40]} is not open any more")
    row = session_row(session, now=(0, 0))
    session.live.ended_by = request[PRINCIPAL].name
    session.live.end(f"{printable(reason)} ({session.live.ended_by})")
    facts = {
        "verb": SESSION_KILL,
        "session": session.id,
        "of": row["principal"],
        "target": row["target"],
        "reason": reason,
    }
    recorded = True
    try:
        await record(request, EventKind.SESSION_KILLED, judgement, facts)
    except JournalUnavailable:
        recorded = False
    return answer({"session": session.id, "code": row["code"], "recorded": recorded})

"""The page of one request, and the decision on it. The desk decides; here forms are read.

Whoever looks at what another asked leaves an event, durable before the page is given. No GET
changes anything; a POST says what was shown by its digest, and the desk takes no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
from aiohttp import web

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope, VoteVerdict
from gatekeep.domain.events import EventKind
from gatekeep.gate.approval_ports import Ballot, Cast
from gatekeep.gate.ballots import offered_scopes, scopes_left
from gatekeep.messages import web_requests as said
from gatekeep.web.access import AUDIT_READ
from gatekeep.web.pages.command_text import CommandText
from gatekeep.web.pages.panel import lasts_s, panel_for, slots_of
from gatekeep.web.pages.proving import MAX_CODE, Proof, stepped_up
from gatekeep.web.pages.request_view import how_it_ended, shown_command, viewed
from gatekeep.web.pages.visits import Visit

VIA: Final = "web"
MAX_ID: Final = 12
MAX_REASON: Final = 1_000
_WITHDRAWN: Final = "withdrawn on the web page"
_STATUS: Final[Mapping[str, int]] = {"late": 409, "voted": 409, "void": 409, "digest": 409,
                                     "reason": 422, "scope": 422}  # fmt: skip
_CODE: Final = frozenset({"mfa", "code"})
_PROOFS: Final = {
    Proof.REFUSED: (said.PROOF_REFUSED, 403),
    Proof.BUSY: (said.PROOF_BUSY, 503),
    Proof.NO_CODES: (said.NEEDS_CODES, 403),
}


async def show_request(visit: Visit) -> web.StreamResponse:
    """One request, whatever has become of it."""
    return await _shown(visit, await _seen(visit))


async def decide(visit: Visit) -> web.StreamResponse:
    """Take a vote, or a request back."""
    found = await _seen(visit)
    deed, _, scope = visit.given("do", 40).partition(":")
    if deed == "approve":
        return await _approve(visit, found, scope)
    if deed == "deny":
        return await _deny(visit, found)
    if deed == "withdraw":
        return await _cast(visit, found, lambda: visit.needs.approvals.withdraw(
            found.id, visit.principal, _WITHDRAWN
        ))  # fmt: skip
    raise web.HTTPBadRequest


async def _seen(visit: Visit) -> ApprovalRequest:
    """The request of the address, if who is signed in may see it; else there is none."""
    wanted, desk = visit.request.match_info["id"], visit.needs.approvals
    found = await desk.request(wanted) if len(wanted) <= MAX_ID else None
    if found is None or not desk.may_see(found, visit.principal):
        raise web.HTTPNotFound
    return found


async def _shown(
    visit: Visit,
    request: ApprovalRequest,
    alert: str = "",
    status: int = 200,
    *,
    asks_code: bool = False,
) -> web.StreamResponse:
    recorded = request.place.person != visit.principal.person
    if recorded:
        facts = {
            "found": 1, "principal": visit.principal.name, "query": f"request:{request.id}",
            "verb": AUDIT_READ, "via": VIA,
        }  # fmt: skip
        payload = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
        await visit.needs.record(EventKind.AUDIT_READ, payload, b"")
    view = await viewed(visit.needs, request, visit.principal)
    values = {
        "title": f"{request.id}: {view.headline}",
        "view": view,
        "panel": await panel_for(visit, request, view.command, asks_code=asks_code),
        "alert": alert,
        "recorded": recorded,
        "reason": visit.given("reason", MAX_REASON),
    }
    if view.command.long:
        text = await visit.needs.offload.run(lambda: visit.rendered("request", **values))
        return visit.answer(text, status)
    return visit.page("request", status=status, **values)


async def _approve(visit: Visit, request: ApprovalRequest, scope: str) -> web.StreamResponse:
    command = await shown_command(visit.needs, request)
    refused = _refused(visit, request, command, scope)
    if refused:
        return await _shown(visit, request, refused, 422)
    # Whoever could not vote in any case has no code used up for it: the desk says why.
    may_decide = (await panel_for(visit, request, command)).may_decide
    asks_code = may_decide and (request.high_risk or bool(visit.given("code", MAX_CODE)))
    if asks_code:
        proof = await stepped_up(visit)
        if proof is not Proof.GOOD:
            words, status = _PROOFS[proof]
            return await _shown(visit, request, words, status, asks_code=True)
    ballot = Ballot(
        VoteVerdict.APPROVE,
        visit.given("digest", 64),
        VIA,
        reason=visit.given("reason", MAX_REASON),
        mfa=asks_code,
        scope=Scope(scope),
        freed=_freed(visit, request, scope),
        for_s=lasts_s(visit, request, scope),
    )
    return await _vote(visit, request, ballot)


def _refused(visit: Visit, request: ApprovalRequest, command: CommandText, scope: str) -> str:
    """Why this form cannot be an approval, whoever sends it; empty if it can."""
    if scope not in offered_scopes(request) or visit.given("scope", 20) != scope:
        return said.SCOPE_DIFFERS
    if request.state is RequestState.PENDING and scope not in scopes_left(request):
        return said.REACHES_LESS
    if not command.whole:
        return said.NOT_WHOLE_REFUSED
    if command.long and visit.given("read", 5) != str(command.count):
        return said.NEEDS_READING
    if len(visit.form.get("reason", "")) > MAX_REASON:
        return said.REASON_TOO_LONG
    return ""


def _freed(visit: Visit, request: ApprovalRequest, scope: str) -> tuple[int, ...]:
    """The values that were freed: ticked, offered, and only for a template."""
    if scope != Scope.TEMPLATE:
        return ()
    ticked = set(visit.form.getall("free", []))
    return tuple(one.number for one in slots_of(request) if str(one.number) in ticked)


async def _deny(visit: Visit, request: ApprovalRequest) -> web.StreamResponse:
    reason = visit.form.get("reason", "").strip()
    if not reason or len(reason) > MAX_REASON:
        why = said.REASON_TOO_LONG if reason else said.NEEDS_REASON
        return await _shown(visit, request, why, 422)
    ballot = Ballot(VoteVerdict.DENY, visit.given("digest", 64), VIA, reason=reason)
    return await _vote(visit, request, ballot)


async def _vote(visit: Visit, request: ApprovalRequest, ballot: Ballot) -> web.StreamResponse:
    return await _cast(
        visit, request,
        lambda: visit.needs.approvals.cast(request.id, visit.principal, ballot),
    )  # fmt: skip


async def _cast(
    visit: Visit, request: ApprovalRequest, deed: Callable[[], Awaitable[Cast]]
) -> web.StreamResponse:
    """Do it to its end, also when the browser hangs up meanwhile; then say what came of it."""

    async def whole() -> Cast:
        return await deed()

    task = visit.needs.owner.spawn(whole(), name=f"decision on {request.id}")
    try:
        cast: Cast = await asyncio.shield(task)
    except KeyError:
        raise web.HTTPNotFound from None
    if cast.counted:
        return visit.onward(f"/r/{cast.request.id}")
    words = cast.words
    if cast.refusal == "late":
        words = said.late(how_it_ended(cast.request))
    status = _STATUS.get(cast.refusal, 403)
    return await _shown(visit, cast.request, words, status, asks_code=cast.refusal in _CODE)

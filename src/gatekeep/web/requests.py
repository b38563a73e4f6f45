"""Requests for approval over the API: listed, shown, asked ahead of time, voted on, withdrawn.

The desk decides; here it is asked who may see what, and its answers become statuses. Whoever reads
what others asked leaves an `audit.read` event that is durable before anything is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web
from pydantic import BaseModel

from gatekeep.domain.approvals import ApprovalRequest, RequestKind, RequestState
from gatekeep.domain.events import EventKind
from gatekeep.errors import ClientFault
from gatekeep.gate.approval_ports import Ahead, Ballot, Cast
from gatekeep.messages import api as words
from gatekeep.web.access import (
    AUDIT_READ,
    NEEDS,
    PRINCIPAL,
    VIA,
    ApprovalNeeds,
    permitted,
    record,
)
from gatekeep.web.approval_shapes import CastShape, RequestShape, RequestsShape, request_shape
from gatekeep.web.refusals import Explained, told
from gatekeep.web.wishes import (
    Awaited,
    RequestBody,
    RequestQuery,
    RequestsQuery,
    VoteBody,
    WithdrawBody,
)

MAX_LOOKED_AT: Final = 2000
MAX_PAGE_CHARS: Final = 4 * 1024 * 1024
MAX_EARLIER: Final = 5
_PAGE: Final = 200
_CONFLICTS: Final = frozenset({"late", "digest", "voted", "void"})
_FAULTS: Final = frozenset({"reason", "scope"})


class NotSetUp(Explained):
    """Nobody can be asked at this gateway."""

    status = 404

    def __init__(self) -> None:
        super().__init__(words.NOT_SET_UP)


def approvals(request: web.Request) -> ApprovalNeeds:
    """What the addresses of approvals work with. Raises NotSetUp."""
    needs = request.app[NEEDS].approvals
    if needs is None:
        raise NotSetUp
    return needs


async def list_requests(request: web.Request, query: RequestsQuery) -> BaseModel:
    """The requests that the caller may see, newest first."""
    needs, me = approvals(request), request[PRINCIPAL]
    before, looked, chars = query.before.strip().upper(), 0, 0
    shown: list[ApprovalRequest] = []
    while looked < MAX_LOOKED_AT:
        page = await needs.desk.requests(
            state=query.state, principal=query.principal, target=query.target, text=query.q,
            limit=_PAGE, before=before,
        )  # fmt: skip
        for one in page:
            if len(shown) == query.limit or (shown and chars > MAX_PAGE_CHARS):
                return await _page(request, query, shown, before)
            before, looked = one.id, looked + 1
            if needs.desk.may_see(one, me):
                shown.append(one)
                chars += len(one.subject.text)
        if len(page) < _PAGE:
            return await _page(request, query, shown, None)
    return await _page(request, query, shown, before)


async def _page(
    request: web.Request,
    query: RequestsQuery,
    shown: Sequence[ApprovalRequest],
    before: str | None,
) -> BaseModel:
    others = [one for one in shown if not _is_own(request, one)]
    if others:
        given = {"state": query.state, "principal": query.principal, "target": query.target}
        said = " ".join(f"{name}:{value}" for name, value in given.items() if value)
        facts = {
            "verb": AUDIT_READ, "query": f"requests {said} {query.q}".strip(),
            "found": len(others), "first": others[-1].id, "last": others[0].id,
        }  # fmt: skip
        await record(request, EventKind.AUDIT_READ, permitted(request, AUDIT_READ), facts)
    return RequestsShape(requests=[_shape(request, one) for one in shown], before=before)


async def show_request(request: web.Request, query: RequestQuery) -> BaseModel | web.Response:
    """One request, whole; with `wait_s` as soon as it has changed."""
    needs, request_id = approvals(request), request.match_info["id"]
    found = await _seen(request, request_id)
    if found is None:
        return _none(request_id)
    if query.wait_s:

        found = await _changed(needs, found, query)
    if not _is_own(request, found):
        facts = {"verb": AUDIT_READ, "query": f"request:{found.id}", "found": 1}
        await record(request, EventKind.AUDIT_READ, permitted(request, AUDIT_READ), facts)
    now_us = request.app[NEEDS].clock.wall_us()
    return request_shape(found, needs.desk, now_us, await _earlier(request, found))


async def _earlier(request: web.Request, found: ApprovalRequest) -> Sequence[ApprovalRequest]:
    """The same asked before on the same target, as far as the caller may see it, newest first."""
    desk, me = approvals(request).desk, request[PRINCIPAL]
    same = await desk.requests(
        template=found.subject.template, target=found.place.target, limit=_PAGE, before=found.id
    )
    return [one for one in same if desk.may_see(one, me)][:MAX_EARLIER]


async def _changed(
    needs: ApprovalNeeds, found: ApprovalRequest, query: RequestQuery
) -> ApprovalRequest:
    """The request as soon as it is what the caller waits for, or when the time is over."""

    async def look() -> ApprovalRequest:
        return await needs.desk.request(found.id) or found

    enough = _is_decided if query.until is Awaited.DECIDED else _is_over
    return await needs.waits.until(found.id, look, enough, query.wait_s)


async def ask(request: web.Request, body: RequestBody) -> BaseModel:
    """Ask ahead of time."""
    given = {RequestKind.STATEMENT: body.statement, RequestKind.COMMAND: body.command}
    asked = [(kind, text) for kind, text in given.items() if text is not None]
    if len(asked) > 1:
        raise ClientFault("name a statement or a command, not both")
    kind, text = asked[0] if asked else (RequestKind.ACCESS, "")
    ahead = Ahead(
        kind, body.target, body.account, text=text or "", reason=body.reason, ticket=body.ticket,
        for_s=body.for_s, starts_us=body.starts_us, via=request[VIA],
    )  # fmt: skip
    return _shape(request, await approvals(request).desk.ask_ahead(request[PRINCIPAL], ahead))


async def vote(request: web.Request, body: VoteBody) -> BaseModel | web.Response:
    """Say yes or no. What was not shown, as the digest proves, cannot be decided."""
    needs, request_id = approvals(request), request.match_info["id"]
    found = await _seen(request, request_id)
    if found is None:
        return _none(request_id)
    ballot = Ballot(
        body.verdict,
        body.digest,
        request[VIA],
        reason=body.reason,
        mfa=needs.codes.shown(request[PRINCIPAL], body.code),
        scope=body.scope,
        freed=body.freed,
        for_s=body.for_s,
    )
    return _came_to(request, await needs.desk.cast(found.id, request[PRINCIPAL], ballot))


async def withdraw(request: web.Request, body: WithdrawBody) -> BaseModel | web.Response:
    """Take one's own request back."""
    needs, request_id = approvals(request), request.match_info["id"]
    found = await _seen(request, request_id)
    if found is None:
        return _none(request_id)
    return _came_to(request, await needs.desk.withdraw(found.id, request[PRINCIPAL], body.reason))


def _came_to(request: web.Request, cast: Cast) -> BaseModel | web.Response:
    if cast.counted:
        return CastShape(request=_shape(request, cast.request), words=cast.words)
    said = words.not_counted(cast.words, cast.request.id, late=cast.refusal == "late")
    if cast.refusal in _CONFLICTS:
        return told(409, said)
    return told(400 if cast.refusal in _FAULTS else 403, said)


async def _seen(request: web.Request, request_id: str) -> ApprovalRequest | None:
    """The request, if the caller may see it; else it is as if there were none."""
    desk = approvals(request).desk
    found = await desk.request(request_id) if len(request_id) <= words.ID_CHARACTERS else None
    return found if found is not None and desk.may_see(found, request[PRINCIPAL]) else None


def _none(request_id: str) -> web.Response:
    return told(404, words.no_request(request_id))


def _is_own(request: web.Request, found: ApprovalRequest) -> bool:
    return found.place.person == request[PRINCIPAL].person


def _shape(request: web.Request, found: ApprovalRequest) -> RequestShape:
    return request_shape(found, approvals(request).desk, request.app[NEEDS].clock.wall_us())


def _is_decided(found: ApprovalRequest) -> bool:
    return found.state is not RequestState.PENDING


def _is_over(found: ApprovalRequest) -> bool:
    """Nothing more will be known of it: it is not approved, or what came of it has been told."""
    if found.state in (RequestState.PENDING, RequestState.APPROVED):
        return found.outcome not in ("", "released")
    return True

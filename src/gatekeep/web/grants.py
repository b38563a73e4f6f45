"""Grants over the API: listed, revoked, taken in an emergency; and the reviews of the latter."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from pydantic import BaseModel

from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Grant
from gatekeep.gate.approval_ports import Emergency
from gatekeep.messages import api as words
from gatekeep.web.access import AUDIT_READ, NEEDS, PRINCIPAL, VIA, permitted, record
from gatekeep.web.approval_shapes import (
    GrantShape,
    GrantsShape,
    ReviewsShape,
    grant_shape,
    review_shape,
)
from gatekeep.web.refusals import told
from gatekeep.web.requests import approvals
from gatekeep.web.wishes import BreakGlassBody, GrantsQuery, NoBody, ReviewBody, ReviewsQuery

MAX_GRANTS: Final = 1000


async def list_grants(request: web.Request, query: GrantsQuery) -> BaseModel:
    """One's own grants and those one gave, all for whoever may read what others did; the newest."""
    me = request[PRINCIPAL]
    found = await approvals(request).desk.grants(
        principal=query.principal, live=query.which == "live"
    )
    reader = permitted(request, AUDIT_READ)
    shown = [
        one
        for one in found
        if one.id.upper().startswith(query.id.upper())
        and (reader is not None or me.person in {one.person, *one.persons})
    ][:MAX_GRANTS]
    others = [one for one in shown if one.person != me.person]
    if others:
        said = f"grants {query.which} {query.principal}".strip()
        facts = {"verb": AUDIT_READ, "query": said, "found": len(others)}
        await record(request, EventKind.AUDIT_READ, reader, facts)
    return GrantsShape(grants=[_shape(request, one) for one in shown])


async def revoke_grant(request: web.Request, _body: NoBody) -> BaseModel | web.Response:
    """Revoke one at once; sessions that live by it end."""
    grant_id = request.match_info["id"]
    try:
        grant = await approvals(request).desk.revoke(grant_id, request[PRINCIPAL])
    except KeyError:
        return told(404, words.no_grant(grant_id))
    return _shape(request, grant)


async def break_glass(request: web.Request, body: BreakGlassBody) -> BaseModel:
    """Take leave at once: everybody concerned is told, and a review is opened."""
    needs, me = approvals(request), request[PRINCIPAL]
    emergency = Emergency(
        body.target, body.account, body.reason, for_s=body.for_s,
        mfa=needs.codes.shown(me, body.code, emergency=True), via=request[VIA],
    )  # fmt: skip
    return _shape(request, await needs.desk.break_glass(me, emergency))


async def list_reviews(request: web.Request, query: ReviewsQuery) -> BaseModel:
    """What has to be looked at afterwards, as far as the caller may see it."""
    found = await approvals(request).desk.reviews(
        request[PRINCIPAL], still_open=query.which == "open"
    )
    return ReviewsShape(reviews=[review_shape(one) for one in found])


async def close_review(request: web.Request, body: ReviewBody) -> BaseModel | web.Response:
    """Say what was found."""
    review_id = request.match_info["id"]
    try:
        review = await approvals(request).desk.close_review(
            review_id, request[PRINCIPAL], body.finding
        )
    except KeyError:
        return told(404, words.no_review(review_id))
    return review_shape(review)


def _shape(request: web.Request, grant: Grant) -> GrantShape:
    return grant_shape(grant, request.app[NEEDS].clock.wall_us())

"""Every address of the versioned API, in one table: routes, OpenAPI document and docs/api.md are made of it.

Who answers is in `requests`, `grants`, `delegations` and `suggestions`.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gatekeep.web.approval_shapes import (
    CastShape,
    DelegationShape,
    DelegationsShape,
    GrantShape,
    GrantsShape,
    OnCallsShape,
    RequestShape,
    RequestsShape,
    ReviewShape,
    ReviewsShape,
)
from gatekeep.web.delegations import delegate, end_delegation, list_delegations, on_call
from gatekeep.web.grants import (
    break_glass,
    close_review,
    list_grants,
    list_reviews,
    revoke_grant,
)
from gatekeep.web.openapi import document
from gatekeep.web.operations import Operation, mount
from gatekeep.web.requests import ask, list_requests, show_request, vote, withdraw
from gatekeep.web.suggestion_operations import SUGGESTION_OPERATIONS
from gatekeep.web.wishes import (
    BreakGlassBody,
    DelegationBody,
    DelegationsQuery,
    GrantsQuery,
    NoBody,
    RequestBody,
    RequestQuery,
    RequestsQuery,
    ReviewBody,
    ReviewsQuery,
    VoteBody,
    WithdrawBody,
)

OPENAPI_PATH: Final = "/v1/openapi.json"
_SEEN: Final = "own, or may decide; all with `audit.read`"

OPERATIONS: Final = (
    Operation(
        "GET", "/v1/requests", "listRequests", "requests that the caller may see, newest first",
        list_requests, RequestsShape, RequestsQuery, action=_SEEN,
    ),
    Operation(
        "POST", "/v1/requests", "askAhead", "ask ahead of time: for one text, or for a target",
        ask, RequestShape, RequestBody, status=201, action="what the rules ask approval for",
    ),
    Operation(
        "GET", "/v1/requests/{id}", "showRequest", "one request, whole; `wait_s` waits for a change",
        show_request, RequestShape, RequestQuery, action=_SEEN,
    ),
    Operation(
        "POST", "/v1/requests/{id}/votes", "vote", "approve or deny what the digest proves was seen",
        vote, CastShape, VoteBody, errors=(409,), action="the groups that the rule asks",
    ),
    Operation(
        "POST", "/v1/requests/{id}/withdraw", "withdraw", "take one's own request back",
        withdraw, CastShape, WithdrawBody, errors=(409,), action="own",
    ),
    Operation(
        "GET", "/v1/grants", "listGrants", "grants, newest first",
        list_grants, GrantsShape, GrantsQuery, action="own and given; all with `audit.read`",
    ),
    Operation(
        "POST", "/v1/grants/{id}/revoke", "revokeGrant", "revoke at once; sessions by it end",
        revoke_grant, GrantShape, NoBody, action="own and given; others with `grant.revoke`",
    ),
    Operation(
        "POST", "/v1/breakglass", "breakGlass", "take leave at once, loudly; a review follows",
        break_glass, GrantShape, BreakGlassBody, status=201, action="`breakglass`, and a second factor",
    ),
    Operation(
        "GET", "/v1/reviews", "listReviews", "break-glass uses to be looked at, newest first",
        list_reviews, ReviewsShape, ReviewsQuery, action="own; all with `review.close`",
    ),
    Operation(
        "POST", "/v1/reviews/{id}/close", "closeReview", "say what was found",
        close_review, ReviewShape, ReviewBody, action="`review.close`; never one's own",
    ),
    Operation(
        "GET", "/v1/delegations", "listDelegations", "who may vote in whose place, newest first",
        list_delegations, DelegationsShape, DelegationsQuery, action="own; all with `audit.read`",
    ),
    Operation(
        "POST", "/v1/delegations", "delegate", "let another vote in one's own place for a time",
        delegate, DelegationShape, DelegationBody, status=201, action="own",
    ),
    Operation(
        "DELETE", "/v1/delegations/{id}", "endDelegation", "end a delegation at once",
        end_delegation, DelegationShape, action="either of the two; others with `grant.revoke`",
    ),
    Operation(
        "GET", "/v1/oncall", "onCall", "whom each group asks at this moment",
        on_call, OnCallsShape, action="everybody",
    ),
    *SUGGESTION_OPERATIONS,
)  # fmt: skip


def add_approval_routes(app: web.Application) -> None:
    """The addresses of the table, and the document that describes them."""
    mount(app.router, OPERATIONS)
    written = document(OPERATIONS)

    async def openapi(_request: web.Request) -> web.Response:
        return web.json_response(written)

    app.router.add_get(OPENAPI_PATH, openapi, allow_head=False)

"""Delegations and duty over the API: who votes in whose place, and whom a group asks now."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel

from gatekeep.gate.approval_ports import StandIn
from gatekeep.messages import api as words
from gatekeep.web.access import NEEDS, PRINCIPAL
from gatekeep.web.approval_shapes import (
    DelegationsShape,
    delegation_shape,
    on_call_shapes,
)
from gatekeep.web.refusals import told
from gatekeep.web.requests import approvals
from gatekeep.web.wishes import DelegationBody, DelegationsQuery

_US = 1_000_000


async def list_delegations(request: web.Request, query: DelegationsQuery) -> BaseModel:
    """Those that the caller made or was given; all for who may read all."""
    now = request.app[NEEDS].clock.wall_us()
    found = await approvals(request).desk.delegations(
        request[PRINCIPAL], live=query.which == "live"
    )
    return DelegationsShape(delegations=[delegation_shape(one, now) for one in found])


async def delegate(request: web.Request, body: DelegationBody) -> BaseModel | web.Response:
    """Let another vote in one's own place for a time."""
    now = request.app[NEEDS].clock.wall_us()
    ends_us = max(body.starts_us, now) + body.for_s * _US
    stand_in = StandIn(
        body.to, ends_us, groups=frozenset(body.groups), starts_us=body.starts_us,
        reason=body.reason,
    )  # fmt: skip
    try:
        made = await approvals(request).desk.delegate(request[PRINCIPAL], stand_in)
    except KeyError:
        return told(404, words.no_principal(body.to))
    return delegation_shape(made, now)


async def end_delegation(request: web.Request, _query: object) -> BaseModel | web.Response:
    """End one at once."""
    delegation_id = request.match_info["id"]
    try:
        ended = await approvals(request).desk.end_delegation(delegation_id, request[PRINCIPAL])
    except KeyError:
        return told(404, words.no_delegation(delegation_id))
    return delegation_shape(ended, request.app[NEEDS].clock.wall_us())


async def on_call(request: web.Request, _query: object) -> BaseModel:
    """Whom each group asks at this moment."""
    return on_call_shapes(approvals(request).desk.on_call())

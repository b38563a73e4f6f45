"""Live grants: one's own, those one gave, and all for those who may read what others did."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Grant
from gatekeep.messages import web as words
from gatekeep.messages import web_requests as said
from gatekeep.web.access import AUDIT_READ
from gatekeep.web.pages.request_view import first_line
from gatekeep.web.pages.visits import Visit

MAX_ID: Final = 40


@dataclass(frozen=True, slots=True)
class Row:
    """One grant in the list."""

    id: str
    request: str
    whose: str
    where: str
    reach: str
    until: str
    left: str
    given_by: str
    used: int
    what: str


async def grants(visit: Visit) -> web.StreamResponse:
    """The list."""
    found, envelope = await _seen(visit)
    others = [one for one in found if one.person != visit.principal.person]
    if others:
        facts = {
            "found": len(others), "principal": visit.principal.name, "query": "grants live",
            "verb": AUDIT_READ, "via": "web",
        }  # fmt: skip
        payload = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
        await visit.needs.record(EventKind.AUDIT_READ, payload, envelope)
    now = visit.needs.now_us()
    return visit.page("grants", title=words.GRANTS, rows=[_row(one, now) for one in found])


async def revoke(visit: Visit) -> web.StreamResponse:
    """Take one back, at once. Whether he may is a rule of policy, which the desk asks."""
    grant_id = visit.request.match_info["id"]
    found, _ = await _seen(visit)
    if len(grant_id) > MAX_ID or all(one.id != grant_id for one in found):
        return visit.trouble(404, words.GRANT_GONE)

    async def whole() -> Grant:
        return await visit.needs.approvals.revoke(grant_id, visit.principal)

    try:
        await asyncio.shield(visit.needs.owner.spawn(whole(), name=f"revoke {grant_id}"))
    except KeyError:
        return visit.trouble(404, words.GRANT_GONE)
    return visit.onward("/grants")


async def _seen(visit: Visit) -> tuple[Sequence[Grant], bytes]:
    """The live grants that he may see, and the decision that lets him read others'."""
    judgement = visit.needs.desk.judge_gateway(visit.principal, AUDIT_READ)
    reads_all = judgement.decision.verdict is Verdict.ALLOW
    person = visit.principal.person
    found = [
        one
        for one in await visit.needs.approvals.grants(live=True)
        if reads_all or person in {one.person, *one.persons}
    ]
    return found, judgement.envelope_json if reads_all else b""


def _row(grant: Grant, now_us: int) -> Row:
    account = f" ({words.plain(grant.account, 63)})" if grant.account else ""
    return Row(
        grant.id,
        grant.request,
        words.plain(grant.principal, 63),
        f"{words.plain(grant.target, 63)}{account}",
        said.reach_of(grant.scope.value),
        words.moment(grant.ends_us),
        words.left(grant.ends_us, now_us),
        said.named(sorted(grant.persons)),
        grant.used,
        first_line(grant.shown),
    )

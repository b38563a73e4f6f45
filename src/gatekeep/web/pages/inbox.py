"""The inbox: what waits for who looks, what was decided, what he asked. No buttons in rows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from gatekeep.domain.approvals import ApprovalRequest, RequestState
from gatekeep.domain.events import EventKind
from gatekeep.messages import web as words
from gatekeep.messages import web_requests as said
from gatekeep.web.access import AUDIT_READ
from gatekeep.web.pages.request_view import first_line, standing
from gatekeep.web.pages.visits import Visit

PAGE: Final = 50
_READ: Final = 50
_MOST_READ: Final = 1_000
_MOST_PENDING: Final = 1_000
_AT_ONCE: Final = 10
_ID: Final = re.compile(r"[0-9A-Z]{1,12}")
_LISTS: Final = tuple(words.NAME_OF_LIST)


@dataclass(frozen=True, slots=True)
class Row:
    """One request in a list."""

    id: str
    state: str
    pending: bool
    time: str
    risk: str
    who: str
    asked: str
    why: str
    votes: str


@dataclass(frozen=True, slots=True)
class _Found:
    """A page of a list; `before` is the request that the next page goes on behind."""

    requests: Sequence[ApprovalRequest]
    before: str = ""


async def home(visit: Visit) -> web.StreamResponse:
    """What there is to do."""
    return visit.onward("/inbox")


async def inbox(visit: Visit) -> web.StreamResponse:
    """One of the three lists."""
    which = visit.request.query.get("state", "waiting")
    if which not in _LISTS:
        raise web.HTTPNotFound
    before = visit.request.query.get("before", "").upper()
    if not _ID.fullmatch(before):
        before = ""
    found = await _found(visit, which, before)
    if which == "decided":
        await _record(visit, found.requests)
    now = visit.needs.now_us()
    return visit.page(
        "inbox",
        title=words.INBOX,
        which=which,
        lists=words.NAME_OF_LIST.items(),
        rows=[_row(one, now) for one in found.requests],
        empty=_empty(visit, which),
        note=words.oldest_only(PAGE) if which == "waiting" and len(found.requests) == PAGE else "",
        before=found.before,
    )


async def _found(visit: Visit, which: str, before: str) -> _Found:
    if which == "waiting":
        return _Found(await _waiting(visit))
    desk, me = visit.needs.approvals, visit.principal
    name = me.name if which == "mine" else ""
    shown: list[ApprovalRequest] = []
    looked = 0
    while looked < _MOST_READ:
        page = await desk.requests(principal=name, limit=_READ, before=before)
        for one in page:
            if len(shown) == PAGE:
                return _Found(shown, before)
            before, looked = one.id, looked + 1
            if name or (one.state is not RequestState.PENDING and desk.may_see(one, me)):
                shown.append(one)
        if len(page) < _READ:
            return _Found(shown)
    return _Found(shown, before)


async def _waiting(visit: Visit) -> list[ApprovalRequest]:
    """What he may decide and has not voted on, the oldest first, no more than a page of it."""
    desk, me = visit.needs.approvals, visit.principal
    pending = await desk.requests(state=RequestState.PENDING, limit=_MOST_PENDING)
    shown: list[ApprovalRequest] = []
    for number, one in enumerate(reversed(pending), 1):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)  # who may decide is asked of the whole directory: others first
        voted = any(vote.person == me.person for vote in one.votes)
        if not voted and desk.may_see(one, me) and me.person in desk.deciders(one):
            shown.append(one)
            if len(shown) == PAGE:
                break
    return shown


def _empty(visit: Visit, which: str) -> str:
    """Why a list is empty, and in the inbox who is on call for the groups of who looks."""
    if which != "waiting":
        return words.EMPTY_LIST[which]
    called = [
        said.on_call(one.group, one.persons)
        for one in visit.needs.approvals.on_call()
        if one.group in visit.principal.groups and one.persons
    ]
    return " ".join((words.EMPTY_LIST[which], *called))


async def _record(visit: Visit, requests: Sequence[ApprovalRequest]) -> None:
    """Reading what others asked, and what became of it, is an event."""
    others = [one for one in requests if one.place.person != visit.principal.person]
    if others:
        facts = {
            "first": others[-1].id, "found": len(others), "last": others[0].id,
            "principal": visit.principal.name, "query": "requests decided", "verb": AUDIT_READ,
            "via": "web",
        }  # fmt: skip
        payload = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
        await visit.needs.record(EventKind.AUDIT_READ, payload, b"")


def _row(request: ApprovalRequest, now_us: int) -> Row:
    place = request.place
    pending = request.state is RequestState.PENDING
    return Row(
        request.id,
        said.state(request.state.value),
        pending,
        words.left(request.open_until_us, now_us) if pending else standing(request, now_us),
        said.risk(request.why.risk),
        f"{words.plain(place.principal, 63)} → {words.plain(place.target, 63)}",
        first_line(request.subject.text) or words.plain(request.subject.verb, 60),
        words.plain(request.why.rule, 80),
        said.votes_so_far(len(request.approving), request.why.approvers, request.why.extra),
    )

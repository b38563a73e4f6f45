"""What the page of one request shows: words and rows, made from the request and what is around it.

Reads and words; takes no form and decides nothing. Which votes count is the desk's affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Vote
from gatekeep.domain.identity import Principal
from gatekeep.errors import GatekeepError
from gatekeep.gate.approval_ports import Approvals
from gatekeep.gate.ports import SearchQuery, StoredEvent
from gatekeep.messages import sight
from gatekeep.messages import web as words
from gatekeep.messages import web_requests as said
from gatekeep.messages.deciding import sample_of, suggestion_of
from gatekeep.web.pages.command_text import MAX_CHARACTERS, CommandText, command_text
from gatekeep.web.pages.needs import PageNeeds

HISTORY_SHOWN: Final = 5
_HISTORY_READ: Final = 50
_SESSION_LINES: Final = 5
_SESSION_SECONDS: Final = 2.0
_OFF_LOOP: Final = 16_384
_RAN: Final = frozenset({"action.released", "action.refused"})


@dataclass(frozen=True, slots=True)
class Before:
    """One earlier request of the same kind; `seen`: its page may be opened."""

    id: str
    at_us: int
    principal: str
    said: str
    seen: bool


@dataclass(frozen=True, slots=True)
class RequestView:
    """Everything of the page but the panel."""

    request: ApprovalRequest
    headline: str
    state: str
    pending: bool
    standing: str
    command: CommandText
    before_id: str
    details: tuple[tuple[str, str], ...]
    why: tuple[tuple[str, str], ...]
    suggestion: str
    sight: tuple[str, ...]
    counted_before: str
    before: tuple[Before, ...]
    session: tuple[tuple[int, str, str], ...]
    session_note: str
    votes: tuple[tuple[str, str], ...]
    needed: str
    may_vote: str
    escalated: str


async def viewed(needs: PageNeeds, request: ApprovalRequest, me: Principal) -> RequestView:
    """The view of a request that `me` may see."""
    earlier = await _earlier(needs.approvals, request)
    last = next((one for one in earlier if one.subject.text != request.subject.text), None)
    session, note = await _session(needs, request)
    voted = {vote.person for vote in request.votes}
    deciders = [one for one in needs.approvals.deciders(request) if one not in voted]
    place, subject = request.place, request.subject
    return RequestView(
        request=request,
        headline=said.headline(place.principal, subject.kind.value, subject.verb, place.target),
        state=said.state(request.state.value),
        pending=request.state is RequestState.PENDING,
        standing=standing(request, needs.now_us()),
        command=await shown_command(needs, request, last),
        before_id=last.id if last is not None else "",
        details=tuple(_details(request)),
        why=tuple(_why(request)),
        suggestion=suggestion_of(subject.facts),
        sight=sight.phrases(request.sight),
        counted_before=said.asked_before([one.state.value for one in earlier]) if earlier else "",
        before=tuple(
            Before(
                one.id, one.created_us, one.place.principal, standing(one, needs.now_us()),
                needs.approvals.may_see(one, me),
            )
            for one in earlier[:HISTORY_SHOWN]
        ),
        session=session,
        session_note=note,
        votes=tuple(_vote(one) for one in request.votes),
        needed=said.needed(request.why.approvers, request.why.extra, request.why.denier),
        may_vote=said.named(deciders),
        escalated=said.named(request.escalated) if request.escalated else "",
    )  # fmt: skip


def standing(request: ApprovalRequest, now_us: int) -> str:
    """How it stands: the time left, or how it ended."""
    if request.state is RequestState.PENDING:
        return said.waiting(request.open_until_us, now_us)
    return said.ended(how_it_ended(request))


def how_it_ended(request: ApprovalRequest) -> said.Ended:
    """The end of a request, for sentences about it."""
    by = request.decided_by
    if request.state is RequestState.WITHDRAWN and not by and not request.decision_reason:
        by = request.place.principal
    return said.Ended(
        request.state.value, by, request.decided_us, request.created_us, request.scope.value,
        request.decision_reason, request.outcome,
    )  # fmt: skip


async def _earlier(desk: Approvals, request: ApprovalRequest) -> list[ApprovalRequest]:
    found = await desk.requests(
        template=request.subject.template, target=request.place.target, limit=_HISTORY_READ
    )
    return [one for one in found if one.id != request.id and one.created_us <= request.created_us]


async def shown_command(
    needs: PageNeeds, request: ApprovalRequest, last: ApprovalRequest | None = None
) -> CommandText:
    """The whole text, marked where it is not as in `last`; a long one is made ready away from the event loop."""
    text, redacted = request.subject.text, request.subject.redacted
    before = last.subject.text if last is not None else None
    if before is not None and len(before) > MAX_CHARACTERS:
        before = None
    if max(len(text), len(before or "")) <= _OFF_LOOP:
        return command_text(text, redacted=redacted, before=before)
    return await needs.offload.run(
        lambda: command_text(text, redacted=redacted, before=before)
    )


def _details(request: ApprovalRequest) -> list[tuple[str, str]]:
    place = request.place
    rows = [
        (said.ACCOUNT, words.plain(place.account, 63)),
        (said.DATABASE, words.plain(place.database, 63)),
        (said.FROM, words.plain(place.source, 63)),
        (said.SESSION, words.plain(place.session_code, 20)),
        (said.ASKED_AT, words.moment(request.created_us)),
        (said.OPEN_UNTIL, words.moment(request.open_until_us)),
        (said.STATEMENTS, str(request.subject.statements)),
        (said.NOT_BOUND, words.plain(", ".join(request.subject.unbound), 500)),
        (said.DIGEST, request.digest[:12]),
    ]
    return [(name, value) for name, value in rows if value]


def _why(request: ApprovalRequest) -> list[tuple[str, str]]:
    why = request.why
    rows = [
        (said.RULE, words.plain(f"{why.rule}: {why.title}" if why.title else why.rule)),
        (said.WHY_ASKED, words.plain(why.reason, 500)),
        (said.SAMPLE, words.plain(sample_of(request.subject.facts), 200)),
        (said.RISK, said.risk(why.risk)),
        (said.TAGS, said.tags(sorted(request.subject.tags))),
        (said.OWNER, words.plain(why.owner, 63)),
        (said.POLICY, words.plain(why.policy[:12], 12)),
    ]
    return [(name, value) for name, value in rows if value]


def _vote(vote: Vote) -> tuple[str, str]:
    line = said.vote_line(vote.principal, vote.verdict.value, sorted(vote.groups), vote.at_us)
    return line, words.plain(vote.reason, 1000)


async def _session(
    needs: PageNeeds, request: ApprovalRequest
) -> tuple[tuple[tuple[int, str, str], ...], str]:
    """The last lines of the session, newest last, or why there are none."""
    session = request.place.session
    if not session:
        return (), said.NO_SESSION
    query = SearchQuery((("session", session), ("kind", "action.re*")), limit=4 * _SESSION_LINES)
    try:
        async with asyncio.timeout(_SESSION_SECONDS):
            found = await needs.archive.search(query)
    except (TimeoutError, GatekeepError):
        return (), said.SESSION_UNREADABLE
    lines = [_line(one) for one in found if one.envelope.get("k") in _RAN][:_SESSION_LINES]
    return tuple(reversed(lines)), "" if lines else said.NOTHING_RUN_YET


def _line(event: StoredEvent) -> tuple[int, str, str]:
    payload: Mapping[str, Any] = event.payload or {}
    decision = payload.get("decision")
    verdict = decision.get("verdict", "") if isinstance(decision, Mapping) else ""
    shown = "allow" if event.envelope.get("k") == "action.released" else str(verdict or "deny")
    return int(event.envelope.get("t", 0)), said.decision(shown), first_line(payload.get("text", ""))


def first_line(text: object, limit: int = 120) -> str:
    """The beginning of a command on one line, blanks folded, controls visible."""
    return words.plain(" ".join(str(text)[: 4 * limit].split()), limit)

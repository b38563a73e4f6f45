"""What the journal is told of requests, votes and grants. Texts stand in the session's own events.

Payloads hold names, verbs and digests; the text of what is asked stands in `action.requested`, in
the chain of the person who asked, and only for a request ahead of time also here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Vote
from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Grant
from gatekeep.domain.reviews import Review
from gatekeep.gate.approval_ports import Emergency, Ending, Told

_KINDS = {
    RequestState.APPROVED: EventKind.APPROVAL_DECIDED,
    RequestState.DENIED: EventKind.APPROVAL_DECIDED,
    RequestState.EXPIRED: EventKind.APPROVAL_EXPIRED,
    RequestState.WITHDRAWN: EventKind.APPROVAL_WITHDRAWN,
}


def requested(request: ApprovalRequest) -> Told:
    """Payload of `approval.requested`."""
    place, why = request.place, request.why
    facts = {
        **_about(request),
        "approvers": [list(one) for one in why.approvers],
        "digest": request.digest,
        "extra": why.extra,
        "in_transaction": request.in_transaction,
        "asked": request.subject.kind.value,
        "open_until_us": request.open_until_us,
        "policy": why.policy,
        "reason": request.reason,
        "risk": why.risk,
        "source": place.source,
        "statements": request.subject.statements,
        "template": request.subject.template,
        "verb": request.subject.verb,
    }
    if not place.session:
        facts |= {"text": request.subject.text, "starts_us": request.starts_us,
                  "grant_s": request.grant_s}  # fmt: skip
    return _told(EventKind.APPROVAL_REQUESTED, facts)


def voted(request: ApprovalRequest, vote: Vote) -> Told:
    """Payload of `approval.voted`."""
    return _told(
        EventKind.APPROVAL_VOTED,
        {
            **_about(request),
            "delegator": vote.delegator,
            "for_s": vote.for_s,
            "freed": list(vote.freed),
            "groups": sorted(vote.groups),
            "mfa": vote.mfa,
            "person": vote.person,
            "reason": vote.reason,
            "scope": vote.scope.value,
            "verdict": vote.verdict.value,
            "via": vote.via,
            "voter": vote.principal,
        },
    )


def escalated(request: ApprovalRequest, groups: list[str]) -> Told:
    """Payload of `approval.escalated`."""
    return _told(EventKind.APPROVAL_ESCALATED, {**_about(request), "groups": groups})


def ended(request: ApprovalRequest, ending: Ending) -> Told:
    """Payload of the event by which a request leaves `pending`."""
    return _told(
        _KINDS[ending.state],
        {
            **_about(request),
            "by": ending.by,
            "outcome": ending.state.value,
            "reason": ending.reason,
            "scope": ending.scope.value,
            "waited_us": ending.at_us - request.created_us,
        },
    )


def grant_made(grant: Grant, why: Mapping[str, Any] | None = None) -> Told:
    """Payload of `grant.made`."""
    return _told(
        EventKind.GRANT_MADE,
        {
            **_of(grant),
            "bound": dict(grant.bound),
            "ends_us": grant.ends_us,
            "groups": sorted(grant.groups),
            "leave": grant.kind,
            "persons": sorted(grant.persons),
            "scope": grant.scope.value,
            "starts_us": grant.starts_us,
            **(why or {}),
        },
    )


def grant_spent(grant: Grant, session: str) -> Told:
    """Payload of `grant.spent`."""
    return _told(EventKind.GRANT_SPENT, {**_of(grant), "session": session})


def grant_revoked(grant: Grant, by: str) -> Told:
    """Payload of `grant.revoked`."""
    return _told(EventKind.GRANT_REVOKED, {**_of(grant), "by": by})


def glass_broken(grant: Grant, review: Review, emergency: Emergency) -> list[Told]:
    """What is told of leave that somebody took: all of it in one change."""
    why = {"reason": emergency.reason, "via": emergency.via}
    opened = {**_of(grant), **why, "ends_us": grant.ends_us, "review": review.id}
    return [
        _told(EventKind.BREAKGLASS_OPENED, opened),
        grant_made(grant, why),
        _told(EventKind.REVIEW_OPENED, {**_of(grant), "review": review.id}),
    ]


def review_closed(review: Review, by: str, finding: str) -> Told:
    """Payload of `review.closed`."""
    facts = {
        "account": review.account, "by": by, "finding": finding, "grant": review.grant,
        "principal": review.principal, "review": review.id, "target": review.target,
    }  # fmt: skip
    return _told(EventKind.REVIEW_CLOSED, facts)


def _about(request: ApprovalRequest) -> dict[str, Any]:
    place = request.place
    return {
        "account": place.account,
        "principal": place.principal,
        "request": request.id,
        "rule": request.why.rule,
        "session": place.session,
        "target": place.target,
    }


def _of(grant: Grant) -> dict[str, Any]:
    return {
        "account": grant.account,
        "grant": grant.id,
        "principal": grant.principal,
        "request": grant.request,
        "target": grant.target,
    }


def _told(kind: EventKind, facts: Mapping[str, Any]) -> Told:
    return Told(kind, orjson.dumps(dict(facts), option=orjson.OPT_SORT_KEYS))

"""What an outgoing webhook says of a request, as JSON: the API's names, without secrets.

Texts of people are escaped; what is to run is told only to endpoints that are to know all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from gatekeep.domain.approvals import ApprovalRequest, Vote
from gatekeep.domain.grants import Grant
from gatekeep.messages import printable
from gatekeep.notify.notice_folds import Batch, Folded

VERSION: Final = 1
GLASS: Final = "breakglass"
"""What is told when somebody took leave without being asked."""
NOTICE: Final = "notice"
"""What is told of decisions by rules with `@notify`."""
_REASON: Final = 2_000


def request_body(
    what: str, delivery: str, at_us: int, link: str, shape: Mapping[str, Any]
) -> bytes:
    """The body of one delivery about a request."""
    return _dumped(
        {"at_us": at_us, "delivery": delivery, "kind": what, "link": link, "request": dict(shape),
         "version": VERSION}
    )  # fmt: skip


def glass_body(delivery: str, at_us: int, grant: Grant, reason: str) -> bytes:
    """The body of one delivery about leave that somebody took."""
    told = {
        "id": grant.id, "principal": grant.principal, "person": grant.person,
        "target": grant.target, "account": grant.account, "made_us": grant.made_us,
        "starts_us": grant.starts_us, "ends_us": grant.ends_us, "mfa": grant.mfa,
        "reason": printable(reason, _REASON),
    }  # fmt: skip
    return _dumped(
        {"at_us": at_us, "delivery": delivery, "grant": told, "kind": GLASS, "version": VERSION}
    )


def notices_body(delivery: str, at_us: int, batch: Batch, *, full: bool) -> bytes:
    """The body of one delivery about what rules with `@notify` decided."""
    told = [_notice(one, full=full) for one in batch.folds]
    return _dumped(
        {"at_us": at_us, "delivery": delivery, "kind": NOTICE, "left_out": batch.left_out,
         "notices": told, "version": VERSION}
    )  # fmt: skip


def _notice(one: Folded, *, full: bool) -> dict[str, Any]:
    notice = one.newest
    shape: dict[str, Any] = {
        "rule": notice.rule.rule, "title": printable(notice.rule.title), "group": notice.rule.group,
        "principal": notice.principal, "target": notice.target, "verb": printable(notice.verb),
        "session_code": notice.session_code, "event": notice.n, "counts": dict(one.counts),
    }  # fmt: skip
    return shape | ({"template": printable(notice.template, _REASON)} if full else {})


def request_shape(
    request: ApprovalRequest, may_decide: Sequence[str], asked: Sequence[str], *, full: bool
) -> dict[str, Any]:
    """A request. `may_decide` are the persons who may, `asked` those who are told now."""
    place, subject, why = request.place, request.subject, request.why
    shape: dict[str, Any] = {
        "id": request.id, "state": request.state.value, "kind": subject.kind.value,
        "principal": place.principal, "person": place.person, "target": place.target,
        "account": place.account, "database": place.database, "source": place.source,
        "session_code": place.session_code, "verb": printable(subject.verb),
        "redacted": subject.redacted, "statements": subject.statements,
        "tags": sorted(subject.tags), "rule": why.rule, "why": printable(why.reason, _REASON),
        "risk": why.risk, "rule_owner": why.owner, "policy": why.policy,
        "approvers": [list(one) for one in why.approvers], "may_decide": list(may_decide),
        "asked": list(asked), "digest": request.digest,
        "reason": printable(request.reason, _REASON),
        "in_transaction": request.in_transaction, "created_us": request.created_us,
        "open_until_us": request.open_until_us, "starts_us": request.starts_us,
        "grant_s": request.grant_s, "escalated": list(request.escalated),
        "votes": [_vote(vote) for vote in request.votes], "scope": request.scope.value,
        "decided_us": request.decided_us, "decided_by": request.decided_by,
        "decision_reason": printable(request.decision_reason, _REASON),
        "outcome": printable(request.outcome),
    }  # fmt: skip
    if full:
        lines = subject.text.split("\n")
        shape["text"] = "\n".join(printable(line, 12 * len(line) + 1) for line in lines)
    return shape


def _vote(vote: Vote) -> dict[str, Any]:
    return {
        "person": vote.person, "principal": vote.principal, "verdict": vote.verdict.value,
        "via": vote.via, "at_us": vote.at_us, "reason": printable(vote.reason, _REASON),
        "groups": sorted(vote.groups), "mfa": vote.mfa, "scope": vote.scope.value,
        "delegator": vote.delegator,
    }  # fmt: skip


def _dumped(facts: Mapping[str, Any]) -> bytes:
    return orjson.dumps(dict(facts), option=orjson.OPT_SORT_KEYS)

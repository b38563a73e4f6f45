"""What the versioned API answers about approvals: models, and how they are made of domain values.

Times are microseconds UTC, 0 where something has not happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Vote
from gatekeep.domain.delegations import Delegation, OnCall
from gatekeep.domain.grants import Grant
from gatekeep.domain.reviews import Review
from gatekeep.gate.approval_ports import Approvals
from gatekeep.gate.ballots import offered_scopes

_US = 1_000_000


class _Shape(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(frozen=True)


class Problem(_Shape):
    """What was not done, why, and the thing to do."""

    what: str
    why: str
    try_: str = Field(alias="try")


class ErrorShape(_Shape):
    """Every error."""

    error: Problem


class VoteShape(_Shape):
    """One person's word. `via` is the door; `mfa`: a second factor was shown for this vote."""

    principal: str
    person: str
    verdict: str
    via: str
    at_us: int
    reason: str
    groups: list[str]
    mfa: bool
    scope: str
    delegator: str


class EarlierShape(_Shape):
    """The same, asked before on the same target."""

    id: str
    principal: str
    state: str
    decided_by: str
    decided_us: int
    decision_reason: str


class RequestShape(_Shape):
    """One request, whole.

    `text` is all that will run, with secrets replaced (`redacted`); `digest` is to be given with a
    vote. `approvers` are the smallest sets of groups that release it (`dba:2`: two of them),
    `may_decide` the persons who may vote now, while it is pending. `needs_code`: an approval takes
    a code from an authenticator. `scopes`: how far an approval may reach. `outcome` is `released`,
    `void: …`, or the target's own word. `settled`: the event of the decision is durable. `before`:
    what became of the same the last five times (only where one request is asked for).
    """

    id: str
    state: str
    kind: str
    principal: str
    person: str
    target: str
    account: str
    database: str
    source: str
    session: str
    session_code: str
    verb: str
    text: str
    redacted: bool
    statements: int
    template: str
    facts: dict[str, Any]
    tags: list[str]
    unbound: list[str]
    rule: str
    title: str
    why: str
    risk: str
    rule_owner: str
    policy: str
    approvers: list[list[str]]
    may_decide: list[str]
    extra_votes: int
    denier: str
    needs_code: bool
    scopes: list[str]
    digest: str
    reason: str
    in_transaction: bool
    created_us: int
    open_until_us: int
    left_s: int
    starts_us: int
    grant_s: int
    escalated: list[str]
    votes: list[VoteShape]
    scope: str
    decided_us: int
    decided_by: str
    decision_reason: str
    outcome: str
    settled: bool
    sight: dict[str, Any]
    before: list[EarlierShape]


class RequestsShape(_Shape):
    """A page, newest first; `before` is where the next one begins, null on the last."""

    requests: list[RequestShape]
    before: str | None


class CastShape(_Shape):
    """What a vote or a withdrawal came to: the request as it stands now, and one sentence."""

    request: RequestShape
    words: str


class GrantShape(_Shape):
    """Leave that lasts for a time. `persons` are those who gave it, with the groups they spoke for."""

    id: str
    request: str
    scope: str
    kind: str
    principal: str
    person: str
    target: str
    account: str
    groups: list[str]
    persons: dict[str, list[str]]
    made_us: int
    starts_us: int
    ends_us: int
    left_s: int
    session: str
    mfa: bool
    shown: str
    used: int
    revoked_us: int
    revoked_by: str
    live: bool


class GrantsShape(_Shape):
    """Grants, newest first."""

    grants: list[GrantShape]


class ReviewShape(_Shape):
    """A break-glass grant that somebody else must look at; `finding` is the word of `closed_by`."""

    id: str
    grant: str
    principal: str
    person: str
    target: str
    account: str
    opened_us: int
    reason: str
    closed_us: int
    closed_by: str
    finding: str


class ReviewsShape(_Shape):
    """Reviews, newest first."""

    reviews: list[ReviewShape]


class DelegationShape(_Shape):
    """Who may vote in whose place; without `groups` for all of his."""

    id: str
    principal: str
    person: str
    delegate: str
    delegate_person: str
    made_us: int
    starts_us: int
    ends_us: int
    groups: list[str]
    reason: str
    ended_us: int
    ended_by: str
    live: bool


class DelegationsShape(_Shape):
    """Delegations, newest first."""

    delegations: list[DelegationShape]


class OnCallShape(_Shape):
    """Whom a group asks now. `source` says who says so; empty: nobody does, and all are asked."""

    group: str
    persons: list[str]
    source: str
    until_us: int


class OnCallsShape(_Shape):
    """Every group that is asked, by name."""

    groups: list[OnCallShape]


def request_shape(
    request: ApprovalRequest,
    desk: Approvals,
    now_us: int,
    earlier: Sequence[ApprovalRequest] = (),
) -> RequestShape:
    """A request as its caller sees it at this time, with the same ones that were asked `earlier`."""
    place, subject, why = request.place, request.subject, request.why
    pending = request.state is RequestState.PENDING
    return RequestShape(
        id=request.id, state=request.state.value, kind=subject.kind.value,
        principal=place.principal, person=place.person, target=place.target,
        account=place.account, database=place.database, source=place.source,
        session=place.session, session_code=place.session_code, verb=subject.verb,
        text=subject.text, redacted=subject.redacted, statements=subject.statements,
        template=subject.template, facts=plain(subject.facts), tags=sorted(subject.tags),
        unbound=list(subject.unbound), rule=why.rule, title=why.title, why=why.reason,
        risk=why.risk, rule_owner=why.owner, policy=why.policy,
        approvers=[list(one) for one in why.approvers],
        may_decide=list(desk.deciders(request)) if pending else [],
        extra_votes=why.extra, denier=why.denier, needs_code=request.high_risk,
        scopes=list(offered_scopes(request)), digest=request.digest, reason=request.reason,
        in_transaction=request.in_transaction, created_us=request.created_us,
        open_until_us=request.open_until_us,
        left_s=max(0, request.open_until_us - now_us) // _US if pending else 0,
        starts_us=request.starts_us, grant_s=request.grant_s, escalated=list(request.escalated),
        votes=[vote_shape(vote) for vote in request.votes], scope=request.scope.value,
        decided_us=request.decided_us, decided_by=request.decided_by,
        decision_reason=request.decision_reason, outcome=request.outcome,
        settled=request.settled, sight=plain(request.sight),
        before=[
            EarlierShape(
                id=one.id, principal=one.place.principal, state=one.state.value,
                decided_by=one.decided_by, decided_us=one.decided_us,
                decision_reason=one.decision_reason,
            )
            for one in earlier
        ],
    )  # fmt: skip


def vote_shape(vote: Vote) -> VoteShape:
    """A vote."""
    return VoteShape(
        principal=vote.principal, person=vote.person, verdict=vote.verdict.value, via=vote.via,
        at_us=vote.at_us, reason=vote.reason, groups=sorted(vote.groups), mfa=vote.mfa,
        scope=vote.scope.value, delegator=vote.delegator,
    )  # fmt: skip


def grant_shape(grant: Grant, now_us: int) -> GrantShape:
    """A grant at this time; what it is bound to stays inside."""
    live = grant.live_at(now_us)
    return GrantShape(
        id=grant.id, request=grant.request, scope=grant.scope.value, kind=grant.kind,
        principal=grant.principal, person=grant.person, target=grant.target,
        account=grant.account, groups=sorted(grant.groups),
        persons={person: sorted(groups) for person, groups in sorted(grant.persons.items())},
        made_us=grant.made_us, starts_us=grant.starts_us, ends_us=grant.ends_us,
        left_s=(grant.ends_us - now_us) // _US if live else 0,
        session=grant.session, mfa=grant.mfa, shown=grant.shown, used=grant.used,
        revoked_us=grant.revoked_us, revoked_by=grant.revoked_by, live=live,
    )  # fmt: skip


def review_shape(review: Review) -> ReviewShape:
    """A review."""
    return ReviewShape(
        id=review.id, grant=review.grant, principal=review.principal, person=review.person,
        target=review.target, account=review.account, opened_us=review.opened_us,
        reason=review.reason, closed_us=review.closed_us, closed_by=review.closed_by,
        finding=review.finding,
    )  # fmt: skip


def delegation_shape(one: Delegation, now_us: int) -> DelegationShape:
    """A delegation at this time."""
    return DelegationShape(
        id=one.id, principal=one.principal, person=one.person, delegate=one.delegate,
        delegate_person=one.delegate_person, made_us=one.made_us, starts_us=one.starts_us,
        ends_us=one.ends_us, groups=sorted(one.groups), reason=one.reason,
        ended_us=one.ended_us, ended_by=one.ended_by, live=one.live_at(now_us),
    )  # fmt: skip


def on_call_shapes(groups: Sequence[OnCall]) -> OnCallsShape:
    """Whom each group asks."""
    return OnCallsShape(
        groups=[
            OnCallShape(
                group=one.group, persons=list(one.persons), source=one.source,
                until_us=one.until_us,
            )
            for one in groups
        ]
    )  # fmt: skip


def plain(value: Any) -> Any:
    """JSON values: sets are sorted lists, any mapping is an object, tuples are lists."""
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value))
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if hasattr(value, "items"):
        return {str(name): plain(one) for name, one in value.items()}
    return str(value)

"""Whether a ballot counts, and what the votes of a request are to policy. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gatekeep.domain.approvals import (
    Approval,
    ApprovalRequest,
    RequestState,
    Scope,
    Vote,
    VoteVerdict,
)
from gatekeep.domain.identity import Principal
from gatekeep.domain.voting import objection_to, released_by
from gatekeep.gate.approval_ports import Ballot, Departure
from gatekeep.gate.approval_values import CastVote
from gatekeep.gate.voters import Voters
from gatekeep.messages import deciding

_LEAST_DIGEST: Final = 12
_US: Final = 1_000_000
_MACHINES_DOOR: Final = "webhook"
_REQUESTERS_DOING: Final = frozenset(
    {Departure.CANCELLED.value, Departure.CLIENT_LEFT.value, Departure.ENDED.value}
)


def objection(
    request: ApprovalRequest, voter: Principal, ballot: Ballot, voters: Voters
) -> CastVote | None:
    """Why this ballot on a pending request cannot count; None if it does."""
    cause, words = (
        _about_the_voter(request, voter, ballot, voters)
        or _about_the_ballot(request, voter, ballot)
        or _about_the_seat(request, voter, ballot, voters)
        or ("", "")
    )
    return refused(request, cause, words) if cause else None


def terms(request: ApprovalRequest, ballot: Ballot, usual_s: float) -> Ballot:
    """The ballot with what it leaves open; `usual_s` is how long leave lasts unless said otherwise.

    Leave ahead of time is what was asked, and nothing else: it may last shorter, never longer. Of a
    template only those values can be freed that were shown.
    """
    if not request.place.session:
        asked_s = request.grant_s or int(usual_s)
        lasts_s = min(ballot.for_s, asked_s) if ballot.for_s > 0 else asked_s
        return replace(ballot, scope=request.scope, freed=(), for_s=lasts_s)
    if ballot.scope is not Scope.TEMPLATE:
        return replace(ballot, freed=(), for_s=0)
    shown = {slot["number"] for slot in request.subject.facts.get("slots", ())}
    freed = tuple(sorted(shown.intersection(ballot.freed)))
    return replace(ballot, freed=freed, for_s=ballot.for_s if ballot.for_s > 0 else int(usual_s))


def agreed(ballot: Ballot, approving: Sequence[Vote]) -> Ballot:
    """How far the last ballot reaches, now that others have said yes as well.

    No farther than each of them said: where they do not all name the same scope it is once; of a
    template only those values are free that all of them freed, for the shortest time.
    """
    if any(one.scope is not ballot.scope for one in approving):
        return replace(ballot, scope=Scope.ONCE, freed=(), for_s=0)
    freed = frozenset(ballot.freed).intersection(*(one.freed for one in approving))
    lasts_s = min((one.for_s for one in approving), default=ballot.for_s)
    return replace(ballot, freed=tuple(sorted(freed)), for_s=lasts_s)


def counts(request: ApprovalRequest, words: str) -> CastVote:
    """A ballot that counts; the request as it is now."""
    return CastVote(request, counted=True, refusal="", words=words)


def voted(request: ApprovalRequest) -> CastVote:
    """There is a vote of this person already."""
    return refused(request, "voted", deciding.voted_before(request.id))


def refused(request: ApprovalRequest, cause: str, words: str) -> CastVote:
    """A ballot that changes nothing."""
    return CastVote(request, counted=False, refusal=cause, words=words)


def late(request: ApprovalRequest) -> CastVote:
    """Somebody, or time, was first."""
    by, state = request.decided_by, request.state
    if state is RequestState.PENDING:  # in the store alone: nobody waits for it any more
        state = RequestState.WITHDRAWN
    elif state is RequestState.WITHDRAWN and request.decision_reason in _REQUESTERS_DOING:
        by = by or request.place.principal
    words = deciding.already(request.id, state.value, by, request.decided_us)
    return refused(request, "late", words)


def _about_the_voter(
    request: ApprovalRequest, voter: Principal, ballot: Ballot, voters: Voters
) -> tuple[str, str] | None:
    now = voters.voter(voter)
    if ballot.via == _MACHINES_DOOR:  # whoever holds the secret of a webhook is no person
        now = replace(now, machine=True)
    why = objection_to(request, now)
    if why == "own":
        return why, deciding.own(request.id, voters.deciders(request))
    if why == "machine" and ballot.verdict is VoteVerdict.DENY:
        # it fills no seat, but may bar the way of what its group is asked about
        why = "" if voters.counted(request, voter) else "outsider"
    if why:
        return why, deciding.not_yours(request.id, why, voters.deciders(request))
    return None


def _about_the_seat(
    request: ApprovalRequest, voter: Principal, ballot: Ballot, voters: Voters
) -> tuple[str, str] | None:
    """One seat, one yes: who lets another vote in his place has voted when that one has."""
    if ballot.verdict is VoteVerdict.DENY or voters.has_free_seat(request, voter):
        return None
    return "voted", deciding.seat_taken(request.id)


def _about_the_ballot(
    request: ApprovalRequest, voter: Principal, ballot: Ballot
) -> tuple[str, str] | None:
    given = ballot.digest.strip().lower()
    if len(given) < _LEAST_DIGEST or not request.digest.startswith(given):
        return "digest", deciding.other_digest(request.id)
    if any(one.person == voter.person for one in request.votes):
        return "voted", deciding.voted_before(request.id)
    if ballot.verdict is VoteVerdict.DENY:
        return None if ballot.reason.strip() else ("reason", deciding.needs_reason(request.id))
    if request.high_risk and not ballot.mfa:
        return "mfa", deciding.needs_factor(request.id)
    if ballot.scope.value not in offered_scopes(request):
        return "scope", deciding.scope_not_offered(request.id, ballot.scope.value)
    return None


def offered_scopes(request: ApprovalRequest) -> tuple[str, ...]:
    """How far an approval of this request may reach."""
    if request.place.session:
        return (Scope.ONCE.value, *request.subject.facts.get("scopes", ()))
    return (request.scope.value,)


def scopes_left(request: ApprovalRequest) -> tuple[str, ...]:
    """How far one more yes may still reach: where those before named another scope it is once."""
    named = {vote.scope.value for vote in request.approving}
    return tuple(
        one for one in offered_scopes(request) if one == Scope.ONCE.value or named <= {one}
    )


def approval_of(request: ApprovalRequest, groups: frozenset[str], now_us: int) -> Approval:
    """What the votes of a request are to policy at this time."""
    last = max((vote.at_us for vote in request.approving), default=now_us)
    return Approval(
        "vote",
        groups,
        mfa=all(vote.mfa for vote in request.approving),
        age_s=max(0, now_us - last) // _US,
        request=request.id,
    )


def groups_of(request: ApprovalRequest, votes: tuple[Vote, ...]) -> frozenset[str] | None:
    """The groups that these votes speak for, if they release the request; else None."""
    why = request.why
    return released_by(why.approvers, votes, extra=why.extra, denier=why.denier)


def denier_of(request: ApprovalRequest) -> str:
    """The person who denied it."""
    denying = (vote.person for vote in request.votes if vote.verdict is VoteVerdict.DENY)
    return next(denying, request.decided_by)

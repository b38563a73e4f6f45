"""What the journal is told of requests, votes and grants: all that was decided, and no text twice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    RequestState,
    Scope,
    Subject,
    Vote,
    VoteVerdict,
    Why,
)
from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Grant
from gatekeep.domain.reviews import Review
from gatekeep.gate import approval_events as told
from gatekeep.gate.approval_ports import Emergency, Ending, Told

REQUEST = ApprovalRequest(
    "K3F9", Place("alice", "p-alice", "orders", "app", source="10.1.4.7", session="ab" * 16),
    Subject(RequestKind.STATEMENT, "DELETE", "DELETE FROM t WHERE ssn = 'secret'", "delete $1:text"),
    Why("rule", "why", "7f3a9c2", (("dba:2", "security"),), risk="high", extra=1, denier="p-bob"),
    "9c41" * 16, 1_000, 901_000, reason="OPS-412",
)  # fmt: skip
VOTE = Vote(
    "bob", "p-bob", VoteVerdict.APPROVE, "slack", 5_000, reason="agreed", groups=frozenset({"dba"}),
    mfa=True, scope=Scope.TEMPLATE, delegator="p-zoe", freed=(2, 1), for_s=600,
)  # fmt: skip
GRANT = Grant(
    "G-1", "K3F9", Scope.TEMPLATE, "grant", "alice", "p-alice", "orders", "app",
    frozenset({"dba:2", "dba"}), {"p-bob": frozenset({"dba"})}, 5, 6, 7, bound={"slots": "1"},
    shown="DELETE FROM t WHERE ssn = 'secret'",
)  # fmt: skip
ABOUT = {
    "account": "app", "principal": "alice", "request": "K3F9", "rule": "rule", "session": "ab" * 16,
    "target": "orders",
}  # fmt: skip
OF = {"account": "app", "grant": "G-1", "principal": "alice", "request": "K3F9", "target": "orders"}


def payload(one: Told) -> dict[str, object]:
    """As it will be read."""
    found: dict[str, object] = json.loads(one.payload)
    assert list(found) == sorted(found)
    return found


def test_a_request() -> None:
    """Who, where, why, by whom it can be released, how long, and the digest; not its text."""
    one = told.requested(REQUEST)
    assert one.kind is EventKind.APPROVAL_REQUESTED
    assert payload(one) == {
        **ABOUT, "approvers": [["dba:2", "security"]], "asked": "statement", "digest": "9c41" * 16,
        "extra": 1, "in_transaction": False, "open_until_us": 901_000, "policy": "7f3a9c2",
        "reason": "OPS-412", "risk": "high", "source": "10.1.4.7", "statements": 1,
        "template": "delete $1:text", "verb": "DELETE",
    }  # fmt: skip


def test_a_request_ahead_of_time_has_its_text() -> None:
    """There is no session in whose chain it would stand."""
    ahead = replace(REQUEST, place=replace(REQUEST.place, session=""), starts_us=9, grant_s=600)
    found = payload(told.requested(ahead))
    assert (found["text"], found["starts_us"], found["grant_s"]) == (REQUEST.subject.text, 9, 600)


def test_a_vote() -> None:
    """Who, as which person, for which groups, in whose place, by which door, and how far it goes."""
    one = told.voted(REQUEST, VOTE)
    assert one.kind is EventKind.APPROVAL_VOTED
    assert payload(one) == {
        **ABOUT, "delegator": "p-zoe", "for_s": 600, "freed": [2, 1], "groups": ["dba"], "mfa": True,
        "person": "p-bob", "reason": "agreed", "scope": "template", "verdict": "approve",
        "via": "slack", "voter": "bob",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (RequestState.APPROVED, EventKind.APPROVAL_DECIDED),
        (RequestState.DENIED, EventKind.APPROVAL_DECIDED),
        (RequestState.EXPIRED, EventKind.APPROVAL_EXPIRED),
        (RequestState.WITHDRAWN, EventKind.APPROVAL_WITHDRAWN),
    ],
)
def test_an_end(state: RequestState, kind: EventKind) -> None:
    """How, by whom, why, after how long."""
    one = told.ended(REQUEST, Ending(state, 61_000, "bob", "agreed", Scope.SESSION))
    assert one.kind is kind
    assert payload(one) == {
        **ABOUT, "by": "bob", "outcome": state.value, "reason": "agreed", "scope": "session",
        "waited_us": 60_000,
    }  # fmt: skip


def test_an_escalation() -> None:
    """Whom else."""
    one = told.escalated(REQUEST, ["lead"])
    assert (one.kind, payload(one)) == (EventKind.APPROVAL_ESCALATED, {**ABOUT, "groups": ["lead"]})


def test_a_grant_from_its_making_to_its_end() -> None:
    """What it is bound to, by whom and how long; its text is in the chain of who asked."""
    made = told.grant_made(GRANT)
    assert made.kind is EventKind.GRANT_MADE
    assert payload(made) == {
        **OF, "bound": {"slots": "1"}, "ends_us": 7, "groups": ["dba", "dba:2"], "leave": "grant",
        "persons": ["p-bob"], "scope": "template", "starts_us": 6,
    }  # fmt: skip
    assert payload(told.grant_spent(GRANT, "s1")) == {**OF, "session": "s1"}
    assert payload(told.grant_revoked(GRANT, "bob")) == {**OF, "by": "bob"}


def test_nothing_quotes_what_was_asked() -> None:
    """It may hold what only the person's own key shall open."""
    held = (
        told.requested(REQUEST), told.voted(REQUEST, VOTE), told.escalated(REQUEST, []),
        told.ended(REQUEST, Ending(RequestState.DENIED, 5)), told.grant_made(GRANT),
        told.grant_spent(GRANT, "s1"), told.grant_revoked(GRANT, "bob"),
    )  # fmt: skip
    assert not any(b"secret" in one.payload for one in held)


def test_leave_that_was_taken_is_told_whole() -> None:
    """Glass, grant and review in one change; and how the review ended."""
    review = Review("R-1", "G-1", "alice", "p-alice", "orders", "app", 5)
    emergency = Emergency("orders", "app", "it burns", via="cli")
    kinds = [one.kind for one in told.glass_broken(GRANT, review, emergency)]
    assert kinds == [EventKind.BREAKGLASS_OPENED, EventKind.GRANT_MADE, EventKind.REVIEW_OPENED]
    opened = payload(told.glass_broken(GRANT, review, emergency)[0])
    assert (opened["reason"], opened["via"], opened["review"]) == ("it burns", "cli", "R-1")
    closed = payload(told.review_closed(review, "sam", "as agreed"))
    assert (closed["by"], closed["finding"], closed["grant"]) == ("sam", "as agreed", "G-1")

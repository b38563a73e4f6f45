"""Requests, votes and grants as rows: what goes in comes out, whatever it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from gatekeep.domain.grants import Grant
from gatekeep.stores.sqlite.approval_rows import dumped, grant_of, request_body, request_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
GROUPS = st.frozensets(TEXT, max_size=3)
TIME = st.integers(0, 2**53)
JSON = st.dictionaries(TEXT, st.one_of(TEXT, TIME, st.booleans(), st.lists(TEXT, max_size=2)), max_size=3)
VOTES = st.builds(
    Vote, TEXT, TEXT, st.sampled_from(VoteVerdict), TEXT, TIME, reason=TEXT, groups=GROUPS,
    mfa=st.booleans(), scope=st.sampled_from(Scope), delegator=TEXT,
    freed=st.lists(TIME, max_size=2).map(tuple), for_s=TIME,
)  # fmt: skip
REQUESTS = st.builds(
    ApprovalRequest, TEXT,
    st.builds(Place, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, GROUPS),
    st.builds(
        Subject, st.sampled_from(RequestKind), TEXT, TEXT, TEXT, st.booleans(), JSON, GROUPS,
        st.lists(TEXT, max_size=2).map(tuple), TIME,
    ),
    st.builds(
        Why, TEXT, TEXT, TEXT, st.lists(st.lists(TEXT, max_size=2).map(tuple), max_size=2).map(tuple),
        TEXT, TEXT, TEXT, TIME, TEXT,
    ),
    TEXT, TIME, TIME, state=st.sampled_from(RequestState), reason=TEXT, in_transaction=st.booleans(),
    votes=st.lists(VOTES, max_size=2).map(tuple), scope=st.sampled_from(Scope), grant_s=TIME,
    starts_us=TIME, escalated=st.lists(TEXT, max_size=2).map(tuple), decided_us=TIME, decided_by=TEXT,
    decision_reason=TEXT, outcome=TEXT, settled=st.booleans(), sight=JSON,
)  # fmt: skip
GRANTS = st.builds(
    Grant, TEXT, TEXT, st.sampled_from(Scope), TEXT, TEXT, TEXT, TEXT, TEXT, GROUPS,
    st.dictionaries(TEXT, GROUPS, max_size=2), TIME, TIME, TIME, session=TEXT, mfa=st.booleans(),
    bound=st.dictionaries(TEXT, TEXT, max_size=3), shown=TEXT, used=TIME, revoked_us=TIME,
    revoked_by=TEXT, settled=st.booleans(),
)  # fmt: skip


@given(REQUESTS)
def test_a_request_comes_back_as_it_was(request: ApprovalRequest) -> None:
    """From its body, its own columns and its votes."""
    columns = {
        "state": request.state.value, "scope": request.scope.value, "outcome": request.outcome,
        "escalated": dumped(request.escalated), "decided_us": request.decided_us,
        "decided_by": request.decided_by, "decision_reason": request.decision_reason,
        "settled": int(request.settled), "sight": dumped(request.sight),
    }  # fmt: skip
    assert request_of(request_body(request), columns, map(dumped, request.votes)) == request


@given(GRANTS)
def test_a_grant_comes_back_as_it_was(grant: Grant) -> None:
    """From its body, with uses, revocation and settling as they are now."""
    columns = {
        "used": grant.used, "revoked_us": grant.revoked_us, "revoked_by": grant.revoked_by,
        "settled": int(grant.settled),
    }  # fmt: skip
    assert grant_of(dumped(grant), columns) == grant


def test_a_vote_of_before_is_still_read() -> None:
    """Kept when votes did not say what they free, nor for how long."""
    vote = Vote("bob", "p-bob", VoteVerdict.APPROVE, "cli", 5)
    body = json.loads(dumped(vote))
    del body["freed"], body["for_s"]
    columns = {
        "state": "approved", "scope": "once", "outcome": "", "escalated": b"[]", "decided_us": 5,
        "decided_by": "bob", "decision_reason": "", "settled": 1, "sight": b"{}",
    }  # fmt: skip
    request = ApprovalRequest(
        "K3F9", Place("a", "a", "t", "x"), Subject(RequestKind.LINE, "v", "t", "t"),
        Why("r", "w", "p", ()), "d", 0, 1,
    )  # fmt: skip
    assert request_of(request_body(request), columns, [dumped(body)]).votes == (vote,)


def test_bodies_are_sorted_and_hold_nothing_that_changes() -> None:
    """The same request is the same bytes."""
    request = ApprovalRequest(
        "K3F9", Place("a", "a", "t", "x", groups=frozenset({"b", "a"})),
        Subject(RequestKind.LINE, "v", "t", "t"), Why("r", "w", "p", ()), "d", 0, 1,
    )  # fmt: skip
    kept = json.loads(request_body(request))
    assert list(kept) == sorted(kept)
    assert kept["place"]["groups"] == ["a", "b"]
    assert not {"votes", "sight", "escalated"} & kept.keys()


def test_what_is_no_json_is_not_kept() -> None:
    """A fault of ours, and no row of half a truth."""
    with pytest.raises(TypeError):
        dumped({"a": object()})

"""One seat, one vote: what is lent to another is not there twice, and is no way around a bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    Subject,
    Vote,
    VoteVerdict,
    Why,
)
from gatekeep.domain.voting import Seat, Voter, free_seat, objection_to, released_by, seats

DBA = frozenset({"dba"})


def asked(*approvers: tuple[str, ...], owner: str = "") -> ApprovalRequest:
    """A request of alice's."""
    place = Place("alice", "alice", "orders", "app", owner=owner)
    why = Why("rule", "why", "policy", approvers or (("dba",),))
    subject = Subject(RequestKind.STATEMENT, "DELETE", "DELETE FROM t", "t")
    return ApprovalRequest("K3F9", place, subject, why, "9c" * 32, 0, 1)


def voter(
    person: str,
    *groups: str,
    lent: Mapping[str, str] | None = None,
    added_by: Mapping[str, str] | None = None,
) -> Voter:
    """A person in groups; `lent` names the group that each delegator lends."""
    places = tuple(Seat(name, frozenset({group})) for name, group in (lent or {}).items())
    return Voter(person, person, frozenset(groups), lent=places, added_by=added_by or {})


def voted(request: ApprovalRequest, who: Voter) -> ApprovalRequest:
    """The request with this one's approval."""
    seat = free_seat(request, who)
    assert seat is not None
    vote = Vote(
        who.principal, who.person, VoteVerdict.APPROVE, "cli", 0,
        groups=seat.groups, delegator=seat.delegator,
    )  # fmt: skip
    return replace(request, votes=(*request.votes, vote))


def test_who_stands_in_for_somebody_takes_his_seat() -> None:
    """Then the other one has voted; and the other way round."""
    bob, dan = voter("bob", "dba"), voter("dan", "engineers", lent={"bob": "dba"})
    by_dan, by_bob = voted(asked(), dan), voted(asked(), bob)
    assert by_dan.votes[0].delegator == "bob"
    assert free_seat(by_dan, bob) is None
    assert free_seat(by_bob, dan) is None


def test_two_who_stand_in_for_one_are_one_vote() -> None:
    """Else one of the group could make a quorum of two by himself."""
    request = voted(asked(("dba:2",)), voter("dan", lent={"bob": "dba"}))
    assert free_seat(request, voter("erin", lent={"bob": "dba"})) is None
    assert released_by(request.why.approvers, request.votes) is None


def test_ones_own_seat_comes_first_and_then_that_of_another() -> None:
    """Carol of the group can take bob's seat only when hers is taken by who stands in for her."""
    carol = voter("carol", "dba", lent={"bob": "dba"})
    assert [seat.delegator for seat in seats(asked(), carol)] == ["", "bob"]
    request = voted(asked(("dba:2",)), voter("dan", lent={"carol": "dba"}))
    request = voted(request, carol)
    assert [vote.delegator for vote in request.votes] == ["carol", "bob"]
    assert released_by(request.why.approvers, request.votes) == {"dba", "dba:2"}


def test_a_vote_speaks_for_one_seat_only() -> None:
    """Who is of one group and stands in for one of another fills one of the two."""
    carol = voter("carol", "dba", lent={"sam": "security"})
    request = voted(asked(("dba", "security")), carol)
    assert request.votes[0].groups == DBA
    assert released_by(request.why.approvers, request.votes) is None


def test_who_was_added_by_the_requester_lends_nothing_either() -> None:
    """Alice put bob into the group; dan, in bob's place, counts no more than bob."""
    by_alice = Seat("bob", DBA, {"dba": "alice"})
    dan = replace(voter("dan"), lent=(by_alice,))
    assert objection_to(asked(), dan) == "added"
    assert not objection_to(asked(), replace(dan, lent=(by_alice, Seat("erin", DBA))))


@pytest.mark.parametrize(
    ("who", "owner", "word"),
    [
        (voter("dan", "dba", lent={"alice": "dba"}), "", "delegate"),
        (replace(voter("dan", "dba"), delegates=frozenset({"alice"})), "", "delegate"),
        (voter("dan", "dba", lent={"bob": "dba"}), "bob", "delegate"),
        (replace(voter("dan", "dba"), delegates=frozenset({"bob"})), "bob", "delegate"),
        (voter("bob", "dba"), "bob", "owner"),
        (voter("alice", "dba"), "", "own"),
        (voter("dan", "engineers"), "", "outsider"),
        (voter("dan", "engineers", lent={"bob": "engineers"}), "", "outsider"),
        (voter("dan", "dba", added_by={"dba": "alice"}), "", "added"),
        (replace(voter("bot", "dba"), machine=True), "", "machine"),
        (voter("dan", "dba", added_by={"dba": "bob"}), "", ""),
    ],
)
def test_who_may_not_vote(who: Voter, owner: str, word: str) -> None:
    """Requester, owner of the machine, delegate and delegator of either, newly added, machine."""
    assert objection_to(asked(owner=owner), who) == word


_PEOPLE = ("bob", "carol", "dan", "erin")
_LENDING = st.dictionaries(
    st.sampled_from(_PEOPLE), st.frozensets(st.sampled_from(_PEOPLE), max_size=3), max_size=4
)


@given(
    members=st.frozensets(st.sampled_from(_PEOPLE)), lending=_LENDING,
    order=st.permutations(_PEOPLE), needed=st.integers(1, 3),
)  # fmt: skip
def test_no_lending_makes_more_votes_than_there_are_members(
    members: frozenset[str],
    lending: Mapping[str, frozenset[str]],
    order: list[str],
    needed: int,
) -> None:
    """Whoever lends what to whom, a quorum takes as many distinct members as it says."""
    request = asked((f"dba:{needed}",))
    for name in order:
        lent = tuple(
            Seat(giver, DBA)
            for giver, takers in sorted(lending.items())
            if name in takers and giver != name and giver in members
        )
        who = Voter(name, name, DBA if name in members else frozenset(), lent=lent)
        if not objection_to(request, who) and free_seat(request, who) is not None:
            request = voted(request, who)
    holders = {vote.delegator or vote.person for vote in request.votes}
    assert len(holders) == len(request.votes)
    assert holders <= members
    if released_by(request.why.approvers, request.votes) is not None:
        assert len(members) >= needed

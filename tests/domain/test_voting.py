"""What votes amount to, against the plainest way to find out: trying every way to sit down."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

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
from gatekeep.domain.voting import (
    Seat,
    Voter,
    asked_groups,
    counted_groups,
    objection_to,
    released_by,
    seats,
)

PERSONS = ("bob", "carol", "erin", "sam", "zoe")
GROUPS = ("dba", "security", "lead")
SETS = st.lists(
    st.lists(st.sampled_from(["dba", "dba:2", "dba:3", "security", "security:2", "lead"]), min_size=1, max_size=3)
    .map(tuple), min_size=1, max_size=3,
).map(tuple)  # fmt: skip
VOTES = st.dictionaries(
    st.sampled_from(PERSONS), st.frozensets(st.sampled_from(GROUPS)), max_size=5
)


def votes_of(held: Mapping[str, frozenset[str]]) -> list[Vote]:
    """A yes by each."""
    return [
        Vote(name, name, VoteVerdict.APPROVE, "cli", 0, groups=groups) for name, groups in held.items()
    ]


def sat_down(one: Sequence[str], held: Mapping[str, frozenset[str]]) -> bool:
    """Whether some order of these persons fills every seat of the set."""
    wanted = [
        name for group in one
        for name in [group.partition(":")[0]] * int(group.partition(":")[2] or 1)
    ]  # fmt: skip
    return any(
        all(name in held[person] for name, person in zip(wanted, order, strict=True))
        for order in itertools.permutations(held, len(wanted))
    )


@given(SETS, VOTES)
def test_votes_release_what_they_fill(
    sets: tuple[tuple[str, ...], ...], held: dict[str, frozenset[str]]
) -> None:
    """One person for each seat, whatever the order of the votes; the first full set names the groups."""
    full = [one for one in sets if sat_down(one, held)]
    for votes in (votes_of(held), votes_of(held)[::-1]):
        groups = released_by(sets, votes)
        assert (groups is not None) == bool(full)
        if groups is not None:
            assert {one for one in groups if ":" not in one} == {
                group.partition(":")[0] for group in full[0]
            }
            assert set(full[0]) <= groups


@given(SETS, VOTES, st.integers(1, 2), st.sampled_from(["", *PERSONS]))
def test_after_a_no_it_takes_more_persons_or_who_said_it(
    sets: tuple[tuple[str, ...], ...], held: dict[str, frozenset[str]], extra: int, denier: str
) -> None:
    """So many more than there are seats, unless who denied is among them."""
    enough = any(
        sat_down(one, held)
        and (
            (denier and denier in held)
            or len(held) >= extra + sum(int(group.partition(":")[2] or 1) for group in one)
        )
        for one in sets
    )
    assert (released_by(sets, votes_of(held), extra=extra, denier=denier) is not None) == enough


@given(SETS, VOTES)
def test_a_no_is_no_yes_and_two_of_one_person_are_one(
    sets: tuple[tuple[str, ...], ...], held: dict[str, frozenset[str]]
) -> None:
    """Denials fill no seat, and whoever votes twice sits once."""
    denying = [Vote(one.principal, one.person, VoteVerdict.DENY, "cli", 0, groups=one.groups) for one in votes_of(held)]
    assert released_by(sets, denying) is None
    again = [*votes_of(held), *votes_of(held), *denying]
    assert released_by(sets, again) == released_by(sets, votes_of(held))


def asked(*approvers: tuple[str, ...], owner: str = "") -> ApprovalRequest:
    """A request of alice's, or of a machine of `owner`'s."""
    place = Place("bot" if owner else "alice", "bot" if owner else "alice", "orders", "app", owner=owner)
    subject = Subject(RequestKind.STATEMENT, "DELETE", "DELETE FROM t", "t")
    return ApprovalRequest("K3F9", place, subject, Why("rule", "why", "7f3a", approvers), "9c" * 32, 0, 1)


def test_groups_are_asked_without_their_counts() -> None:
    """Of all sets."""
    assert asked_groups(asked(("dba:2", "lead"), ("security",))) == {"dba", "lead", "security"}


@pytest.mark.parametrize(
    ("voter", "word"),
    [
        (Voter("alice", "alice", frozenset({"dba"})), "own"),
        (Voter("bob", "bob", frozenset({"dba"})), ""),
        (Voter("bob", "bob", frozenset({"dba"}), delegates=frozenset({"alice"})), "delegate"),
        (Voter("bob", "bob", frozenset({"dba"}), lent=(Seat("alice", frozenset({"dba"})),)), "delegate"),
        (Voter("bob", "bob", frozenset({"dba"}), machine=True), "machine"),
        (Voter("bob", "bob", frozenset({"lead"})), "outsider"),
        (Voter("bob", "bob", frozenset({"dba"}), added_by={"dba": "alice"}), "added"),
        (Voter("bob", "bob", frozenset({"dba"}), added_by={"dba": "zoe"}), ""),
        (Voter("bob", "bob", frozenset({"dba"}), added_by={"lead": "alice"}), ""),
    ],
)
def test_one_word_says_why_not(voter: Voter, word: str) -> None:
    """Who may not, and why; empty for who may."""
    assert objection_to(asked(("dba",)), voter) == word


def test_who_answers_for_the_machine_has_no_more_say_than_it() -> None:
    """Himself, his stand-ins, whoever he stands in for, and whom he put into the group."""
    request = asked(("dba",), owner="olga")
    dba = frozenset({"dba"})
    assert objection_to(request, Voter("olga", "olga", dba)) == "owner"
    assert objection_to(request, Voter("bob", "bob", dba, delegates=frozenset({"olga"}))) == "delegate"
    assert objection_to(request, Voter("bob", "bob", dba, lent=(Seat("olga", dba),))) == "delegate"
    assert objection_to(request, Voter("bob", "bob", dba, added_by={"dba": "olga"})) == "added"
    assert objection_to(request, Voter("bob", "bob", dba, added_by={"dba": ""})) == ""


@given(
    st.frozensets(st.sampled_from(GROUPS)), st.dictionaries(st.sampled_from(GROUPS), st.sampled_from(["alice", "zoe"])),
    st.lists(st.tuples(st.sampled_from(PERSONS), st.frozensets(st.sampled_from(GROUPS))), max_size=3, unique_by=lambda one: one[0]),
)  # fmt: skip
def test_a_seat_counts_for_what_is_asked_and_was_not_given_by_who_asks(
    own: frozenset[str], added_by: dict[str, str], lent: list[tuple[str, frozenset[str]]]
) -> None:
    """His own first; never a group that nobody asks about, nor one that the requester put him into."""
    request = asked(("dba", "security"))
    voter = Voter("max", "max", own, lent=tuple(Seat(name, groups) for name, groups in lent), added_by=added_by)
    found = list(seats(request, voter))
    for seat in found:
        assert seat.groups
        assert seat.groups <= {"dba", "security"}
        source = own if not seat.delegator else dict(lent)[seat.delegator]
        assert seat.groups <= source
    counted = {group for group in own & {"dba", "security"} if added_by.get(group) != "alice"}
    assert [set(seat.groups) for seat in found if not seat.delegator] == ([counted] if counted else [])
    assert counted_groups(request, voter) == (found[0].groups if found else frozenset())

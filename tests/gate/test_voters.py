"""Whom to tell: who is on call, with who stands in for him, and everybody where that is nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gatekeep.domain.approvals import ApprovalRequest, Place, RequestKind, Subject, Why
from gatekeep.domain.identity import Principal
from gatekeep.errors import NotPermitted
from gatekeep.gate.approval_ports import StandIn
from gatekeep.gate.voters import NobodySpecial, Voters

CROWD = tuple(
    Principal(name, name, frozenset(groups))
    for name, *groups in (
        ("alice", "engineers"), ("bob", "dba"), ("carol", "dba"), ("dan", "engineers"),
        ("erin", "sre"), ("frank", "sre"), ("lee", "lead"),
    )
)  # fmt: skip


class Directory:
    """These people; nobody signs in."""

    def principal(self, name: str) -> Principal | None:
        """By name."""
        return next((one for one in CROWD if one.name == name), None)

    def principals(self) -> Sequence[Principal]:
        """All of them."""
        return CROWD


class Rota(NobodySpecial):
    """Who is on call, whom else to ask later, and whom bob lends his place."""

    def __init__(self) -> None:
        self.called: dict[str, frozenset[str]] = {}
        self.later: dict[str, tuple[int, str]] = {}
        self.lent: dict[str, dict[str, frozenset[str]]] = {}

    def on_call(self, group: str) -> frozenset[str] | None:
        """As the test says."""
        return self.called.get(group)

    def escalation(self, group: str) -> tuple[int, str] | None:
        """As the test says."""
        return self.later.get(group)

    def lent_to(self, person: str) -> dict[str, frozenset[str]]:
        """As the test says."""
        return self.lent.get(person, {})

    def delegates_of(self, person: str) -> frozenset[str]:
        """As the test says."""
        return frozenset(name for name, lent in self.lent.items() if person in lent)


def asked(*approvers: tuple[str, ...]) -> ApprovalRequest:
    """A request of alice's."""
    return ApprovalRequest(
        "K3F9", Place("alice", "alice", "orders", "app"),
        Subject(RequestKind.STATEMENT, "DELETE", "DELETE", "t"),
        Why("rule", "why", "policy", approvers), "9c" * 32, 0, 1,
    )  # fmt: skip


@pytest.fixture
def rota() -> Rota:
    """Nobody is on call yet."""
    return Rota()


@pytest.fixture
def voters(rota: Rota) -> Voters:
    """The directory, asked about votes."""
    return Voters(Directory(), rota)  # type: ignore[arg-type]  # nobody signs in here


def test_who_is_on_call_is_told_alone(voters: Voters, rota: Rota) -> None:
    """All of the group may decide all the same."""
    rota.called = {"dba": frozenset({"carol"})}
    assert voters.asked_now(asked(("dba",))) == ["carol"]
    assert voters.deciders(asked(("dba",))) == ["bob", "carol"]


@pytest.mark.parametrize("called", [frozenset(), frozenset({"mallory"}), frozenset({"dan", "erin"})])
def test_an_answer_without_anybody_of_the_group_is_none(
    voters: Voters, rota: Rota, called: frozenset[str]
) -> None:
    """Everybody of that group is told, whoever is on call for another."""
    rota.called = {"dba": called, "sre": frozenset({"erin"})}
    assert voters.asked_now(asked(("dba", "sre"))) == ["bob", "carol", "erin"]


def test_who_stands_in_for_him_is_told_too(voters: Voters, rota: Rota) -> None:
    """He is away, and it is the other one who will look."""
    rota.called = {"dba": frozenset({"bob"})}
    rota.lent = {"dan": {"bob": frozenset()}}
    assert voters.asked_now(asked(("dba",))) == ["bob", "dan"]


def test_who_is_asked_later_is_told_later(voters: Voters, rota: Rota) -> None:
    """From the escalation on."""
    rota.later = {"dba": (300, "lead")}
    request = asked(("dba",), ("lead",))
    assert voters.asked_now(request) == ["bob", "carol"]
    assert voters.asked_now(replace(request, escalated=("lead",))) == ["bob", "carol", "lee"]


def test_what_is_lent_for_one_group_is_not_lent_for_another(voters: Voters, rota: Rota) -> None:
    """And nothing that the other is not in himself."""
    rota.lent = {"dan": {"bob": frozenset({"sre"})}}
    assert voters.deciders(asked(("dba",))) == ["bob", "carol"]
    assert voters.deciders(asked(("sre",))) == ["erin", "frank"]
    rota.lent = {"dan": {"bob": frozenset({"dba", "sre"})}}
    assert voters.deciders(asked(("dba",))) == ["bob", "carol", "dan"]
    assert voters.seat(asked(("dba",)), CROWD[3]).delegator == "bob"


def test_a_voter_counts_for_what_the_directory_says_now(voters: Voters, rota: Rota) -> None:
    """One whom it knows otherwise, or not at all, counts for nothing and stands in for nobody."""
    rota.lent = {"bob": {"carol": frozenset()}, "zoe": {"carol": frozenset()}}
    bob = CROWD[1]
    assert voters.voter(bob).groups == {"dba"}
    assert voters.voter(bob).delegations == {"carol"}
    for stale in (replace(bob, groups=frozenset({"lead"})), replace(bob, owner="x"), Principal("zoe", "zoe")):
        now = voters.voter(stale)
        assert (now.groups, now.lent) == (frozenset(), ())


def test_what_a_delegator_has_lost_is_not_lent(voters: Voters, rota: Rota) -> None:
    """Only what he is in himself, as far as he lends it; nothing of one who is gone."""
    rota.lent = {"dan": {"bob": frozenset({"lead"}), "zoe": frozenset(), "erin": frozenset()}}
    lent = {seat.delegator: seat.groups for seat in voters.voter(CROWD[3]).lent}
    assert lent == {"bob": frozenset(), "erin": frozenset({"sre"})}


@pytest.mark.parametrize(
    ("persons", "still"),
    [
        ({}, True), ({"bob": {"dba"}}, True), ({"bob": {"dba"}, "erin": {"sre"}}, True),
        ({"bob": {"dba", "lead"}}, False), ({"zoe": {"dba"}}, False), ({"dan": {"dba"}}, False),
        ({"bob": {"dba"}, "zoe": set()}, True),
    ],
)  # fmt: skip
def test_votes_count_while_each_is_in_his_groups(
    voters: Voters, persons: dict[str, set[str]], *, still: bool
) -> None:
    """All of them; nobody's vote is left that his groups do not cover."""
    assert voters.still_count({name: frozenset(held) for name, held in persons.items()}) is still


def test_a_vote_in_anothers_place_counts_as_long_as_that_lasts(voters: Voters, rota: Rota) -> None:
    """The place is taken back: the vote rests on nobody."""
    rota.lent = {"dan": {"bob": frozenset()}}
    assert voters.still_count({"dan": frozenset({"dba"})})
    rota.lent = {}
    assert not voters.still_count({"dan": frozenset({"dba"})})


def test_who_is_asked_as_well_by_now(voters: Voters, rota: Rota) -> None:
    """Each group once, when its time has come, in order."""
    rota.later = {"dba": (300, "lead"), "sre": (60, "aaa")}
    request = asked(("dba:2",), ("sre",))
    assert voters.asked_as_well(request, 59) == []
    assert voters.asked_as_well(request, 60) == ["aaa"]
    assert voters.asked_as_well(request, 300) == ["aaa", "lead"]
    assert voters.asked_as_well(replace(request, escalated=("aaa",)), 300) == ["lead"]


def test_groups_now_are_words(voters: Voters) -> None:
    """So that they can be part of what an approval is bound to."""
    assert voters.groups_now("bob") == "dba"
    assert voters.groups_now("zoe") == "nobody"


async def test_where_nothing_is_set_up_nobody_stands_in() -> None:
    """No delegation can be made, ended or found."""
    nobody = NobodySpecial()
    assert nobody.delegations(live=True) == ()
    assert nobody.all_on_call() == ()
    assert (nobody.on_call("dba"), nobody.escalation("dba")) == (None, None)
    with pytest.raises(NotPermitted):
        await nobody.delegate(CROWD[1], StandIn("dan", 5))
    with pytest.raises(KeyError):
        await nobody.end_delegation("D-1", CROWD[1], any_=True)

"""Whom to tell: who is on call, with who stands in for him, and everybody where that is nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gatekeep.domain.approvals import ApprovalRequest, Place, RequestKind, Subject, Why
from gatekeep.domain.identity import Principal
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

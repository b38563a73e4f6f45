"""Who may decide what, as the directory stands now: voters, their groups, and whom to tell.

Names and groups only; whether a vote counts is a rule of `domain.voting`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.domain.delegations import Delegation, OnCall
from gatekeep.domain.identity import Principal
from gatekeep.domain.voting import (
    Seat,
    Voter,
    asked_groups,
    counted_groups,
    free_seat,
    objection_to,
    seats,
)
from gatekeep.errors import NotPermitted
from gatekeep.gate.approval_ports import StandIn
from gatekeep.gate.ports import Directory


class People(Protocol):
    """What is known about persons beside the directory of principals."""

    def lent_to(self, person: str) -> Mapping[str, frozenset[str]]:
        """In whose place this person may vote now, and for which groups (none: for all)."""

    def delegates_of(self, person: str) -> frozenset[str]:
        """Who may vote now in this person's place."""

    def added_by(self, person: str) -> Mapping[str, str]:
        """Groups that this person was put into during the last 24 h, with the person who did it."""

    def on_call(self, group: str) -> frozenset[str] | None:
        """The persons on call for a group; None where no schedule says."""

    def escalation(self, group: str) -> tuple[int, str] | None:
        """After how many seconds without an answer which group is asked as well."""

    async def delegate(self, by: Principal, stand_in: StandIn) -> Delegation:
        """Let another vote in `by`'s place. Raises as `Approvals.delegate` says."""

    async def end_delegation(self, delegation_id: str, by: Principal, *, any_: bool) -> Delegation:
        """End one at once; `any_`: also one that is neither of his. Raises KeyError, NotPermitted."""

    def delegations(self, *, live: bool) -> Sequence[Delegation]:
        """All of them, newest first, or those that are live."""

    def all_on_call(self) -> Sequence[OnCall]:
        """Whom each group asks at this moment, by group."""


class NobodySpecial:
    """No delegations, no schedule, nobody newly in a group."""

    def lent_to(self, _person: str) -> Mapping[str, frozenset[str]]:
        """Nobody's."""
        return {}

    def delegates_of(self, _person: str) -> frozenset[str]:
        """Nobody."""
        return frozenset()

    def added_by(self, _person: str) -> Mapping[str, str]:
        """None."""
        return {}

    def on_call(self, _group: str) -> frozenset[str] | None:
        """No schedule."""
        return None

    def escalation(self, _group: str) -> tuple[int, str] | None:
        """Never."""
        return None

    async def delegate(self, _by: Principal, _stand_in: StandIn) -> Delegation:
        """Not here."""
        raise NotPermitted("delegations are not set up here")

    async def end_delegation(
        self, delegation_id: str, _by: Principal, *, any_: bool  # noqa: ARG002 - the port's shape
    ) -> Delegation:
        """There is none."""
        raise KeyError(delegation_id)

    def delegations(self, *, live: bool) -> Sequence[Delegation]:  # noqa: ARG002 - the port's shape
        """None."""
        return ()

    def all_on_call(self) -> Sequence[OnCall]:
        """No schedule."""
        return ()


class Voters:
    """The directory, asked about votes."""

    def __init__(self, directory: Directory, people: People) -> None:
        self._directory = directory
        self.people = people

    def voter(self, principal: Principal) -> Voter:
        """The principal with the groups that he counts for now."""
        known = self._directory.principal(principal.name)
        own = known.groups if known == principal else frozenset()
        lent = self._lent(principal.person) if known == principal else {}
        return Voter(
            principal.name,
            principal.person,
            own,
            machine=bool(principal.owner),
            lent=tuple(
                Seat(person, lent[person], self.people.added_by(person), self._near(person))
                for person in sorted(lent)
            ),
            delegates=self.people.delegates_of(principal.person),
            added_by=self.people.added_by(principal.person),
        )

    def seat(self, request: ApprovalRequest, principal: Principal) -> Seat:
        """The seat that this principal's word counts for: a free one, if there is any."""
        voter = self.voter(principal)
        return free_seat(request, voter) or next(seats(request, voter), Seat("", frozenset()))

    def has_free_seat(self, request: ApprovalRequest, principal: Principal) -> bool:
        """Whether nobody has voted yet on a seat that this principal may take."""
        return free_seat(request, self.voter(principal)) is not None

    def deciders(self, request: ApprovalRequest) -> Sequence[str]:
        """The persons who may decide it, by name."""
        return sorted(
            {
                one.person
                for one in self._directory.principals()
                if not objection_to(request, self.voter(one))
            }
        )

    def asked_now(self, request: ApprovalRequest) -> Sequence[str]:
        """Of these, whom to tell now: who is on call, without those who are asked only later.

        And who may vote in their place. All of a group where nobody in it is on call, and all of
        them where that would be nobody.
        """
        groups = asked_groups(request)
        later = {
            then[1]
            for group in groups
            if (then := self.people.escalation(group)) and then[1] not in request.escalated
        }
        called: set[str] = set()
        for group in groups - later:
            members = self._members(group)
            called |= (self.people.on_call(group) or members) & members or members
        called = called.union(*map(self.people.delegates_of, called))
        deciders = self.deciders(request)
        return sorted(called & set(deciders)) or deciders

    def asked_as_well(self, request: ApprovalRequest, waited_s: int) -> list[str]:
        """The groups that are to be asked too, now that it has waited so long; those not yet."""
        then = (self.people.escalation(group) for group in asked_groups(request))
        due = {one[1] for one in then if one is not None and waited_s >= one[0]}
        return sorted(due.difference(request.escalated))

    def groups_now(self, name: str) -> str:
        """The groups that the directory has this principal in at this moment, in words."""
        known = self._directory.principal(name)
        return "nobody" if known is None else " ".join(sorted(known.groups))

    def is_of(self, name: str, person: str) -> bool:
        """Whether this principal is this person's at this moment."""
        known = self._directory.principal(name)
        return known is not None and known.person == person

    def still_count(self, persons: Mapping[str, frozenset[str]]) -> bool:
        """Whether each of these persons is still in the groups that he spoke for."""
        return all(groups <= self._reach(person) for person, groups in persons.items())

    def counted(self, request: ApprovalRequest, principal: Principal) -> frozenset[str]:
        """The asked groups that this principal's word counts for."""
        return counted_groups(request, self.voter(principal))

    def _reach(self, person: str) -> frozenset[str]:
        return self._groups_of(frozenset({person})).union(*self._lent(person).values())

    def _lent(self, person: str) -> dict[str, frozenset[str]]:
        """The groups that each delegator is in himself, as far as he lent them to this person."""
        return {
            delegator: own & groups if groups else own
            for delegator, groups in self.people.lent_to(person).items()
            if (own := self._groups_of(frozenset({delegator})))
        }

    def _near(self, person: str) -> frozenset[str]:
        return self.people.delegates_of(person).union(self.people.lent_to(person))

    def _members(self, group: str) -> frozenset[str]:
        return frozenset(
            one.person for one in self._directory.principals() if group in one.groups
        )

    def _groups_of(self, persons: frozenset[str]) -> frozenset[str]:
        return frozenset(
            group
            for one in self._directory.principals()
            if one.person in persons and not one.owner
            for group in one.groups
        )

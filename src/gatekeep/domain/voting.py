"""Who may vote, and what votes amount to. Pure rules over names; nothing is looked up here.

Votes count natural persons, each for one seat only, and each seat once (12-threats H11): who lets
another vote in his place has voted when that one has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gatekeep.domain.approvals import ApprovalRequest, Vote, VoteVerdict


@dataclass(frozen=True, slots=True)
class Seat:
    """Groups that somebody may speak for: his own, or, with `delegator`, in that person's place.

    `added_by` maps a group to the person who put the seat's own person into it in the last 24 h.
    `near` are the persons who stand in for the delegator now, and for whom he does.
    """

    delegator: str
    groups: frozenset[str]
    added_by: Mapping[str, str] = field(default_factory=dict)
    near: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Voter:
    """Who wants to vote, and what the directory says of him at this moment.

    `groups` are his own, `lent` what he may speak for in others' places, by their names. `machine`
    is true for a principal that an owner answers for. `delegates` are the persons who may vote in
    his place now. `added_by` maps a group to the person who put him into it during the last 24 h.
    """

    principal: str
    person: str
    groups: frozenset[str]
    machine: bool = False
    lent: tuple[Seat, ...] = ()
    delegates: frozenset[str] = frozenset()
    added_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def delegations(self) -> frozenset[str]:
        """The persons in whose place he may vote now."""
        return frozenset(seat.delegator for seat in self.lent)


def objection_to(request: ApprovalRequest, voter: Voter) -> str:
    """Why this voter may not decide this request: one word for the messages; empty if he may.

    `own`: asked by this person. `owner`: he answers for the machine that asks. `delegate`: he
    votes in the place of who asks (or of who answers for the machine that does), or that one in
    his; or he votes in the place of somebody of whom that is true. `added`: the requester (or who answers for the machine that asks) put him, or him in whose
    place he votes, into the group. `machine`: a machine never fills a seat. `outsider`: in none of the groups that are asked.
    """
    place = request.place
    if voter.person == place.person:
        return "own"
    if place.owner and voter.person == place.owner:
        return "owner"
    if {place.person, place.owner} & (voter.delegates | voter.delegations):
        return "delegate"
    if voter.machine:
        return "machine"
    reach = voter.groups.union(*(seat.groups for seat in voter.lent))
    if not reach & asked_groups(request):
        return "outsider"
    near = any({place.person, place.owner} & seat.near for seat in voter.lent)
    return "" if counted_groups(request, voter) else "delegate" if near else "added"


def seats(request: ApprovalRequest, voter: Voter) -> Iterator[Seat]:
    """The seats that this voter may take on this request, with the groups that count: his own first."""
    asked, theirs = asked_groups(request), {request.place.person, request.place.owner} - {""}
    for seat in (Seat("", voter.groups, voter.added_by), *voter.lent):
        if seat.near & theirs:
            continue
        counted = frozenset(
            group for group in seat.groups & asked if seat.added_by.get(group) not in theirs
        )
        if counted:
            yield replace(seat, groups=counted)


def free_seat(request: ApprovalRequest, voter: Voter) -> Seat | None:
    """The first of them that nobody has voted on yet; None where all are taken."""
    taken = {vote.delegator or vote.person for vote in request.votes}
    free = (seat for seat in seats(request, voter) if (seat.delegator or voter.person) not in taken)
    return next(free, None)


def counted_groups(request: ApprovalRequest, voter: Voter) -> frozenset[str]:
    """The asked groups that this voter's word counts for."""
    return next((seat.groups for seat in seats(request, voter)), frozenset())


def asked_groups(request: ApprovalRequest) -> frozenset[str]:
    """Every group that could help to release it, without counts."""
    named = (group for one in request.why.approvers for group in one)
    return frozenset(group.partition(":")[0] for group in named)


def released_by(
    sets: Iterable[Sequence[str]], votes: Iterable[Vote], *, extra: int = 0, denier: str = ""
) -> frozenset[str] | None:
    """The groups that these votes speak for, if they fill one of the sets; None if none is full.

    Each set names seats: `dba` one of them, `dba:2` two. One person sits on one seat. With
    `extra`, so many persons more have to agree, unless `denier` is among those who do.
    """
    persons: dict[str, frozenset[str]] = {}
    for vote in votes:
        if vote.verdict is VoteVerdict.APPROVE:
            persons[vote.person] = persons.get(vote.person, frozenset()) | vote.groups
    needed_more = 0 if denier and denier in persons else extra
    for one in sets:
        seats = [name for group in one for name in _seats(group)]
        if len(persons) >= len(seats) + needed_more and _seated(seats, persons):
            return frozenset(name for group in one for name in _implied(group))
    return None


def next_decides(
    sets: Sequence[Sequence[str]], votes: Sequence[Vote], *, extra: int = 0, denier: str = ""
) -> bool:
    """Whether one more yes is the last that is needed, whoever of the asked groups gives it."""
    groups = {group.partition(":")[0] for one in sets for group in one}
    return all(
        released_by(sets, (*votes, _somebody_of(group)), extra=extra, denier=denier) is not None
        for group in groups
    )


def _somebody_of(group: str) -> Vote:
    return Vote("", "", VoteVerdict.APPROVE, "", 0, groups=frozenset({group}))


def _seats(group: str) -> list[str]:
    name, _, count = group.partition(":")
    return [name] * int(count or 1)


def _implied(group: str) -> Collection[str]:
    name, _, count = group.partition(":")
    return [name, *(f"{name}:{number}" for number in range(2, int(count or 1) + 1))]


def _seated(seats: Sequence[str], persons: Mapping[str, frozenset[str]]) -> bool:
    """Whether every seat can be given to another person (augmenting paths: there are few seats)."""
    holder: dict[int, str] = {}

    def place(person: str, tried: set[int]) -> bool:
        for number, group in enumerate(seats):
            if group in persons[person] and number not in tried:
                tried.add(number)
                if number not in holder or place(holder[number], tried):
                    holder[number] = person
                    return True
        return False

    for person in sorted(persons):
        place(person, set())
    return len(holder) == len(seats)

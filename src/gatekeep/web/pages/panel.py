"""The panel by which a request is decided: what it offers to whom, and what each button means.

Makes the panel and reads it back from the form, so that both agree; casts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope, Vote, VoteVerdict
from gatekeep.domain.grants import Slot
from gatekeep.domain.identity import Principal
from gatekeep.domain.neighbours import bare_value, neighbours
from gatekeep.domain.voting import released_by
from gatekeep.gate.ballots import offered_scopes, scopes_left
from gatekeep.messages import web as words
from gatekeep.messages import web_requests as said
from gatekeep.web.pages.command_text import CommandText
from gatekeep.web.pages.visits import Visit

_LONGEST_S: Final = 8 * 3600
_MOST_SLOTS: Final = 32
_VALUE: Final = 80


@dataclass(frozen=True, slots=True)
class ScopeChoice:
    """One way to approve: what is chosen, what follows from it, and the button that does it."""

    value: str
    label: str
    consequence: str
    button: str


@dataclass(frozen=True, slots=True)
class SlotChoice:
    """A value that may be freed, with three others that would then be allowed, too."""

    number: int
    shown: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """What may be done with a request. Without `may_decide` only `note` is said.

    `barred` is why it can be denied only. `read_lines` is 0 where no box must be ticked.
    """

    note: str = ""
    may_decide: bool = False
    may_withdraw: bool = False
    barred: str = ""
    scopes: tuple[ScopeChoice, ...] = ()
    slots: tuple[SlotChoice, ...] = ()
    read_lines: int = 0
    asks_code: bool = False
    asks_password: bool = False


async def panel_for(
    visit: Visit, request: ApprovalRequest, command: CommandText, *, asks_code: bool = False
) -> Panel:
    """The panel that this principal gets. `asks_code`: policy wants a second factor for it."""
    if request.state is not RequestState.PENDING:
        return Panel()
    me, desk = visit.principal, visit.needs.approvals
    deciders = desk.deciders(request)
    if me.person == request.place.person:
        return Panel(said.own(deciders), may_withdraw=True)
    mine = next((vote for vote in request.votes if vote.person == me.person), None)
    if mine is not None:
        return Panel(said.voted(mine.verdict.value))
    if me.person not in deciders:
        return Panel(said.not_yours(deciders))
    needs_code = asks_code or request.high_risk
    has_codes = visit.needs.sign_in.proofs.needs_code(me.name)
    decides = _would_decide(request, me, await _groups(visit))
    return Panel(
        note=_note(request, decides=decides),
        may_decide=True,
        barred=_barred(command, needs_code=needs_code, has_codes=has_codes),
        scopes=tuple(_choices(visit, request, decides=decides)),
        slots=tuple(slots_of(request)),
        read_lines=command.count if command.long else 0,
        asks_code=needs_code,
        asks_password=needs_code
        and visit.browser is not None
        and not visit.browsers.is_fresh(visit.browser),
    )


def lasts_s(visit: Visit, request: ApprovalRequest, scope: str) -> int:
    """How long an approval of this scope lasts, seconds; 0 where that is no matter of time."""
    if scope == Scope.TEMPLATE:
        said_before = (vote.for_s for vote in request.approving if vote.for_s)
        return min((visit.needs.template_s, *said_before))
    if request.place.session:
        return 0
    return request.grant_s or _LONGEST_S


def slots_of(request: ApprovalRequest) -> list[SlotChoice]:
    """The values of its template that may be freed: none that is sensitive, none of a secret text.

    Nor any that somebody who has agreed already did not free.
    """
    if Scope.TEMPLATE.value not in scopes_left(request) or request.subject.redacted:
        return []
    kept = [frozenset(vote.freed) for vote in request.approving]
    return [
        SlotChoice(
            slot.number,
            words.plain(bare_value(slot) if slot.bound else slot.value, _VALUE),
            tuple(words.plain(one, _VALUE) for one in neighbours(slot)),
        )
        for slot in _read_slots(request.subject.facts.get("slots"))
        if not slot.sensitive and all(slot.number in freed for freed in kept)
    ]


def _read_slots(facts: object) -> list[Slot]:
    """Slots as the facts of a subject keep them: objects with the fields of `grants.Slot`."""
    if not isinstance(facts, Sequence) or isinstance(facts, str):
        return []
    return [_slot(one) for one in facts[:_MOST_SLOTS] if isinstance(one, Mapping)]


def _slot(fact: Mapping[str, Any]) -> Slot:
    return Slot(
        int(fact["number"]), str(fact["type"]), str(fact["value"]),
        bool(fact.get("bound")), bool(fact.get("sensitive")),
    )  # fmt: skip


def _choices(visit: Visit, request: ApprovalRequest, *, decides: bool) -> list[ScopeChoice]:
    choices = []
    for scope in scopes_left(request):
        reach = said.Reach(
            request.subject.kind.value, request.subject.verb, request.place.principal,
            request.place.target, request.place.session_code, request.why.rule,
            lasts_s(visit, request, scope), ahead=not request.place.session,
        )  # fmt: skip
        choices.append(
            ScopeChoice(
                scope,
                said.scope_label(scope, reach.for_s, ahead=reach.ahead),
                said.consequence(scope, reach),
                said.approve_button(scope, reach, decides=decides),
            )
        )
    return choices


def _note(request: ApprovalRequest, *, decides: bool) -> str:
    """What his word does not do: decide alone, or reach further than those before him went."""
    left = scopes_left(request)
    less = "" if left == offered_scopes(request) else said.agreed_on(left)
    return " ".join(one for one in ("" if decides else said.VOTE_NOT_LAST, less) if one)


def _barred(command: CommandText, *, needs_code: bool, has_codes: bool) -> str:
    if not command.whole:
        return said.NOT_WHOLE
    return said.NEEDS_CODES if needs_code and not has_codes else ""


async def _groups(visit: Visit) -> frozenset[str]:
    """The groups that he may speak for: his own, and those of whoever lets him vote in his place."""
    me, needs = visit.principal, visit.needs
    groups = set(me.groups)
    for one in await needs.approvals.delegations(me, live=True):
        if one.delegate_person == me.person:
            lent = {
                group
                for principal in needs.directory.principals()
                if principal.person == one.person and not principal.owner
                for group in principal.groups
            }
            groups |= lent & one.groups if one.groups else lent
    return frozenset(groups)


def _would_decide(request: ApprovalRequest, me: Principal, groups: frozenset[str]) -> bool:
    """Whether one more yes, by `me` for these groups, is the last that is needed."""
    vote = Vote(me.name, me.person, VoteVerdict.APPROVE, "web", 0, groups=groups)
    why = request.why
    votes = (*request.votes, vote)
    return released_by(why.approvers, votes, extra=why.extra, denier=why.denier) is not None

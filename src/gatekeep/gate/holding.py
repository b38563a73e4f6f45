"""Holding in place: from a decision that says ask to an approval that still fits, or to none.

Grant → adopted rule → question, durable → people are told → wait → bound to the same as then? Top
to bottom in `Holding.released`. Evaluating again, recording and the permit are `clearance`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.approvals import (
    Approval,
    ApprovalRequest,
    Binding,
    RequestState,
    Scope,
    Subject,
)
from gatekeep.domain.commands import SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.grants import Situation
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.domain.sessions import Session
from gatekeep.gate.adopted import Adopted, Match, likenesses_of
from gatekeep.gate.approval_desk import ApprovalDesk
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.approval_values import NewRequest, NotAsked
from gatekeep.gate.ballots import approval_of, groups_of
from gatekeep.gate.granting import GrantBook
from gatekeep.gate.hold_ports import Hold
from gatekeep.gate.ports import Judgement, PolicyDesk
from gatekeep.gate.sampling_ports import Draw, SampleBook
from gatekeep.gate.subjects import (
    Action,
    around_of,
    command_subject,
    exact_of,
    place_of,
    sql_subject,
    why_of,
    with_slots,
)
from gatekeep.gate.voters import Voters
from gatekeep.runtime.tasks import TaskOwner

_REMIND_S: Final = 60.0
_LOOK_S: Final = 0.15
_US: Final = 1_000_000
_FRESH_US: Final = 60 * _US
_STEP_US: Final = 2 * _US
"""From how much on a clock that was set back counts as set back, as for the journal."""
_NO: Final = {RequestState.DENIED: "denied", RequestState.EXPIRED: "expired"}


@dataclass(frozen=True, slots=True)
class Held:
    """What waits: the asked actions of one submission, their judgements, their places in it."""

    session: Session
    actions: Sequence[Action]
    judgements: Sequence[Judgement]
    positions: Sequence[int]


@dataclass(frozen=True, slots=True)
class NotReleased:
    """Why nothing goes out. `cause` is denied, expired, departed, void or not asked.

    `request` is None where nothing was asked, and then `refused` says why. `changed` names the
    field that is another now; `departure` says who left; `asked` are those who might have decided.
    """

    cause: str
    request: ApprovalRequest | None = None
    refused: NotAsked | None = None
    changed: str = ""
    departure: Departure | None = None
    asked: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """An approval that fits at this moment; `request` is None for one by a grant or adopted rule.

    `draws` are those of an adopted rule that lets it pass, one for each action.
    """

    approval: Approval
    request: ApprovalRequest | None = None
    draws: tuple[Draw, ...] = ()


@dataclass(frozen=True, slots=True)
class _Then:
    """What was so when the question was asked, and has to be so at the release."""

    binding: Binding
    set_back_us: int


RecordAsked = Callable[[ApprovalRequest], Awaitable[None]]
"""Makes the events `action.requested` of what waits durable, under the request's id."""

SAMPLE: Final = "sample"
"""Among a subject's facts: the adopted rule of which this is a sample."""


def sample_of(request: ApprovalRequest | None) -> str:
    """The adopted rule that would have let it pass, had it not been drawn; empty for none."""
    return str(request.subject.facts.get(SAMPLE, "")) if request is not None else ""


class Holding:
    """Holds actions until somebody has decided.

    `set_back_us` is how far the wall clock was set back so far; see `SteadyTime`. Without `samples`
    no adopted rule lets anything pass.
    """

    def __init__(  # noqa: PLR0913 - the rooms around it, and two readings of one clock
        self,
        desk: ApprovalDesk,
        grants: GrantBook,
        policy: PolicyDesk,
        voters: Voters,
        now_us: Callable[[], int],
        owner: TaskOwner,
        *,
        set_back_us: Callable[[], int],
        samples: SampleBook | None = None,
    ) -> None:
        self._desk = desk
        self._grants = grants
        self._policy = policy
        self._voters = voters
        self._now_us = now_us
        self._owner = owner
        self._set_back_us = set_back_us
        self._adopted = Adopted(policy, samples, now_us)

    async def released(
        self, held: Held, hold: Hold, record_asked: RecordAsked
    ) -> Released | NotReleased:
        """Wait for an approval. Raises JournalUnavailable; then nothing may go out."""
        why = why_of([one.decision for one in held.judgements])
        subject = _subject(held, why.risk)
        situation = _situation(held, hold, subject)
        granted = await self._granted(held, situation)
        if granted is not None:
            return granted
        match = self._adopted.match(
            held.session, held.actions, likenesses_of(hold, held.positions),
            lambda approval: self._allowed(held, approval),
        )  # fmt: skip
        if match is not None and match.held is None:
            return Released(match.approval, draws=match.draws)
        then = _Then(self._binding(held, hold), self._set_back_us())
        wish = NewRequest(
            place_of(held.session), _shown(subject, situation, match), why, then.binding.digest,
            in_transaction=hold.in_transaction,
        )  # fmt: skip
        looked_at = False
        try:
            answer = await self._by_people(held, hold, (wish, then, situation), record_asked)
            looked_at = isinstance(answer, Released) or answer.cause == _NO[RequestState.DENIED]
            if isinstance(answer, Released):
                self._adopted.answered(match)
            return answer
        finally:
            if match is not None and not looked_at:
                self._adopted.unanswered(match.draws)

    async def _by_people(
        self,
        held: Held,
        hold: Hold,
        question: tuple[NewRequest, _Then, Situation],
        record_asked: RecordAsked,
    ) -> Released | NotReleased:
        wish, then, situation = question
        asked = await self._desk.ask(
            wish, lambda approval: self._allowed(held, approval),
            lambda request, ballot, groups: self._grants.made_of(request, ballot, groups, situation),
        )  # fmt: skip
        if isinstance(asked, NotAsked):
            return NotReleased("not asked", refused=asked)
        try:
            ended = self._desk.ended(asked.id, hold.escalated)
            await record_asked(asked)
            await self._announce(asked, hold)
            waited = await self._waited(asked, hold, ended)
            if isinstance(waited, NotReleased):
                return waited
            return await self._decided(held, hold, waited, then)
        except BaseException:
            # Whatever went wrong here: nobody shall approve what nobody waits for.
            self._owner.spawn(
                self._desk.withdraw_held(asked.id, "the gateway failed"), name="withdraw"
            )
            raise
        finally:
            hold.over()

    async def void(self, request: ApprovalRequest | None, changed: str) -> NotReleased:
        """What was approved does not go out all the same; no request where it was leave that said yes."""
        if request is not None:
            await self._desk.outcome(request.id, f"void: {changed}")
        return NotReleased("void", request, changed=changed)

    def passed(self, session: Session, draw: Draw, action: Action, n: int) -> None:
        """What an adopted rule lets pass goes out under this event."""
        self._adopted.passed(session, draw, action, n)

    def came_to_nothing(self, released: Released) -> None:
        """What an adopted rule lets pass does not go out all the same."""
        self._adopted.unanswered(released.draws)

    def settled(self, request_id: str, outcome: Outcome, duration_us: int) -> None:
        """An approved action has come to its end: those who look at the request learn how."""
        said = outcome.tag or outcome.status or outcome.kind.value
        if outcome.kind is OutcomeKind.FAILED and outcome.sqlstate:
            said = f"failed with {outcome.sqlstate}"
        words = f"{said} in {duration_us / _US:.1f} s" if duration_us else said
        self._owner.spawn(self._desk.outcome(request_id, words), name="outcome")

    # by a grant

    async def _granted(self, held: Held, situation: Situation) -> Released | None:
        for grant in self._grants.covering(situation):
            approval = grant.approval(self._now_us())
            if self._allowed(held, approval) and await self._grants.spend(
                grant, held.session.id
            ):
                return Released(approval)
        return None

    def _allowed(self, held: Held, approval: Approval) -> bool:
        return all(
            self._policy.judge_approved(held.session, one, approval).decision.verdict
            is Verdict.ALLOW
            for one in held.actions
        )

    # by people

    async def _announce(self, request: ApprovalRequest, hold: Hold) -> None:
        """What can be found out at once goes with the question; the rest follows."""
        looking = self._owner.spawn(self._look(request.id, hold), name="look")
        await asyncio.wait({looking}, timeout=_LOOK_S)
        sight = looking.result() if looking.done() and not looking.cancelled() else {}
        self._desk.announce(request.id, sight)
        found = replace(request, sight=sight)
        hold.waiting(found, self._desk.deciders(found))

    async def _look(self, request_id: str, hold: Hold) -> Mapping[str, object]:
        sight = await hold.look()
        if sight:
            await self._desk.see(request_id, sight)
        return sight

    async def _waited(
        self, request: ApprovalRequest, hold: Hold, ended: asyncio.Future[ApprovalRequest]
    ) -> ApprovalRequest | NotReleased:
        """Until it is decided, or nobody wants it any more; the client is told each minute."""
        departed = hold.departed
        either: set[asyncio.Future[Any]] = {ended, departed}
        while not departed.done():
            if ended.done():
                return ended.result()
            await asyncio.wait(either, timeout=_REMIND_S, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and not departed.done():
                left_us = request.open_until_us - self._now_us()
                hold.still_waiting(request, max(0, left_us // _US))
        departure = departed.result()
        by = request.place.principal if departure is Departure.CANCELLED else ""
        await self._desk.withdraw_held(request.id, departure.value, by)
        left = await ended
        return await self._departed(left, departure)

    async def _departed(self, left: ApprovalRequest, departure: Departure) -> NotReleased:
        """Approved in the very moment of leaving: it does not go out all the same."""
        if left.state is RequestState.APPROVED:
            await self._desk.outcome(left.id, f"void: {departure.value}")
        return NotReleased("departed", left, departure=departure)

    async def _decided(
        self, held: Held, hold: Hold, request: ApprovalRequest, then: _Then
    ) -> Released | NotReleased:
        """What the end of the waiting means: an approval counts if everything is as it was."""
        if request.state in _NO:
            asked = self._desk.deciders(request)
            return NotReleased(_NO[request.state], request, asked=asked)
        if request.state is not RequestState.APPROVED:
            return NotReleased("void", request, changed=request.decision_reason or "policy")
        await hold.read_anew()
        if hold.departed.done():
            return await self._departed(request, hold.departed.result())
        now = self._now_us()
        groups = groups_of(request, request.votes) or frozenset()
        approval = approval_of(request, groups, now)
        changed = next(then.binding.changed(self._binding(held, hold)), "")
        if not changed and not self._voters.still_count(
            {one.person: one.groups for one in request.approving}
        ):
            changed = "approver's group"
        stepped = self._set_back_us() - then.set_back_us > _STEP_US
        if not changed and (stepped or not 0 <= now - request.decided_us <= _FRESH_US):
            changed = "time"
        if not changed and not self._allowed(held, approval):
            changed = "policy"
        if changed:
            return await self.void(request, changed)
        hold.approved(request)
        return Released(approval, request)

    def _binding(self, held: Held, hold: Hold) -> Binding:
        session = held.session
        target = session.target
        return Binding(
            (
                ("requester", session.principal.name),
                ("person", session.principal.person),
                ("groups", self._voters.groups_now(session.principal.name)),
                ("session", session.id),
                ("target", target.name),
                ("address", f"{target.host}:{target.port}"),
                ("account", session.account),
                ("database", session.database),
                ("protocol", session.protocol),
                ("policy", self._policy.version),
                *hold.binding(held.positions),
            )
        )


def _subject(held: Held, risk: str) -> Subject:
    statements = [one for one in held.actions if isinstance(one, SqlAction)]
    commands = [one for one in held.actions if isinstance(one, SshAction)]
    return sql_subject(statements, risk) if statements else command_subject(commands[0], risk)


def _shown(subject: Subject, situation: Situation, match: Match | None) -> Subject:
    """What people are shown: with the values of a template, and that it is a sample, if it is one."""
    shown = with_slots(subject, situation.slots)
    if match is None or match.held is None:
        return shown
    return replace(shown, facts={**shown.facts, SAMPLE: match.held.rule})


def _rules(held: Held) -> str:
    """Every rule that has a say in it: leave for a session is for what these ask about, and no other."""
    decisions = [one.decision for one in held.judgements]
    return ", ".join(sorted({rule for one in decisions for rule in (one.rule, *one.rules) if rule}))


def _situation(held: Held, hold: Hold, subject: Subject) -> Situation:
    session = held.session
    scopes = subject.facts["scopes"]
    templated = Scope.TEMPLATE.value in scopes
    return Situation(
        session.principal.name, session.target.name, session.account, session.id,
        _rules(held), subject.verb, exact_of(held.actions),
        template=subject.template if templated else "",
        slots=tuple(hold.slots()) if templated else (),
        around=around_of(session, hold.around()),
        repeatable=Scope.SESSION.value in scopes,
    )  # fmt: skip

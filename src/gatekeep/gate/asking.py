"""What policy asks about in a segment becomes one question for people. Judging is `clearance`'s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.approvals import Approval, ApprovalRequest
from gatekeep.domain.commands import SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome
from gatekeep.domain.sessions import Session
from gatekeep.gate.command_evidence import command_payload
from gatekeep.gate.evidence import NOTHING, EvidenceWriter, Waited
from gatekeep.gate.fitness import unfit
from gatekeep.gate.hold_ports import Hold
from gatekeep.gate.holding import Held, Holding, NotReleased, Released, sample_of
from gatekeep.gate.noticing import Noticing, told_as_asked
from gatekeep.gate.ports import Journal, Judgement, PolicyDesk
from gatekeep.gate.supervision import LiveSession

ASKED = b"approval"
"""The cause of a refusal that an approval would have lifted."""


class Given(NamedTuple):
    """What came of asking: an approval, or why there is none. `request` is its id, empty for none.

    `released` is that approval whole, and `positions` are the places in the segment of what it is
    for, in order: nothing else goes out by it. `sample` is the adopted rule of which the request is a
    sample.
    """

    request: str
    approval: Approval | None
    not_released: NotReleased | None = None
    positions: Sequence[int] = (0,)
    released: Released | None = None
    sample: str = ""

    @property
    def waited(self) -> Waited:
        """What its events say of it."""
        return Waited(self.request, self.sample) if self.request else NOTHING

    def judged(
        self,
        policy: PolicyDesk,
        session: Session,
        action: SqlAction | SshAction,
        judgement: Judgement,
        position: int = 0,
    ) -> Judgement:
        """The judgement as it stands now that there is an approval, if there is one for this."""
        if self.approval is None or position not in self.positions:
            return judgement
        approved = policy.judge_approved(session, action, self.approval)
        return told_as_asked(approved, judgement.decision)


class HasCause(Protocol):
    """An action with what was ruled on it."""

    @property
    def cause(self) -> bytes:
        """Why it was refused, empty if it was not."""


class Asker:
    """Puts the question, with its events. Without `holding` there is nobody to put it to."""

    def __init__(
        self,
        journal: Journal,
        policy: PolicyDesk,
        evidence: EvidenceWriter,
        holding: Holding | None,
        noticing: Noticing,
    ) -> None:
        self._noticing = noticing
        self._journal = journal
        self._policy = policy
        self._evidence = evidence
        self._holding = holding
        self._approved: dict[int, str] = {}

    def first(self, ruled: Sequence[HasCause]) -> int | None:
        """Where the first action stands that waits for a person; None if nobody can be asked."""
        if self._holding is None or not ruled[-1].cause:
            return None
        return next((at for at, one in enumerate(ruled) if one.cause == ASKED), None)

    async def segment(
        self,
        live: LiveSession,
        fragment: bytes,
        actions: Sequence[SqlAction],
        first: int,
        hold: Hold,
    ) -> Given:
        """One question for all of the segment that policy asks about, up to what it refuses.

        Raises JournalUnavailable: then nothing goes out.
        """
        positions: list[int] = []
        judgements: list[Judgement] = []
        for position in range(first, len(actions)):
            action = actions[position]
            judgement = self._policy.judge(live.session, action)
            if judgement.decision.verdict is Verdict.DENY or unfit(action, vector_known=True):
                break
            if judgement.decision.verdict is Verdict.ASK:
                positions.append(position)
                judgements.append(judgement)
            if not action.vector_safe:
                break
        held = Held(live.session, [actions[one] for one in positions], judgements, positions)
        return await self._put(live, fragment, held, hold)

    async def command(
        self,
        live: LiveSession,
        fragment: bytes,
        action: SshAction,
        judgement: Judgement,
        hold: Hold,
    ) -> Given:
        """The question about one action over SSH. Raises as `segment` does."""
        return await self._put(live, fragment, Held(live.session, [action], [judgement], [0]), hold)

    async def void(self, given: Given) -> Given:
        """Policy asks by now about more than was shown: what was given lets nothing out."""
        if self._holding is None or given.released is None:
            return given
        self._holding.came_to_nothing(given.released)
        void = await self._holding.void(given.released.request, "policy")
        return Given(given.request, None, void, sample=given.sample)

    def released(
        self, live: LiveSession, given: Given, events: Sequence[tuple[SqlAction | SshAction, int]]
    ) -> None:
        """What was approved goes out under these events, in the order of its places."""
        if given.request:
            for _action, n in events:
                self._approved[n] = given.request
        if given.released is None or self._holding is None:
            return
        for (action, n), draw in zip(events, given.released.draws, strict=False):
            self._holding.passed(live.session, draw, action, n)

    def finished(self, of: int, outcome: Outcome, duration_us: int) -> None:
        """An action ended; if people had approved it, they learn how."""
        if self._approved and (request := self._approved.pop(of, "")) and self._holding is not None:
            self._holding.settled(request, outcome, duration_us)

    async def _put(self, live: LiveSession, fragment: bytes, held: Held, hold: Hold) -> Given:
        if self._holding is None:
            return Given("", None)

        async def record_asked(request: ApprovalRequest) -> None:
            recorded = [
                self._journal.append(
                    live.events,
                    EventKind.ACTION_REQUESTED,
                    self._payload(action, judgement, fragment, request),
                    decision=judgement.envelope_json,
                )
                for action, judgement in zip(held.actions, held.judgements, strict=True)
            ]
            for pending in recorded:
                await pending.durable()
            for action, judgement, pending in zip(
                held.actions, held.judgements, recorded, strict=True
            ):
                if judgement.decision.notify:
                    self._noticing.asked(live.session, action, judgement.decision, pending.n)

        answer = await self._holding.released(held, hold, record_asked)
        sample = sample_of(answer.request)
        if isinstance(answer, NotReleased):
            request = answer.request.id if answer.request else ""
            return Given(request, None, answer, sample=sample)
        return Given(
            answer.approval.request, answer.approval,
            positions=held.positions, released=answer, sample=sample,
        )  # fmt: skip

    def _payload(
        self,
        action: SqlAction | SshAction,
        judgement: Judgement,
        fragment: bytes,
        request: ApprovalRequest,
    ) -> bytes:
        waited = Waited(request.id, sample_of(request))
        if isinstance(action, SqlAction):
            return self._evidence.action(action, judgement, fragment, waited=waited)
        return command_payload(action, judgement, fragment, waited=waited)

"""A simulated organisation day by day: who does what when, and what the real gate makes of it.

Policy, likeness, draw and payloads are the product's own; only people and time are invented.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from happened import FIRST_DAY, Came, Clock, Later, Try
from organisation import Organisation, Scheme, Work
from people_here import Deciders, Reply, Said
from reading import Action, Reader
from told import Pen

from gatekeep.domain.approvals import (
    ID_ALPHABET,
    Approval,
    ApprovalRequest,
    RequestState,
    Vote,
    VoteVerdict,
)
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind, StoredEvent
from gatekeep.domain.identity import Principal
from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import Session
from gatekeep.domain.suggestions import DAY_US
from gatekeep.domain.targets import TargetKind
from gatekeep.gate.approval_ports import Ending
from gatekeep.gate.evidence import NOTHING, Waited
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.gate.ports import Judgement
from gatekeep.gate.sampling import Sampler
from gatekeep.gate.sampling_ports import Draw, DrawKind
from gatekeep.gate.subjects import command_subject, place_of, sql_subject, why_of
from gatekeep.policy.loading import load
from gatekeep.policy.standing import ADOPTED_FILE

_SECOND: Final = 1_000_000
_HOURS: Final = (7.5, 18.5)
"""When people work, UTC."""
_FIRST_WEEKDAY: Final = 3
"""Of FIRST_DAY, from Monday: a Thursday."""
_SATURDAY: Final = 5
_ON_WORKDAYS: Final = 5.6
_AT_WEEKENDS: Final = 15
"""What comes up in a week is divided by these for one day of it: five of the one and two of the other
are about a week."""
_STATES: Final = {
    Said.YES: RequestState.APPROVED, Said.NO: RequestState.DENIED,
    Said.EXPIRED: RequestState.EXPIRED, Said.WITHDRAWN: RequestState.WITHDRAWN,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Asked:
    """Everything that is known of one request."""

    one: Try
    session: Session
    action: Action
    judgement: Judgement
    request: ApprovalRequest
    waited: Waited
    reply: Reply
    draw: Draw | None


@dataclass
class World:
    """One organisation under one seed. `read` gets every event; `came` keeps what came of each try.

    `looked_at` is told of samples that people have looked at afterwards, when they have.
    """

    organisation: Organisation
    seed: int
    read: Callable[[StoredEvent], None]
    looked_at: Callable[[Later, Principal, bool], None] = lambda _later, _who, _right: None
    clock: Clock = field(default_factory=Clock)
    came: list[Came] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(f"{self.organisation.name} {self.seed}")
        self.turns_on = self._random.randint(20, 110)
        self.traitor = self._random.choice(self.organisation.engineers)
        self.organisation = _with_second(self.organisation, self.traitor)
        self._people = Deciders(
            self.organisation, self._random, self.traitor, self._crooked()
        )
        self.texts = dict(self.organisation.rules)
        self.version = load(self.texts)
        self.desk = PolicyDeskOver(self.version, self.organisation.members, self.clock)
        self.sampler = Sampler(f"key {self.seed}".encode())
        self.reader = Reader(self.organisation)
        self.pen = Pen(self.clock.wall_us, self.read)
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._requests = itertools.count(1)
        self._sessions: dict[tuple[str, str, str, str], Session] = {}
        self._judged: dict[tuple[str, str, str], Judgement] = {}
        self.day = 0
        self.extra: list[tuple[Work, float]] = []
        self.pen.activated(self.version.digest, self.texts, len(self.version.rules))

    def _crooked(self) -> str:
        """The approver who is bought: one who may release what the traitor asks."""
        deciders = self.organisation.people_of(self.organisation.deciders)
        chosen = [one.person for one in deciders if one.person not in (self.organisation.stamper, self.traitor)]
        return self._random.choice(chosen)

    def activate(self, adopted: str) -> None:
        """These adopted rules are in force from now on, beside the organisation's own."""
        texts = dict(self.organisation.rules)
        if adopted:
            texts[ADOPTED_FILE] = adopted
        if texts == self.texts:
            return
        self.texts, self.version = texts, load(texts)
        self.desk.activate(self.version)
        self._judged.clear()
        self.pen.activated(self.version.digest, texts, len(self.version.rules))

    # a day

    def live_a_day(self) -> None:
        """Everything of one day, and whatever of it ends later."""
        begin_us = (FIRST_DAY + self.day) * DAY_US
        self._people.turned = self.day >= self.turns_on
        for one in self._tries():
            hour = self._random.uniform(*_HOURS)
            self._at(begin_us + int(hour * 3600 * _SECOND), self._begins(one))
        end_us = begin_us + DAY_US
        while self._waiting and self._waiting[0][0] < end_us:
            at_us, _, happens = heapq.heappop(self._waiting)
            self.clock.us = max(self.clock.us, at_us)
            happens()
        self.clock.us = end_us
        self.day += 1

    def _begins(self, one: Try) -> Callable[[], None]:
        return lambda: self._try(one)

    def _at(self, at_us: int, happens: Callable[[], None]) -> None:
        heapq.heappush(self._waiting, (at_us, next(self._number), happens))

    def _tries(self) -> Iterator[Try]:
        organisation = self.organisation
        weekend = (self.day + _FIRST_WEEKDAY) % 7 >= _SATURDAY
        for work in (*organisation.routine, *organisation.rare, *organisation.mistakes):
            for _ in range(self._count(work.a_week / (_AT_WEEKENDS if weekend else _ON_WORKDAYS))):
                yield self._of(work, self._random.choice(organisation.people_of(work.groups)))
        for work, a_day in self.extra:
            for _ in range(self._count(a_day)):
                yield self._of(work, self._random.choice(organisation.people_of(work.groups)))
        if self._people.turned:
            for scheme in organisation.schemes:
                yield from self._plots(scheme)

    def _of(self, work: Work, who: Principal) -> Try:
        return Try(who, self._random.choice(work.targets), work.drawn(self._random), work)

    def _plots(self, scheme: Scheme) -> Iterator[Try]:
        own = [one for one in self.organisation.principals if self.traitor in (one.person, one.owner)]
        if not own[0].groups.intersection(scheme.work.groups):
            return
        for _ in range(self._count(scheme.a_day)):
            who = self._random.choice(own) if scheme.by_two else own[0]
            one = self._of(scheme.work, who)
            if scheme.padded and self._random.random() < 0.5:
                one = replace(one, text=self._random.choice(scheme.padded))
            yield replace(one, again=scheme.again)

    def _count(self, mean: float) -> int:
        """Poisson, by products of chance (the means are small)."""
        if mean <= 0:
            return 0
        limit, product, count = math.e**-mean, 1.0, -1
        while product > limit:
            product *= self._random.random()
            count += 1
        return count

    # one try

    def session(self, principal: Principal, target: str, account: str, database: str) -> Session:
        """The session of this principal there; always the same one."""
        key = (principal.name, target, account, database)
        known = self._sessions.get(key)
        if known is None:
            there = self.organisation.target(target)
            known = self._sessions[key] = Session(
                f"{len(self._sessions) + 1:032x}", principal, there, account,
                "postgres" if there.kind is TargetKind.POSTGRES else "ssh", "10.0.0.9", database,
            )  # fmt: skip
        return known

    def judge(self, session: Session, action: Action) -> Judgement:
        """The desk's judgement; the same question under the same policy is asked once."""
        key = (session.id, action.mode, action.text)
        known = self._judged.get(key)
        if known is None:
            sql = session.target.kind is TargetKind.POSTGRES
            judge = self.desk.judge if sql else self.desk.judge_command
            known = self._judged[key] = judge(session, action)
        return known

    def _try(self, one: Try) -> None:
        session = self.session(one.principal, one.target, one.work.account, one.work.database)
        action, likeness = self.reader.read(session.target.kind, one.text)
        judgement = self.judge(session, action)
        if judgement.decision.verdict is Verdict.ALLOW:
            self._runs(session, action, judgement, NOTHING)
            self._note(one, passed=True, waited=False)
        elif judgement.decision.verdict is Verdict.DENY:
            self.pen.action(EventKind.ACTION_REFUSED, session, action, judgement, cause=b"policy")
            self._note(one, passed=False, waited=False)
        else:
            self._asked(one, session, action, likeness, judgement)

    def _asked(
        self, one: Try, session: Session, action: Action, likeness: Likeness | None,
        judgement: Judgement,
    ) -> None:  # fmt: skip
        leave = self.desk.leave_for(session, action, likeness)
        draw: Draw | None = None
        if leave is not None and likeness is not None:
            who = session.principal
            person = who.owner or who.person or who.name
            draw = self.sampler.draw(leave.rules, person, likeness, self.clock.us)
            if draw.kind is not DrawKind.HELD:
                adopted = self.desk.judge_approved(session, action, leave.approval)
                if adopted.decision.verdict is Verdict.ALLOW:
                    n = self._runs(session, action, adopted, NOTHING)
                    self._note(one, passed=True, waited=False, adopted=leave.rules[0])
                    if draw.kind is DrawKind.AFTER:
                        self._look_later(one, draw, n, session, judgement)
                    return
        self._put(one, session, action, judgement, draw)

    def _runs(self, session: Session, action: Action, judgement: Judgement, waited: Waited) -> int:
        n = self.pen.action(
            EventKind.ACTION_RELEASED, session, action, judgement, waited=waited
        )
        self.pen.finished(session, n)
        return n

    def _note(self, one: Try, *, passed: bool, waited: bool, adopted: str = "") -> None:
        self.came.append(Came(self.day, one.work, passed, waited, adopted))

    def _put(
        self, one: Try, session: Session, action: Action, judgement: Judgement, draw: Draw | None
    ) -> None:
        """Ask people, and let come what comes of it."""
        decision = judgement.decision
        reply = self._people.reply(
            session.principal.person, decision.approvers, wanted=one.work.wanted
        )
        sample = draw.rule if draw is not None else ""
        subject = (
            sql_subject([action], decision.risk) if session.target.kind is TargetKind.POSTGRES
            else command_subject(action, decision.risk)
        )  # fmt: skip
        now = self.clock.us
        request = ApprovalRequest(
            self._request_id(), place_of(session), subject, why_of([decision]), "9c41" * 16,
            now, now + 3_600 * _SECOND, RequestState.PENDING, reason=one.work.name if one.work.wanted else "",
        )  # fmt: skip
        waited = Waited(request.id, sample)
        asked = _Asked(one, session, action, judgement, request, waited, reply, draw)
        self.pen.requested(request)
        self.pen.action(EventKind.ACTION_REQUESTED, session, action, judgement, waited=waited)
        self._note(one, passed=reply.said is Said.YES, waited=True)
        self._at(
            now + int(reply.after_s * _SECOND),
            lambda: self._answered(asked),
        )

    def _answered(self, asked: _Asked) -> None:
        """What people have said, and what comes of it."""
        one, session, action, judgement = asked.one, asked.session, asked.action, asked.judgement
        request, waited, reply, draw = asked.request, asked.waited, asked.reply, asked.draw
        now = self.clock.us
        for at, voter in enumerate(reply.voters):
            last = at == len(reply.voters) - 1
            no = last and reply.said is Said.NO
            vote = Vote(
                voter.name, voter.person, VoteVerdict.DENY if no else VoteVerdict.APPROVE, "web", now,
                "not this" if no else "", voter.groups & _groups(judgement), mfa=True,
            )  # fmt: skip
            self.pen.voted(request, vote)
        by = reply.voters[-1].name if reply.voters else ""
        if reply.said is Said.WITHDRAWN:
            by = session.principal.name
        self.pen.ended(request, Ending(_STATES[reply.said], now, by))
        if reply.said is not Said.YES:
            cause = b"approval"
            self.pen.action(
                EventKind.ACTION_REFUSED, session, action, judgement, cause=cause, waited=waited
            )
            if draw is not None:
                self.sampler.unanswered(draw)
            if one.again and reply.said is Said.NO:
                self._at(now + 1_800 * _SECOND, self._begins(replace(one, again=False)))
            return
        if draw is not None:
            self.sampler.answered(draw)
        groups = frozenset().union(*(voter.groups for voter in reply.voters)) & _groups(judgement)
        approval = Approval("vote", groups | _counted(judgement), mfa=True, age_s=0, request=request.id)
        approved = self.desk.judge_approved(session, action, approval)
        self._runs(session, action, approved, waited)

    def _look_later(
        self, one: Try, draw: Draw, n: int, session: Session, judgement: Judgement
    ) -> None:
        """Somebody looks at it within the next day and a bit."""
        later = Later(
            draw.rule, n, self.clock.us, session, one.text, one.work.wanted,
            judgement.decision.approvers[0],
        )  # fmt: skip
        self._at(
            self.clock.us + int(self._random.uniform(1, 30) * 3_600 * _SECOND),
            lambda: self._looks(later),
        )

    def _looks(self, later: Later) -> None:
        who, right = self._people.looks_afterwards(
            later.session.principal.person, later.groups, wanted=later.wanted
        )
        self.looked_at(later, who, right)

    def _request_id(self) -> str:
        number, digits = next(self._requests) + len(ID_ALPHABET) ** 3, ""
        while number:
            number, digit = divmod(number, len(ID_ALPHABET))
            digits = ID_ALPHABET[digit] + digits
        return digits


def _groups(judgement: Judgement) -> frozenset[str]:
    """The groups whose word releases it, without their counts."""
    return frozenset(
        one.partition(":")[0] for each in judgement.decision.approvers for one in each
    )


def _counted(judgement: Judgement) -> frozenset[str]:
    """The groups with their counts, as a vote that was enough has them."""
    return frozenset(one for one in judgement.decision.approvers[0])


def _with_second(organisation: Organisation, traitor: str) -> Organisation:
    """The compromised engineer has a machine of his own beside himself."""
    own = next(one for one in organisation.principals if one.name == traitor)
    bot = Principal(f"{traitor}-bot", own.person, own.groups, owner=own.person)
    return replace(organisation, principals=(*organisation.principals, bot))

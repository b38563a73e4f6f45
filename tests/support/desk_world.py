"""The desk over its real store, in one thread: small enough to be made for every example of a property.

People, their groups and their delegations are what a test says; the journal is kept in memory.
"""

# ruff: noqa: D102 - the ports say what each method does

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from support.clock import MovedClock
from support.fake_journal import FakeJournal

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.approvals import (
    Approval,
    ApprovalRequest,
    Place,
    RequestKind,
    Scope,
    Subject,
    VoteVerdict,
    Why,
)
from gatekeep.domain.commands import SshAction
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.grants import Grant, Situation
from gatekeep.domain.identity import Principal
from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import Session
from gatekeep.gate.approval_desk import ApprovalDesk
from gatekeep.gate.approval_ports import Ballot
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.approval_values import CastVote, Limits, NewRequest, NotAsked
from gatekeep.gate.granting import GrantBook
from gatekeep.gate.holding import Holding
from gatekeep.gate.ports import Judgement, Leave
from gatekeep.gate.sampling import Sampler
from gatekeep.gate.supervision import Supervision
from gatekeep.gate.voters import NobodySpecial, Voters
from gatekeep.identity.steadiness import SteadyTime
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.stores.sqlite.approvals import ApprovalBooks
from gatekeep.stores.sqlite.state import StateStore

Result = TypeVar("Result")

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a state that no test looks at afterwards
DBA: Final = (("dba",),)


def person(name: str, *groups: str, of: str = "", owner: str = "") -> Principal:
    """A principal: a person's account (`of` is whose, his own unless told), or a machine of `owner`."""
    return Principal(name, of or name, frozenset(groups), owner=owner)


class Here:
    """Runs everything at once, on the loop's own thread; `before` may be told of each."""

    def __init__(self) -> None:
        self.before: Callable[[], None] = lambda: None

    async def run(self, function: Callable[[], Result]) -> Result:
        self.before()
        return function()


class Crowd:
    """A directory of whom a test says."""

    def __init__(self, principals: Iterable[Principal]) -> None:
        self.kept = {one.name: one for one in principals}

    def principal(self, name: str) -> Principal | None:
        return self.kept.get(name)

    def principals(self) -> Sequence[Principal]:
        return tuple(self.kept.values())

    def regroup(self, name: str, *groups: str) -> Principal:
        """From now on this one is in these groups."""
        self.kept[name] = replace(self.kept[name], groups=frozenset(groups))
        return self.kept[name]


class Standing(NobodySpecial):
    """Who stands in for whom, who was added by whom, and who is asked later; all by name of person."""

    def __init__(self) -> None:
        self.lent: dict[str, dict[str, frozenset[str]]] = {}
        self.added: dict[str, dict[str, str]] = {}
        self.later: dict[str, tuple[int, str]] = {}

    def lend(self, by: str, to: str, *groups: str) -> None:
        """From now on `to` may vote in the place of `by`."""
        self.lent.setdefault(to, {})[by] = frozenset(groups)

    def lent_to(self, person: str) -> Mapping[str, frozenset[str]]:
        return self.lent.get(person, {})

    def delegates_of(self, person: str) -> frozenset[str]:
        return frozenset(to for to, lent in self.lent.items() if person in lent)

    def added_by(self, person: str) -> Mapping[str, str]:
        return self.added.get(person, {})

    def escalation(self, group: str) -> tuple[int, str] | None:
        return self.later.get(group)


class Rules:
    """A policy that asks for everything but `verdicts` (by first word), and releases as `enough` says.

    `approvers` are who may release what it asks about, by first word, a dba unless told; `named` are
    the rules that ask, by text, the same one for all unless told. `leaves` is what standing rules
    say yes to, by first word.
    """

    version = "7f3a9c2"

    def __init__(self) -> None:
        self.enough: Callable[[Approval], bool] = lambda _approval: True
        self.verdicts: dict[str, Verdict] = {}
        self.approvers: dict[str, tuple[tuple[str, ...], ...]] = {}
        self.named: dict[str, tuple[str, ...]] = {}
        self.leaves: dict[str, Leave] = {}

    def judge(self, _session: Session, action: SqlAction | SshAction) -> Judgement:
        word = action.text.split()[0]
        verdict, groups = self.verdicts.get(word, Verdict.ASK), self.approvers.get(word, DBA)
        return _judgement(verdict, groups, self.named.get(action.text, ("rule",)))

    judge_command = judge

    def judge_approved(self, _session: Session, _action: object, approval: Approval) -> Judgement:
        return _judgement(Verdict.ALLOW if self.enough(approval) else Verdict.ASK)

    def leave_for(
        self, _session: Session, action: SqlAction | SshAction, _likeness: Likeness
    ) -> Leave | None:
        return self.leaves.get(action.text.split()[0])

    def may_open_approved(self, _session: Session, approval: Approval) -> Judgement:
        return _judgement(Verdict.ALLOW if self.enough(approval) else Verdict.ASK)


def _judgement(
    verdict: Verdict,
    approvers: tuple[tuple[str, ...], ...] = DBA,
    rules: tuple[str, ...] = ("rule",),
) -> Judgement:
    decision = Decision(
        verdict, rules[0], "why", Rules.version, approvers=approvers, rules=rules
    )
    return Judgement(decision, b"{}", b"{}", b'{"decision":"%b"}' % verdict.value.encode())


class DeskWorld:
    """The rooms of approvals over an empty state; `close` removes it. To be made on a running loop."""

    def __init__(self, *principals: Principal, limits: Limits | None = None) -> None:
        self._place = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.clock = MovedClock()
        self.steady = SteadyTime(self.clock)
        self.now_us = self.steady.onward_us
        self.journal = FakeJournal()
        self.directory = Crowd(principals)
        self.standing = Standing()
        self.voters = Voters(self.directory, self.standing)  # type: ignore[arg-type]  # nobody signs in here
        self.rules = Rules()
        self.supervision = Supervision()
        self.drawn = 0
        self.limits = limits or Limits()
        self.begin()

    def begin(self) -> None:
        """A new process over the same state: nothing of what was in memory is left."""
        self.state = StateStore.open(Path(self._place.name) / "state.db", bytes(32), self.clock)
        self.owner = TaskOwner("approvals", on_failure=lambda _name, _error: None)
        self.books = ApprovalBooks(self.state)
        self.thread = Here()
        self.record = ApprovalRecord(self.books, self.thread, self.journal, self.owner)
        self.grants = GrantBook(
            self.record, self.voters, self.supervision, self.rules, self.now_us, self.draw  # type: ignore[arg-type]  # asked about approvals only
        )
        self.desk = ApprovalDesk(
            self.record, self.voters, self.now_us, self.draw, self.limits, self.grants.add
        )
        self.heard: list[tuple[str, ApprovalRequest]] = []
        self.desk.listen(lambda what, request: self.heard.append((what, request)))
        self.sampler = Sampler(self.state.sampling_key())
        self.holding = Holding(
            self.desk, self.grants, self.rules, self.voters, self.now_us, self.owner,  # type: ignore[arg-type]  # as above
            set_back_us=self.steady.set_back_us, samples=self.sampler,
        )  # fmt: skip

    async def restart(self) -> None:
        """Stop without a word, and start again."""
        await self.owner.close()
        self.books.close()
        self.journal.mend()
        self.begin()
        await self.desk.recover()
        await self.grants.load()

    async def close(self) -> None:
        """End what runs, and forget all of it."""
        await self.owner.close(grace=1.0)
        self.books.close()
        self._place.cleanup()

    def draw(self, count: int) -> bytes:
        """Bytes that are drawn once only."""
        self.drawn += 1
        return (self.drawn * 7919).to_bytes(count, "big")

    # short ways to ask and to vote

    def wish(
        self,
        by: Principal,
        text: str = "DELETE FROM t WHERE id = 1",
        *,
        approvers: tuple[tuple[str, ...], ...] = DBA,
        session: str = "ab" * 16,
        **more: Any,
    ) -> NewRequest:
        """What is asked for a statement; without a session, ahead of time."""
        place = Place(
            by.name, by.person, "orders", "app", owner=by.owner, session=session, groups=by.groups
        )
        scopes = ["template", "session"]
        subject = Subject(RequestKind.STATEMENT, "DELETE", text, f"t: {text}", facts={"scopes": scopes})
        return NewRequest(place, subject, Why("rule", "why", "7f3a9c2", approvers), "9c41" * 16, **more)

    async def try_ask(self, by: Principal, *about: Any, **more: Any) -> ApprovalRequest | NotAsked:
        """Ask; what comes of it."""
        return await self.desk.ask(self.wish(by, *about, **more), self._enough, self.grant_for)

    def _enough(self, approval: Approval) -> bool:
        return self.rules.enough(approval)

    async def ask(self, by: Principal, *about: Any, **more: Any) -> ApprovalRequest:
        """Ask, and tell the doors."""
        asked = await self.try_ask(by, *about, **more)
        assert isinstance(asked, ApprovalRequest), asked
        self.desk.announce(asked.id)
        return asked

    async def vote(
        self, request: ApprovalRequest, who: Principal, *, deny: str = "", **more: Any
    ) -> CastVote:
        """A ballot of this principal, with a second factor."""
        verdict = VoteVerdict.DENY if deny else VoteVerdict.APPROVE
        ballot = Ballot(verdict, request.digest, "cli", reason=deny, mfa=True)
        return await self.desk.cast(request.id, who, replace(ballot, **more))

    async def now(self, request: ApprovalRequest) -> ApprovalRequest:
        """The request as it stands."""
        found = await self.desk.request(request.id)
        assert found is not None
        return found

    def situation(self, request: ApprovalRequest, **changes: Any) -> Situation:
        """What a grant by this request would have to cover."""
        place = request.place
        now = Situation(
            place.principal, place.target, place.account, place.session, request.why.rule,
            request.subject.verb, request.digest, template=request.subject.template, repeatable=True,
        )  # fmt: skip
        return replace(now, **changes)

    def grant_for(
        self, request: ApprovalRequest, ballot: Ballot, groups: frozenset[str]
    ) -> Grant | None:
        return self.grants.made_of(request, ballot, groups, self.situation(request))

    async def granted(
        self, by: Principal, who: Principal, scope: Scope = Scope.TEMPLATE, **more: Any
    ) -> Grant:
        """A grant of this scope, by one vote."""
        ahead = {Scope.ACCESS: {"session": "", "scope": scope, "grant_s": 600}}.get(scope, {})
        request = await self.ask(by, **ahead)
        cast = await self.vote(request, who, scope=scope, **more)
        assert cast.counted, cast
        return next(one for one in await self.grants.grants() if one.request == request.id)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Payloads of all durable events of this kind."""
        return [
            one.payload
            for one in self.journal.events
            if one.kind.value == kind and one.n in self.journal.durable
        ]

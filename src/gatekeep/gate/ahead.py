"""Leave ahead of time: asked for before there is a session, given as a grant with a window.

What is asked is judged as it would be in a session; policy has the last word again at each use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.approvals import (
    Approval,
    ApprovalRequest,
    Binding,
    Place,
    RequestKind,
    RequestState,
    Scope,
    Subject,
    Why,
)
from gatekeep.domain.commands import SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.grants import Grant, Situation
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.errors import NotPermitted
from gatekeep.gate.approval_desk import ApprovalDesk
from gatekeep.gate.approval_ports import Ahead, Ballot
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.approval_values import Enough, GrantFor, NewRequest, NotAsked
from gatekeep.gate.granting import LONGEST_S, GrantBook
from gatekeep.gate.judgements import rule_words
from gatekeep.gate.ports import PolicyDesk, TargetBook
from gatekeep.gate.subjects import (
    around_of,
    command_subject,
    exact_of,
    place_of,
    sql_subject,
    why_of,
)
from gatekeep.messages import ahead as words

_ALL: Final = 1_000_000
_SHORTEST_S: Final = 60


class ReadText(Protocol):
    """Reads a statement or command as a session of this place would have it."""

    async def read(self, session: Session, text: str) -> SqlAction | SshAction:
        """What it means. Raises ClientFault for a text that cannot be read."""

    def around(self, session: Session) -> Mapping[str, str]:
        """How an untouched session there reads it, by name; see `Hold.around`."""


class AheadDesk:
    """Asks for leave ahead of time."""

    def __init__(
        self,
        desk: ApprovalDesk,
        record: ApprovalRecord,
        grants: GrantBook,
        policy: PolicyDesk,
        targets: TargetBook,
        reader: ReadText,
    ) -> None:
        self._desk = desk
        self._record = record
        self._grants = grants
        self._policy = policy
        self._targets = targets
        self._reader = reader

    def session(self, by: Principal, target: str, account: str) -> Session:
        """A session as it would be, for judging. Raises NotPermitted where there cannot be one."""
        found = self._targets.target(target)
        if found is None:
            raise NotPermitted(words.no_such_target(target))
        possible = [
            session
            for name in sorted(found.accounts)
            if account in ("", name) and self._may_be(session := _session(by, found, name))
        ]
        if not possible:
            raise NotPermitted(words.no_such_target(target))
        if len(possible) > 1:
            raise NotPermitted(words.which_account(target, [one.account for one in possible]))
        return possible[0]

    def _may_be(self, session: Session) -> bool:
        return self._policy.may_open(session).decision.verdict is not Verdict.DENY

    async def ask(self, by: Principal, ahead: Ahead) -> ApprovalRequest:
        """A new request. Raises as `Approvals.ask_ahead` says."""
        lasts_s = ahead.for_s or int(self._desk.limits.grant_s)
        if lasts_s > LONGEST_S:
            raise NotPermitted(words.too_long(LONGEST_S))
        session = self.session(by, ahead.target, ahead.account)
        if ahead.kind is RequestKind.ACCESS:
            asked = self._access(session, max(lasts_s, _SHORTEST_S))
        else:
            asked = await self._text(session, ahead.text)
        subject = replace(asked[0], facts={**asked[0].facts, "ticket": ahead.ticket})
        place = replace(place_of(session), session="", session_code="")
        new = NewRequest(
            place, subject, asked[1], _digest(place, subject, ahead, lasts_s), reason=ahead.reason,
            starts_us=ahead.starts_us, grant_s=max(lasts_s, _SHORTEST_S),
            scope=Scope.ACCESS if ahead.kind is RequestKind.ACCESS else Scope.ONCE,
        )  # fmt: skip
        made = await self._desk.ask(new, *self._ways(place, subject, session))
        if isinstance(made, NotAsked):
            raise NotPermitted(_why_not(made))
        self._desk.announce(made.id)
        return made

    async def adopt(self) -> None:
        """After a start: what was asked ahead of time, and not answered, waits on."""
        kept = await self._record.read(
            lambda store: store.requests(state=RequestState.PENDING, limit=_ALL)
        )
        for request in kept:
            if not request.place.session:
                await self._desk.adopt(request, *self._ways(request.place, request.subject, None))

    def _access(self, session: Session, lasts_s: int) -> tuple[Subject, Why]:
        opening = self._policy.may_open(session).decision
        sets = opening.approvers or self._policy.approvers_around(session)
        if not sets:
            raise NotPermitted(words.nobody())
        text = words.access_text(session.target.name, session.account, lasts_s)
        subject = Subject(
            RequestKind.ACCESS, "access", text, f"access:{session.target.name}:{session.account}",
            facts={"class": "session.open", "opens": bool(opening.approvers)},
            unbound=("what is run there: policy still asks these groups' leave for each thing",),
        )  # fmt: skip
        why = Why(
            opening.rule if opening.approvers else "", opening.reason if opening.approvers else "",
            opening.policy, sets, owner=opening.owner, risk="high",
        )  # fmt: skip
        return subject, why

    async def _text(self, session: Session, text: str) -> tuple[Subject, Why]:
        action = await self._reader.read(session, text)
        sql = isinstance(action, SqlAction)
        judgement = (
            self._policy.judge(session, action)
            if isinstance(action, SqlAction)
            else self._policy.judge_command(session, action)
        )
        decision = judgement.decision
        if decision.verdict is Verdict.ALLOW:
            raise NotPermitted(words.allowed_anyway())
        if decision.verdict is Verdict.DENY:
            raise NotPermitted(words.denied(rule_words(decision, "")))
        why = why_of([decision])
        subject = (
            sql_subject([action], why.risk)
            if isinstance(action, SqlAction)
            else command_subject(action, why.risk)
        )
        around = around_of(session, self._reader.around(session) if sql else {})
        facts = {**subject.facts, "scopes": [], "exact": exact_of([action]), "around": around}
        return replace(subject, facts=facts), why

    def _ways(
        self, place: Place, subject: Subject, session: Session | None
    ) -> tuple[Enough, GrantFor]:
        """How it may be released: policy agrees again when the grant is used."""
        facts = subject.facts
        situation = Situation(
            place.principal, place.target, place.account, "", "", subject.verb,
            str(facts.get("exact", "")), around=dict(facts.get("around", {})),
        )  # fmt: skip

        def enough(approval: Approval) -> bool:
            if session is None or not facts.get("opens"):
                return True
            judged = self._policy.may_open_approved(session, approval)
            return judged.decision.verdict is Verdict.ALLOW

        def grant_for(
            request: ApprovalRequest, ballot: Ballot, groups: frozenset[str]
        ) -> Grant | None:
            return self._grants.made_of(request, ballot, groups, situation)

        return enough, grant_for


def _session(by: Principal, target: Target, account: str) -> Session:
    """As it would be there."""
    database = target.database or account if target.kind is TargetKind.POSTGRES else ""
    return Session("0" * 32, by, target, account, target.kind.value, database=database)


def _digest(place: Place, subject: Subject, ahead: Ahead, lasts_s: int) -> str:
    facts = subject.facts
    return Binding(
        (
            ("requester", place.principal),
            ("target", place.target),
            ("account", place.account),
            ("database", place.database),
            ("kind", subject.kind.value),
            ("text", str(facts.get("exact", subject.template))),
            ("starts", str(ahead.starts_us)),
            ("lasts", str(lasts_s)),
        )
    ).digest


def _why_not(refused: NotAsked) -> str:
    if refused.cause == "too_many":
        return words.too_many(refused.open)
    if refused.cause == "denied_lately":
        return words.denied_lately(refused.request, refused.denier, refused.wait_s)
    return words.nobody()

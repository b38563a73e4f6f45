"""Who may open a session where: target, account and policy, before anything is dialled.

Says the same words for a target that does not exist and one that may not be reached.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gatekeep import messages
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.gate.judgements import rule_words
from gatekeep.gate.ports import Judgement, PolicyDesk, TargetBook
from gatekeep.messages import RuleWords, WireMessage

_NEAR = 3


class Leave(Protocol):
    """What people granted ahead of time."""

    def opened_by(self, session: Session) -> Judgement | None:
        """The judgement that lets it open by a live grant, which it then lives by; None without."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asked for at the door. `account` and `database` may be empty.

    `replication`: not statements, but the target's log or a copy of all that it holds.
    """

    principal: Principal
    target: str
    account: str
    database: str
    source: str
    application: str
    protocol: str
    replication: bool = False


@dataclass(frozen=True, slots=True)
class Admitted:
    """A session that may begin, and the judgement that let it."""

    session: Session
    judgement: Judgement


class Admission:
    """Decides over sessions. `leave` is what people granted ahead of time, None where nobody can."""

    def __init__(
        self, targets: TargetBook, policy: PolicyDesk, leave: Leave | None = None
    ) -> None:
        self._targets = targets
        self._policy = policy
        self._leave = leave

    def admit(self, asked: Asked, session_id: str) -> Admitted | WireMessage:
        """The session, or the words of the refusal."""
        target = self._targets.target(asked.target)
        if target is None or target.kind is not TargetKind(asked.protocol):
            return self._unknown(asked)
        names = [asked.account] if asked.account else sorted(target.accounts)
        permitted = [
            admitted
            for name in names
            if name in target.accounts
            and (admitted := self._judge(asked, target, name, session_id)) is not None
        ]
        if not permitted and self._might(asked, target, names):
            return messages.leave_needed(target.name)
        if not permitted:
            return self._unknown(asked)
        if len(permitted) > 1:
            return messages.name_an_account(
                [admitted.session.account for admitted in permitted], asked.principal.name
            )
        if asked.replication:
            return self._replication(permitted[0].session)
        return permitted[0]

    def reachable(self, principal: Principal) -> list[str]:
        """Names of the targets that this principal may open with some account."""
        return [
            target.name
            for target in self._targets.targets()
            if any(self._may(principal, target, account) for account in target.accounts)
        ]

    def _judge(
        self, asked: Asked, target: Target, account: str, session_id: str
    ) -> Admitted | None:
        session = Session(
            id=session_id,
            principal=asked.principal,
            target=target,
            account=account,
            protocol=asked.protocol,
            source=asked.source,
            database=_database(asked, target, account),
            application=asked.application,
        )
        judgement = self._policy.may_open(session)
        if judgement.decision.verdict is Verdict.ASK and self._leave is not None:
            judgement = self._leave.opened_by(session) or judgement
        if judgement.decision.verdict is not Verdict.ALLOW:
            return None
        return Admitted(session, judgement)

    def _might(self, asked: Asked, target: Target, names: Sequence[str]) -> bool:
        """Whether somebody's leave would open it with one of these accounts."""
        if self._leave is None:
            return False
        sessions = (
            Session("0" * 32, asked.principal, target, name, asked.protocol, source=asked.source)
            for name in names
            if name in target.accounts
        )
        return any(
            self._policy.may_open(one).decision.verdict is Verdict.ASK for one in sessions
        )

    def _may(self, principal: Principal, target: Target, account: str) -> bool:
        session = Session("0" * 32, principal, target, account, target.kind.value)
        return self._policy.may_open(session).decision.verdict is Verdict.ALLOW

    def _replication(self, session: Session) -> WireMessage:
        """Never begun: its commands are no SQL, and its stream is not read here yet."""
        decision = self._policy.may_replicate(session).decision
        if decision.verdict is Verdict.ALLOW:
            return messages.not_offered("replication")
        words = rule_words(decision, "")
        return messages.replication_refused(session.target.name, words)

    def _unknown(self, asked: Asked) -> WireMessage:
        if asked.replication:  # a backup program sends "replication" where the target's name stands
            return messages.replication_refused(asked.target, RuleWords(""))
        near = difflib.get_close_matches(
            asked.target, self.reachable(asked.principal), _NEAR, cutoff=0.5
        )
        return messages.no_such_target(asked.target, asked.principal.name, sorted(near))


def _database(asked: Asked, target: Target, account: str) -> str:
    if target.kind is not TargetKind.POSTGRES:
        return ""
    return asked.database or target.database or account

"""Days of a gateway as events, with the payloads that the gate itself writes, in memory or sealed.

The clock is told: `now_us` is the time of the next event.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts, WhereClause
from gatekeep.domain.approvals import (
    Approval,
    ApprovalRequest,
    Place,
    RequestKind,
    RequestState,
    Subject,
    Vote,
    VoteVerdict,
    Why,
)
from gatekeep.domain.commands import SshAction
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.events import EventKind, StoredEvent
from gatekeep.domain.identity import Principal
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.domain.reviews import Review
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.gate import approval_events as told
from gatekeep.gate.approval_ports import Ending, Told
from gatekeep.gate.command_evidence import command_payload
from gatekeep.gate.evidence import (
    EvidenceWriter,
    Waited,
    of_counters,
    outcome_counters,
    outcome_payload,
)
from gatekeep.gate.judgements import judgement_of
from gatekeep.gate.ports import Judgement
from gatekeep.policy import request as asked
from gatekeep.policy.command_request import command_request_json
from gatekeep.protocols.sql.template import template_of
from gatekeep.protocols.ssh.commands.command import command_action

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
T0_US = 1_767_225_600_000_000  # 2026-01-01 00:00 UTC
SYSTEM = "0" * 32
POLICY = "0123456789ab"

Append = Callable[[str, str, EventKind, bytes, bytes, bytes, int], int]
"""Session, target, kind, payload, decision, counters, µs: one event more; returns its index."""

SHOP = Target("shop", TargetKind.POSTGRES, "127.0.0.1", 5432, "shop", environment="prod")
WEB = Target(
    "web-1", TargetKind.SSH, "127.0.0.1", 22, environment="prod", labels=frozenset({"role=web"})
)


def person(name: str, *groups: str) -> Principal:
    """Somebody of these groups (sre unless told)."""
    return Principal(name, person=name, groups=frozenset(groups or ("sre",)))


def machine(name: str, owner: str, *groups: str) -> Principal:
    """A machine that somebody answers for."""
    return Principal(name, person="", groups=frozenset(groups or ("sre",)), owner=owner)


@functools.cache
def statement(text: str, **changes: Any) -> SqlAction:
    """A statement that is wholly known: a read unless it begins otherwise, of table `orders`."""
    verb = text.partition(" ")[0].lower()
    reads = verb == "select"
    facts = SqlFacts(
        SqlClass.READ if reads else SqlClass.WRITE, verb, "", template_of(text),
        tables_read=frozenset({"public.orders"}),
        tables_written=frozenset() if reads else frozenset({"public.orders"}),
        where=WhereClause.PRESENT if " where " in text.lower() else WhereClause.ABSENT,
    )  # fmt: skip
    return SqlAction("simple", text, (replace(facts, **changes),), text)


command = functools.cache(command_action)
"""A command line as the reader of commands sees it."""


@dataclass
class InMemory:
    """Takes events and keeps them as they would be read back."""

    events: list[StoredEvent] = field(default_factory=list)

    def __call__(  # noqa: PLR0917 - as Append
        self, session: str, target: str, kind: EventKind, payload: bytes, decision: bytes,
        counters: bytes, at_us: int,
    ) -> int:
        """One event more."""
        n = len(self.events)
        envelope = {"n": n, "k": kind.value, "s": session, "t": at_us, "x": target}
        if decision:
            envelope["g"] = orjson.loads(decision)
        if counters:
            envelope["r"] = orjson.loads(counters)
        self.events.append(StoredEvent(n, envelope, orjson.loads(payload), "OK"))
        return n


@dataclass(frozen=True)
class Ask:
    """How a question goes: who votes and how long he takes, and what comes of it."""

    request_id: str
    voters: Sequence[str] = ("carol",)
    waits_s: float = 60.0
    state: RequestState = RequestState.APPROVED
    reason: str = "INC-7"
    risk: str = ""
    sample: str = ""
    why: str = ""


class LoopStory:
    """Tells days of work. `append` takes the events."""

    def __init__(self, append: Append, now_us: int = T0_US) -> None:
        self._append = append
        self._writer = EvidenceWriter()
        self._judged: dict[Any, Judgement] = {}
        self._facts: dict[int, object] = {}
        self.now_us = now_us
        self.sessions = 0

    def event(
        self, kind: EventKind, payload: bytes, *, session: str = SYSTEM, target: str = "",
        decision: bytes = b"", counters: bytes = b"",
    ) -> int:
        """One event now; a thousandth of a second passes."""
        n = self._append(session, target, kind, payload, decision, counters, self.now_us)
        self.now_us += 1000
        return n

    def opened(self, who: Principal, target: Target) -> str:
        """A session; its id."""
        self.sessions += 1
        session = f"{self.sessions:032x}"
        judged = self._judge(who, target, None, Verdict.ALLOW, "may-open")
        facts = {
            "principal": who.name, "person": who.person, "groups": sorted(who.groups),
            "account": "deploy", "decision": orjson.Fragment(judged.decision_json),
            "request": orjson.Fragment(judged.request_json),
        }  # fmt: skip
        self.event(
            EventKind.SESSION_OPENED, orjson.dumps(facts), session=session, target=target.name,
            decision=judged.envelope_json,
        )  # fmt: skip
        return session

    def closed(self, session: str, target: Target) -> int:
        """The end of a session; who seals it fills in its count and head."""
        return self.event(
            EventKind.SESSION_CLOSED, b'{"reason":"client"}', session=session, target=target.name
        )

    def passes(
        self, who: Principal, target: Target, action: SqlAction | SshAction, *, session: str = "",
        rule: str = "may-read", approval: Approval | None = None, request_id: str = "",
        failed: bool = False, sample: str = "",
    ) -> int:
        """An action goes out, and ends."""
        n = self._action(
            EventKind.ACTION_RELEASED, who, target, action, session=session, verdict=Verdict.ALLOW,
            rule=rule, approval=approval, request_id=request_id, sample=sample,
        )  # fmt: skip
        outcome = Outcome(OutcomeKind.FAILED if failed else OutcomeKind.DONE, "SELECT 1", 1, 64, 92)
        self.event(
            EventKind.ACTION_FINISHED, outcome_payload(n, outcome, 950),
            session=session or f"{1:032x}", target=target.name, counters=outcome_counters(n, outcome),
        )  # fmt: skip
        return n

    def lost(self, n: int, target: Target, session: str = "") -> int:
        """Nobody knows how the action of this index ended."""
        return self.event(
            EventKind.ACTION_UNKNOWN, orjson.dumps({"of": n, "cause": "lost"}),
            session=session or f"{1:032x}", target=target.name, counters=of_counters(n),
        )  # fmt: skip

    def denied(
        self, who: Principal, target: Target, action: SqlAction | SshAction, *, session: str = "",
        rule: str = "never", cause: bytes = b"policy", verdict: Verdict = Verdict.DENY,
    ) -> int:
        """Policy denies it, or it is refused for another cause."""
        return self._action(
            EventKind.ACTION_REFUSED, who, target, action, session=session, verdict=verdict,
            rule=rule, cause=cause,
        )  # fmt: skip

    def asks(
        self, who: Principal, target: Target, action: SqlAction | SshAction, ask: Ask, *,
        session: str = "", rule: str = "ask-first",
    ) -> int:
        """Policy asks, people answer; the index of the last event of the action."""
        request = self.requested(who, target, action, ask, session=session, rule=rule)
        self.answered(request, ask)
        if ask.state is RequestState.APPROVED:
            approval = Approval("vote", frozenset({"leads"}), mfa=False, age_s=0, request=ask.request_id)
            return self.passes(
                who, target, action, session=session, rule=rule, approval=approval,
                request_id=ask.request_id, sample=ask.sample,
            )  # fmt: skip
        return self._action(
            EventKind.ACTION_REFUSED, who, target, action, session=session, verdict=Verdict.ASK,
            rule=rule, request_id=ask.request_id, cause=b"approval", sample=ask.sample,
        )  # fmt: skip

    def requested(
        self, who: Principal, target: Target, action: SqlAction | SshAction, ask: Ask, *,
        session: str = "", rule: str = "ask-first",
    ) -> ApprovalRequest:
        """Policy asks: both events of it."""
        self._action(
            EventKind.ACTION_REQUESTED, who, target, action, session=session, verdict=Verdict.ASK,
            rule=rule, request_id=ask.request_id, sample=ask.sample,
        )  # fmt: skip
        text = action.redacted if isinstance(action, SqlAction) else action.command
        request = ApprovalRequest(
            ask.request_id,
            Place(who.name, who.person, target.name, "deploy", session=session or f"{1:032x}"),
            Subject(RequestKind.STATEMENT, "verb", text, text),
            Why(rule, "", POLICY, (("leads",),), risk=ask.risk), "d" * 64, self.now_us,
            self.now_us + 900 * SECOND_US, reason=ask.reason,
        )  # fmt: skip
        self.tell(told.requested(request))
        return request

    def answered(self, request: ApprovalRequest, ask: Ask) -> None:
        """People answer, or nobody does."""
        self.now_us += int(ask.waits_s * SECOND_US)
        said = {RequestState.APPROVED: VoteVerdict.APPROVE, RequestState.DENIED: VoteVerdict.DENY}
        verdict = said.get(ask.state)
        for voter in ask.voters:
            if verdict is None:
                break
            self.tell(told.voted(request, Vote(voter, voter, verdict, "web", self.now_us)))
        why = "not in the afternoon" if ask.state is RequestState.DENIED else ask.why
        by = ask.voters[-1] if verdict is not None else ""
        self.tell(told.ended(request, Ending(ask.state, self.now_us, by, why)))

    def tell(self, one: Told) -> int:
        """What a change of approvals owes the journal."""
        return self.event(one.kind, one.payload)

    def reviewed(self, grant: str, finding: str) -> int:
        """Somebody looked at leave that was taken."""
        review = Review("R-1", grant, "alice", "alice", "web-1", "deploy", self.now_us)
        return self.tell(told.review_closed(review, "carol", finding))

    def activated(self, **texts: str) -> int:
        """A version of the policy comes into force; files by name."""
        facts = {"policy": POLICY, "texts": {f"{name}.cedar": text for name, text in texts.items()}}
        return self.event(EventKind.POLICY_ACTIVATED, orjson.dumps(facts))

    def said_wrong(self, n: int, answer: str = "wrong") -> int:
        """A sample is answered."""
        facts = {"suggestion": "S-12345678", "n": n, "answer": answer, "reason": "no ticket"}
        return self.event(EventKind.SUGGESTION_ANSWERED, orjson.dumps(facts))

    def broke_glass(self, who: str, target: str, grant: str) -> int:
        """Somebody takes leave."""
        facts = {"principal": who, "target": target, "grant": grant, "reason": "outage"}
        return self.event(EventKind.BREAKGLASS_OPENED, orjson.dumps(facts))

    def _action(
        self, kind: EventKind, who: Principal, target: Target, action: SqlAction | SshAction, *,
        session: str, verdict: Verdict, rule: str, approval: Approval | None = None,
        request_id: str = "", cause: bytes = b"", sample: str = "",
    ) -> int:
        judged = self._judge(who, target, action, verdict, rule)
        if approval is not None:
            judged = judgement_of(judged.decision, asked.with_approval(judged.request_json, approval))
        place = orjson.dumps({"account": "deploy", "database": "", "principal": who.name})
        waited = Waited(request_id, sample)
        if isinstance(action, SqlAction):
            payload = self._writer.action(action, judged, place, cause=cause, waited=waited)
        else:
            payload = command_payload(action, judged, place, cause=cause, waited=waited)
        return self.event(
            kind, payload, session=session or f"{1:032x}", target=target.name,
            decision=judged.envelope_json,
        )  # fmt: skip

    def _judge(
        self, who: Principal, target: Target, action: SqlAction | SshAction | None,
        verdict: Verdict, rule: str,
    ) -> Judgement:  # fmt: skip
        about: Any = action.text if isinstance(action, SshAction) else None
        if isinstance(action, SqlAction):
            about = id(action.facts)
            self._facts[about] = action.facts  # which keeps it from being another's
        key = (who, target.name, about, verdict, rule)
        if key not in self._judged:
            place = asked.Place(who, target, "deploy", "", "10.0.0.7")
            if action is None:
                shown = asked.place_request_json("session.open", place, None)
            elif isinstance(action, SqlAction):
                shown = asked.sql_request_json(place, action.facts, action.mode, None)
            else:
                shown = command_request_json(place, action, None)
            decision = Decision(verdict, rule, "", POLICY, rules=(rule,))
            self._judged[key] = judgement_of(decision, shown)
        return self._judged[key]

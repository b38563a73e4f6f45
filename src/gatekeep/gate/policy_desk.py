"""The policy desk: asks the active policy version, and answers with evidence encoded once.

What is remembered, and by what, stands in `policy_memory`. What a rule means is the engine's affair;
what happens to a refused action is clearance's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from gatekeep.domain.actions import SqlAction, SqlFacts
from gatekeep.domain.approvals import Approval
from gatekeep.domain.commands import LINE, OPAQUE, CommandFacts, SshAction
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import Session
from gatekeep.gate.judgements import judgement_of
from gatekeep.gate.leave import leave_of
from gatekeep.gate.policy_memory import (
    LONGEST_KEPT,
    MAX_JUDGEMENTS,
    MAX_SESSIONS,
    MAX_STANDINGS,
    Active,
    Around,
    bound,
    keep,
    key_of,
    standing_key,
    standing_of,
)
from gatekeep.gate.ports import Judgement, Leave
from gatekeep.policy.action_request import action_questions, action_request_json
from gatekeep.policy.command_request import command_questions, command_request_json
from gatekeep.policy.engine import Standing
from gatekeep.policy.request import (
    EMPTY_STATEMENT,
    Moment,
    Place,
    moment,
    place_question,
    place_request_json,
    sql_question,
    sql_questions,
    sql_request_json,
    with_approval,
)
from gatekeep.policy.rules import PolicyVersion
from gatekeep.runtime.clock import Clock

_US_IN_MINUTE: Final = 60_000_000
_MINUTES_IN_DAY: Final = 1440
_NO_TAGS: Final[frozenset[str]] = frozenset()

#: Stands for all lines of a shell, and for what is typed into programs.
ANY_LINE: Final = SshAction("line", "", (CommandFacts(LINE), CommandFacts(OPAQUE)))

class PolicyDeskOver:
    """Implements gate.ports.PolicyDesk over one version at a time.

    `members` maps each group of the directory to the natural persons in it. Asked actions are
    evaluated anew each time. Where rules read the time, nothing is kept beyond its minute.
    Not for several threads: all calls come from the event loop.
    """

    def __init__(
        self, version: PolicyVersion, members: Mapping[str, frozenset[str]], clock: Clock
    ) -> None:
        self._clock = clock
        self._active = Active(version, dict(members))
        self._day = 0

    @property
    def version(self) -> str:
        """The active policy version."""
        return self._active.version.name

    @property
    def active(self) -> PolicyVersion:
        """The active policy version, whole."""
        return self._active.version

    def activate(
        self, version: PolicyVersion, members: Mapping[str, frozenset[str]] | None = None
    ) -> None:
        """Swap the version, the directory's groups or both at once; every cached answer is void."""
        kept = self._active.members if members is None else dict(members)
        self._active = Active(version, kept)

    def judge(self, session: Session, action: SqlAction) -> Judgement:
        """Judge one execution; the strictest of its statements decides. Never raises."""
        active = self._active
        known = active.by_session.get(session.id)
        if known is not None and known[0] is session and not active.timed and not action.tags:
            memo = known[1].memos.get(action.mode)
            if memo is not None:
                hit = memo.get(id(action.facts))
                if hit is not None and hit[0] is action.facts:
                    return hit[1]
        return self._judge_anew(active, session, action)

    def may_open(self, session: Session) -> Judgement:
        """Judge `session.open` for this principal, target and account."""
        try:
            around, now = self._around(self._active, session)
            known = around.opening
            if known is None:
                known = _place_judgement(
                    self._active, around.standing, "session.open", around.place, now
                )
                if known.decision.verdict is not Verdict.ASK and not known.decision.errors:
                    around.opening = known
        except Exception as error:  # noqa: BLE001 - whatever went wrong is a deny
            return _failed(self._active, error)
        return known

    def may_open_approved(self, session: Session, approval: Approval) -> Judgement:
        """Judge `session.open` now that there is this approval. Never raises."""
        try:
            around, now = self._around(self._active, session)
            question = place_question("session.open", around.place, now)
            decision = self._active.engine.decide_approved(around.standing, [question], approval)
            shown = place_request_json("session.open", around.place, now)
            return judgement_of(decision, with_approval(shown, approval))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is a deny
            return _failed(self._active, error)

    def approvers_around(self, session: Session) -> tuple[tuple[str, ...], ...]:
        """Each group that could release something there for this principal, as a set of its own."""
        around, _now = self._around(self._active, session)
        return self._active.engine.approvers_around(around.standing)

    def groups_around(self, session: Session) -> frozenset[str]:
        """Every group, with its counts, that rules accept approval from there."""
        around, _now = self._around(self._active, session)
        return self._active.engine.groups_around(around.standing)

    def may_replicate(self, session: Session) -> Judgement:
        """Judge `session.replicate`, besides `session.open`: rare, and never kept."""
        try:
            around, now = self._around(self._active, session)
            return _place_judgement(
                self._active, around.standing, "session.replicate", around.place, now
            )
        except Exception as error:  # noqa: BLE001 - whatever went wrong is a deny
            return _failed(self._active, error)

    def only_reads(self, session: Session) -> bool:
        """Whether policy lets this session do nothing but `sql.read` and harmless `sql.session`.

        True only when no rule could let any other statement pass, whatever its facts, at any
        time and with any approval. When in doubt false: an ordinary session, in which each
        statement is still judged.
        """
        try:
            around, now = self._around(self._active, session)
            if around.only_reads is None:
                question = sql_question(around.place, EMPTY_STATEMENT, "simple", now)
                around.only_reads = not self._active.engine.could_do_more_than_read(
                    around.standing, question
                )
        except Exception:  # noqa: BLE001 - in doubt: an ordinary session, see above
            return False
        return around.only_reads

    def judge_command(self, session: Session, action: SshAction) -> Judgement:
        """Judge one action over SSH; the strictest of its facts decides. Never raises."""
        active = self._active
        try:
            around, now = self._around(active, session)
            questions = command_questions(around.place, action, now)
            key = tuple(key_of(active, question) for question in questions)
            decision = around.decisions.get(key)
            if decision is None:
                decision = active.engine.decide(around.standing, questions)
                keep(around, key, decision)
            return judgement_of(decision, command_request_json(around.place, action, now))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is a deny
            return _failed(active, error)

    def judge_approved(
        self, session: Session, action: SqlAction | SshAction, approval: Approval
    ) -> Judgement:
        """Judge one action as it stands now that there is this approval; never kept. Never raises."""
        active = self._active
        try:
            around, now = self._around(active, session)
            questions = action_questions(around.place, action, now)
            shown = action_request_json(around.place, action, now)
            decision = active.engine.decide_approved(around.standing, questions, approval)
            return judgement_of(decision, with_approval(shown, approval))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is a deny
            return _failed(active, error)

    def leave_for(
        self, session: Session, action: SqlAction | SshAction, likeness: Likeness | None
    ) -> Leave | None:
        """Whether adopted rules answer what would be asked about it now. Never kept, never raises."""
        active = self._active
        if likeness is None or not active.version.standing:
            return None
        try:
            around, _ = self._around(active, session)
            minute = self._clock.wall_us() // _US_IN_MINUTE
            questions = action_questions(around.place, action, moment(minute))
            self._day = max(self._day, minute // _MINUTES_IN_DAY)  # a clock set back lengthens no leave
            return leave_of(active.engine, around.standing, questions, likeness, self._day)
        except Exception:  # noqa: BLE001 - whatever went wrong, people are asked
            return None

    def lines_are_free(self, session: Session) -> bool:
        """Whether every line of a shell would be allowed, whatever it says, now and later.

        In doubt false: lines then wait for their judgement.
        """
        active = self._active
        try:
            around, now = self._around(active, session)
            unknown = active.version.reads - {"account", "database", "source"}
            return all(
                active.engine.passes_untold(
                    around.standing, replace(question, unknown=question.unknown | unknown)
                )
                for question in command_questions(around.place, ANY_LINE, now)
            )
        except Exception:  # noqa: BLE001 - in doubt lines wait, see above
            return False

    def judge_gateway(self, principal: Principal, verb: str) -> Judgement:
        """Judge an action on gatekeep itself, such as `audit.read` or `token.make`."""
        active = self._active
        try:
            return _place_judgement(
                active, standing_of(active, principal, None), verb, Place(principal, None),
                self._now(active)[1],
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - whatever went wrong is a deny
            return _failed(active, error)

    def _judge_anew(self, active: Active, session: Session, action: SqlAction) -> Judgement:
        """The slow way: by the attributes that rules read, and then by evaluating them."""
        try:
            around, now = self._around(active, session)
            memo = around.memos.setdefault(action.mode, {})
            hit = memo.get(id(action.facts))
            if hit is not None and hit[0] is action.facts and not action.tags:
                return hit[1]
            facts = action.facts or (EMPTY_STATEMENT,)
            judgement = judgement_of(
                _decide(active, around, facts, action, now),
                sql_request_json(around.place, facts, action.mode, now, action.tags),
            )
        except Exception as error:  # noqa: BLE001 - whatever went wrong is a deny
            return _failed(active, error)
        if (
            judgement.decision.verdict is not Verdict.ASK
            and not action.tags
            and sum(len(one.redacted) + len(one.template) for one in facts) <= LONGEST_KEPT
        ):
            bound(memo, MAX_JUDGEMENTS)
            memo[id(action.facts)] = (action.facts, judgement)
        return judgement

    def _around(self, active: Active, session: Session) -> tuple[Around, Moment | None]:
        minute, now = self._now(active)
        known = active.by_session.get(session.id)
        if known is not None and known[0] is session and known[1].minute == minute:
            return known[1], now
        place = Place(
            session.principal, session.target, session.account, session.database, session.source
        )
        key = (standing_key(session.principal, session.target), place.account, place.database,
               place.source)  # fmt: skip
        around = active.arounds.get(key)
        if around is None or around.minute != minute:
            bound(active.arounds, MAX_STANDINGS)
            standing = standing_of(active, session.principal, session.target)
            around = active.arounds[key] = Around(place, standing, minute)
        bound(active.by_session, MAX_SESSIONS)
        active.by_session[session.id] = (session, around)
        return around, now

    def _now(self, active: Active) -> tuple[int, Moment | None]:
        """The minute, if any rule reads the time."""
        if not active.timed:
            return 0, None
        minute = self._clock.wall_us() // _US_IN_MINUTE
        return minute, moment(minute)


def _decide(
    active: Active,
    around: Around,
    facts: Sequence[SqlFacts],
    action: SqlAction,
    now: Moment | None,
) -> Decision:
    questions = sql_questions(around.place, facts, action.mode, now, action.tags or _NO_TAGS)
    key = tuple(key_of(active, question) for question in questions)
    decision = around.decisions.get(key)
    if decision is None:
        # Statements that no rule can tell apart are one question.
        distinct = list(dict(zip(key, questions, strict=True)).values())
        decision = active.engine.decide(around.standing, distinct)
        keep(around, key, decision)
    return decision


def _place_judgement(
    active: Active, standing: Standing, verb: str, place: Place, now: Moment | None
) -> Judgement:
    decision = active.engine.decide(standing, [place_question(verb, place, now)])
    return judgement_of(decision, place_request_json(verb, place, now))


def _failed(active: Active, error: Exception) -> Judgement:
    words = f"the policy could not be asked: {type(error).__name__}"
    decision = Decision(Verdict.DENY, "", words, active.version.name, errors=(words,))
    return judgement_of(decision, b"{}")

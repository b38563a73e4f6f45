"""Why a statement may not run, in words for its client: unfit, beyond the second wall, or by policy.

What follows from an objection, and what is written of it, is clearance's.
"""

from __future__ import annotations

from gatekeep import messages
from gatekeep.domain.actions import SqlAction
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.gate.asking import ASKED, Given
from gatekeep.gate.fitness import Objection, is_rollback, leaves_read_only, unfit, verbs_of
from gatekeep.gate.held_words import message_of
from gatekeep.gate.judgements import rule_words
from gatekeep.gate.ports import Judgement, PolicyDesk
from gatekeep.gate.supervision import LiveSession
from gatekeep.messages import Place, RuleWords


class Objections:
    """Finds them; asks the policy again only to name the statement of several that it refuses."""

    def __init__(self, policy: PolicyDesk) -> None:
        self._policy = policy

    def against(
        self,
        live: LiveSession,
        action: SqlAction,
        judgement: Judgement,
        place: Place,
        *,
        vector_known: bool,
        given: Given | None,
    ) -> Objection | None:
        """Why an action may not run, with the words for it; None when it may."""
        unsuited = unfit(action, vector_known=vector_known)
        if unsuited is not None:
            return unsuited
        decision = judgement.decision
        target = live.session.target.name
        if live.session.read_only and leaves_read_only(action):
            words = RuleWords("", context=messages.context_line(session=live.session.code))
            verb = verbs_of(action.facts)
            return Objection(messages.policy_refuses(verb, target, words, place), b"read_only")
        if decision.verdict is Verdict.ALLOW or is_rollback(action):
            return None
        verb, place, decision = self._culprit(live, action, place, decision)
        words = rule_words(decision, live.session.code)
        if decision.verdict is Verdict.ASK:
            not_released = given.not_released if given is not None else None
            return Objection(message_of(not_released, words, place), ASKED)
        return Objection(messages.policy_refuses(verb, target, words, place), b"policy")

    def _culprit(
        self, live: LiveSession, action: SqlAction, place: Place, decision: Decision
    ) -> tuple[str, Place, Decision]:
        """Which statement of several in one message is not allowed, and why, for the words."""
        if len(action.facts) > 1:
            for position, fact in enumerate(action.facts, 1):
                alone = self._policy.judge(live.session, action._replace(facts=(fact,))).decision
                if alone.verdict is decision.verdict:
                    return fact.verb, Place(position, len(action.facts)), alone
        return verbs_of(action.facts), place, decision

"""Evaluates one policy version: allow, ask (and whom), or deny, and always with a reason.

Any error is a deny. Cedar decides; what is added here is only what Cedar cannot say: facts that
are not known for sure, and what would be different if somebody approved.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import cedarpy

from gatekeep.domain.approvals import Approval
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.likeness import MOST_SLOTS, Likeness
from gatekeep.domain.targets import Target
from gatekeep.policy.conditions import bounded_rule
from gatekeep.policy.findings import Finding, Standing, errors_of, policy_set, union
from gatekeep.policy.lattice import implied, largest_approval, smallest_sets
from gatekeep.policy.request import (
    Question,
    approval_context,
    entities,
    given_approval,
    principal_uid,
    resource_uid,
)
from gatekeep.policy.rules import PolicyVersion, Rule
from gatekeep.policy.schema import (
    OPTIONAL,
    SESSION_ACTIONS,
    SLOTS,
    SQL_ACTIONS,
    SSH_ACTIONS,
    schema,
)

__all__ = ["NOTHING_PERMITS", "NOT_CERTAIN", "RISKS", "Engine", "Finding", "Standing"]

NOTHING_PERMITS: Final = "no rule permits it"
NOT_CERTAIN: Final = " (it cannot be ruled out for this statement)"

RISKS: Final = ("", "low", "moderate", "high", "critical")
"""Values of `@risk`, the highest last."""

_FIXED: Final = frozenset({"account", "database", "source"})
_FEW_READS: Final = frozenset({"sql.read", "sql.session"})


class Engine:
    """One policy version over the groups of one directory.

    `members` maps each group to the natural persons in it: the largest approval there could be.
    """

    def __init__(self, version: PolicyVersion, members: Mapping[str, frozenset[str]]) -> None:
        self.version = version
        self._members = members
        self._order = {rule.id: number for number, rule in enumerate(version.rules)}
        self._heads = policy_set(
            {rule.id: {**rule.est, "effect": "permit", "conditions": []} for rule in version.rules}
        )
        self._leave = Engine(_standing_only(version), members) if version.standing else None

    def standing(self, principal: Principal, target: Target | None) -> Standing:
        """Entities of this principal and target, parsed once (None: the gateway itself)."""
        text = json.dumps(entities(principal, target))
        return Standing(principal, target, cedarpy.Entities.from_json_str(text, schema()))

    def decide(self, standing: Standing, questions: Sequence[Question]) -> Decision:
        """The decision over all statements of one action, the strictest first; never raises."""
        try:
            return self._decide(standing, questions)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is a deny
            return self._denied((), (f"evaluation failed: {type(error).__name__}",))

    def _decide(self, standing: Standing, questions: Sequence[Question]) -> Decision:
        if not questions:
            return self._denied((), ("nothing was asked",))
        plain = [self.evaluate(standing, one) for one in questions]
        if all(found.allowed for found in plain):
            rules = union(plain)
            return self._decision(Verdict.ALLOW, rules, obliging=rules)
        refused = [one for one, found in zip(questions, plain, strict=True) if not found.allowed]
        errors = errors_of(plain)
        wanted = self._approvers(standing, refused)
        if errors or not wanted:
            return self._deny(refused, [found for found in plain if not found.allowed], errors)
        return self._ask(standing, refused, [found for found in plain if not found.allowed], wanted)

    def decide_approved(
        self, standing: Standing, questions: Sequence[Question], approval: Approval
    ) -> Decision:
        """The decision now that there is this approval; as `decide` where it does not suffice."""
        try:
            context = given_approval(approval)
            found = [self.evaluate(standing, one, context) for one in questions]
        except Exception as error:  # noqa: BLE001 - whatever went wrong is a deny
            return self._denied((), (f"evaluation failed: {type(error).__name__}",))
        if questions and all(one.allowed for one in found):
            rules = union(found)
            return self._decision(Verdict.ALLOW, rules, obliging=rules)
        return self.decide(standing, questions)

    def standing_rules_for(
        self,
        standing: Standing,
        questions: Sequence[Question],
        decision: Decision,
        likeness: Likeness | None,
        day: int,
    ) -> tuple[str, ...]:
        """The standing rules that answer `decision` (an ask) for each question that it refuses.

        Empty where one of these questions has none, without a likeness, and upon any error. They
        do not release anything: the action must still be judged as approved. Never raises.
        """
        if self._leave is None or likeness is None or len(likeness.slots) > MOST_SLOTS:
            return ()
        if decision.verdict is not Verdict.ASK or decision.errors:
            return ()
        try:
            return self._standing_rules_for(
                standing, questions, self._leave_context(decision, likeness, day)
            )
        except Exception:  # noqa: BLE001 - whatever went wrong, people are asked
            return ()

    def _standing_rules_for(
        self, standing: Standing, questions: Sequence[Question], added: Mapping[str, Any]
    ) -> tuple[str, ...]:
        over = self._leave
        if over is None:
            return ()
        if standing.leave is None:
            standing.leave = Standing(standing.principal, standing.target, standing.handle)
        found: list[Finding] = []
        for question in questions:
            plain = self.evaluate(standing, question)
            if plain.errors:
                return ()
            if plain.allowed:
                continue
            context = {**question.context, **added}
            answer = over.evaluate(standing.leave, replace(question, context=context))
            if not answer.allowed:
                return ()
            found.append(answer)
        return tuple(rule.id for rule in union(found))

    def _leave_context(
        self, decision: Decision, likeness: Likeness, day: int
    ) -> dict[str, Any]:
        """What standing rules are told beside the facts. KeyError for a rule that is not ours."""
        marks = {self.version.rules[self._order[rule]].mark for rule in decision.rules}
        return {
            "asked_by": sorted(marks),
            "template": likeness.template,
            "day": day,
            **dict(zip(SLOTS, likeness.values, strict=False)),
        }

    def _ask(
        self,
        standing: Standing,
        refused: Sequence[Question],
        plain: Sequence[Finding],
        wanted: frozenset[str],
    ) -> Decision:
        """Whether an approval out of `wanted` releases what was refused, and the smallest ones."""
        principal = standing.principal
        excluded = {principal.person, principal.owner} - {""}
        largest = largest_approval(wanted, self._members, excluded)
        best = [self.evaluate(standing, one, approval_context(largest)) for one in refused]
        if errors_of(best):
            return self._deny(refused, best, errors_of(best))
        if not all(found.allowed for found in best):
            return self._unreleasable(standing, refused, best, wanted)
        sets = smallest_sets(
            largest,
            lambda groups: all(
                self.evaluate(standing, one, approval_context(groups)).allowed for one in refused
            ),
        )
        if not sets:
            return self._deny(refused, plain, ("a rule needs approval and names nobody for it",))
        forbidding = union(plain)
        releasing = union(best)
        return self._decision(
            Verdict.ASK,
            (*forbidding, *releasing) if forbidding else releasing,
            obliging=(*forbidding, *releasing),
            approvers=sets,
        )

    def _unreleasable(
        self,
        standing: Standing,
        refused: Sequence[Question],
        best: Sequence[Finding],
        wanted: frozenset[str],
    ) -> Decision:
        """Denied although approval is a way: it would not help, or nobody could give it."""
        anybody = [self.evaluate(standing, one, approval_context(wanted)) for one in refused]
        errors: tuple[str, ...] = ()
        if all(found.allowed for found in anybody):
            lacking = ", ".join(sorted(wanted))
            errors = (f"nobody but the requester could approve ({lacking})",)
            if not union(best):
                return self._deny(refused, anybody, errors)
        kept = [
            (one, found) for one, found in zip(refused, best, strict=True) if not found.allowed
        ]
        return self._deny([one for one, _ in kept], [found for _, found in kept], errors)

    def evaluate(
        self, standing: Standing, question: Question, approval: Mapping[str, Any] | None = None
    ) -> Finding:
        """Cedar's answer to one question, with or without an approval (as Cedar's context has it)."""
        rules = self._slice(standing, question.action)
        if not rules:
            return Finding(allowed=False)
        unknown = question.unknown & self.version.reads
        policies = self._set(standing, question.action, unknown, widen=True)
        context = dict(question.context)
        if approval is not None and approval["groups"]:
            context["approval"] = approval
        return self._authorize(standing, question.action, context, policies)

    def passes_untold(self, standing: Standing, question: Question) -> bool:
        """Whether it is allowed, and no rule about its action wants that told."""
        if any(rule.notify for rule in self._slice(standing, question.action)):
            return False
        return self.evaluate(standing, question).allowed

    def could_do_more_than_read(self, standing: Standing, question: Question) -> bool:
        """Whether some statement other than `sql.read` and `sql.session` might ever pass.

        `question` is any statement of the session: account, database and source are taken from
        it. Every other fact, the time and every approval are taken as whatever permits the most.
        """
        for action in SQL_ACTIONS:
            if action in _FEW_READS:
                continue
            rules = self._slice(standing, action)
            if not any(rule.effect == "permit" for rule in rules):
                continue
            read = frozenset(name for rule in rules for name in rule.reads)
            unknown = read - (_FIXED & question.context.keys())
            policies = self._set(standing, action, unknown, widen=False)
            found = self._authorize(standing, action, question.context, policies)
            if found.allowed or found.errors:
                return True
        return False

    def groups_around(self, standing: Standing) -> frozenset[str]:
        """Every group, as rules write it, that some rule around this target accepts approval from."""
        actions = (*SESSION_ACTIONS, *SQL_ACTIONS, *SSH_ACTIONS)
        named = {
            group
            for action in actions
            for rule in self._slice(standing, action)
            for group in rule.approvers
        }
        return frozenset(one for group in named for one in implied(group))

    def approvers_around(self, standing: Standing) -> tuple[tuple[str, ...], ...]:
        """Each of these groups that has somebody to ask, as a set of its own."""
        principal = standing.principal
        excluded = {principal.person, principal.owner} - {""}
        supplied = largest_approval(self.groups_around(standing), self._members, excluded)
        return tuple((group,) for group in sorted(supplied) if ":" not in group)

    def _authorize(
        self,
        standing: Standing,
        action: str,
        context: Mapping[str, Any],
        policies: cedarpy.PolicySet,
        *,
        strict: bool = True,
    ) -> Finding:
        request = {
            "principal": principal_uid(standing.principal),
            "action": {"type": "Action", "id": action},
            "resource": resource_uid(standing.target),
            "context": json.dumps(context),
        }
        answer = cedarpy.is_authorized(
            request, policies, standing.handle, schema() if strict else None
        )
        errors = tuple(answer.diagnostics.errors)
        if answer.decision is cedarpy.Decision.NoDecision and not errors:
            errors = ("no decision",)
        named = answer.diagnostics.reasons if not errors else self._erring(errors)
        found = sorted(named, key=self._order.__getitem__)
        rules = tuple(self.version.rules[self._order[rule_id]] for rule_id in found)
        allowed = answer.decision is cedarpy.Decision.Allow and not errors
        return Finding(allowed, rules, errors)

    def _erring(self, errors: Iterable[str]) -> list[str]:
        """The ids of the rules that Cedar's errors quote."""
        quoted = {word for error in errors for word in error.split("`")[1::2]}
        return [rule_id for rule_id in self._order if rule_id in quoted]

    def _slice(self, standing: Standing, action: str) -> tuple[Rule, ...]:
        """The rules whose head fits: Cedar's own answer, with all conditions taken away."""
        known = standing.slices.get(action)
        if known is None:
            found = self._authorize(standing, action, {}, self._heads, strict=False)
            if found.errors:
                raise RuntimeError("the heads of the rules could not be evaluated")
            known = standing.slices[action] = found.rules
        return known

    def _set(
        self, standing: Standing, action: str, unknown: frozenset[str], *, widen: bool
    ) -> cedarpy.PolicySet:
        """The rules of a slice, where facts are not known for sure.

        With `widen`, forbids match whenever they could and permits only if they surely do; without,
        the other way round, which answers what might be possible at all.
        """
        key = (action, unknown, widen)
        known = standing.sets.get(key)
        if known is None:
            known = standing.sets[key] = policy_set(
                {
                    rule.id: bounded_rule(
                        rule.est, unknown, widen=(rule.effect == "forbid") == widen
                    )
                    for rule in self._slice(standing, action)
                }
            )
        return known

    def _approvers(self, standing: Standing, refused: Iterable[Question]) -> frozenset[str]:
        """Every group that the rules around these questions accept approval from."""
        return frozenset(
            group
            for question in refused
            for rule in self._slice(standing, question.action)
            for group in rule.approvers
        )

    def _deny(
        self, questions: Sequence[Question], found: Sequence[Finding], errors: tuple[str, ...]
    ) -> Decision:
        rules = union(found)
        guessed = bool(rules) and any(
            rules[0] in one.rules and not (question.unknown - OPTIONAL).isdisjoint(rules[0].reads)
            for question, one in zip(questions, found, strict=False)
        )
        return self._denied(rules, errors, guessed=guessed)

    def _denied(
        self, rules: tuple[Rule, ...], errors: tuple[str, ...], *, guessed: bool = False
    ) -> Decision:
        return self._decision(Verdict.DENY, rules, obliging=rules, errors=errors, guessed=guessed)

    def _decision(
        self,
        verdict: Verdict,
        rules: tuple[Rule, ...],
        *,
        obliging: tuple[Rule, ...] = (),
        approvers: tuple[tuple[str, ...], ...] = (),
        errors: tuple[str, ...] = (),
        guessed: bool = False,
    ) -> Decision:
        first = rules[0] if rules else None
        reason = first.reason if first else NOTHING_PERMITS
        return Decision(
            verdict=verdict,
            rule=first.id if first else "",
            reason=reason + (NOT_CERTAIN if guessed and reason else ""),
            policy=self.version.name,
            title=first.title if first else "",
            owner=first.owner if first else "",
            approvers=approvers,
            obligations=frozenset(note for rule in obliging for note in rule.obligations),
            rules=tuple(rule.id for rule in rules),
            errors=errors,
            risk=max((rule.risk for rule in rules), key=_severity, default=""),
            notify=tuple(dict.fromkeys(note for one in obliging if (note := one.notify))),
        )


def _standing_only(version: PolicyVersion) -> PolicyVersion:
    read = frozenset(name for rule in version.standing for name in rule.reads)
    return replace(version, rules=version.standing, reads=read, forbid_reads=frozenset(), standing=())


def _severity(risk: str) -> int:
    return RISKS.index(risk) if risk in RISKS else 0

"""What a rule would let pass that nobody wants: asked of the whole world, tried or not.

Every unwanted text of an organisation, on every target where it is unwanted, by somebody of every
set of groups there is, goes through the real engine with the rule in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from organisation import Organisation, Work
from reading import Action, Reader

from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.likeness import Likeness
from gatekeep.domain.targets import Target
from gatekeep.policy.action_request import action_questions
from gatekeep.policy.engine import Engine, Standing
from gatekeep.policy.lattice import stood_in_for
from gatekeep.policy.loading import load
from gatekeep.policy.request import Place, moment
from gatekeep.policy.standing import ADOPTED_FILE

_DAY_MINUTES: Final = 1440
_NOON: Final = 720
"""Minutes of a day: rules of the organisations read no hour, so one is enough."""


@dataclass(frozen=True, slots=True)
class Unwanted:
    """One action that must not pass unasked; today's policy asks about it."""

    work: Work
    principal: Principal
    target: Target
    action: Action
    likeness: Likeness
    decision: Decision
    text: str

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.work.name}: {self.principal.name} on {self.target.name}: {self.text}"


class Truth:
    """All that an organisation does not want, and that its own policy would ask about."""

    def __init__(self, organisation: Organisation) -> None:
        self._organisation = organisation
        self._known: dict[str, tuple[str, ...]] = {}
        reader = Reader(organisation)
        engine = Engine(load(dict(organisation.rules)), organisation.members)
        self.considered = 0
        self.asked: list[Unwanted] = []
        for work, principal, target, text in self._everything():
            self.considered += 1
            action, likeness = reader.read(target.kind, text)
            place = Place(principal, target, work.account, work.database, "10.0.0.9")
            questions = action_questions(place, action, moment(_NOON))
            decision = engine.decide(engine.standing(principal, target), questions)
            if decision.verdict is Verdict.ASK and likeness is not None:
                self.asked.append(
                    Unwanted(work, principal, target, action, likeness, decision, text)
                )

    def _everything(self) -> Iterator[tuple[Work, Principal, Target, str]]:
        ways: dict[frozenset[str], Principal] = {}
        for one in self._organisation.principals:
            ways.setdefault(one.groups, one)
        schemes = {id(one.work): one.padded for one in self._organisation.schemes}
        for work in self._organisation.unwanted:
            # What one group must not do another may: such work counts for its own people alone.
            for principal in ways.values():
                if not principal.groups.intersection(work.groups):
                    continue
                for name in work.targets:
                    target = self._organisation.target(name)
                    for text in (*work.texts(), *schemes.get(id(work), ())):
                        yield work, principal, target, text

    def let_pass(self, rule: str, day: int) -> tuple[str, ...]:
        """The unwanted actions that this adopted rule would let pass on that day."""
        known = self._known.get(rule)
        if known is None:
            known = self._known[rule] = tuple(self._found(rule, day))
        return known

    def _found(self, rule: str, day: int) -> Iterator[str]:
        version = load({**self._organisation.rules, ADOPTED_FILE: rule})
        engine = Engine(version, self._organisation.members)
        standings: dict[tuple[str, str], Standing] = {}
        for one in self.asked:
            key = (one.principal.name, one.target.name)
            if key not in standings:
                standings[key] = engine.standing(one.principal, one.target)
            standing = standings[key]
            place = Place(one.principal, one.target, one.work.account, one.work.database, "10.0.0.9")
            questions = action_questions(place, one.action, moment(day * _DAY_MINUTES + _NOON))
            rules = engine.standing_rules_for(
                standing, questions, one.decision, one.likeness, day
            )
            if not rules:
                continue
            approval = stood_in_for(one.decision.approvers, rules[0])
            decided = engine.decide_approved(standing, questions, approval)
            if decided.verdict is Verdict.ALLOW:
                yield one.words

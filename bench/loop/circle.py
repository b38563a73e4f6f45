"""The loop over one simulated organisation: what it finds, who accepts it, and how long it stays.

Candidates, proof, life and monitor are the product's own functions, called as its desk calls them:
the monitor every day, the search for suggestions once a week. Everything that loosens and is proposed is
accepted at once, by two persons who never say no: the worst that can happen to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import orjson
from days import World
from happened import Later

from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.domain.suggestions import (
    Acceptance,
    Sample,
    SampleAnswer,
    Suggestion,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.feedback import life as lives
from gatekeep.feedback import monitor
from gatekeep.feedback.backtest import act_of
from gatekeep.feedback.candidates import candidates, proposable
from gatekeep.feedback.deeds import Answer, Evidence
from gatekeep.feedback.evidence import Collector
from gatekeep.feedback.judging import Judge
from gatekeep.feedback.life import Limits, Observation
from gatekeep.feedback.proof import prove
from gatekeep.feedback.renewal import renewal_of
from gatekeep.gate.approval_ports import Told
from gatekeep.loop_layer_text import version_without
from gatekeep.policy.loading import load
from gatekeep.policy.standing import ADOPTED_FILE

_WEEK: Final = 7
_GROWN: Final = 1.2
"""A failed proof is tried again once the evidence has grown so much; the gateway tries each hour."""
_ANSWERED: Final = frozenset({Answer.APPROVED, Answer.DENIED})
_CAREFUL: Final = ("careful-1", "careful-2")
"""Two persons of no team, who gain nothing by it."""


@dataclass(slots=True)
class Step:
    """One change in a suggestion's life, with the day on which it came."""

    day: int
    suggestion: str
    state: SuggestionState
    reason: str


@dataclass(slots=True)
class _Trial:
    """What a rule in shadow would have done so far."""

    since_us: int
    judge: Judge
    seen: set[int] = field(default_factory=set)
    tried: int = 0
    refused: list[int] = field(default_factory=list)


@dataclass
class Circle:
    """Drives the loop. `proposed` hears of every suggestion when it is proposed."""

    make_world: Callable[[Circle], World]
    proposed: Callable[[Suggestion], None] = lambda _one: None
    limits: Limits = field(default_factory=Limits)
    searching: bool = True

    def __post_init__(self) -> None:
        self.collector = Collector()
        self.lives: dict[str, SuggestionLife] = {}
        self.steps: list[Step] = []
        self.kinds: dict[str, int] = {}
        self.samples: list[Sample] = []
        self.unproven: dict[str, Suggestion] = {}
        self._trials: dict[str, _Trial] = {}
        self.world = self.make_world(self)

    def run(self, days: int) -> None:
        """So many days, one after another."""
        for _ in range(days):
            self.a_day()

    def a_day(self) -> None:
        """What people do, and then what the loop makes of it."""
        self.world.live_a_day()
        if not self._adopted() and not (self.searching and self.world.day % _WEEK == 0):
            return
        evidence = self.collector.evidence(self.world.clock.us, verified=True)
        self._look_back(evidence)
        if self.searching and self.world.day % _WEEK == 0:
            self._search(evidence)

    # looking for suggestions

    def _search(self, evidence: Evidence) -> None:
        version, now_us = self.world.version, self.world.clock.us
        for found in candidates(evidence, version, now_us):
            if not found.kind.writes_rule or not found.kind.loosens:
                self._count(found)
                continue
            if not proposable(found) or self._failed_already(found):
                continue
            known = self.lives.get(found.id)
            if known is not None and not known.state.over:
                continue
            if known is not None and not self._back(known, found):
                continue
            proven = prove(found, evidence, version, self.world.organisation.members, now_us)
            if not proven.safe or proven.backtest is None or not proven.backtest.passed:
                self.unproven[found.id] = proven
                continue
            self._propose(proven)
        self._renew(evidence)

    def _renew(self, evidence: Evidence) -> None:
        """What was right and ends soon is proposed again, as a suggestion of its own."""
        now_us, members = self.world.clock.us, self.world.organisation.members
        for life in list(self.lives.values()):
            again = renewal_of(life, now_us)
            if again is None or again.id in self.lives or again.id in self.unproven:
                continue
            before = version_without(self.world.version, life.suggestion.rule_id)
            proven = prove(again, evidence, before, members, now_us)
            if proven.safe and proven.backtest is not None and proven.backtest.passed:
                self._propose(proven)
            else:
                self.unproven[again.id] = proven

    def _failed_already(self, found: Suggestion) -> bool:
        """Whether it failed in its proof before, on evidence that was hardly less."""
        known = self.unproven.get(found.id)
        return known is not None and found.vector.asked < known.vector.asked * _GROWN

    def _back(self, known: SuggestionLife, found: Suggestion) -> bool:
        seen = Observation(found=found)
        return lives.advance(known, seen, self.world.clock.us, self.limits) is not None

    def _count(self, found: Suggestion) -> None:
        """Advice is counted, once an id."""
        self.kinds.setdefault(f"{found.kind} {found.id}", self.world.day)

    def _propose(self, suggestion: Suggestion) -> None:
        now_us = self.world.clock.us
        self.proposed(suggestion)
        self._take(lives.proposed(suggestion, now_us))
        for person in self._acceptors(suggestion):
            yes = Acceptance(person, person, now_us, "as the evidence says", "cli", mfa=True)
            change = lives.accept(self.lives[suggestion.id], yes, self.limits)
            if isinstance(change, str):
                raise lives.NoSuchChange(f"{suggestion.id} could not be accepted: {change}")
            self._take(change)
        self._advance(suggestion.id, Observation(found=suggestion))
        self._into_force()

    def _acceptors(self, suggestion: Suggestion) -> Iterable[str]:
        return _CAREFUL[: lives.needed(suggestion, self.limits)]

    # looking back

    def _adopted(self) -> list[SuggestionLife]:
        return [one for one in self.lives.values() if one.state.adopted]

    def _look_back(self, evidence: Evidence) -> None:
        now_us = self.world.clock.us
        for life in self._adopted():
            effect = monitor.effect_of(life, evidence, self.samples, now_us)
            against = monitor.against(life, effect, evidence, self.samples, self.world.version)
            tried, refused = self._tried(life, evidence)
            seen = Observation(
                tried=tried, refused=refused, effect=effect,
                for_it=monitor.speaks_for(life, effect), against=against,
            )  # fmt: skip
            self.lives[life.suggestion.id] = replace(life, effect=effect)
            self._advance(life.suggestion.id, seen)
        self._into_force()

    def _tried(self, life: SuggestionLife, evidence: Evidence) -> tuple[int, tuple[int, ...]]:
        """What it would have let pass since it is tried, and what of that people refused."""
        if life.state is not SuggestionState.SHADOW:
            return 0, ()
        trial = self._trials.get(life.suggestion.id)
        if trial is None or trial.since_us != life.since_us:
            texts = {**self.world.organisation.rules, ADOPTED_FILE: life.suggestion.rule}
            judge = Judge(load(texts), self.world.organisation.members)
            trial = self._trials[life.suggestion.id] = _Trial(life.since_us, judge)
        for deed in evidence.deeds:
            if deed.at_us < life.since_us:
                continue
            if deed.n in trial.seen or deed.answer not in _ANSWERED:
                continue
            trial.seen.add(deed.n)
            if life.suggestion.rule_id in trial.judge.judge(act_of(deed)).adopted:
                trial.tried += 1
                trial.refused += [deed.n] if deed.answer is Answer.DENIED else []
        return trial.tried, tuple(trial.refused)

    def _advance(self, key: str, seen: Observation) -> None:
        while (
            change := lives.advance(self.lives[key], seen, self.world.clock.us, self.limits)
        ) is not None:
            self._take(change)

    def _take(self, change: lives.Change) -> None:
        life = replace(change.life, settled=True)
        self.lives[life.suggestion.id] = life
        self.steps.append(Step(self.world.day, life.suggestion.id, life.state, life.reason))
        payload = {"suggestion": life.suggestion.id, "state": life.state.value, "reason": life.reason}
        self.world.pen.told(Told(change.kind, orjson.dumps(payload)))

    def _into_force(self) -> None:
        """The world's policy gets exactly the rules that are in force, and its sampler too."""
        ruling = [one for one in self.lives.values() if lives.in_force(one)]
        for one in self.lives.values():
            if one in ruling:
                self.world.sampler.adopt(one.suggestion.rule_id, one.in_force_us)
            else:
                self.world.sampler.forget(one.suggestion.rule_id)
        texts = sorted((one.suggestion.rule_id, one.suggestion.rule.strip()) for one in ruling)
        self.world.activate("".join(f"{text}\n\n" for _, text in texts))

    # samples

    def looked_at(self, later: Later, who: Principal, right: bool) -> None:
        """Somebody has looked at a sample that had passed."""
        life = next(
            (one for one in self.lives.values() if one.suggestion.rule_id == later.rule), None
        )
        if life is None:
            return
        answer = SampleAnswer.RIGHT if right else SampleAnswer.WRONG
        principal = later.session.principal
        sample = Sample(
            f"{later.n}", life.suggestion.id, later.n, later.at_us, principal.name, principal.person,
            later.session.target.name, later.text, groups=later.groups, answer=answer,
            answered_by=who.name, answered_us=self.world.clock.us,
            reason="" if right else "not wanted",
        )  # fmt: skip
        self.samples.append(sample)
        facts = {"n": later.n, "answer": answer.value, "suggestion": life.suggestion.id,
                 "by": who.name, "reason": sample.reason}  # fmt: skip
        self.world.pen.told(Told(EventKind.SUGGESTION_ANSWERED, orjson.dumps(facts)))

    def plant(self, suggestion: Suggestion) -> None:
        """Put a rule into force past every check, as if people had accepted it."""
        now_us = self.world.clock.us
        yes = tuple(Acceptance(one, one, now_us, "planted", "cli", mfa=True) for one in _CAREFUL)
        self.lives[suggestion.id] = SuggestionLife(
            suggestion, SuggestionState.CANARY, now_us, yes, in_force_us=now_us,
            expires_us=now_us + self.limits.expires_us,
        )  # fmt: skip
        load({**self.world.organisation.rules, ADOPTED_FILE: suggestion.rule})
        self._into_force()

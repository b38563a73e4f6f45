"""How suggestions other than to let something pass are put together, and whom they would ask.

Puts parts in place; what is worth suggesting is decided by the modules of each kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gatekeep.domain.suggestions import (
    Check,
    EvidenceVector,
    Suggestion,
    SuggestionKind,
    SuggestionScope,
)
from gatekeep.feedback import naming, scoring
from gatekeep.feedback.deeds import Deed, Where
from gatekeep.feedback.ground import Ground, day_of
from gatekeep.feedback.writing import written
from gatekeep.policy.rules import Rule

_SHOWN: Final = 3
NOWHERE: Final = SuggestionScope("", "", "", (), "")
"""The scope of advice that is about a rule, and about no action."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a suggestion says, and the events and checks behind it.

    `rules` are the rules that it is about. `saves` is in actions a week, `score` is what it is
    ranked by among others.
    """

    kind: SuggestionKind
    title: str
    text: str
    scope: SuggestionScope
    rules: tuple[str, ...]
    events: Sequence[int]
    checks: tuple[Check, ...]
    vector: EvidenceVector = field(default_factory=EvidenceVector)
    score: float = 0.0
    saves: float = 0.0
    asks: tuple[str, ...] = ()


def advise(ground: Ground, advice: Advice) -> Suggestion:
    """The suggestion of an advice, with its name, its root and, where its kind has one, its rule."""
    sources = tuple(one for one in map(ground.source, advice.rules) if one is not None)
    key = naming.suggestion_id(advice.kind, advice.rules, advice.scope)
    made = Suggestion(
        id=key,
        kind=advice.kind,
        title=advice.title,
        sources=sources,
        scope=advice.scope,
        vector=advice.vector,
        score=advice.score,
        saves_per_week=advice.saves,
        wait_s_per_week=advice.saves * advice.vector.latency_s,
        evidence_root=scoring.evidence_root(advice.events),
        events=scoring.newest(advice.events),
        risk=ground.risk(advice.rules),
        rule_id=naming.rule_id(key) if advice.kind.writes_rule else "",
        before=ground.text(sources),
        advice=advice.text,
        checks=advice.checks,
    )
    return written(made, ground.now_us, advice.asks) if made.safe else made


def vector_of(ground: Ground, deeds: Sequence[Deed], *, denied: int) -> EvidenceVector:
    """The vector of deeds that were refused, by rule or by people."""
    return EvidenceVector(
        asked=len(deeds),
        denied=denied,
        persons=tuple(sorted({ground.person(one) for one in deeds})),
        days=len({day_of(one.at_us) for one in deeds}),
        first_us=min(one.at_us for one in deeds),
        last_us=max(one.at_us for one in deeds),
        assurance=dict(sorted(Counter(one.assurance or "exact" for one in deeds).items())),
    )


def least(name: str, count: int, needed: int, what: str) -> Check:
    """A check that there is enough of something."""
    return Check(name, count >= needed, f"{count} {what} ({needed} needed)")


def shared_group(ground: Ground, groups: Iterable[frozenset[str]]) -> str:
    """The smallest group that all of them hold; empty where there is none."""
    listed = list(groups)
    shared = frozenset.intersection(*listed) if listed else frozenset()
    return min(shared, key=lambda name: (ground.size(name), name), default="")


def scope_of(where: Where, group: str, deeds: Sequence[Deed]) -> SuggestionScope:
    """One place, one group, and the targets and labels that the deeds have; the rest is empty."""
    return SuggestionScope(
        group=group,
        action=deeds[0].action,
        environment=where.environment,
        targets=tuple(sorted({one.where.target for one in deeds})),
        account=where.account,
        database=where.database,
        labels=tuple(sorted(frozenset.intersection(*(one.where.labels for one in deeds)))),
    )


def whom_to_ask(ground: Ground, action: str, environment: str) -> tuple[str, ...]:
    """The groups that rules about this action ask most; of one environment before all others.

    The first of them alone, since any group that a rule names suffices for it. Empty if none asks.
    """
    tally: Counter[str] = Counter()
    for rule in ground.version.rules:
        if speaks_of(rule, action):
            near = environment in str(rule.est.get("resource", "")) if environment else False
            for name in rule.approvers:
                tally[name] += 3 if near else 1
    return (min(tally, key=lambda name: (-tally[name], name)),) if tally else ()


def named_actions(rule: Rule) -> frozenset[str]:
    """The actions that the head of a rule names; empty where it is about any."""
    head = rule.est["action"]
    listed = [head["entity"]] if "entity" in head else head.get("entities", [])
    return frozenset(str(one.get("id", "")) for one in listed)


def speaks_of(rule: Rule, action: str) -> bool:
    """Whether a rule's head covers an action; `sql` covers `sql.read`."""
    names = named_actions(rule)
    return not names or not names.isdisjoint({action, action.partition(".")[0]})


def shown(names: Iterable[str]) -> str:
    """Some names, and how many more there are."""
    listed = sorted(set(names))
    more = len(listed) - _SHOWN
    return naming.listed([*listed[:_SHOWN], *([f"{more} more"] if more > 0 else [])])


def with_template(scope: SuggestionScope, deed: Deed) -> SuggestionScope:
    """The scope of one template, with the tables that it touches."""
    return replace(
        scope, templates=(deed.template,) if deed.template else (), verb=deed.verb,
        tables_read=deed.tables_read, tables_written=deed.tables_written,
    )  # fmt: skip

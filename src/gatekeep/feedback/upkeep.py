"""Rules that could be fewer or smaller, and telling that could be less: advice about the policy.

Nothing here writes a rule; a person edits the file. What passes stays exactly as it is.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gatekeep.domain.suggestions import (
    DAY_US,
    MUTED_DAYS,
    Check,
    Suggestion,
    SuggestionKind,
    SuggestionScope,
)
from gatekeep.feedback import advising, naming, safety
from gatekeep.feedback.ground import Ground
from gatekeep.policy.rules import Rule
from gatekeep.policy.schema import GATEWAY_ACTIONS

UNUSED_DAYS: Final = 90
"""A rule is judged by its use once it was watched for so long."""
LEAST_USES: Final = 20
"""Fewer uses tell nothing of how far a rule must reach."""
LEAST_NOISE: Final = 50
"""How often a week a rule must tell before telling less is suggested."""
_NOTIFY: Final = "notify"
_RISKY: Final = frozenset({"high", "critical"})
_MUTED_AT: Final = max(safety.LEAST_APPROVALS.values())
"""The most approvals that any risk needs."""
_WARNED: Final = re.compile(r"(?:repeats|is covered by|is out of reach:) rule (\S+?)(?: |$)")


@dataclass(slots=True)
class _Reach:
    """How far a rule was used."""

    count: int = 0
    environments: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    persons: set[str] = field(default_factory=set)
    events: list[int] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    first_us: dict[str, int] = field(default_factory=dict)
    last_us: int = 0

    @property
    def days(self) -> int:
        """From the first to the last, both counted; 0 where it was never used."""
        return (self.last_us - min(self.first_us.values())) // DAY_US + 1 if self.first_us else 0


def upkeep(ground: Ground) -> Iterator[Suggestion]:
    """NARROW, REMOVE, MERGE and MUTE of noisy rules, in no order."""
    reach = _reaches(ground)
    for rule in ground.version.rules:
        yield from _remove(ground, rule)
        yield from _narrow(ground, rule, reach)
        yield from _mute_noise(ground, rule, reach.get(rule.id, _Reach()))
    yield from _merge(ground)


def _reaches(ground: Ground) -> Mapping[str, _Reach]:
    found: dict[str, _Reach] = defaultdict(_Reach)
    for key, passed in ground.evidence.passed.items():
        one = found[key.rule]
        one.count += passed.count
        one.environments[key.environment] += passed.count
        one.actions[key.action] += passed.count
        one.persons.add(key.person)
        one.events += passed.events
        one.tags |= passed.tags
        one.first_us[key.person] = min(passed.first_us, one.first_us.get(key.person, passed.first_us))
        one.last_us = max(one.last_us, passed.last_us)
    for deed in ground.deeds:
        for name in deed.rules:
            one = found[name]
            one.count += 1
            one.environments[deed.where.environment] += 1
            one.actions[deed.action] += 1
    return found


def _about(rule: Rule) -> SuggestionScope:
    """A scope that says which rule it is, for the id alone."""
    return SuggestionScope("", "", "", (), "", verb=rule.id)


def _watched(ground: Ground, rule: Rule) -> float:
    """For how many days a rule was in force while evidence was gathered."""
    since = max(ground.since_us(rule.id) or ground.now_us, ground.evidence.first_us)
    return (ground.now_us - since) / DAY_US


def _about_gateway(rule: Rule) -> bool:
    """Whether it is for gatekeep itself: an emergency that never came needs its rule."""
    names = advising.named_actions(rule)
    return bool(names) and names <= {*GATEWAY_ACTIONS, "gateway"}


# --- remove --------------------------------------------------------------------------------------


def _remove(ground: Ground, rule: Rule) -> Iterator[Suggestion]:
    """A permit that nobody needed for 90 days. Forbids that never matched did their work."""
    use = ground.evidence.rules.get(rule.id)
    if rule.effect != "permit" or use is None or _about_gateway(rule):
        return
    watched = _watched(ground, rule)
    idle = min((ground.now_us - (use.last_us or use.since_us)) / DAY_US, watched)
    if use.since_us <= 0 or idle < UNUSED_DAYS or watched < UNUSED_DAYS:
        return
    yield advising.advise(
        ground,
        advising.Advice(
            kind=SuggestionKind.REMOVE,
            title=f"Remove rule {rule.id}: nobody needed it for {idle:.0f} days",
            text="A right that nobody uses is only good for misuse. Delete the rule, or say in its"
            " @why what it is kept for.",
            scope=_about(rule),
            rules=(rule.id,),
            events=(),
            checks=(
                Check("unused", passed=True, why=f"not used for {idle:.0f} days ({UNUSED_DAYS})"),
                Check("watched", passed=True, why=f"in force and seen for {watched:.0f} days"),
            ),
            score=0.1,
        ),
    )


# --- narrow --------------------------------------------------------------------------------------


def _narrow(ground: Ground, rule: Rule, reach: Mapping[str, _Reach]) -> Iterator[Suggestion]:
    """A permit that is used in one environment, or for some of its actions only."""
    one = reach.get(rule.id)
    if rule.effect != "permit" or one is None or _about_gateway(rule):
        return
    if one.count < LEAST_USES or _watched(ground, rule) < UNUSED_DAYS:
        return
    every = {name for other in reach.values() for name in other.environments} - {""}
    used = set(one.environments) - {""}
    named = advising.named_actions(rule)
    unused = {name for name in named if not _used(name, one.actions)}
    if rule.est["resource"]["op"] == "All" and len(used) == 1 and len(every) > 1:
        (only,) = used
        yield _narrower(ground, rule, one, f"to environment {only}, the only one it is used in")
    elif len(named) > 1 and unused and unused != named:
        yield _narrower(ground, rule, one, f"by {advising.shown(unused)}, which nobody needed")


def _used(name: str, actions: Iterable[str]) -> bool:
    return any(name in {action, action.partition(".")[0]} for action in actions)


def _narrower(ground: Ground, rule: Rule, reach: _Reach, what: str) -> Suggestion:
    return advising.advise(
        ground,
        advising.Advice(
            kind=SuggestionKind.NARROW,
            title=f"Narrow rule {rule.id} {what}",
            text=f"It was used {naming.times(reach.count)} in {UNUSED_DAYS} days or more, and never"
            " beyond that.",
            scope=replace(_about(rule), templates=(what,)),
            rules=(rule.id,),
            events=reach.events,
            checks=(advising.least("uses", reach.count, LEAST_USES, "uses"),),
            score=0.2,
        ),
    )


# --- merge ---------------------------------------------------------------------------------------


def _merge(ground: Ground) -> Iterator[Suggestion]:
    """Rules that lint found to repeat, or to stand below, another one."""
    for warning in ground.version.warnings:
        found = _WARNED.match(warning.what)
        if found is None or warning.rule not in ground.rules:
            continue
        other = found[1].rstrip(".,")
        yield advising.advise(
            ground,
            advising.Advice(
                kind=SuggestionKind.MERGE,
                title=f"Merge rule {warning.rule} into {other}: it {warning.what}",
                text=f"Whatever is asked, it changes nothing. {warning.fix.capitalize()}.",
                scope=_about(ground.rules[warning.rule]),
                rules=tuple(dict.fromkeys((warning.rule, other))),
                events=(),
                checks=(Check("found by lint", passed=True, why=warning.what),),
                score=0.05,
            ),
        )


# --- mute ----------------------------------------------------------------------------------------


def _mute_noise(ground: Ground, rule: Rule, reach: _Reach) -> Iterator[Suggestion]:
    """A rule that tells so often that nobody reads it."""
    if not any(one.partition(":")[0] == _NOTIFY for one in rule.obligations):
        return
    a_week = reach.count / ground.weeks()
    if a_week < LEAST_NOISE:
        return
    yield advising.advise(
        ground,
        advising.Advice(
            kind=SuggestionKind.MUTE,
            title=f"Tell of rule {rule.id} once a week instead of each time",
            text=f"It decided {a_week:.0f} times a week, and each is to be told. Once accepted, decisions"
            f" stay as they are, the weekly digest counts them, and after {MUTED_DAYS} days, or as soon"
            " as the rule reads otherwise, each is told again.",
            scope=_about(rule),
            rules=(rule.id,),
            events=reach.events,
            checks=(
                _no_tags(reach.tags),
                advising.least("persons", len(reach.persons), safety.LEAST_PERSONS, "persons"),
                advising.least("days", reach.days, safety.LEAST_DAYS, "days"),
                _nobody_new(ground, reach.first_us),
                _rule_age(ground, rule),
            ),
            score=a_week / 10,
        ),
    )  # fmt: skip


def _rule_age(ground: Ground, rule: Rule) -> Check:
    days = _watched(ground, rule)
    least = safety.YOUNGEST_RULE_DAYS
    return Check("source rule", days >= least, f"in force for {days:.0f} days (at least {least})")


def mute_of(ground: Ground, suggestion: Suggestion) -> Suggestion | None:
    """What is always approved but too risky to pass: it stays asked. Who else is told is the owner's.

    Advice alone: nothing that gatekeep tells is muted by its acceptance.
    Made of a suggestion to let it pass that fails by its risk alone; all its other checks hold here
    too, with the most approvals that any risk needs, and no person is new.
    """
    lacks = {one.name for one in suggestion.checks if not one.passed}
    if suggestion.risk not in _RISKY or lacks != {"approvals"}:
        return None
    if suggestion.vector.approved < _MUTED_AT:
        return None
    first = _first_seen(ground, suggestion.vector.persons)
    kept = [one for one in suggestion.checks if one.name not in {"approvals", "expiry", "never: tags"}]
    form = naming.cut(naming.form_of(suggestion.scope.templates[0], suggestion.scope.slots))
    return advising.advise(
        ground,
        advising.Advice(
            kind=SuggestionKind.MUTE,
            title=f"Decide who needs to hear when {suggestion.scope.group} asks to run `{form}` on"
            f" {naming.where_of(suggestion.scope)}",
            text=f"{suggestion.vector.approved} of {suggestion.vector.asked} were approved; its risk"
            f" is {suggestion.risk}, so it is asked as before. Whoever answers for the rule may have it"
            " asked in a channel of those who decide (slack.channels), or take @notify out of it;"
            " accepting this changes nothing by itself.",
            scope=suggestion.scope,
            rules=tuple(one.id for one in suggestion.sources),
            events=suggestion.events,
            checks=(
                *kept,
                advising.least("approvals", suggestion.vector.approved, _MUTED_AT, "approvals"),
                _no_tags(_tags_of(ground, suggestion.scope)),
                _nobody_new(ground, first),
            ),
            vector=suggestion.vector,
            score=suggestion.score / 4,
        ),
    )  # fmt: skip


def _no_tags(tags: Iterable[str]) -> Check:
    """Whether nothing of it must always be told; also not restarts that may pass unasked."""
    bad = sorted(safety.NEVER_MUTED.intersection(tags))
    return Check(
        "never: tags", not bad,
        f"{', '.join(bad)} is always told" if bad else "nothing among it must always be told",
    )  # fmt: skip


def _tags_of(ground: Ground, scope: SuggestionScope) -> frozenset[str]:
    """All tags of deeds of its templates."""
    return frozenset(
        tag for one in ground.deeds
        if one.likeness is not None and one.likeness.template in scope.templates
        for tag in one.tags
    )  # fmt: skip


def _nobody_new(ground: Ground, first: Mapping[str, int]) -> Check:
    """Whether all of them were here before: a principal's first days are told as ever."""
    fresh = sorted(
        name for name, at_us in first.items() if ground.now_us - at_us < MUTED_DAYS * DAY_US
    )
    return Check(
        "nobody new", not fresh,
        f"{', '.join(fresh)} came within {MUTED_DAYS} days" if fresh
        else f"all of them were here {MUTED_DAYS} days ago",
    )  # fmt: skip


def _first_seen(ground: Ground, persons: Iterable[str]) -> Mapping[str, int]:
    """When each principal of these persons was first seen."""
    wanted = set(persons)
    first: dict[str, int] = {}
    for one in ground.deeds:
        if ground.person(one) in wanted:
            first.setdefault(one.where.principal, one.at_us)
    return first

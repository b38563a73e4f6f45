"""What an adopted suggestion did, and whether that speaks against it. Pure; who takes it back is `life`'s.

Reasons to take it back, strongest first: a sampled match that a person denied, or called wrong
afterwards; an incident; a source rule that changed; half denials (two withdrawals); persons who
were not in its evidence; the sequential test. Use beyond the forecast is shown and nothing more,
and so is everything that is seen of a rule that asks more: it can hurt nobody but who waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from gatekeep.domain.suggestions import (
    DAY_US,
    WEEK_US,
    Effect,
    Sample,
    SampleAnswer,
    SuggestionKind,
    SuggestionLife,
)
from gatekeep.feedback.deeds import Answer, Deed, Evidence
from gatekeep.feedback.ground import natural_person
from gatekeep.feedback.sequential import Finding, drifts, finding
from gatekeep.policy.rules import PolicyVersion

CHECK_DAYS: Final = (1, 7, 30, 90)
"""Days after coming into force at which those who accepted it are told what came."""
_FEW: Final = 3
"""So many newcomers speak against nothing, however few persons were in the evidence."""
_LEAST_SAMPLES: Final = 10
"""So many right samples suffice, where the sequential test is still open."""
_PEOPLE: Final = frozenset({Answer.APPROVED, Answer.DENIED, Answer.EXPIRED, Answer.WITHDRAWN})
_HALF: Final = 0.5
"""What a withdrawn sample counts of a denial."""


def hits_of(life: SuggestionLife, deeds: Iterable[Deed]) -> list[Deed]:
    """The deeds that its rule decided since it came into force."""
    rule = life.suggestion.rule_id
    if not rule or not life.in_force_us:
        return []
    if life.suggestion.kind is SuggestionKind.RELAX:
        return [one for one in deeds if one.adopted == rule and one.at_us >= life.in_force_us]
    return [one for one in deeds if rule in one.rules and one.at_us >= life.in_force_us]


def effect_of(
    life: SuggestionLife, evidence: Evidence, samples: Sequence[Sample], now_us: int
) -> Effect:
    """What it did since it came into force; `samples` may be those of all suggestions."""
    suggestion = life.suggestion
    hits = hits_of(life, evidence.deeds)
    after = _afterwards(life, samples)
    held = [one for one in hits if one.answer in _PEOPLE]
    known = set(suggestion.vector.persons)
    passed = len(hits) - len(held)
    weeks = max(now_us - life.in_force_us, DAY_US) / WEEK_US if life.in_force_us else 0.0
    effect = replace(
        life.effect,
        hits=len(hits),
        sampled=len(held) + len(after),
        after=len(after),
        agreed=float(
            sum(one.answer is Answer.APPROVED for one in held)
            + sum(one.answer is SampleAnswer.RIGHT for one in after)
        ),
        denied=_denied(held) + sum(one.answer is SampleAnswer.WRONG for one in after),
        newcomers=tuple(sorted({natural_person(one.where) for one in hits} - known)),
        incidents=sum(bool(one.incident) for one in hits),
        break_glass=_break_glass(hits, evidence) if not suggestion.kind.loosens else 0,
        forecast_per_week=suggestion.saves_per_week,
        actual_per_week=round(len(hits) / weeks, 2) if weeks else 0.0,
        saved_wait_s=_saved(life, passed),
        last_us=max((one.at_us for one in hits), default=0),
    )
    return replace(effect, words=_words(life, effect, hits, now_us))


def _afterwards(life: SuggestionLife, samples: Iterable[Sample]) -> list[Sample]:
    mine = life.suggestion.id
    return [
        one for one in samples
        if one.suggestion == mine and not one.held and one.at_us >= life.in_force_us
    ]  # fmt: skip


def _denied(held: Iterable[Deed]) -> float:
    return sum(
        1.0 if one.answer is Answer.DENIED else _HALF if one.answer is Answer.WITHDRAWN else 0.0
        for one in held
    )


def _break_glass(hits: Iterable[Deed], evidence: Evidence) -> int:
    """How often somebody took leave by himself within a day of being asked by the rule."""
    asked = [(one.at_us, one.where.person, one.where.target) for one in hits]
    return sum(
        any(
            person == who and target == there and 0 <= at - was <= DAY_US
            for was, who, there in asked
        )
        for at, person, target in evidence.break_glass
    )


def _saved(life: SuggestionLife, passed: int) -> float:
    suggestion = life.suggestion
    if not suggestion.kind.loosens or not suggestion.saves_per_week:
        return 0.0
    return round(passed * suggestion.wait_s_per_week / suggestion.saves_per_week, 1)


def weekly(life: SuggestionLife, hits: Iterable[Deed], now_us: int) -> list[int]:
    """Matches in each whole week since it came into force, and in the one that runs."""
    counts = [0] * (max(0, now_us - life.in_force_us) // WEEK_US + 1)
    for one in hits:
        counts[min((one.at_us - life.in_force_us) // WEEK_US, len(counts) - 1)] += 1
    return counts


def _words(
    life: SuggestionLife, effect: Effect, hits: Sequence[Deed], now_us: int
) -> str:
    if not life.in_force_us:
        return ""
    said = (
        f"{effect.hits} matches, {effect.actual_per_week:g} a week"
        f" (forecast {effect.forecast_per_week:g})"
    )
    if life.suggestion.kind is SuggestionKind.RELAX:
        said += f"; {effect.sampled} sampled, {effect.agreed:g} right, {effect.denied:g} not"
    else:
        refused = sum(one.answer is Answer.DENIED for one in hits)
        left = sum(one.answer in {Answer.EXPIRED, Answer.WITHDRAWN} for one in hits)
        again = _retries(hits)
        said += f"; {refused} denied, {left} given up, {again} tried again, {effect.break_glass} times the glass was broken"
    if drifts(weekly(life, hits, now_us), effect.forecast_per_week):
        said += "; used more than was forecast"
    return said


def _retries(hits: Iterable[Deed]) -> int:
    """How often the same person asked the same again within a day of a no."""
    denied: dict[tuple[str, str, str], int] = {}
    again = 0
    for one in hits:
        key = (one.where.person, one.where.target, one.text)
        if key in denied and one.at_us - denied[key] <= DAY_US:
            again += 1
        if one.answer is Answer.DENIED:
            denied[key] = one.at_us
    return again


def against(
    life: SuggestionLife,
    effect: Effect,
    evidence: Evidence,
    samples: Sequence[Sample],
    version: PolicyVersion,
) -> str:
    """Why it must be taken back now, empty if nothing says so."""
    if life.suggestion.kind is not SuggestionKind.RELAX:
        return ""
    changed = source_changed(life, version)
    if not life.in_force_us:
        return changed
    hits = hits_of(life, evidence.deeds)
    for one in hits:
        if one.answer is Answer.DENIED:
            return f"a person denied a sample of it (event {one.n})"
        if one.incident:
            return f"an incident followed (event {one.n}): {one.incident}"
    for sample in _afterwards(life, samples):
        if sample.answer is SampleAnswer.WRONG:
            return f"{sample.answered_by} said that it was wrong (event {sample.n}): {sample.reason}"
    return changed or _slowly(life, effect)


def listed(events: Sequence[int]) -> str:
    """The first few of them."""
    return "event " + ", ".join(str(one) for one in events[:3])


def source_changed(life: SuggestionLife, version: PolicyVersion) -> str:
    """Which rule that asked is not as it was; the standing rule is silent from then on anyway."""
    for source in life.suggestion.sources:
        rule = version.rule(source.id)
        if rule is None:
            return f"the rule {source.id} that it relaxes is gone"
        if rule.digest != source.digest:
            return f"the rule {source.id} that it relaxes has changed"
    return ""


def tells_again(life: SuggestionLife, version: PolicyVersion) -> str:
    """Why a muted rule is told of again before its time; empty while it reads as it did."""
    marks = {one.mark for one in version.rules}
    changed = [one.id for one in life.suggestion.sources if one.mark not in marks]
    return f"the rule {changed[0]} reads otherwise now, or is gone" if changed else ""


def _slowly(life: SuggestionLife, effect: Effect) -> str:
    evidence = life.suggestion.vector
    if effect.denied >= 1:
        return "two who were looked at took it back themselves"
    most = max(_FEW, len(evidence.persons))
    if len(effect.newcomers) > most:
        return f"{len(effect.newcomers)} persons use it who were not in its evidence"
    if finding(effect.agreed, effect.denied, evidence.asked) is Finding.AGAINST:
        return "its samples are denied more often than its evidence allows"
    return ""


def speaks_for(life: SuggestionLife, effect: Effect) -> bool:
    """Whether what was looked at is enough to call it right."""
    if life.suggestion.kind is not SuggestionKind.RELAX:
        return True
    asked = life.suggestion.vector.asked
    if effect.denied or not effect.agreed:
        return False
    decided = finding(effect.agreed, effect.denied, asked) is Finding.FOR
    return decided or effect.agreed >= min(effect.hits, _LEAST_SAMPLES)


def checks_due(life: SuggestionLife, now_us: int) -> tuple[int, ...]:
    """The days (1, 7, 30, 90) since it came into force at which nobody has looked back yet."""
    if not life.in_force_us or not life.state.rules:
        return ()
    passed = (now_us - life.in_force_us) // DAY_US
    return tuple(
        day for day in CHECK_DAYS if day <= passed and day not in life.effect.checked_days
    )

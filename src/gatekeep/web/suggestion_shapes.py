"""What the versioned API answers about suggestions: models, and how they are made of domain values.

Times are microseconds UTC, 0 where something has not happened; days count from 1970-01-01. The
pages and the command line word the same values.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from gatekeep.domain.suggestions import (
    Backtest,
    Sample,
    Suggestion,
    SuggestionKind,
    SuggestionLife,
)
from gatekeep.feedback.life import beneficiaries
from gatekeep.feedback.ports import RunReport, Terms
from gatekeep.feedback.seen import seen_digest

_TEXT_LINES = 10_000


class _Shape(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class SlotScopeShape(_Shape):
    """What one value of the template may be: `exact`, `any_of`, `prefix` (of `values`) or `any`."""

    bound: str
    values: list[str]


class SuggestionScopeShape(_Shape):
    """Whom and what it is about, never wider than what was seen."""

    group: str
    action: str
    environment: str
    targets: list[str]
    account: str
    database: str
    labels: list[str]
    templates: list[str]
    slots: list[SlotScopeShape]
    verb: str
    tables_read: list[str]
    tables_written: list[str]


class SourceRuleShape(_Shape):
    """A rule as it was when evidence was gathered; `digest` is the beginning of its text's SHA-256."""

    id: str
    digest: str


class EvidenceShape(_Shape):
    """What the evidence amounts to. `largest_share` is that of the busiest pair of approver and asker."""

    asked: int
    approved: int
    denied: int
    persons: list[str]
    approvers: list[str]
    days: int
    on_days: list[int]
    incidents: int
    overrides: int
    largest_share: float
    latency_s: float
    recency: float
    wilson: float
    first_us: int
    last_us: int
    assurance: dict[str, int]


class RejectedShape(_Shape):
    """A wider form that is not proposed, and the events that speak against it."""

    form: str
    why: str
    events: list[int]
    examples: list[str]


class CheckShape(_Shape):
    """One check with its reason."""

    name: str
    passed: bool
    why: str


class ProbeShape(_Shape):
    """An invented neighbour of what was seen, and what would become of it."""

    text: str
    before: str
    after: str


class ShiftedShape(_Shape):
    """How many of one person's actions would be decided otherwise."""

    person: str
    count: int
    examples: list[str]


class BacktestShape(_Shape):
    """History replayed. `matrix` counts `before>after`, `holdout` the same for what was not mined."""

    from_us: int
    to_us: int
    replayed: int
    matrix: dict[str, int]
    holdout: dict[str, int]
    denied_now_passing: list[int]
    errors: int
    unknown: int
    per_person: list[ShiftedShape]
    probes: list[ProbeShape]
    passed: bool
    why: str


class AcceptanceShape(_Shape):
    """One person's yes. `via` is the door; `mfa`: a second factor was shown."""

    principal: str
    person: str
    at_us: int
    reason: str
    via: str
    mfa: bool


class EffectShape(_Shape):
    """What it did since it came into force; `forecast_per_week` stands beside `actual_per_week`."""

    hits: int
    sampled: int
    after: int
    agreed: float
    denied: float
    newcomers: list[str]
    incidents: int
    break_glass: int
    forecast_per_week: float
    actual_per_week: float
    saved_wait_s: float
    checked_days: list[int]
    last_us: int
    words: str


class BriefSuggestionShape(_Shape):
    """One suggestion in a list. `safe`: every check passed; `needed`: so many persons accept it."""

    id: str
    kind: str
    state: str
    title: str
    risk: str
    group: str
    environment: str
    action: str
    asked: int
    denied: int
    persons: int
    saves_per_week: float
    wait_s_per_week: float
    score: float
    safe: bool
    accepted: list[str]
    needed: int
    since_us: int
    expires_us: int


class TermsShape(_Shape):
    """How long each part of its life lasts, in days, and the hits that end its trial earlier."""

    shadow_days: int
    shadow_hits: int
    canary_days: int
    verify_days: int
    expires_days: int


class SuggestionsShape(_Shape):
    """Suggestions, the most saving first, what is over last."""

    suggestions: list[BriefSuggestionShape]


class SuggestionShape(_Shape):
    """One suggestion, whole: evidence, change, checks, effect.

    `change` is a unified diff of the rule beside or in place of the one before; `advice` stands
    where nothing of the policy would change. `events` are the newest of what `evidence_root` stands
    for. `digest` is to be given when it is accepted. `needs_code`: that takes a code from an
    authenticator. `mutes`: what its source rule decides is then told once a week. `open`: it can be accepted or dismissed; `returnable`: it can be taken back, with a
    code if `return_needs_code`. `narrower` is the rule of a narrower form, whole. `gains_most` are the
    persons who cannot accept it, because they gain most by it; `terms` what the settings say of its life.
    """

    id: str
    kind: str
    state: str
    title: str
    risk: str
    loosens: bool
    writes_rule: bool
    mutes: bool
    sources: list[SourceRuleShape]
    scope: SuggestionScopeShape
    vector: EvidenceShape
    score: float
    saves_per_week: float
    wait_s_per_week: float
    evidence_root: str
    events: list[int]
    not_counted: dict[str, int]
    rejected: list[RejectedShape]
    rule: str
    rule_id: str
    before: str
    change: list[str]
    advice: str
    narrower: str
    backtest: BacktestShape | None
    checks: list[CheckShape]
    safe: bool
    digest: str
    needed: int
    needs_code: bool
    gains_most: list[str]
    terms: TermsShape
    open: bool
    returnable: bool
    return_needs_code: bool
    accepted_by: list[AcceptanceShape]
    decided_by: str
    reason: str
    since_us: int
    in_force_us: int
    expires_us: int
    snoozed_until_us: int
    settled: bool
    effect: EffectShape


class SuggestionCameToShape(_Shape):
    """What a wish came to: the suggestion as it stands now, and one sentence."""

    suggestion: SuggestionShape
    words: str


class SampleShape(_Shape):
    """Something that an adopted rule let pass, to be looked at; `n` is the event of the action."""

    id: str
    suggestion: str
    n: int
    at_us: int
    principal: str
    person: str
    target: str
    text: str
    held: bool
    groups: list[str]
    answer: str | None
    answered_by: str
    answered_us: int
    reason: str


class SamplesShape(_Shape):
    """Samples, oldest first."""

    samples: list[SampleShape]


class RunShape(_Shape):
    """What one run of the loop did; `stopped` says why nothing was suggested, empty if it went on."""

    read: int
    seconds: float
    proposed: list[str]
    withdrawn: list[str]
    reverted: list[str]
    stopped: str


def brief_shape(life: SuggestionLife, needed: int) -> BriefSuggestionShape:
    """A suggestion as a list shows it."""
    one = life.suggestion
    return BriefSuggestionShape(
        id=one.id, kind=one.kind.value, state=life.state.value, title=one.title, risk=one.risk,
        group=one.scope.group, environment=one.scope.environment, action=one.scope.action,
        asked=one.vector.asked, denied=one.vector.denied, persons=len(one.vector.persons),
        saves_per_week=one.saves_per_week, wait_s_per_week=one.wait_s_per_week, score=one.score,
        safe=one.safe, accepted=[said.principal for said in life.accepted_by], needed=needed,
        since_us=life.since_us, expires_us=life.expires_us,
    )  # fmt: skip


def suggestion_shape(life: SuggestionLife, needed: int, terms: Terms) -> SuggestionShape:
    """A suggestion and what has become of it, whole."""
    one = life.suggestion
    given: dict[str, Any] = {
        name: getattr(one, name) for name in SuggestionShape.model_fields if hasattr(one, name)
    }
    given |= {
        name: getattr(life, name) for name in SuggestionShape.model_fields if hasattr(life, name)
    }
    given |= {
        "kind": one.kind.value, "loosens": one.kind.loosens, "writes_rule": one.kind.writes_rule,
        "state": life.state.value, "change": change_lines(one), "digest": seen_digest(one),
        "needed": needed, "open": life.state.open, "needs_code": one.kind.loosens,
        "gains_most": sorted(gains_most(life)), "terms": terms,
        "returnable": life.state.adopted, "return_needs_code": return_loosens(life),
    }  # fmt: skip
    return SuggestionShape.model_validate(given)


def gains_most(life: SuggestionLife) -> frozenset[str]:
    """The persons who cannot accept it, because it lets more of theirs pass than of anybody's."""
    return beneficiaries(life.suggestion) if life.suggestion.kind.loosens else frozenset()


def return_loosens(life: SuggestionLife) -> bool:
    """Whether taking it back lets more pass: a rule that asks more is in force."""
    return life.suggestion.kind is SuggestionKind.GATE and life.state.rules


def change_lines(one: Suggestion) -> list[str]:
    """The change of the policy as a unified diff without its header; empty where nothing changes.

    A rule that is added leaves the one before as it is.
    """
    if one.kind is SuggestionKind.MUTE or (not one.rule and one.kind.writes_rule):
        return []
    before, rule = one.before.splitlines(), one.rule.splitlines()
    if one.kind.writes_rule:
        return [*(f" {line}" for line in before), *(f"+{line}" for line in rule)]
    if not before and not rule:
        return []
    differing = difflib.unified_diff(before, rule, n=_TEXT_LINES, lineterm="")
    return list(differing)[3:]


def backtest_shape(backtest: Backtest) -> BacktestShape:
    """A replay of history."""
    return BacktestShape.model_validate(backtest)


def sample_shape(sample: Sample) -> SampleShape:
    """A sample."""
    return SampleShape.model_validate(sample)


def samples_shape(samples: Sequence[Sample]) -> SamplesShape:
    """Samples."""
    return SamplesShape(samples=[sample_shape(one) for one in samples])


def run_shape(report: RunReport) -> RunShape:
    """What a run did."""
    return RunShape.model_validate(report)

"""What the journal is told of suggestions and their samples. Payloads only; nothing is decided here.

Texts of what was done are in the events of the actions; a rule's own text is in the payload once it
is proposed or accepted, because that is what people said yes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import orjson

from gatekeep.domain.events import EventKind
from gatekeep.domain.suggestions import Effect, Sample, SuggestionLife, SuggestionState
from gatekeep.feedback.life import Change
from gatekeep.gate.approval_ports import Told

_WITH_TEXT: Final = frozenset({EventKind.SUGGESTION_PROPOSED, EventKind.SUGGESTION_ACCEPTED})


def changed(change: Change, policy: str, facts: Mapping[str, Any] | None = None) -> Told:
    """The event of a change; `policy` is the version that rules while it is made."""
    life = change.life
    suggestion = life.suggestion
    said: dict[str, Any] = {
        **_about(life),
        "state": life.state.value,
        "before": "" if change.before is SuggestionState.CANDIDATE else change.before.value,
        "by": life.decided_by,
        "reason": life.reason,
        "evidence": suggestion.evidence_root,
        "policy": policy,
        "missing": change.missing,
        "accepted_by": [one.principal for one in life.accepted_by],
        **(facts or {}),
    }
    if change.kind in _WITH_TEXT:
        said |= {
            "title": suggestion.title,
            "text": suggestion.rule,
            "asked": suggestion.vector.asked,
            "saves_per_week": suggestion.saves_per_week,
            "checks": {one.name: one.passed for one in suggestion.checks},
        }
    if life.in_force_us:
        said |= {"in_force_us": life.in_force_us, "expires_us": life.expires_us}
        said["effect"] = _shown(life.effect)
    return _told(change.kind, said)


def checked(life: SuggestionLife, day: int, policy: str) -> Told:
    """The event of a look back: what was forecast, what came, who accepted it."""
    effect = life.effect
    return _told(
        EventKind.SUGGESTION_CHECKED,
        {
            **_about(life),
            "state": life.state.value,
            "day": day,
            "forecast_per_week": effect.forecast_per_week,
            "actual_per_week": effect.actual_per_week,
            "effect": _shown(effect),
            "reason": effect.words,
            "accepted_by": [one.principal for one in life.accepted_by],
            "policy": policy,
        },
    )


def sampled(sample: Sample, rule_id: str) -> Told:
    """The event of a match that is to be looked at afterwards."""
    return _told(EventKind.SUGGESTION_SAMPLED, _of_sample(sample, rule_id))


def answered(sample: Sample, rule_id: str) -> Told:
    """The event of what somebody said of it."""
    return _told(
        EventKind.SUGGESTION_ANSWERED,
        {
            **_of_sample(sample, rule_id),
            "answer": sample.answer.value if sample.answer is not None else "",
            "by": sample.answered_by,
            "reason": sample.reason,
        },
    )


def _about(life: SuggestionLife) -> dict[str, Any]:
    suggestion = life.suggestion
    return {
        "suggestion": suggestion.id,
        "kind": suggestion.kind.value,
        "rule": suggestion.rule_id,
        "sources": [one.mark for one in suggestion.sources],
    }


def _of_sample(sample: Sample, rule_id: str) -> dict[str, Any]:
    return {
        "sample": sample.id,
        "suggestion": sample.suggestion,
        "rule": rule_id,
        "n": sample.n,
        "principal": sample.principal,
        "target": sample.target,
    }


def _shown(effect: Effect) -> dict[str, Any]:
    return asdict(effect)


def _told(kind: EventKind, facts: Mapping[str, Any]) -> Told:
    return Told(kind, orjson.dumps(dict(facts), option=orjson.OPT_SORT_KEYS))

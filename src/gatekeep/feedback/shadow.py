"""A rule that is only tried: which of what was asked it would have let pass. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gatekeep.domain.suggestions import Suggestion
from gatekeep.feedback.backtest import act_of
from gatekeep.feedback.composing import compose
from gatekeep.feedback.deeds import Deed
from gatekeep.feedback.heads import head_of
from gatekeep.feedback.judging import Judge
from gatekeep.policy.rules import PolicyVersion


def matches(
    suggestion: Suggestion,
    deeds: Sequence[Deed],
    version: PolicyVersion,
    members: Mapping[str, frozenset[str]],
) -> list[Deed]:
    """Those of the deeds that its rule would have answered, replayed under the version that rules.

    Raises CompositionError where the rule does not fit that version any more.
    """
    composed = compose(version, suggestion)
    head, judge = head_of(composed.rule), Judge(composed.after, members)
    return [
        one for one in deeds
        if head.could_match(one) and suggestion.rule_id in judge.judge(act_of(one)).adopted
    ]  # fmt: skip

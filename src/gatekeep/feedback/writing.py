"""The Cedar text of a suggestion, and the day on which it ends. The words are `policy.standing`'s.

Decides nothing: whether the text may come into force is asked by others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gatekeep.domain.suggestions import DAY_US, Check, Suggestion, SuggestionKind
from gatekeep.errors import SettingsError
from gatekeep.feedback.ending import LONGEST_DAYS
from gatekeep.feedback.ground import WINDOW_DAYS
from gatekeep.policy.standing import write_asking, write_gate, write_standing

_MOST_TITLE: Final = 200


def written(suggestion: Suggestion, now_us: int, asks: Sequence[str] = ()) -> Suggestion:
    """The suggestion with the text of its rule, where its kind writes one; `asks` are the approvers.

    Where it cannot be written, a check that failed says why.
    """
    if not suggestion.kind.writes_rule:
        return suggestion
    try:
        return replace(suggestion, rule=_text(suggestion, now_us, asks))
    except SettingsError as error:
        why = f"its rule cannot be written: {error}"
        return replace(
            suggestion, rule="", checks=(*suggestion.checks, Check("rule", passed=False, why=why))
        )


def _text(suggestion: Suggestion, now_us: int, asks: Sequence[str]) -> str:
    title = suggestion.title[:_MOST_TITLE]
    end = now_us // DAY_US + LONGEST_DAYS
    if suggestion.kind is SuggestionKind.RELAX:
        why = _why(suggestion)
        return write_standing(
            suggestion.rule_id, title, why, end, suggestion.scope, suggestion.sources
        )
    if suggestion.kind is SuggestionKind.ASK_INSTEAD:
        return write_asking(
            suggestion.rule_id, title, suggestion.advice, end, suggestion.scope, asks
        )
    return write_gate(
        suggestion.rule_id, title, suggestion.advice, suggestion.scope, asks,
        where=suggestion.scope.where,
    )  # fmt: skip


def _why(suggestion: Suggestion) -> str:
    vector = suggestion.vector
    return (
        f"{vector.approved} of {vector.asked} were approved in {WINDOW_DAYS} days, for"
        f" {len(vector.persons)} persons by {len(vector.approvers)} on {vector.days} days"
    )

"""The digest of what was shown: it changes with the change, not with each new approval."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.told_suggestions import SUGGESTION

from gatekeep.domain.suggestions import Check
from gatekeep.feedback.seen import is_seen, seen_digest

BAD = Check("never-list", passed=False, why="it reaches a secret")


@pytest.mark.parametrize(
    "other",
    [
        replace(SUGGESTION, rule=SUGGESTION.rule + " "),
        replace(SUGGESTION, scope=replace(SUGGESTION.scope, targets=("web-1", "web-3"))),
        replace(SUGGESTION, vector=replace(SUGGESTION.vector, denied=1)),
        replace(SUGGESTION, checks=(*SUGGESTION.checks, BAD)),
        replace(SUGGESTION, backtest=None),
        replace(SUGGESTION, narrower=""),
    ],
)
def test_another_change_or_a_new_objection_is_another_digest(other: object) -> None:
    """Nobody accepts what he was not shown."""
    assert seen_digest(other) != seen_digest(SUGGESTION)  # type: ignore[arg-type]  # each is a suggestion


def test_more_of_the_same_evidence_is_the_same() -> None:
    """The loop counts on by the hour, while somebody reads."""
    grown = replace(SUGGESTION, vector=replace(SUGGESTION.vector, asked=42, approved=42), score=3.0)
    assert seen_digest(grown) == seen_digest(SUGGESTION)


def test_twelve_digits_are_enough() -> None:
    """And fewer are not, in either case."""
    digest = seen_digest(SUGGESTION)
    assert is_seen(SUGGESTION, digest)
    assert is_seen(SUGGESTION, digest[:12].upper())
    assert not is_seen(SUGGESTION, digest[:11])
    assert not is_seen(SUGGESTION, "0" * 64)
    assert not is_seen(SUGGESTION, "")

"""What happens next with a suggestion: in every state, by the days of the settings, with its zone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.told_suggestions import ADVICE, CANARY, GATE, NOW_US, RESTART, REVERTED, VERIFIED

from gatekeep.domain.suggestions import DAY_US, SuggestionLife, SuggestionState
from gatekeep.feedback.ports import Terms
from gatekeep.messages import suggestion_course as course
from gatekeep.web.suggestion_shapes import suggestion_shape

_S = SuggestionState
OTHER = Terms(shadow_days=1, shadow_hits=1_500, canary_days=3, verify_days=30, expires_days=45)


def shape(life: SuggestionLife, terms: Terms | None = None) -> dict[str, Any]:
    """As the API gives it."""
    return suggestion_shape(life, 2, terms or Terms()).model_dump(mode="json")


def test_the_path_tells_the_days_of_the_settings() -> None:
    """Not those that are usual; a rule that asks more is not tried and does not end; advice changes no rule."""
    (trial, watched, fewer, ends) = course.path(shape(RESTART, OTHER))
    assert trial.startswith("On trial for 1 day or 1,500 hits: not in force")
    assert "watched for 3 days" in watched
    assert "after 30 days in force" in fewer
    assert ends.startswith("It ends after 45 days at the latest")
    (at_once, stays) = course.path(shape(GATE))
    assert at_once.startswith("In force at once")
    assert "does not end by itself" in stays
    assert len(course.path(shape(ADVICE))) == 1


@pytest.mark.parametrize(
    ("life", "said"),
    [
        (replace(RESTART, state=_S.SNOOZED, snoozed_until_us=NOW_US), "proposed again by itself on 2025-10-09 08:53:20 UTC"),
        (replace(RESTART, state=_S.ACCEPTED), "the next run takes it further"),
        (replace(ADVICE, state=_S.ACCEPTED), "Somebody has to do what it advises"),
        (replace(RESTART, state=_S.SHADOW, since_us=NOW_US - 7 * DAY_US), "until 2025-10-09 08:53:20 UTC, or 20 hits"),
        (CANARY, "closely watched until 2025-10-17 08:53:20 UTC"),
        (replace(GATE, state=_S.CANARY, in_force_us=NOW_US), "Nobody has to do anything"),
        (replace(CANARY, state=_S.ACTIVE), "verified from 2025-11-02 08:53:20 UTC on if they were right"),
        (REVERTED, "asked about as before. It is proposed again when its evidence has doubled: 82 asked, 41 then."),
        (replace(RESTART, state=_S.DISMISSED), "Nothing has changed by it."),
        (replace(GATE, state=_S.REVERTED, in_force_us=NOW_US), "What it asked about is decided as before."),
        (replace(RESTART, state=_S.EXPIRED), "more evidence than the 41 of then"),
        (RESTART, ""),
        (VERIFIED, ""),
    ],
    ids=lambda one: one.state.value if isinstance(one, SuggestionLife) else None,
)  # fmt: skip
def test_each_state_says_what_comes_next(life: SuggestionLife, said: str) -> None:
    """Who has to do what, and until when; nothing where something else says it."""
    told = course.following(shape(life))
    assert said in told
    assert bool(told) == bool(said)

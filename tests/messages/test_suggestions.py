"""The words of suggestions: counts, savings, states, and what an acceptance is asked as."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.told_suggestions import ADVICE, CANARY, GATE, NOW_US, RESTART, SUGGESTION

from gatekeep.domain.suggestions import (
    Effect,
    SuggestionKind,
    SuggestionLife,
    SuggestionScope,
    SuggestionState,
)
from gatekeep.feedback import exclusions, sifting
from gatekeep.feedback.ports import Terms
from gatekeep.messages import suggestion_course as course
from gatekeep.messages import suggestion_refusals as refusals
from gatekeep.messages import suggestions as words
from gatekeep.web.suggestion_shapes import suggestion_shape


def shape(life: SuggestionLife, needed: int = 2) -> dict[str, Any]:
    """As the API gives it."""
    return suggestion_shape(life, needed, Terms()).model_dump(mode="json")


@pytest.mark.parametrize(
    ("per_week", "wait_s", "said"),
    [
        (3.2, 1260, "about 3.2 approvals and 21 min of waiting a week"),
        (1, 0, "about 1 approval a week"),
        (0, 3600, "about 1 h of waiting a week"),
        (0, 0, ""),
    ],
)
def test_what_is_saved(per_week: float, wait_s: float, said: str) -> None:
    """As people say it, and nothing where nothing is."""
    assert words.saving(per_week, wait_s) == said


def test_every_state_and_kind_has_a_word() -> None:
    """None is shown by the name that programs use, unless that is the word."""
    assert len({words.state_word(one.value) for one in SuggestionState}) == len(SuggestionState)
    assert {one.value for one in SuggestionKind} == set(words.KINDS)


def test_what_it_still_takes() -> None:
    """How many more persons, and whether they need codes; nothing once it is decided."""
    assert words.needed(shape(RESTART)) == (
        "2 persons have to accept it, each with a code from an authenticator."
        " Not p-ann: nobody accepts what he gains most by."
    )
    (yes, _) = CANARY.accepted_by
    assert words.needed(shape(replace(RESTART, accepted_by=(yes,)))) == (
        "Accepted by bob. 1 more person has to accept it, each with a code from an authenticator."
        " Not p-ann: nobody accepts what he gains most by."
    )
    assert words.needed(shape(GATE, 1)) == "1 person has to accept it."
    assert words.needed(shape(CANARY)) == "Accepted by bob and carol."


def test_the_question_says_what_follows() -> None:
    """A trial, somebody else's yes, or nothing but a note."""
    assert words.question(shape(RESTART)) == "Accept S-3f9a12bc? Somebody else has to, too."
    assert words.question(shape(GATE, 1)) == "Accept S-77c0ffee and let its trial begin?"
    assert "narrower form" in words.question(shape(GATE, 1), narrower=True)
    assert words.question(shape(ADVICE, 1)) == "Accept S-00adf1ce as advice?"


def test_each_reason_for_which_something_does_not_count_is_worded() -> None:
    """Every reason that sifting and exclusions give: none is shown as a word of the code."""
    reasons = {
        value for room in (sifting, exclusions) for name, value in vars(room).items()
        if name.isupper() and isinstance(value, str)
    }  # fmt: skip
    assert {"too_old", "seldom_there", "same_day"} <= reasons
    for line in words.not_counted(dict.fromkeys(reasons, 3)):
        assert not any(line.endswith(one.replace("_", " ")) for one in reasons), line


def test_a_mute_says_what_it_does_and_for_how_long() -> None:
    """What stops, what goes on, when it ends; its rule stays as it is. The other mute is advice."""
    noise = SuggestionScope("", "", "", (), "", verb="noisy")
    one = replace(RESTART.suggestion, kind=SuggestionKind.MUTE, rule="", rule_id="", scope=noise)
    life = replace(RESTART, suggestion=one)
    told = shape(life)
    assert words.question(told) == (
        "Accept S-3f9a12bc: tell of its rule once a week for 30 days? Somebody else has to, too."
    )
    assert "weekly digest counts them" in course.path(told)[0]
    assert "ends by itself after 30 days" in course.path(told)[1]
    assert told["change"] == []
    muted = replace(
        life, state=SuggestionState.ACTIVE, in_force_us=NOW_US, effect=Effect(hits=1234, last_us=NOW_US)
    )
    assert ("not told one by one", "1,234") in words.effect_rows(shape(muted))
    advice = replace(life, suggestion=replace(one, scope=SUGGESTION.scope))
    assert words.question(shape(advice)) == "Accept S-3f9a12bc as advice?"


def test_changes_stand_first_in_the_matrix() -> None:
    """What stays as it was comes last."""
    rows = words.matrix_rows({"allow>allow": 18_000, "ask>allow": 41})
    assert rows == [("is asked", "passes", "41"), ("passes", "passes", "18,000")]


def test_the_change_is_a_diff() -> None:
    """A new rule leaves the one before; a removed one goes; advice changes nothing."""
    assert {line[0] for line in shape(RESTART)["change"]} == {" ", "+"}
    gone = replace(SUGGESTION, kind=SuggestionKind.REMOVE, rule="", before="permit\nx")
    assert shape(replace(RESTART, suggestion=gone))["change"] == ["-permit", "-x"]
    narrow = replace(SUGGESTION, kind=SuggestionKind.NARROW, rule="permit\ny", before="permit\nx")
    assert shape(replace(RESTART, suggestion=narrow))["change"] == [" permit", "-x", "+y"]
    assert shape(ADVICE)["change"] == []


def test_the_effect_is_forecast_beside_actual() -> None:
    """And nothing before it was in force."""
    assert words.effect_rows(shape(CANARY))[:2] == [
        ("forecast, matches a week", "3.2"), ("actual, matches a week", "3"),
    ]  # fmt: skip
    assert words.effect_rows(shape(RESTART)) == []


def test_a_run_that_stopped_says_why() -> None:
    """Instead of counts."""
    report = {"read": 5, "seconds": 1.0, "proposed": [], "withdrawn": [], "reverted": [], "stopped": "x"}
    assert words.run_line(report) == "nothing was suggested: x"
    assert words.run_line({**report, "stopped": ""}) == (
        "read 5 events in 1.0 s: 0 proposed, 0 withdrawn, 0 reverted"
    )


def test_refusals_name_the_way_on() -> None:
    """What, why, and the thing to do; names that nobody made are cut and spelt out."""
    said = refusals.not_counted("bob was first. Nothing changed.", "S-1")
    assert said == ("bob was first", "nothing changed", "gatekeep suggest show S-1")
    assert refusals.no_suggestion("\x1b" * 500).what.isprintable()
    assert len(refusals.no_sample("x" * 500).what) < 60
    assert refusals.not_what_was_seen("S-1").what == "S-1 is not what was shown"
    assert refusals.already_over("S-1", "reverted").why == "nothing changed"

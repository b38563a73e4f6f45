"""What goes on where an adopted relaxation ends: the accepted text, never a wider one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import proof_world as example
from support.loop_world import RULE_ID, days, relaxation

from gatekeep.domain.suggestions import Effect, SuggestionKind, SuggestionLife, SuggestionState
from gatekeep.feedback.proof import prove
from gatekeep.feedback.renewal import renewal_of

END = example.NOW_US + days(10)
LIFE = SuggestionLife(
    relaxation(), SuggestionState.VERIFIED, 1, in_force_us=1, expires_us=END,
    effect=Effect(hits=12, agreed=11, words="12 matches"),
)  # fmt: skip


def test_the_same_text_goes_on_under_another_id_with_other_days() -> None:
    """It can stand beside the old one, and is proven like any other."""
    found = renewal_of(LIFE, example.NOW_US)
    assert found is not None
    assert found.rule_id != RULE_ID
    assert f'@id("{found.rule_id}")' in found.rule
    assert f"context.day < {example.NOW_US // days(1) + 90}" in found.rule
    old = LIFE.suggestion
    back = found.rule.replace(found.rule_id, RULE_ID)
    assert back == old.rule
    proven = prove(found, example.evidence(), example.version(), example.MEMBERS, example.NOW_US)
    assert proven.safe, [one for one in proven.checks if not one.passed]


def test_it_is_the_same_suggestion_in_each_run() -> None:
    """Its id hangs on what ends and when."""
    one, two = renewal_of(LIFE, example.NOW_US), renewal_of(LIFE, example.NOW_US + days(1))
    assert one is not None
    assert two is not None
    assert one.id == two.id


@pytest.mark.parametrize(
    "life",
    [
        replace(LIFE, expires_us=example.NOW_US + days(15)),
        replace(LIFE, expires_us=example.NOW_US),
        replace(LIFE, state=SuggestionState.CANARY),
        replace(LIFE, effect=Effect(hits=12, agreed=11, denied=0.5)),
        replace(LIFE, effect=Effect(hits=12)),
        replace(LIFE, suggestion=replace(relaxation(), kind=SuggestionKind.GATE)),
        replace(LIFE, suggestion=relaxation(rule="permit (principal, action, resource);")),
    ],
    ids=["too early", "over", "on trial", "half denied", "never looked at", "asks more", "not ours"],
)
def test_nothing_goes_on_that_was_not_right(life: SuggestionLife) -> None:
    """Nobody is asked again for what was not looked at."""
    assert renewal_of(life, example.NOW_US) is None

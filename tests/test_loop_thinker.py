"""What the loop's process thinks is thought by the product's own parts, about what was read last."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import proof_world as example
from support.loop_world import ID, RULE_ID, relaxation

from gatekeep.domain.suggestions import DAY_US, SuggestionLife, SuggestionState
from gatekeep.errors import LoopUnavailable
from gatekeep.feedback.deeds import Answer, Evidence
from gatekeep.feedback.shadow import matches
from gatekeep.loop_thinker import Thinker, Thinking

NOW_US = example.NOW_US


def thinker(evidence: Evidence) -> Thinker:
    """One that finds the suggestion of the example, and has read this."""
    found = relaxation(rule=example.standing_rule(example.version()))
    made = Thinker(lambda _now_us: evidence, Thinking(lambda _evidence, _version, _now: [found]))
    made.read(NOW_US)
    return made


def test_nothing_is_thought_before_something_was_read() -> None:
    """A process that is new knows nothing, and says so."""
    new = Thinker(lambda _now_us: example.evidence())
    with pytest.raises(LoopUnavailable, match="next run"):
        new.search(example.version(), example.MEMBERS, NOW_US, [])


def test_what_is_found_is_proven() -> None:
    """With every check and a backtest, under the version that is given."""
    found = thinker(example.evidence()).search(example.version(), example.MEMBERS, NOW_US, [])
    assert list(found) == [ID]
    assert found[ID].checks
    assert found[ID].backtest is not None


def test_a_rule_in_shadow_is_tried_on_what_came_since() -> None:
    """What came before does not count, and a denial among what came does."""
    begin = NOW_US - DAY_US
    old = [one for one in example.evidence().deeds if one.at_us < begin]
    fresh = [
        example.command_deed(9000 + at, begin + 1 + at, at=example.where("ben"), answer=answer)
        for at, answer in enumerate((Answer.APPROVED, Answer.DENIED))
    ]
    life = SuggestionLife(
        relaxation(rule=example.standing_rule(example.version())),
        state=SuggestionState.SHADOW, since_us=begin,
    )  # fmt: skip
    knowing = thinker(example.evidence([*old, *fresh]))
    seen = knowing.look_back(example.version(), example.MEMBERS, NOW_US, life, [])
    assert (seen.tried, seen.refused) == (1, (9001,))
    matched = matches(life.suggestion, fresh, example.version(), example.MEMBERS)
    assert [one.n for one in matched] == [9000, 9001]


def test_a_rule_that_does_not_fit_any_more_is_against_itself() -> None:
    """In shadow it is tried under the version that rules now."""
    life = SuggestionLife(
        replace(relaxation(), rule=f'@id("{RULE_ID}") permit (nobody);'),
        state=SuggestionState.SHADOW, since_us=0,
    )  # fmt: skip
    knowing = thinker(example.evidence())
    seen = knowing.look_back(example.version(), example.MEMBERS, NOW_US, life, [])
    assert "does not fit" in seen.against

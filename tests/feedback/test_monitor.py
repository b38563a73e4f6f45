"""What is seen of an adopted suggestion, and what of that takes it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from support import proof_world as example
from support.loop_world import PEOPLE, RULE_ID, days, relaxation

from gatekeep.domain.suggestions import (
    Effect,
    Sample,
    SampleAnswer,
    SuggestionKind,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.feedback import monitor
from gatekeep.feedback.deeds import Answer, Deed, Evidence

START = example.NOW_US
VERSION = example.version()


def life(**changes: object) -> SuggestionLife:
    """The example's relaxation, in force since START."""
    made = SuggestionLife(relaxation(), SuggestionState.CANARY, START, in_force_us=START)
    return replace(made, **changes)  # type: ignore[arg-type]  # values by name


def hit(day: float, person: str = "ann", **changes: object) -> Deed:
    """A match on this day after the start, that passed."""
    return example.command_deed(
        5000 + int(day * 100), START + days(day), at=example.where(person),
        **{"answer": Answer.ADOPTED, "adopted": RULE_ID, **changes},
    )  # fmt: skip


def seen(deeds: Sequence[Deed], **changes: object) -> Evidence:
    """Evidence of these and of what was before."""
    found = example.evidence([*example.example(), *deeds])
    return replace(found, **changes)  # type: ignore[arg-type]  # values by name


def sample(answer: SampleAnswer | None, day: float = 1) -> Sample:
    """A match that was looked at afterwards."""
    return Sample(
        "M-7", "S-3f9a12bc", 7, START + days(day), "ann", "ann", "web-1", "t", answer=answer,
        answered_by="lea", reason="not in the evening",
    )  # fmt: skip


def against(deeds: Sequence[Deed], samples: Sequence[Sample] = ()) -> str:
    """Why these take it back, 30 days after the start."""
    effect = monitor.effect_of(life(), seen(deeds), samples, START + days(30))
    return monitor.against(life(), effect, seen(deeds), samples, VERSION)


def test_hits_samples_and_answers_are_counted_since_it_came_into_force() -> None:
    """What was before does not count; half of a denial is a withdrawal."""
    deeds = [
        hit(-1), hit(1), hit(2, answer=Answer.APPROVED), hit(3, answer=Answer.WITHDRAWN),
        hit(4, "zoe"), hit(5, answer=Answer.EXPIRED),
    ]  # fmt: skip
    effect = monitor.effect_of(life(), seen(deeds), [sample(SampleAnswer.RIGHT)], START + days(14))
    assert (effect.hits, effect.sampled, effect.after) == (5, 4, 1)
    assert (effect.agreed, effect.denied) == (2.0, 0.5)
    assert effect.newcomers == ("zoe",)
    assert (effect.actual_per_week, effect.forecast_per_week) == (2.5, 3.4)
    assert effect.saved_wait_s == 2 * 400.0
    assert effect.words.startswith("5 matches, 2.5 a week (forecast 3.4)")


def test_nothing_speaks_against_what_people_agree_to() -> None:
    """Twelve that were all looked at and right."""
    assert against([hit(day, answer=Answer.APPROVED) for day in range(12)]) == ""


@pytest.mark.parametrize(
    ("deeds", "samples", "word"),
    [
        ([hit(1), hit(2, answer=Answer.DENIED)], [], "denied a sample"),
        ([hit(1, incident="INC-7")], [], "an incident followed"),
        ([hit(1)], [sample(SampleAnswer.WRONG)], "lea said that it was wrong"),
        ([hit(1, answer=Answer.WITHDRAWN), hit(2, answer=Answer.WITHDRAWN)], [], "took it back"),
        ([hit(1, f"new-{n}") for n in range(7)], [], "7 persons use it"),
    ],
    ids=["denied", "incident", "wrong", "withdrawn twice", "newcomers"],
)
def test_each_signal_takes_it_back(
    deeds: list[Deed], samples: list[Sample], word: str
) -> None:
    """One is enough."""
    assert word in against(deeds, samples)


def test_one_withdrawal_or_as_many_newcomers_as_there_were_persons_are_not_enough() -> None:
    """The bounds are bounds."""
    assert against([hit(1, answer=Answer.WITHDRAWN)]) == ""
    assert against([hit(1, f"new-{n}") for n in range(len(PEOPLE))]) == ""


def test_a_source_rule_that_changed_or_is_gone_takes_it_back() -> None:
    """Its digest is in the suggestion."""
    changed = example.version(example.RULES.replace("by two", "by three"))
    gone = example.version('@id("other") permit (principal, action == Action::"ssh.shell", resource);')
    assert "has changed" in monitor.source_changed(life(), changed)
    assert "is gone" in monitor.source_changed(life(), gone)
    assert monitor.source_changed(life(), VERSION) == ""


def test_a_bad_adoption_is_found_within_seven_days() -> None:
    """Half of its matches are unwanted: the canary looks at each of the first ten."""
    deeds = [
        hit(day, answer=Answer.DENIED if day % 2 else Answer.APPROVED) for day in range(4)
    ]
    first = next(
        day for day in range(7) if against([one for one in deeds if one.at_us <= START + days(day)])
    )
    assert first == 1


def test_a_rule_that_asks_more_is_shown_and_never_taken_back() -> None:
    """Denials, what was given up, what was tried again, broken glass."""
    gate = life(suggestion=replace(relaxation(), kind=SuggestionKind.GATE))
    deeds = [
        hit(1, rules=(RULE_ID,), answer=Answer.DENIED),
        hit(1.5, rules=(RULE_ID,), answer=Answer.WITHDRAWN),
    ]
    evidence = seen(deeds, break_glass=((START + days(1.2), "ann", "web-1"),))
    effect = monitor.effect_of(gate, evidence, (), START + days(7))
    assert (effect.hits, effect.break_glass) == (2, 1)
    assert "1 denied, 1 given up, 1 tried again, 1 times the glass was broken" in effect.words
    assert monitor.against(gate, effect, evidence, (), VERSION) == ""


def test_use_beyond_the_forecast_is_said() -> None:
    """Forty on one day where three a week were foreseen."""
    deeds = [hit(1 + n / 100) for n in range(40)]
    effect = monitor.effect_of(life(), seen(deeds), (), START + days(2))
    assert effect.words.endswith("used more than was forecast")


def test_it_is_called_right_once_enough_was_looked_at() -> None:
    """All of few matches, ten of many, none of none."""
    assert not monitor.speaks_for(life(), Effect())
    assert monitor.speaks_for(life(), Effect(hits=3, agreed=3))
    assert not monitor.speaks_for(life(), Effect(hits=50, agreed=9))
    assert monitor.speaks_for(life(), Effect(hits=50, agreed=10))
    assert not monitor.speaks_for(life(), Effect(hits=50, agreed=30, denied=0.5))


def test_it_is_looked_back_at_after_1_7_30_and_90_days() -> None:
    """Each once; two that are due at once are both done with it."""
    assert monitor.checks_due(life(), START + days(0.5)) == ()
    assert monitor.checks_due(life(), START + days(8)) == (1, 7)
    done = life(effect=Effect(checked_days=(1, 7)))
    assert monitor.checks_due(done, START + days(29)) == ()
    assert monitor.checks_due(done, START + days(30)) == (30,)

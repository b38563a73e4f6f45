"""Suggestions in `state.db`: written and read back, one change at a time, one rule in force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import MovedClock
from support.loop_world import relaxation

from gatekeep.domain.events import EventKind
from gatekeep.domain.suggestions import (
    Acceptance,
    Backtest,
    Check,
    Effect,
    Probe,
    Rejected,
    Sample,
    SampleAnswer,
    Shifted,
    SlotBound,
    SlotScope,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.gate.approval_ports import Told
from gatekeep.stores.sqlite.state import StateStore
from gatekeep.stores.sqlite.suggestion_rows import life_body, life_of
from gatekeep.stores.sqlite.suggestions import SuggestionBooks

_S = SuggestionState


@pytest.fixture
def books(tmp_path: Path) -> Iterator[SuggestionBooks]:
    """Over a new state."""
    made = SuggestionBooks(StateStore.open(tmp_path / "state.db", bytes(32), MovedClock()))
    yield made
    made.close()


def told(kind: EventKind = EventKind.SUGGESTION_PROPOSED) -> Told:
    """An event."""
    return Told(kind, b"{}")


def full() -> SuggestionLife:
    """One with something in every field."""
    backtest = Backtest(
        1, 2, 3, {"ask>allow": 41}, {"ask>allow": 14}, (7,), 0, 1, (Shifted("ann", 7, ("x",)),),
        (Probe("t", "ask", "allow"),), passed=True, why="all",
    )  # fmt: skip
    one = relaxation()
    suggestion = replace(
        one,
        scope=replace(one.scope, slots=(SlotScope(SlotBound.ANY_OF, ("a", "b")),)),
        vector=replace(one.vector, assurance={"exact": 41}, wilson=0.9),
        rejected=(Rejected("restart *", "denied", (1, 2), ("sshd",)),),
        checks=(Check("a", passed=True, why="b"),), not_counted={"young": 2}, backtest=backtest,
    )  # fmt: skip
    return SuggestionLife(
        suggestion, _S.CANARY, 5, (Acceptance("lea", "lea", 4, "r", "web", mfa=True),), "lea", "r", 5, 9,
        effect=Effect(hits=3, newcomers=("zoe",), checked_days=(1, 7)),
    )  # fmt: skip


def test_a_life_comes_back_as_it_was() -> None:
    """Every field of every value in it."""
    life = full()
    assert life_of(life_body(life), settled=True) == life
    assert life_of(life_body(life), settled=False) == replace(life, settled=False)


def test_a_row_of_an_older_version_has_the_defaults_of_what_it_lacks() -> None:
    """And what nobody knows any more is dropped."""
    body = life_body(full()).replace(b'"weight":0', b'"wait":0')
    assert life_of(body, settled=True) == full()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_any_text_comes_back(text: str) -> None:
    """Whatever somebody typed."""
    if any(0xD800 <= ord(one) <= 0xDFFF for one in text):
        return
    life = replace(full(), reason=text, suggestion=replace(full().suggestion, title=text))
    assert life_of(life_body(life), settled=True) == life


def test_a_change_is_made_once(books: SuggestionBooks) -> None:
    """Who comes second finds another state, and changes nothing."""
    life = replace(full(), state=_S.PROPOSED)
    assert books.put(None, life, [told()])
    assert not books.put(None, life, [told()])
    dismissed = replace(life, state=_S.DISMISSED, since_us=6)
    assert books.put(life, dismissed, [told(EventKind.SUGGESTION_DISMISSED)])
    assert not books.put(life, replace(life, state=_S.SNOOZED), [told(EventKind.SUGGESTION_SNOOZED)])
    assert [one.state for one in books.lives()] == [_S.DISMISSED]
    assert [row.kind for row in books.pending()] == ["suggestion.proposed", "suggestion.dismissed"]


def test_two_that_say_yes_at_once_are_one_yes(books: SuggestionBooks) -> None:
    """The number of voices is part of what is compared."""
    life = replace(full(), state=_S.PROPOSED, accepted_by=())
    books.put(None, life, [told()])
    for person, kept in (("lea", True), ("leo", False)):
        said = (Acceptance(person, person, 5, "r", "web", mfa=True),)
        assert books.put(life, replace(life, accepted_by=said), [told()]) is kept


def test_it_is_settled_once_its_event_is_durable(books: SuggestionBooks) -> None:
    """Until then it says so, also after a restart."""
    books.put(None, full(), [told()])
    assert not books.lives()[0].settled
    for row in books.pending():
        books.settle(row.id)
    assert books.lives()[0].settled
    assert books.pending() == []


def test_what_needs_no_event_is_settled_at_once(books: SuggestionBooks) -> None:
    """What was seen of it."""
    life = full()
    books.put(None, life)
    assert books.lives() == [life]


def test_a_rule_is_in_force_once(books: SuggestionBooks) -> None:
    """A second suggestion with the same rule id does not come into force beside it."""
    first = full()
    second = replace(first, suggestion=replace(first.suggestion, id="S-2"), state=_S.SHADOW)
    assert books.put(None, first, [told()])
    assert books.put(None, second, [told()])
    assert not books.put(second, replace(second, state=_S.CANARY), [told()])
    assert books.put(first, replace(first, state=_S.REVERTED), [told()])
    assert books.put(second, replace(second, state=_S.CANARY), [told()])


def test_a_sample_is_answered_once(books: SuggestionBooks) -> None:
    """Who is second hears nothing and changes nothing."""
    sample = Sample("M-7", "S-1", 7, 1, "ann", "ann", "web-1", "t", groups=("leads",))
    assert books.add_sample(sample, told(EventKind.SUGGESTION_SAMPLED))
    assert not books.add_sample(sample, told(EventKind.SUGGESTION_SAMPLED))
    right = replace(sample, answer=SampleAnswer.RIGHT, answered_by="lea", answered_us=5)
    wrong = replace(right, answer=SampleAnswer.WRONG)
    assert books.answer_sample(right, told(EventKind.SUGGESTION_ANSWERED))
    assert not books.answer_sample(wrong, told(EventKind.SUGGESTION_ANSWERED))
    assert books.samples() == [right]

"""The dialogues carry a button's value there and back, and nothing is believed on the way."""

from __future__ import annotations

import pytest
from support.slack_block_kit import faults_of_view

from gatekeep.notify.slack_modals import (
    DENY_VIEW,
    INTENT_VIEW,
    Carried,
    carried_in,
    reason_in,
    reason_view,
    wrong_reason,
)


@pytest.mark.parametrize("view", [DENY_VIEW, INTENT_VIEW])
def test_a_dialogue_fits_and_brings_back_what_it_was_given(view: str) -> None:
    """Within Slack's limits, also with the longest title."""
    carried = Carried("K3F9." + "A" * 43, "C0APPROVALS")
    made = reason_view(view, "alice asks to run DELETE on orders-prod" + "x" * 111, carried)
    assert faults_of_view(made) == []
    assert carried_in(made["private_metadata"]) == carried


@pytest.mark.parametrize("written", [None, 3, "", "{", "[]", '["a"]', '["a", 1]', '["a", "b", "c"]', '{"a": 1}', "[" * 100_000])
def test_what_is_no_letter_of_ours_carries_nothing(written: object) -> None:
    """And is no error."""
    assert carried_in(written) is None


@pytest.mark.parametrize("view", [{}, {"state": None}, {"state": {"values": []}}, {"state": {"values": {"gatekeep_reason": {"gatekeep_reason_text": {"value": None}}}}}])
def test_a_view_without_a_reason_has_none(view: dict[str, object]) -> None:
    """Then the dialogue says that one is missing."""
    assert reason_in(view) == ""
    assert wrong_reason("") != {}
    assert wrong_reason("x" * 1000) == {}
    assert wrong_reason("x" * 1001) != {}

"""Payloads of the loop's events: who, what, why, on what evidence, under which version."""

from __future__ import annotations

import json
from dataclasses import replace

from support.loop_world import relaxation

from gatekeep import loop_told
from gatekeep.domain.suggestions import Acceptance, Effect, Sample, SampleAnswer, SuggestionLife
from gatekeep.feedback import life as lives
from gatekeep.feedback.life import Change, Limits, Observation, advance

LEA = Acceptance("lea", "p-lea", 5, "we looked", "web", mfa=True)


def test_a_proposal_is_told_with_text_and_checks() -> None:
    """What people will say yes to is in the journal before they do."""
    told = loop_told.changed(lives.proposed(relaxation(), 5), "abc")
    said = json.loads(told.payload)
    assert told.kind == "suggestion.proposed"
    assert (said["suggestion"], said["kind"], said["rule"]) == (
        "S-3f9a12bc", "relax", "adopted-3f9a12bc",
    )  # fmt: skip
    assert (said["state"], said["before"], said["policy"]) == ("proposed", "", "abc")
    assert said["text"] == relaxation().rule
    assert said["sources"][0].startswith("prod-systemctl:")


def test_a_yes_is_told_with_who_why_and_how_many_are_missing() -> None:
    """The first of two leaves the state as it is."""
    life = lives.proposed(relaxation(), 5).life
    change = lives.accept(life, LEA, Limits())
    assert isinstance(change, Change)
    told = loop_told.changed(change, "abc", {"door": "web"})
    said = json.loads(told.payload)
    assert told.kind == "suggestion.accepted"
    assert (said["by"], said["reason"], said["missing"], said["door"]) == ("lea", "we looked", 1, "web")
    assert said["accepted_by"] == ["lea"]


def test_a_return_is_told_with_its_reason_and_what_was_seen() -> None:
    """By nobody, where the loop saw it."""
    life = SuggestionLife(
        relaxation(), lives.SuggestionState.CANARY, 5, (LEA,), in_force_us=5, expires_us=9
    )
    seen = Observation(against="a person denied a sample of it (event 7)", effect=Effect(hits=3))
    change = advance(life, seen, 6, Limits())
    assert change is not None
    said = json.loads(loop_told.changed(change, "abc").payload)
    assert (said["state"], said["before"], said["by"]) == ("reverted", "canary", "")
    assert said["reason"].endswith("(event 7)")
    assert said["effect"]["hits"] == 3


def test_a_look_back_sets_forecast_beside_what_came() -> None:
    """And names those who accepted it, who are told."""
    effect = Effect(hits=12, forecast_per_week=3.4, actual_per_week=2.8, words="12 matches")
    life = SuggestionLife(
        relaxation(), lives.SuggestionState.ACTIVE, 5, (LEA,), in_force_us=5, effect=effect
    )
    said = json.loads(loop_told.checked(life, 30, "abc").payload)
    assert (said["day"], said["forecast_per_week"], said["actual_per_week"]) == (30, 3.4, 2.8)
    assert said["accepted_by"] == ["lea"]


def test_a_sample_is_told_without_its_text_and_answered_with_who_and_why() -> None:
    """The text stands in the event that it names."""
    sample = Sample("M-7", "S-1", 7, 1, "ann", "p-ann", "web-1", "systemctl restart nginx")
    said = json.loads(loop_told.sampled(sample, "adopted-1").payload)
    assert said == {
        "sample": "M-7", "suggestion": "S-1", "rule": "adopted-1", "n": 7, "principal": "ann",
        "target": "web-1",
    }  # fmt: skip
    wrong = replace(sample, answer=SampleAnswer.WRONG, answered_by="lea", reason="no")
    answered = json.loads(loop_told.answered(wrong, "adopted-1").payload)
    assert (answered["n"], answered["answer"], answered["by"], answered["reason"]) == (
        7, "wrong", "lea", "no",
    )  # fmt: skip

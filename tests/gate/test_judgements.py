"""Decisions with their evidence: encoded once, whole, and an error is never quiet."""

from __future__ import annotations

import json

import structlog

from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.gate.judgements import judgement_of

ASK = Decision(
    Verdict.ASK, "writes", "a dba looks at it", "7f3a9c2", approvers=(("dba:2", "security"), ("lead",)),
    rules=("writes", "no-where"), obligations=frozenset({"record", "notify:dba"}),
)  # fmt: skip


def test_all_of_a_decision_is_evidence() -> None:
    """Verdict, rule and its words, every rule that spoke, who may release it, and what it obliges to."""
    judged = judgement_of(ASK, b'{"action":"sql.write"}')
    assert (judged.decision, judged.request_json) == (ASK, b'{"action":"sql.write"}')
    assert json.loads(judged.decision_json) == {
        "approvers": [["dba:2", "security"], ["lead"]], "obligations": ["notify:dba", "record"],
        "policy": "7f3a9c2", "reason": "a dba looks at it", "rule": "writes",
        "rules": ["writes", "no-where"], "verdict": "ask",
    }  # fmt: skip


def test_the_envelope_is_what_can_be_read_without_a_key() -> None:
    """Verdict, rule and version; no words, no names of people or groups."""
    envelope = json.loads(judgement_of(ASK, b"{}").envelope_json)
    assert envelope == {"decision": "ask", "policy": "7f3a9c2", "rule": "writes"}


def test_the_same_decision_is_the_same_bytes() -> None:
    """Sorted, so that digests of it can be compared."""
    first, again = judgement_of(ASK, b"{}"), judgement_of(ASK, b"{}")
    assert first == again
    assert list(json.loads(first.decision_json)) == sorted(json.loads(first.decision_json))


def test_an_error_is_told_and_its_words_are_sealed() -> None:
    """The payload has them; diagnostics only that there were some, and of which rule."""
    broken = Decision(Verdict.DENY, "pay", "private", "7f3a9c2", errors=("salaries of bob",))
    with structlog.testing.capture_logs() as logs:
        judged = judgement_of(broken, b"{}")
    assert json.loads(judged.decision_json)["errors"] == ["salaries of bob"]
    assert b"bob" not in judged.envelope_json
    (told,) = logs
    assert (told["log_level"], told["rule"], told["errors"]) == ("error", "pay", 1)
    assert "bob" not in json.dumps(told)

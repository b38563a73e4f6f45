"""A request in words: headings, facts, questions, and what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from gatekeep.messages import asked

REQUEST: dict[str, Any] = {
    "id": "K3F9", "state": "pending", "kind": "statement", "principal": "alice",
    "target": "orders-prod", "account": "app_rw", "session": "ab", "in_transaction": False,
    "digest": "9c41d07be2aa" + "0" * 52, "facts": {"where": ["absent"]}, "tags": [],
    "sight": {"rows_estimate": 1_204_331, "verb": "DELETE"}, "risk": "high",
    "rule": "prod-writes-need-dba", "why": "", "reason": "", "redacted": False, "unbound": [],
    "approvers": [["dba"]], "extra_votes": 0, "denier": "", "may_decide": ["bob", "carol"],
    "left_s": 780, "grant_s": 0, "outcome": "", "decided_by": "", "decision_reason": "",
    "verb": "DELETE", "votes": [],
}  # fmt: skip


def test_the_lines_are_those_of_the_design() -> None:
    """Who, where, as whom, the digest; rows, where, risk, rule."""
    assert asked.heading(REQUEST) == (
        "alice on orders-prod (account app_rw, no open transaction), digest 9c41d07be2aa"
    )
    assert asked.facts(REQUEST) == (
        "about 1,204,331 rows, no WHERE · high risk · asked by rule prod-writes-need-dba"
    )
    assert asked.more(REQUEST) == ["it takes one of dba; may decide: bob, carol", "open for 13m"]
    assert "in an open transaction" in asked.heading({**REQUEST, "in_transaction": True})
    ahead = {**REQUEST, "session": "", "kind": "access"}
    assert asked.heading(ahead).startswith("alice on orders-prod (account app_rw), digest")


def test_whatever_is_known_is_told() -> None:
    """Reason, ticket, redactions, what is not held fast, and who has to agree."""
    told = asked.more(
        {
            **REQUEST, "why": "a dba looks", "reason": "OPS", "redacted": True,
            "facts": {"ticket": "T-1", "sample": "adopted-1"}, "unbound": ["rows", "files"], "may_decide": [],
            "extra_votes": 1, "denier": "carol",
            "before": [
                {"id": "K2AA", "principal": "alice", "state": "denied", "decided_by": "bob",
                 "decision_reason": "use the replica"},
            ],
        }
    )  # fmt: skip
    assert told.pop(0) == "asked before, K2AA of alice: denied by bob: use the replica"
    assert told[:6] == [
        "the rule says: a dba looks", "alice says: OPS", "ticket: T-1",
        "a sample: adopted rule adopted-1 would let this pass; the answer says whether it should",
        "secrets in it are replaced; they are part of the digest", "not held fast: rows; files",
    ]  # fmt: skip
    assert "carol or one vote more; may decide: nobody" in told[6]
    assert asked.facts({**REQUEST, "facts": {"where": "tautology"}, "sight": {}, "risk": ""}) == (
        "a WHERE that is always true · asked by rule prod-writes-need-dba"
    )


@pytest.mark.parametrize(
    ("scope", "how", "more", "question"),
    [
        ("once", {}, {}, "Approve and run once?"),
        ("once", {}, {"kind": "shell"}, "Approve and open once?"),
        ("once", {"decides": False}, {}, "Vote to approve: run once?"),
        ("template", {"for_s": 1800}, {}, "Approve and run, and this template for 30m, with these values?"),
        ("template", {}, {}, "Approve and run, and this template for the usual time, with these values?"),
        ("template", {"for_s": 60, "freed": [2]}, {},
         "Approve and run, and this template for 1m, with any value in place of number 2?"),
        ("template", {"for_s": 60, "freed": [3, 2, 2], "decides": False}, {},
         "Vote to approve: run, and this template for 1m, with any value in place of numbers 2, 3?"),
        ("session", {}, {},
         "Approve and run, and what rule prod-writes-need-dba asks of DELETE until the session ends?"),
        ("access", {}, {"session": "", "grant_s": 7200}, "Approve and give access for 2h?"),
        ("access", {"for_s": 3600}, {"session": "", "grant_s": 7200}, "Approve and give access for 1h?"),
        ("access", {"for_s": 28_800}, {"session": "", "grant_s": 7200}, "Approve and give access for 2h?"),
        ("access", {}, {"session": ""}, "Approve and give access for the usual time?"),
        ("once", {}, {"session": "", "grant_s": 3600}, "Approve and allow it once within 1h?"),
    ],
)  # fmt: skip
def test_the_question_says_what_happens(
    scope: str, how: dict[str, Any], more: dict[str, Any], question: str
) -> None:
    """For each scope another, for as long as it will really last, with what is freed, and if it decides."""
    assert asked.question({**REQUEST, **more}, asked.Reach(scope, **how)) == question


@pytest.mark.parametrize(("before", "question"), [
    ("once", "Approve and run once?"),
    ("template", "Approve and run, and this template for 1m, with these values?"),
])  # fmt: skip
def test_the_question_reaches_no_further_than_those_who_agreed_before(before: str, question: str) -> None:
    """Where they named another scope it will be once, whatever is wanted now."""
    votes = [{"verdict": "approve", "scope": before}, {"verdict": "deny", "scope": "once"}]
    reach = asked.Reach("template", 60)
    assert asked.question({**REQUEST, "votes": votes}, reach) == question


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("", "K3F9 approved"),
        ("released", "K3F9 approved; it runs"),
        ("DELETE 3 in 1.9 s", "K3F9 approved; DELETE 3 in 1.9 s"),
        ("void: search_path", "K3F9 approved, but it was not run: search_path"),
    ],
)
def test_what_came_of_it(outcome: str, words: str) -> None:
    """As far as it is known."""
    assert asked.came_of_it({**REQUEST, "outcome": outcome}) == words


@pytest.mark.parametrize(
    ("state", "by", "reason", "words"),
    [
        ("denied", "bob", "no", "bob denied it at 14:20: no"),
        ("approved", "bob", "", "bob approved it at 14:20"),
        ("expired", "", "", "nobody answered it until 14:20"),
        ("withdrawn", "alice", "", "withdrawn by alice at 14:20"),
        ("withdrawn", "", "it restarted", "withdrawn by the gateway at 14:20: it restarted"),
    ],
)
def test_how_it_ended(state: str, by: str, reason: str, words: str) -> None:
    """By whom, when, and why."""
    ended = {**REQUEST, "state": state, "decided_by": by, "decision_reason": reason}
    assert asked.decided_line(ended, "14:20") == words


def test_a_vote_in_anothers_place_says_so() -> None:
    """With door and reason."""
    vote = {"principal": "dan", "verdict": "deny", "delegator": "p-bob", "via": "web", "reason": "no"}
    assert asked.vote_line(vote, "14:20") == "dan denied in p-bob's place at 14:20 (web): no"
    plain = {**vote, "verdict": "approve", "delegator": "", "reason": ""}
    assert asked.vote_line(plain, "14:20") == "dan approved at 14:20 (web)"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (11_100, "3h 5m"),
     (172_800, "2d")],
)  # fmt: skip
def test_lengths_of_time(seconds: int, words: str) -> None:
    """Short, and never more than there is."""
    assert asked.lasting(seconds) == words


def test_states_have_shape_and_word() -> None:
    """Colour is never needed."""
    assert [asked.state_word(one) for one in ("pending", "approved", "denied", "expired")] == [
        "◆ waiting", "● approved", "■ denied", "expired",
    ]  # fmt: skip

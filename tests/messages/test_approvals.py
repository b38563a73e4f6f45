"""What a Postgres client is told of what waits for a person, word for word."""

from __future__ import annotations

import dataclasses

import pytest

from gatekeep.messages import Place, RuleWords, WireMessage, approvals
from gatekeep.messages import ahead as ahead_words

HELD = approvals.Waiting(
    "K3F9", "orders-prod", [["dba"]], ["bob", "carol"],
    approvals.headline("DELETE", ["public.customers"], "absent"), "prod-writes-need-dba", 900,
    estimate="about 1,204,331 rows", link="https://gw.example/r/K3F9",
)  # fmt: skip
RULE = RuleWords("prod-writes-need-dba", context="request K3F9")


def test_waiting_reads_as_designed() -> None:
    """For whom, what, how much, why, how long, what was not done, how to take it back, and where."""
    told = approvals.waiting(HELD)
    assert (told.severity, told.primary) == (
        "NOTICE", "gatekeep: waiting for approval by dba (bob or carol), request K3F9",
    )  # fmt: skip
    assert told.detail == (
        "DELETE without WHERE on public.customers, about 1,204,331 rows. "
        "Asked by rule prod-writes-need-dba. Open for 15 min."
    )
    assert told.hint == (
        "Nothing has been sent to orders-prod yet. Ctrl-C withdraws the request. "
        "https://gw.example/r/K3F9"
    )


@pytest.mark.parametrize(
    ("locked", "said"),
    [
        (2, "Your open transaction holds locks on 2 tables, so this stays open for 2 min only."),
        (1, "Your open transaction holds locks on 1 table, so this stays open for 2 min only."),
        (0, "Your open transaction stays open meanwhile, so this waits for 2 min only."),
    ],
)
def test_in_a_transaction_it_says_why_it_is_short(locked: int, said: str) -> None:
    """Others wait for its locks."""
    told = approvals.waiting(dataclasses.replace(HELD, locked=locked, open_s=120))
    assert told.detail.endswith(said)


def test_groups_and_seats_in_words() -> None:
    """Sets are alternatives; seats are counted."""
    told = approvals.waiting(
        dataclasses.replace(HELD, approvers=[["dba:2"], ["dba", "security"]], deciders=["bob"])
    )
    assert told.primary == (
        "gatekeep: waiting for approval by 2 of dba or dba and security (bob), request K3F9"
    )


def test_while_it_waits() -> None:
    """Each minute, on escalation, and on a yes."""
    assert approvals.still_waiting("K3F9", 780).primary == (
        "gatekeep: still waiting for request K3F9, 13 min left"
    )
    assert approvals.escalated("K3F9", ["dba-lead"]).primary == (
        "gatekeep: request K3F9 now also went to dba-lead"
    )
    assert approvals.approved("K3F9", ["bob"]).primary == (
        "gatekeep: bob approved request K3F9, running it now"
    )


def test_a_cancelled_one_speaks_as_postgresql_does() -> None:
    """Programs know a cancel by its code and words."""
    told = approvals.cancelled("K3F9", "orders-prod", RULE)
    assert (told.sqlstate, told.primary) == ("57014", "canceling statement due to user request")
    assert told.detail == "Request K3F9 was withdrawn. Nothing was sent to orders-prod."


@pytest.mark.parametrize(
    "told",
    [
        approvals.denied("K3F9", "bob", "run it on the replica first.", RULE),
        approvals.expired("K3F9", 900, ["bob"], ["dba-lead"], RULE),
        approvals.fits_no_more("K3F9", "search_path", RULE, Place(2, 3)),
        approvals.too_many_open(5, RULE),
        approvals.denied_lately("K3F9", "bob", 720, RULE),
    ],
    ids=lambda told: told.primary,
)
def test_every_refusal_says_that_nothing_was_sent(told: WireMessage) -> None:
    """42501, one line, and what was not done."""
    assert told.sqlstate == "42501"
    assert "\n" not in told.primary
    assert told.hint.startswith("The statement was not sent;")


def test_what_people_wrote_cannot_write_on_a_terminal() -> None:
    """Escapes, bidirectional marks and length are tamed, of reasons and of names."""
    nasty = "\x1b]52;c;AAAA\x07\u202e" + "x" * 10_000
    told = approvals.denied("K3F9", nasty, nasty, RULE)
    for text in (told.primary, told.detail, told.hint):
        assert text.isprintable()
        assert len(text) < 700


def test_leave_ahead_says_why_not() -> None:
    """Plain sentences, without a name that was not given."""
    assert ahead_words.access_text("orders", "app_rw", 1800) == "access to orders as app_rw for 30 min"
    assert "no approval changes that" in ahead_words.denied(RuleWords("no-drop", "never"))
    assert ahead_words.too_long(28_800).endswith("480 min")

"""Words for what waits over Postgres: the design's own sentences, byte for byte."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatekeep import messages
from gatekeep.messages import Place, RuleWords, WireMessage
from gatekeep.messages import ahead as ahead_words
from gatekeep.messages import approvals as words

CONTEXT = "request K3F9, rule prod-writes-need-dba, policy 7f3a9c2, session S-8QZ4"
RULE = RuleWords("prod-writes-need-dba", "a DBA looks", "dba", CONTEXT)
WAITING = words.Waiting(
    "K3F9", "orders-prod", (("dba",),), ("bob", "carol"),
    words.headline("DELETE", ("public.customers",), "absent"), "prod-writes-need-dba", 900,
    estimate="about 1,204,331 rows", link="https://gw.example/r/K3F9", context=CONTEXT,
)  # fmt: skip
NOT_SENT = "The statement was not sent; like any error, this one fails an open transaction."


def test_waiting_reads_as_designed() -> None:
    """For whom, what, how much, why, how long, what has not happened, and how to take it back."""
    assert words.waiting(WAITING) == WireMessage(
        "00000",
        "gatekeep: waiting for approval by dba (bob or carol), request K3F9",
        "DELETE without WHERE on public.customers, about 1,204,331 rows. "
        "Asked by rule prod-writes-need-dba. Open for 15 min.",
        "Nothing has been sent to orders-prod yet. Ctrl-C withdraws the request. "
        "https://gw.example/r/K3F9",
        CONTEXT,
        severity="NOTICE",
    )


def test_what_is_not_known_is_left_out() -> None:
    """No estimate, no page, no rule, nobody by name: nothing is said about them."""
    bare = replace(WAITING, estimate="", link="", rule="", deciders=())
    told = words.waiting(bare)
    assert told.primary == "gatekeep: waiting for approval by dba, request K3F9"
    assert told.detail == "DELETE without WHERE on public.customers. Open for 15 min."
    assert told.hint == "Nothing has been sent to orders-prod yet. Ctrl-C withdraws the request."


@pytest.mark.parametrize(
    ("locked", "sentence"),
    [
        (0, "Your open transaction stays open meanwhile, so this waits for 2 min only."),
        (1, "Your open transaction holds locks on 1 table, so this stays open for 2 min only."),
        (2, "Your open transaction holds locks on 2 tables, so this stays open for 2 min only."),
    ],
)
def test_in_a_transaction_it_says_why_so_short(locked: int, sentence: str) -> None:
    """Others may wait for its locks."""
    told = words.waiting(replace(WAITING, open_s=120, locked=locked))
    assert told.detail.endswith(f"Asked by rule prod-writes-need-dba. {sentence}")


@pytest.mark.parametrize(
    ("approvers", "said"),
    [
        ((("dba:2",),), "2 of dba"),
        ((("dba",), ("sre", "security")), "dba or sre and security"),
    ],
)
def test_who_may_release_it(approvers: tuple[tuple[str, ...], ...], said: str) -> None:
    """Several of a group, several groups together, or one of several sets."""
    told = words.waiting(replace(WAITING, approvers=approvers, deciders=("bob",)))
    assert told.primary == f"gatekeep: waiting for approval by {said} (bob), request K3F9"


def test_the_headline() -> None:
    """The verb, what is wide about it, and at most three tables by name."""
    assert words.headline("UPDATE", ("a.t",), "tautology") == (
        "UPDATE with a WHERE that is always true on a.t"
    )
    assert words.headline("DELETE", ("a.t", "a.u"), "present") == "DELETE on a.t, a.u"
    assert words.headline("TRUNCATE", ("a", "b", "c", "d", "e")) == "TRUNCATE on a, b, c and 2 more"
    assert words.headline("DO", ()) == "DO"


def test_while_it_waits() -> None:
    """Each minute, when others are asked, and when somebody says yes."""
    told = [
        words.still_waiting("K3F9", 780, CONTEXT), words.escalated("K3F9", ["dba-lead"], CONTEXT),
        words.approved("K3F9", ["bob"], CONTEXT), words.approved("K3F9", ["bob", "carol"], CONTEXT),
    ]  # fmt: skip
    assert [one.primary for one in told] == [
        "gatekeep: still waiting for request K3F9, 13 min left",
        "gatekeep: request K3F9 now also went to dba-lead",
        "gatekeep: bob approved request K3F9, running it now",
        "gatekeep: bob and carol approved request K3F9, running it now",
    ]
    for one in told:
        assert (one.sqlstate, one.severity, one.context) == ("00000", "NOTICE", CONTEXT)


REFUSALS = [
    (
        words.denied("K3F9", "bob", "run it on the replica first.", RULE),
        WireMessage(
            "42501", "gatekeep: bob denied request K3F9", "Reason: run it on the replica first.",
            f"{NOT_SENT} Talk to bob, or change it and send it again.", CONTEXT,
        ),
    ),
    (
        words.expired("K3F9", 900, ["bob", "carol"], ["dba-lead"], RULE),
        WireMessage(
            "42501", "gatekeep: nobody answered request K3F9 in 15 min",
            "Asked: bob, carol, then dba-lead.",
            f"{NOT_SENT} Send it again, or ask ahead of time: gatekeep request new", CONTEXT,
        ),
    ),
    (
        words.cancelled("K3F9", "orders-prod", RULE),
        WireMessage(
            "57014", "canceling statement due to user request",
            "Request K3F9 was withdrawn. Nothing was sent to orders-prod.", context=CONTEXT,
        ),
    ),
    (
        words.cancelled_in_time("orders-prod"),
        WireMessage(
            "57014", "canceling statement due to user request", "Nothing was sent to orders-prod."
        ),
    ),
    (
        words.fits_no_more("K3F9", "search_path", RULE),
        WireMessage(
            "42501", "gatekeep: the approval of request K3F9 no longer fits",
            "search_path changed after the question was asked.",
            f"{NOT_SENT} Send the statement again to ask anew.", CONTEXT,
        ),
    ),
    (
        words.gateway_drains("K3F9"),
        WireMessage(
            "57P01", "gatekeep: the gateway is restarting, request K3F9 was withdrawn",
            "Nothing was sent.", "Connect again and repeat the statement.", severity="FATAL",
        ),
    ),
    (
        words.too_many_open(5, RULE),
        WireMessage(
            "42501", "gatekeep: you have 5 open requests already", "More are not asked at once.",
            f"{NOT_SENT} Wait for an answer, or withdraw one: gatekeep request ls", CONTEXT,
        ),
    ),
    (
        words.denied_lately("K3F9", "bob", 900, RULE),
        WireMessage(
            "42501", "gatekeep: bob denied the same a moment ago, request K3F9",
            "It can be asked again in 15 min, and then it takes bob or one vote more.",
            f"{NOT_SENT} Talk to bob, or change it.", CONTEXT,
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("told", "designed"), REFUSALS, ids=lambda one: one.primary)
def test_why_it_did_not_run(told: WireMessage, designed: WireMessage) -> None:
    """Who said what, what was not done, and what can be done now."""
    assert told == designed


def test_a_denial_without_a_reason_says_so() -> None:
    """There is always a DETAIL."""
    assert words.denied("K3F9", "bob", "", RULE).detail == "No reason was given."


@pytest.mark.parametrize("told", [
    words.denied("K3F9", "bob", "no", RULE, Place(2, 5)),
    words.expired("K3F9", 900, ["bob"], [], RULE, Place(2, 5)),
    words.fits_no_more("K3F9", "role", RULE, Place(2, 5)),
    words.too_many_open(5, RULE, Place(2, 5)),
    words.denied_lately("K3F9", "bob", 900, RULE, Place(2, 5)),
], ids=lambda one: one.primary)  # fmt: skip
def test_of_several_statements_it_says_which(told: WireMessage) -> None:
    """And that none of them was run."""
    assert told.detail.endswith(". Statement 2 of 5; none of the 5 was run.")


def test_the_last_words_name_the_request() -> None:
    """Whatever ends a session while something waits."""
    assert words.last_words(messages.gateway_drains(), "K3F9") == words.gateway_drains("K3F9")
    said = "Request K3F9 was withdrawn. Nothing was sent."
    killed = words.last_words(messages.session_killed("suspected leaked key"), "K3F9")
    assert (killed.primary, killed.detail, killed.severity) == (
        "gatekeep: this session was ended: suspected leaked key", said, "FATAL",
    )  # fmt: skip
    unrecorded = words.last_words(messages.cannot_record("7D2K"), "K3F9")
    assert unrecorded.detail == f"Incident 7D2K. {said}"


def test_what_people_wrote_cannot_write_on_the_terminal() -> None:
    """Controls in names, reasons and fields are shown, not sent, and cut: psql prints them raw."""
    hostile = "\x1b]52;c;aGk=\x07\u202e" * 1000
    told = [
        words.waiting(
            replace(
                WAITING, approvers=((hostile,),), deciders=(hostile,),
                what=words.headline(hostile, (hostile,)),
            )
        ),
        words.escalated("K3F9", [hostile]),
        words.approved("K3F9", [hostile]),
        words.denied("K3F9", hostile, hostile, RULE),
        words.expired("K3F9", 900, [hostile], [hostile], RULE),
        words.fits_no_more("K3F9", hostile, RULE),
        words.denied_lately("K3F9", hostile, 900, RULE),
    ]  # fmt: skip
    for one in told:
        for part in (one.primary, one.detail, one.hint):
            assert part.isprintable()
            assert len(part) < 600


def test_leave_ahead_says_why_not() -> None:
    """Plain sentences, without a name that was not given."""
    assert ahead_words.access_text("orders", "app_rw", 1800) == "access to orders as app_rw for 30 min"
    assert "no approval changes that" in ahead_words.denied(RuleWords("no-drop", "never"))
    assert ahead_words.too_long(28_800).endswith("480 min")

"""Why what waited was not released, in the right words for each door: nothing else is said twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    RequestState,
    Subject,
    Vote,
    VoteVerdict,
    Why,
)
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.approval_values import NotAsked
from gatekeep.gate.held_words import lines_of, message_of
from gatekeep.gate.holding import NotReleased
from gatekeep.messages import Place as Where
from gatekeep.messages import RuleWords

RULE = RuleWords("prod-writes-need-dba", "A dba looks at it.", "data", "rule prod-writes-need-dba")
NO = Vote("bob", "p-bob", VoteVerdict.DENY, "cli", 5, reason="run it on the replica first")
REQUEST = ApprovalRequest(
    "K3F9", Place("alice", "p-alice", "orders", "app", session="ab" * 16),
    Subject(RequestKind.STATEMENT, "DELETE", "DELETE", "t"), Why("rule", "why", "7f3a", (("dba",),)),
    "9c41" * 16, 0, 900_000_000, state=RequestState.DENIED, votes=(NO,), decided_by="bob",
    decision_reason=NO.reason, escalated=("dba-lead",),
)  # fmt: skip
OTHER = replace(REQUEST, state=RequestState.WITHDRAWN, votes=(), decided_by="")


@pytest.mark.parametrize(
    ("why", "sqlstate", "primary", "line"),
    [
        (None, "42501", "approvals are not set up here", "approval"),
        (
            NotReleased("not asked", refused=NotAsked("nobody")), "42501",
            "approvals are not set up here", "approval",
        ),
        (
            NotReleased("not asked", refused=NotAsked("too_many", open=5)), "42501",
            "you have 5 open requests already", "5 requests of yours are open",
        ),
        (
            NotReleased("not asked", refused=NotAsked("denied_lately", denier="p-bob", wait_s=120, request="K3F9")),
            "42501", "p-bob denied the same a moment ago, request K3F9", "p-bob denied the same",
        ),
        (NotReleased("denied", REQUEST), "42501", "p-bob denied request K3F9", "p-bob denied request K3F9"),
        (
            NotReleased("expired", replace(REQUEST, state=RequestState.EXPIRED), asked=["p-bob"]), "42501",
            "nobody answered request K3F9 in 15 min", "nobody answered request K3F9 in 15 min",
        ),
        (
            NotReleased("departed", OTHER, departure=Departure.CANCELLED), "57014",
            "canceling statement due to user request", "request K3F9 was withdrawn",
        ),
        (
            NotReleased("departed", OTHER, departure=Departure.DRAINING), "57P01",
            "the gateway is restarting, request K3F9 was withdrawn", "the gateway is restarting",
        ),
        (
            NotReleased("void", OTHER, changed="search_path"), "42501",
            "the approval of request K3F9 no longer fits", "the approval of request K3F9 no longer fits",
        ),
    ],
    ids=lambda value: value.cause if isinstance(value, NotReleased) else None,
)  # fmt: skip
def test_each_end_has_its_words(
    why: NotReleased | None, sqlstate: str, primary: str, line: str
) -> None:
    """By SQLSTATE and sentence for Postgres, by lines for SSH."""
    message = message_of(why, RULE, Where(1, 1))
    assert message.sqlstate == sqlstate
    assert primary in message.primary
    assert line in " ".join(lines_of(why, RULE))


def test_details_tell_who_why_and_what_changed() -> None:
    """The reason of who denied; who was asked, and whom later; the field that is another now."""
    denied = message_of(NotReleased("denied", REQUEST), RULE, Where(1, 1))
    assert denied.detail == "Reason: run it on the replica first."
    assert "request K3F9" in denied.context
    assert "Talk to p-bob" in denied.hint
    expired = message_of(NotReleased("expired", REQUEST, asked=["p-bob", "p-carol"]), RULE, Where(1, 1))
    assert expired.detail == "Asked: p-bob, p-carol, then dba-lead."
    void = message_of(NotReleased("void", OTHER, changed="search_path"), RULE, Where(1, 1))
    assert void.detail.startswith("search_path changed")
    assert "search path changed" in lines_of(NotReleased("void", OTHER, changed="search_path"), RULE)[1]


@pytest.mark.parametrize("departure", [Departure.CLIENT_LEFT, Departure.TARGET_LEFT, Departure.ENDED])
def test_whoever_left_it_was_withdrawn(departure: Departure) -> None:
    """Nobody may be there to read it; if somebody is, it says that nothing ran."""
    why = NotReleased("departed", OTHER, departure=departure)
    assert message_of(why, RULE, Where(1, 1)).sqlstate == "57014"
    assert lines_of(why, RULE)[-1].endswith("nothing was run")


def test_what_people_wrote_is_made_harmless() -> None:
    """A reason with escapes or newlines moves no cursor and begins no line of ours."""
    hostile = replace(REQUEST, decision_reason="no\x1b[2J\ngatekeep: approved")
    assert "\x1b" not in message_of(NotReleased("denied", hostile), RULE, Where(1, 1)).detail
    lines = lines_of(NotReleased("denied", hostile), RULE)
    assert not any("\x1b" in line or "\n" in line for line in lines)

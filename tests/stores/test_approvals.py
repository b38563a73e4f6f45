"""Requests, votes and grants in `state.db`: one transition each, with its event, whoever is first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from support.clock import MovedClock

from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    RequestState,
    Scope,
    Subject,
    Vote,
    VoteVerdict,
    Why,
)
from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Grant
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import Ending, Told
from gatekeep.stores.sqlite.approvals import ApprovalBooks
from gatekeep.stores.sqlite.state import StateStore

REQUEST = ApprovalRequest(
    "K3F9",
    Place("alice", "p-alice", "orders", "app", session="ab" * 16, groups=frozenset({"engineers"})),
    Subject(
        RequestKind.STATEMENT, "DELETE", "DELETE FROM customers", "exact:1",
        facts={"where": ["absent"], "scopes": []}, tags=frozenset({"a", "b"}), unbound=("rows",),
    ),
    Why("r", "because", "7f3a", (("dba",), ("dba:2", "security"))),
    "9c41" * 16, 1000, 901_000,
)  # fmt: skip
VOTE = Vote("bob", "p-bob", VoteVerdict.APPROVE, "cli", 2000, groups=frozenset({"dba"}), mfa=True)
GRANT = Grant(
    "G-1", "K3F9", Scope.TEMPLATE, "grant", "alice", "p-alice", "orders", "app",
    frozenset({"dba"}), {"p-bob": frozenset({"dba"})}, 2000, 2000, 9000, bound={"template": "x"},
)  # fmt: skip
YES = Ending(RequestState.APPROVED, 3000, "bob", "agreed", Scope.TEMPLATE)
NO = Ending(RequestState.DENIED, 3000, "carol", "no")


def told(kind: EventKind) -> Told:
    """An event."""
    return Told(kind, b"{}")


ASKED = told(EventKind.APPROVAL_REQUESTED)
DECIDED = told(EventKind.APPROVAL_DECIDED)


class Place2:
    """Two connections to one state."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first, self.second = self.made(), self.made()

    def made(self) -> ApprovalBooks:
        """Another connection."""
        return ApprovalBooks(StateStore.open(self.path, bytes(32), MovedClock()))


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Place2]:
    """An empty state."""
    made = Place2(tmp_path / "state.db")
    yield made
    made.first.close()
    made.second.close()


def test_what_is_kept_comes_back_whole(books: Place2) -> None:
    """Every field, over another connection; an id is used once."""
    assert books.first.add_request(REQUEST, ASKED)
    assert not books.first.add_request(replace(REQUEST, reason="other"), ASKED)
    assert books.first.add_vote("K3F9", VOTE, told(EventKind.APPROVAL_VOTED))
    books.first.note_sight("K3F9", {"rows_estimate": 5})
    found = books.second.request("K3F9")
    assert found == replace(REQUEST, votes=(VOTE,), sight={"rows_estimate": 5})
    assert [row.kind for row in books.second.pending()] == [
        EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_VOTED,
    ]  # fmt: skip


def test_one_person_has_one_vote(books: Place2) -> None:
    """A second one changes nothing, and owes no event."""
    books.first.add_request(REQUEST, ASKED)
    assert books.first.add_vote("K3F9", VOTE, told(EventKind.APPROVAL_VOTED))
    assert not books.second.add_vote(
        "K3F9", replace(VOTE, verdict=VoteVerdict.DENY), told(EventKind.APPROVAL_VOTED)
    )
    assert len(books.first.pending()) == 2


def test_whoever_is_first_ends_it(books: Place2) -> None:
    """Compare-and-set: the other one changes nothing, and no vote counts any more."""
    books.first.add_request(REQUEST, ASKED)
    assert books.first.end_request("K3F9", YES, [DECIDED])
    assert not books.second.end_request("K3F9", NO, [DECIDED])
    assert not books.second.add_vote("K3F9", VOTE, told(EventKind.APPROVAL_VOTED))
    assert not books.second.escalate("K3F9", ["lead"], told(EventKind.APPROVAL_ESCALATED))
    found = books.second.request("K3F9")
    assert found is not None
    assert (found.state, found.decided_by) == (RequestState.APPROVED, "bob")


def test_nothing_counts_before_its_event(books: Place2) -> None:
    """Decision and grant take effect when the journal has them, and not by being written."""
    books.first.add_request(REQUEST, ASKED)
    books.first.end_request("K3F9", YES, [DECIDED, told(EventKind.GRANT_MADE)], grant=GRANT)
    found = books.second.request("K3F9")
    assert found is not None
    assert not found.settled
    assert books.second.grants(live_at_us=5000) == []
    for row in books.second.pending():
        books.second.settle(row.id)
    settled = books.first.request("K3F9")
    assert settled is not None
    assert settled.settled
    assert books.first.grants(live_at_us=5000) == [replace(GRANT, settled=True)]
    assert books.first.grants(live_at_us=9000) == []


def test_a_grant_is_spent_and_revoked(books: Place2) -> None:
    """One for once is spent once, over any connection; a revoked one is not spent any more."""
    books.first.add_request(REQUEST, ASKED)
    books.first.end_request("K3F9", YES, [DECIDED, told(EventKind.GRANT_MADE)], grant=GRANT)
    spent, revoked = told(EventKind.GRANT_SPENT), told(EventKind.GRANT_REVOKED)
    assert books.first.spend("G-1", spent, once=True)
    assert not books.second.spend("G-1", spent, once=True)
    assert books.second.spend("G-1", spent)
    assert books.first.revoke_grant("G-1", 6000, "bob", revoked)
    assert not books.second.revoke_grant("G-1", 6000, "bob", revoked)
    assert not books.second.spend("G-1", spent)
    kept = books.first.grant("G-1")
    assert kept is not None
    assert (kept.used, kept.revoked_by) == (2, "bob")


def test_requests_are_found(books: Place2) -> None:
    """By state, person, target, template and words, newest first, page by page."""
    for number, text in enumerate(("DROP x", "DELETE y", "delete Z")):
        other = replace(REQUEST, id=f"AAA{number}", subject=replace(REQUEST.subject, text=text))
        books.first.add_request(other, ASKED)
    books.first.end_request("AAA0", NO, [DECIDED])
    assert [one.id for one in books.first.requests(text="DELETE")] == ["AAA2", "AAA1"]
    assert [one.id for one in books.first.requests(state=RequestState.DENIED)] == ["AAA0"]
    assert [one.id for one in books.first.requests(before="AAA1")] == ["AAA0"]
    assert books.first.requests(principal="bob") == []


def test_what_cannot_be_written_changed_nothing(books: Place2) -> None:
    """A database that takes no more is JournalUnavailable, and neither row nor event is there."""
    size = int(str(books.first._db.pragma("page_count")))
    books.first._db.pragma("max_page_count", size)
    big = replace(REQUEST, subject=replace(REQUEST.subject, text="x" * 1_000_000))
    with pytest.raises(JournalUnavailable):
        books.first.add_request(big, ASKED)
    assert books.second.request("K3F9") is None
    assert books.second.pending() == []
    assert isinstance(books.first._db, apsw.Connection)

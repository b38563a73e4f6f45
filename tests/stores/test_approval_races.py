"""Several hands at one state, in the same moment: one of them makes each change, the others nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

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
from gatekeep.gate.approval_ports import Ending, Told
from gatekeep.stores.sqlite.approvals import ApprovalBooks
from gatekeep.stores.sqlite.state import StateStore

HANDS = 4
REQUEST = ApprovalRequest(
    "K3F9", Place("alice", "p-alice", "orders", "app", session="ab" * 16),
    Subject(RequestKind.STATEMENT, "DELETE", "DELETE", "t"), Why("r", "w", "p", (("dba",),)),
    "9c41" * 16, 1000, 901_000,
)  # fmt: skip
GRANT = Grant(
    "G-1", "K3F9", Scope.ONCE, "grant", "alice", "p-alice", "orders", "app", frozenset({"dba"}),
    {"p-bob": frozenset({"dba"})}, 2000, 2000, 9000,
)  # fmt: skip
STATES = (RequestState.APPROVED, RequestState.DENIED, RequestState.EXPIRED, RequestState.WITHDRAWN)


def told(kind: EventKind) -> Told:
    """An event."""
    return Told(kind, b"{}")


def vote(number: int) -> Vote:
    """A yes of the person with this number."""
    return Vote(f"v{number}", f"p-{number}", VoteVerdict.APPROVE, "cli", 5)


def opened(place: Path) -> ApprovalBooks:
    """A connection of its own."""
    return ApprovalBooks(StateStore.open(place / "state.db", bytes(32), MovedClock()))


def at_once(place: Path, work: Callable[[ApprovalBooks, int], bool]) -> list[bool]:
    """What each hand made of it; all of them begin together, each on a connection and a thread."""
    ready = threading.Barrier(HANDS)

    def hand(number: int) -> bool:
        books = opened(place)
        try:
            ready.wait(30)
            return work(books, number)
        finally:
            books.close()

    with ThreadPoolExecutor(HANDS) as pool:
        return list(pool.map(hand, range(HANDS)))


@pytest.mark.parametrize("_turn", range(5))
def test_one_verdict(tmp_path: Path, _turn: int) -> None:
    """Four ends at once: one stands, with its vote and its events; the others left none."""
    books = opened(tmp_path)
    books.add_request(REQUEST, told(EventKind.APPROVAL_REQUESTED))
    made = at_once(
        tmp_path,
        lambda mine, number: mine.end_request(
            "K3F9", Ending(STATES[number], 5, f"v{number}"), [told(EventKind.APPROVAL_DECIDED)],
            vote(number),
        ),
    )  # fmt: skip
    assert made.count(True) == 1
    found = books.request("K3F9")
    assert found is not None
    first = made.index(True)
    assert (found.state, found.decided_by) == (STATES[first], f"v{first}")
    assert [one.person for one in found.votes] == [f"p-{first}"]
    assert len(books.pending()) == 2
    books.close()


def test_a_verdict_whose_vote_cannot_be_is_none(tmp_path: Path) -> None:
    """Who has voted decides nothing by a second vote: neither state, nor event, nor grant."""
    books = opened(tmp_path)
    books.add_request(REQUEST, told(EventKind.APPROVAL_REQUESTED))
    assert books.add_vote("K3F9", vote(1), told(EventKind.APPROVAL_VOTED))
    again = replace(vote(1), verdict=VoteVerdict.DENY)
    ending = Ending(RequestState.DENIED, 5, "v1")
    assert not books.end_request("K3F9", ending, [told(EventKind.APPROVAL_DECIDED)], again, GRANT)
    found = books.request("K3F9")
    assert found is not None
    assert (found.state, found.votes) == (RequestState.PENDING, (vote(1),))
    assert books.grant("G-1") is None
    assert len(books.pending()) == 2
    books.close()


def test_one_vote_of_a_person(tmp_path: Path) -> None:
    """Four at once: one is kept, with one event."""
    books = opened(tmp_path)
    books.add_request(REQUEST, told(EventKind.APPROVAL_REQUESTED))
    made = at_once(
        tmp_path, lambda mine, _n: mine.add_vote("K3F9", vote(1), told(EventKind.APPROVAL_VOTED))
    )
    assert made.count(True) == 1
    assert len(books.pending()) == 2
    books.close()


def test_one_use_of_what_is_good_for_once(tmp_path: Path) -> None:
    """Four at once: one has it."""
    books = opened(tmp_path)
    books.add_request(REQUEST, told(EventKind.APPROVAL_REQUESTED))
    ending = Ending(RequestState.APPROVED, 5, "bob")
    books.end_request("K3F9", ending, [told(EventKind.GRANT_MADE)], None, GRANT)
    made = at_once(
        tmp_path, lambda mine, _n: mine.spend("G-1", told(EventKind.GRANT_SPENT), once=True)
    )
    assert made.count(True) == 1
    books.close()


def test_one_name(tmp_path: Path) -> None:
    """Four requests under one id: the first has it, whole."""
    made = at_once(
        tmp_path,
        lambda mine, number: mine.add_request(
            replace(REQUEST, reason=str(number)), told(EventKind.APPROVAL_REQUESTED)
        ),
    )
    assert made.count(True) == 1
    books = opened(tmp_path)
    found = books.request("K3F9")
    assert found is not None
    assert found.reason == str(made.index(True))
    assert len(books.pending()) == 1
    books.close()


def test_the_last_verdict_is_found_among_many(tmp_path: Path) -> None:
    """Of this person, for the same, by the time of the verdict; whatever else stands beside it."""
    books = opened(tmp_path)

    def decided(number: int, state: RequestState, at_us: int, **place: str) -> None:
        one = replace(REQUEST, id=f"A{number:03d}", place=replace(REQUEST.place, **place))
        books.add_request(one, told(EventKind.APPROVAL_REQUESTED))
        books.end_request(one.id, Ending(state, at_us), [])

    assert books.last_decided("p-alice", "orders", "t") is None
    decided(0, RequestState.DENIED, 50)
    decided(1, RequestState.APPROVED, 40)
    decided(2, RequestState.WITHDRAWN, 90)
    decided(3, RequestState.APPROVED, 91, person="p-dan")
    decided(4, RequestState.APPROVED, 92, target="billing")
    for number in range(5, 150):
        decided(number, RequestState.EXPIRED, 93)
    found = books.last_decided("p-alice", "orders", "t")
    assert found is not None
    assert found.id == "A000"
    assert books.last_decided("p-alice", "orders", "other") is None
    books.close()

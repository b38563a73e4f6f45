"""Links of accounts and shown messages in `state.db`: unique both ways, with the event of each change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.clock import MovedClock

from gatekeep.domain.chat import ChatLink, ShownRequest
from gatekeep.domain.events import EventKind
from gatekeep.gate.approval_ports import Told
from gatekeep.stores.sqlite.slack_links import SlackBooks
from gatekeep.stores.sqlite.state import StateStore

TOLD = Told(EventKind.DIRECTORY_CHANGED, b'{"what":"slack.linked"}')
BOB = ChatLink("bob", "T0", "U0BOB", "Acme", "bobby", 5)
DAY_US = 86_400_000_000


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateStore]:
    """An empty state."""
    opened = StateStore.open(tmp_path / "state.db", bytes(32), MovedClock())
    yield opened
    opened.close()


@pytest.fixture
def books(state: StateStore) -> SlackBooks:
    """Empty books."""
    return SlackBooks(state)


def test_a_link_counts_when_its_event_is_settled(books: SlackBooks, state: StateStore) -> None:
    """Store, journal, effect."""
    assert books.add_link(replace(BOB, settled=True), TOLD)
    assert books.link_of("bob") == BOB
    (owed,) = state.pending()
    assert (owed.kind, owed.subject, owed.payload) == (TOLD.kind, "chat:bob", TOLD.payload)
    state.settle(owed.id)
    assert books.link_of("bob") == books.link_of_account("T0", "U0BOB") == replace(BOB, settled=True)
    assert state.pending() == []


def test_one_account_is_one_principal(books: SlackBooks, state: StateStore) -> None:
    """Who comes second changes nothing; in another workspace the same id is somebody else."""
    books.add_link(BOB, TOLD)
    assert not books.add_link(replace(BOB, principal="mallory"), TOLD)
    assert books.link_of("mallory") is None
    assert len(state.pending()) == 1
    assert books.add_link(replace(BOB, principal="carol", team="T1"), TOLD)


def test_a_new_link_takes_the_place_of_the_old(books: SlackBooks, state: StateStore) -> None:
    """It does not count before its own event, and the old one counts no more."""
    books.add_link(BOB, TOLD)
    state.settle(state.pending()[0].id)
    assert books.add_link(replace(BOB, account="U0NEW"), TOLD)
    assert books.link_of_account("T0", "U0BOB") is None
    kept = books.link_of("bob")
    assert kept is not None
    assert (kept.account, kept.settled) == ("U0NEW", False)


def test_removing_counts_at_once_and_once(books: SlackBooks, state: StateStore) -> None:
    """Taking a right away waits for nothing; its event is settled later and makes no link."""
    books.add_link(BOB, TOLD)
    assert books.remove_link("bob", TOLD)
    assert books.link_of("bob") is None
    assert not books.remove_link("bob", TOLD)
    for row in state.pending():
        state.settle(row.id)
    assert books.link_of("bob") is None


def test_messages_are_remembered_until_they_are_closed(books: SlackBooks) -> None:
    """For as long as somebody may look at them."""
    first = ShownRequest("K3F9", "C1", "1.1", 7)
    books.add_shown(first)
    books.add_shown(first)
    books.add_shown(replace(first, channel="C2", shown_us=8))
    assert [one.channel for one in books.shown("K3F9")] == ["C1", "C2"]
    assert books.unfinished() == ["K3F9"]
    books.close_shown("C1", "1.1")
    assert books.unfinished() == ["K3F9"]
    books.close_shown("C2", "1.1")
    assert books.unfinished() == []
    assert [one.closed for one in books.shown("K3F9")] == [True, True]


def test_closed_messages_of_last_month_are_forgotten_and_open_ones_are_not(books: SlackBooks) -> None:
    """It does not grow for ever."""
    books.add_shown(ShownRequest("AAAA", "C1", "1", 0))
    books.add_shown(ShownRequest("BBBB", "C1", "2", 0))
    books.close_shown("C1", "1")
    books.add_shown(ShownRequest("CCCC", "C1", "3", 31 * DAY_US))
    assert books.shown("AAAA") == []
    assert len(books.shown("BBBB")) == 1

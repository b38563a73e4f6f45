"""Who was put into a group lately, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from support.clock import MovedClock

from gatekeep.domain.identity import Principal
from gatekeep.identity.memberships import Memberships
from gatekeep.stores.sqlite.people import PeopleBooks
from gatekeep.stores.sqlite.state import StateStore

DAY_S = 24 * 3600


@pytest.fixture
def clock() -> MovedClock:
    """A clock that the test moves."""
    return MovedClock()


@pytest.fixture
def store(tmp_path: Path, clock: MovedClock) -> Iterator[StateStore]:
    """An empty state."""
    made = StateStore.open(tmp_path / "state.db", bytes(32), clock)
    yield made
    made.close()


def person(name: str, *groups: str, owner: str = "") -> Principal:
    """A principal."""
    return Principal(name, owner or name, frozenset(groups), owner=owner)


def test_a_new_member_counts_as_new_for_a_day(store: StateStore, clock: MovedClock) -> None:
    """Those of the first load are nobody's doing; later ones are, for 24 hours, and an event."""
    book = Memberships(PeopleBooks(store), clock.wall_us)
    book.observe([person("bob", "dba"), person("alice", "engineers")], "owner")
    assert book.added_by("bob") == {}
    assert store.pending() == []
    book.observe([person("bob", "dba"), person("alice", "engineers", "dba")], "p-alice")
    assert book.added_by("alice") == {"dba": "p-alice"}
    (owed,) = store.pending()
    assert orjson.loads(owed.payload) == {
        "by": "p-alice", "group": "dba", "person": "alice", "what": "added",
    }  # fmt: skip
    clock.pass_s(DAY_S - 1)
    assert book.added_by("alice") == {"dba": "p-alice"}
    clock.pass_s(2)
    assert book.added_by("alice") == {}


def test_it_is_remembered_over_a_restart(store: StateStore, clock: MovedClock) -> None:
    """The book is kept: a restart makes nobody old."""
    books = PeopleBooks(store)
    Memberships(books, clock.wall_us).observe([person("bob", "dba")], "owner")
    Memberships(books, clock.wall_us).observe([person("bob", "dba", "sre")], "carol")
    assert Memberships(books, clock.wall_us).added_by("bob") == {"sre": "carol"}


def test_whoever_left_and_came_back_is_new(store: StateStore, clock: MovedClock) -> None:
    """Leaving is an event as well."""
    book = Memberships(PeopleBooks(store), clock.wall_us)
    book.observe([person("bob", "dba")], "owner")
    book.observe([person("bob")], "owner")
    book.observe([person("bob", "dba")], "dan")
    assert book.added_by("bob") == {"dba": "dan"}
    assert [orjson.loads(one.payload)["what"] for one in store.pending()] == ["removed", "added"]


def test_machines_are_no_members(store: StateStore, clock: MovedClock) -> None:
    """They fill no seat, so they are in no book."""
    book = Memberships(PeopleBooks(store), clock.wall_us)
    book.observe([], "owner")
    book.observe([person("bot", "dba", owner="bob")], "owner")
    assert book.added_by("bob") == {}

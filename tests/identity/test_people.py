"""What is known about persons, gathered: the schedule, or the webhook that stands for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clock import MovedClock

from gatekeep.domain.delegations import OnCall
from gatekeep.domain.identity import Principal
from gatekeep.identity.memberships import LATELY_US, Memberships
from gatekeep.identity.on_call import load_schedule
from gatekeep.identity.people import PeopleBook
from gatekeep.identity.steadiness import SteadyTime
from gatekeep.stores.sqlite.people import PeopleBooks
from gatekeep.stores.sqlite.state import StateStore

FILE = """
groups:
  dba: {turns: [{person: bob, ends: "12:00"}, {person: carol, begins: "12:00"}]}
  sre: {webhook: {url: "https://on-call.example/x", secret: "env:ON_CALL"}}
  lead: {}
"""


@pytest.fixture
def clock() -> MovedClock:
    """Eleven o'clock, UTC."""
    return MovedClock(wall=1_795_518_000_000_000)


@pytest.fixture
def store(tmp_path: Path, clock: MovedClock) -> Iterator[StateStore]:
    """An empty state."""
    opened = StateStore.open(tmp_path / "state.db", bytes(32), clock)
    yield opened
    opened.close()


def test_each_group_is_shown_with_who_says_so(
    tmp_path: Path, store: StateStore, clock: MovedClock
) -> None:
    """By turns with their end, by webhook, or by nobody: then all are asked."""
    file = tmp_path / "on-call.yaml"
    file.write_text(FILE)
    books = PeopleBooks(store)
    people = PeopleBook(None, Memberships(books, clock.wall_us), clock.wall_us)  # type: ignore[arg-type]  # not asked here
    people.schedule = load_schedule(file)
    assert people.on_call("dba") == {"bob"}
    assert people.on_call("sre") is None
    people.duty = lambda group: frozenset({"dan"}) if group == "sre" else None
    assert (people.on_call("sre"), people.on_call("lead")) == ({"dan"}, None)
    assert people.all_on_call() == [
        OnCall("dba", ("bob",), "on-call.yaml", clock.wall + 3600 * 1_000_000),
        OnCall("lead", (), "on-call.yaml"),
        OnCall("sre", ("dan",), "on-call.example"),
    ]


def test_a_clock_set_forward_makes_no_new_member_old(
    store: StateStore, clock: MovedClock
) -> None:
    """The day that has to pass passes by itself only; set back, it lasts longer at most."""
    steady = SteadyTime(clock)
    book = Memberships(PeopleBooks(store), steady.now_us, steady.least_us)
    book.observe([], "owner")
    book.observe([Principal("dan", "dan", frozenset({"dba"}))], "alice")
    clock.step_s(2 * LATELY_US // 1_000_000)
    assert book.added_by("dan") == {"dba": "alice"}
    clock.step_s(-2 * LATELY_US // 1_000_000)
    clock.pass_s(LATELY_US // 1_000_000 - 1)
    assert book.added_by("dan") == {"dba": "alice"}
    clock.pass_s(1)
    assert book.added_by("dan") == {}

"""Who may vote in whose place: kept, told, ended at once, and never lent on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clock import MovedClock
from support.fake_journal import FakeJournal

from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.errors import JournalUnavailable, NotPermitted
from gatekeep.gate.approval_ports import StandIn
from gatekeep.identity.delegations import Delegations
from gatekeep.identity.memberships import Memberships
from gatekeep.identity.outbox import Telling
from gatekeep.identity.people import PeopleBook
from gatekeep.runtime.clock import random_bytes
from gatekeep.stores.sqlite.people import PeopleBooks
from gatekeep.stores.sqlite.state import StateStore

BOB = Principal("bob", "p-bob", frozenset({"dba", "sre"}))
DAN = Principal("dan", "p-dan", frozenset({"engineers"}))
BOT = Principal("bot", "bot", frozenset({"dba"}), owner="p-bob")
KNOWN = {one.name: one for one in (BOB, DAN, BOT)}


class World:
    """The book over a real state."""

    def __init__(self, place: Path) -> None:
        self.clock = MovedClock()
        self.journal = FakeJournal()
        self.store = StateStore.open(place / "state.db", bytes(32), self.clock)
        self.telling = Telling(self.store, self.journal)
        self.people = self.made()

    def made(self) -> PeopleBook:
        """The book, as a start makes it."""
        books, now = PeopleBooks(self.store), self.clock.wall_us
        delegations = Delegations(books, self, now, random_bytes, self.telling.tell)  # type: ignore[arg-type]  # a fake that has all that is used
        return PeopleBook(delegations, Memberships(books, now), now)

    def principal(self, name: str) -> Principal | None:
        """Of the directory."""
        return KNOWN.get(name)

    def in_s(self, seconds: int) -> int:
        """A time from now."""
        return self.clock.wall_us() + seconds * 1_000_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Nobody stands in for anybody."""
    made = World(tmp_path)
    yield made
    made.store.close()


async def test_a_delegation_counts_while_it_lasts(world: World) -> None:
    """From its event on until its end; of the groups that were lent alone."""
    made = await world.people.delegate(
        BOB, StandIn("dan", world.in_s(3600), frozenset({"dba"}), reason="holidays")
    )
    assert made.settled
    assert world.people.lent_to("p-dan") == {"p-bob": {"dba"}}
    assert world.people.delegates_of("p-bob") == {"p-dan"}
    assert [one.kind for one in world.journal.events] == [EventKind.DIRECTORY_CHANGED]
    assert world.made().lent_to("p-dan") == {"p-bob": {"dba"}}
    world.clock.pass_s(3601)
    assert world.people.lent_to("p-dan") == {}
    assert world.people.delegations(live=True) == []
    assert [one.id for one in world.people.delegations(live=False)] == [made.id]


async def test_either_ends_it_at_once_and_strangers_do_not(world: World) -> None:
    """A third person finds none, unless policy lets him."""
    first = await world.people.delegate(BOB, StandIn("dan", world.in_s(60)))
    stranger = Principal("eve", "p-eve")
    with pytest.raises(KeyError):
        await world.people.end_delegation(first.id, stranger, any_=False)
    ended = await world.people.end_delegation(first.id, DAN, any_=False)
    assert ended.ended_by == "dan"
    assert world.people.lent_to("p-dan") == {}
    second = await world.people.delegate(BOB, StandIn("dan", world.in_s(60)))
    await world.people.end_delegation(second.id, stranger, any_=True)
    assert world.people.lent_to("p-dan") == {}


@pytest.mark.parametrize(
    ("by", "to", "seconds", "groups"),
    [
        (BOB, "bob", 60, ()), (BOB, "bot", 60, ()), (BOT, "dan", 60, ()), (BOB, "dan", -1, ()),
        (BOB, "dan", 91 * 86_400, ()), (BOB, "dan", 60, ("owners",)),
    ],
)  # fmt: skip
async def test_what_cannot_be_lent(
    world: World, by: Principal, to: str, seconds: int, groups: tuple[str, ...]
) -> None:
    """To oneself, to or by a machine, into the past, for too long, or what one does not have."""
    with pytest.raises(NotPermitted):
        await world.people.delegate(by, StandIn(to, world.in_s(seconds), frozenset(groups)))
    assert world.people.delegations(live=False) == []


async def test_without_its_event_it_does_not_count(world: World) -> None:
    """The journal is gone: nobody votes in anybody's place; at the next start it is told, and counts."""
    world.journal.broken_sync = JournalUnavailable("no space")
    with pytest.raises(JournalUnavailable):
        await world.people.delegate(BOB, StandIn("dan", world.in_s(60)))
    world.people.recovered()
    assert world.people.lent_to("p-dan") == {}
    world.journal.broken_sync = None
    await world.telling.tell()
    world.people.recovered()
    assert world.people.lent_to("p-dan") == {"p-bob": frozenset()}


async def test_an_unknown_principal_is_no_stand_in(world: World) -> None:
    """KeyError, and nothing kept."""
    with pytest.raises(KeyError):
        await world.people.delegate(BOB, StandIn("nobody", world.in_s(60)))

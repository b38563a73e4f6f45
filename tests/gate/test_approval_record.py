"""Store, journal, effect: one change at a time, told in order, and never before it is durable."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest
from support.fake_journal import FakeJournal

from gatekeep.domain.events import EventKind
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import ApprovalStore
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.ports import OutboxRow
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner

Result = TypeVar("Result")
KIND = EventKind.APPROVAL_VOTED


class Outbox:
    """A store that owes what it is told to owe, and keeps in mind on which threads it was used."""

    def __init__(self) -> None:
        self.rows: list[OutboxRow] = []
        self.settled: list[int] = []
        self.threads: set[int] = set()

    def owe(self, number: int) -> int:
        """One more event."""
        self.threads.add(threading.get_ident())
        self.rows.append(OutboxRow(number, KIND, "K3F9", b'{"n":%d}' % number, 0))
        return number

    def pending(self) -> list[OutboxRow]:
        """What is owed."""
        return list(self.rows)

    def settle(self, row_id: int) -> None:
        """It is durable."""
        self.rows = [row for row in self.rows if row.id != row_id]
        self.settled.append(row_id)


class Room:
    """A record over such a store, on a thread of its own."""

    def __init__(self) -> None:
        self.journal = FakeJournal()
        self.outbox = Outbox()
        self.owner = TaskOwner("record", on_failure=lambda _name, _error: None)
        self.thread = Offload(threads=1)
        self.record = ApprovalRecord(self.outbox, self.thread, self.journal, self.owner)  # type: ignore[arg-type]  # of the store only what is owed

    async def owe(self, number: int, *, takes: bool = False) -> int:
        """One change."""
        return await self.record.change(self.owing(number), takes=takes)

    def owing(self, number: int) -> Callable[[ApprovalStore], int]:
        """A change that owes this event."""
        return lambda _store: self.outbox.owe(number)

    def told(self) -> list[int]:
        """The events, in order."""
        return [one.payload["n"] for one in self.journal.events]


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    """Nothing is owed."""
    made = Room()
    yield made
    await made.owner.close(grace=1.0)
    made.thread.close()


async def turns(until: Callable[[], bool]) -> None:
    """Let the other thread work, for a while at most."""
    for _ in range(2000):
        if until():
            return
        await asyncio.sleep(0.001)
    raise AssertionError


async def test_a_change_is_over_when_its_event_is_durable(room: Room) -> None:
    """Not before: and only then it is settled. The store is used on one thread, not the loop's."""
    room.journal.synced.clear()
    changing = room.owner.spawn(room.owe(1), name="change")
    await turns(lambda: room.told() == [1])
    assert not changing.done()
    assert room.outbox.settled == []
    room.journal.synced.set()
    assert await changing == 1
    assert (room.outbox.settled, room.outbox.rows) == ([1], [])
    assert len(room.outbox.threads) == 1
    assert threading.get_ident() not in room.outbox.threads


async def test_events_keep_the_order_of_the_changes(room: Room) -> None:
    """Whoever comes first tells for all; each is told once."""
    await asyncio.gather(*(room.owe(n) for n in range(20)))
    assert room.told() == list(range(20))
    assert sorted(room.outbox.settled) == list(range(20))


async def test_nothing_is_kept_where_nothing_is_accepted(room: Room) -> None:
    """Unless it only takes a right: that holds whatever the journal says."""
    room.journal.accepting = False
    with pytest.raises(JournalUnavailable):
        await room.owe(1)
    assert room.outbox.rows == []
    assert await room.owe(2, takes=True) == 2


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_what_cannot_be_told_stays_owed(room: Room, lost: int) -> None:
    """Those before it are settled, once; the rest is told the next time."""
    for number in (1, 2):
        room.outbox.owe(number)
    room.journal.break_append_at = lost
    with pytest.raises(JournalUnavailable):
        await room.owe(3)
    assert room.told() == room.outbox.settled == [1, 2, 3][:lost]
    room.journal.mend()
    await room.record.catch_up()
    assert room.told() == room.outbox.settled == [1, 2, 3]
    await room.record.catch_up()
    assert room.told() == [1, 2, 3]


async def test_what_could_not_be_read_is_owed_all_the_same(room: Room) -> None:
    """A store that fails for a moment loses no event: the next look tells it."""
    pending = room.outbox.pending

    def fails() -> list[OutboxRow]:
        raise OSError("the disk fails")

    room.outbox.pending = fails  # type: ignore[method-assign]  # the fake fails once
    with pytest.raises(OSError, match="the disk fails"):
        await room.owe(1)
    room.outbox.pending = pending  # type: ignore[method-assign]  # and works again
    await room.record.catch_up()
    assert room.told() == [1]


async def test_what_was_not_durable_is_told_twice_rather_than_not(room: Room) -> None:
    """The journal may say a fact again; it never leaves one out."""
    room.journal.broken_sync = JournalUnavailable("no space")
    with pytest.raises(JournalUnavailable):
        await room.owe(1)
    assert room.outbox.settled == []
    room.journal.mend()
    await room.record.catch_up()
    assert (room.told(), room.outbox.settled) == ([1, 1], [1])


async def test_a_change_goes_on_where_its_caller_leaves(room: Room) -> None:
    """Cancelled in the middle: the store, the journal and the effect come to be all the same."""
    room.journal.synced.clear()
    changing = room.owner.spawn(room.owe(1), name="caller")
    await turns(lambda: room.told() == [1])
    changing.cancel()
    await asyncio.gather(changing, return_exceptions=True)
    room.journal.synced.set()
    await turns(lambda: room.outbox.settled == [1])


async def test_what_only_takes_can_be_left_to_itself(room: Room) -> None:
    """Nobody waits for it, and a failure reaches nobody; it is owed then."""
    room.record.later(room.owing(1), name="later")
    await turns(lambda: room.outbox.settled == [1])
    room.journal.broken_sync = JournalUnavailable("no space")
    room.record.later(room.owing(2), name="later")
    await turns(lambda: room.told() == [1, 2])
    await turns(lambda: not len(room.owner))
    assert [row.id for row in room.outbox.rows] == [2]


async def test_a_store_that_cannot_write_changes_nothing(room: Room) -> None:
    """Its error passes through, and nothing is told."""

    def full(_store: ApprovalStore) -> None:
        raise JournalUnavailable("the state cannot be written")

    with pytest.raises(JournalUnavailable):
        await room.record.change(full)
    assert room.told() == []

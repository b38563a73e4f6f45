"""Pacing: when a batch goes out, and when it is given up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gatekeep.domain.events import EventKind
from gatekeep.journal import pacing
from gatekeep.journal.chain import Batch
from gatekeep.journal.pacing import Deadlines, Pacing


@dataclass
class _Journal:
    """Counts what goes out. Each statement is of a session of its own."""

    sessions: int = 100
    sent: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.pacing = Pacing(self.loop, self._send, lambda: self.sessions)

    def _send(self) -> None:
        batch = self.pacing.batch
        if batch is not None:
            self.sent.append(len(batch.events))
            self.pacing.last_size = len(batch.events)
            self.pacing.batch = None

    def add(self, kind: EventKind = EventKind.ACTION_RELEASED) -> None:
        if self.pacing.batch is None:
            self.pacing.batch = Batch(0, self.loop, closing=False)
        batch = self.pacing.batch
        batch.events.append((None, None, kind, b"", b"", b""))  # type: ignore[arg-type]  # only counted
        batch.before.append((None, 0, b""))  # type: ignore[arg-type]  # only counted
        self.pacing.appended(kind)


async def _turn() -> None:
    await asyncio.sleep(0)


async def test_a_single_statement_goes_out_in_its_turn() -> None:
    """Nobody who is alone waits for others."""
    journal = _Journal()
    journal.add()
    await _turn()
    assert journal.sent == [1]


async def test_an_outcome_goes_with_the_next_statement() -> None:
    """An outcome begins no batch; the statement that follows takes it along."""
    journal = _Journal()
    journal.add(EventKind.ACTION_FINISHED)
    for _ in range(3):
        await _turn()
    assert journal.sent == []
    journal.add()
    await _turn()
    assert journal.sent == [2]


async def test_an_outcome_that_nothing_follows_goes_out_alone() -> None:
    """It waits for a few milliseconds, not for ever."""
    journal = _Journal()
    journal.add(EventKind.ACTION_FINISHED)
    async with asyncio.timeout(10):
        while not journal.sent:
            await asyncio.sleep(pacing.OUTCOME_S)
    assert journal.sent == [1]


async def test_under_load_a_batch_gathers_while_it_grows() -> None:
    """Each turn of the loop that adds is waited for, to a bound; a turn that adds nothing sends."""
    journal = _Journal()
    journal.pacing.last_size = pacing.GATHER_EVENTS
    journal.add()
    for _ in range(3 * pacing.GATHER_TURNS):
        await _turn()
        if not journal.sent:
            journal.add()
    assert journal.sent == [pacing.GATHER_TURNS]
    journal.pacing.last_size = pacing.GATHER_EVENTS
    journal.add()
    await _turn()
    assert journal.sent[1:] == []
    await _turn()
    assert journal.sent[1:] == [1]


async def test_half_of_the_sessions_are_enough() -> None:
    """A batch with events of half of them goes out: the others are at the target meanwhile."""
    journal = _Journal(sessions=6)
    journal.pacing.last_size = pacing.GATHER_EVENTS
    for _ in range(3):
        journal.add()
    await _turn()
    assert journal.sent == [3]


async def test_each_batch_is_given_up_at_its_own_time() -> None:
    """One timer serves all: decided batches are passed over, later ones keep their time."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    batches = [Batch(n, loop, closing=False, late_at=now + n * 0.01) for n in range(4)]
    late: list[int] = []
    done = asyncio.Event()

    def give_up(batch: Batch) -> None:
        assert loop.time() >= batch.late_at
        late.append(batch.first_n)
        batch.resolve()
        if batch is batches[-1]:
            done.set()

    deadlines = Deadlines(loop, lambda: batches, give_up)
    for batch in batches:
        deadlines.watch(batch.late_at)
    batches[1].resolve()
    async with asyncio.timeout(10):
        await done.wait()
    assert late == [0, 2, 3]

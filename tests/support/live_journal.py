"""A live journal with everything real but the disk, which a test may break, and its clock."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.disk import FaultyDisk
from support.wrapped_keys import MemoryKeys

from gatekeep.errors import JournalUnavailable
from gatekeep.journal.encoding import iterate_records, parse_leaf
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.link import WriterLink
from gatekeep.journal.live import LiveJournal, Sealing
from gatekeep.journal.opening import Opening, begin_run
from gatekeep.journal.recovery import Recovered, recover
from gatekeep.journal.sealing import RandomPool, SessionSealer, associated_data
from gatekeep.journal.segments import Sizes
from gatekeep.journal.spool import SpoolReader, prepare_spool
from gatekeep.journal.writer import Writer

ORIGIN = "example.com/gatekeep/test"
SMALL = Sizes(segment=256 * 1024, reserve=64 * 1024, slice=32 * 1024)


class HandClock:
    """Time stands until a test moves it."""

    def __init__(self) -> None:
        self.wall = 1_763_000_000_000_000
        self.monotonic = 5_000_000_000

    def wall_us(self) -> int:
        """Wall time."""
        return self.wall

    def monotonic_ns(self) -> int:
        """Monotonic time."""
        return self.monotonic


@dataclass
class Bench:
    """One state directory, its keys, its disk, and what died in it."""

    spool: Path
    ring: KeyRing = field(default_factory=lambda: KeyRing(bytes(32)))
    keys: MemoryKeys = field(default_factory=MemoryKeys)
    disk: FaultyDisk = field(default_factory=FaultyDisk)
    clock: HandClock = field(default_factory=HandClock)
    sizes: Sizes = SMALL
    deadline_s: float = 5.0
    deaths: list[JournalUnavailable] = field(default_factory=list)
    status: list[int] = field(default_factory=list)

    @property
    def sealing(self) -> Sealing:
        """What the journal seals with."""
        return Sealing(ORIGIN, self.ring, self.keys, self.clock)

    @asynccontextmanager
    async def journal(self, **recovery: Any) -> AsyncIterator[LiveJournal]:
        """A journal whose writer runs in a thread of the test, on this bench's disk."""
        async with self.journal_and_recovery(**recovery) as (journal, _):
            yield journal

    @asynccontextmanager
    async def journal_and_recovery(
        self, **recovery: Any
    ) -> AsyncIterator[tuple[LiveJournal, Recovered]]:
        """The same, with what recovery found."""
        prepare_spool(self.spool)
        recovered = recover(self.spool, sizes=self.sizes, **recovery)
        ours, theirs = socket.socketpair()
        writer = Writer(theirs, self.spool, recovered.position, self.sizes, self.disk)
        thread = threading.Thread(target=lambda: self.status.append(writer.run()))
        thread.start()
        journal = LiveJournal(
            WriterLink(ours),
            self.sealing,
            recovered.position,
            sizes=self.sizes,
            on_dead=self.deaths.append,
            deadline_s=self.deadline_s,
        )
        try:
            await journal.ready()
            opening = Opening(self.spool, "vkey", "0", sizes=self.sizes)
            await begin_run(journal, recovered, opening, ORIGIN)
            yield journal, recovered
        finally:
            self.disk.go.set()
            await journal.close()
            await asyncio.to_thread(thread.join, 20)
            assert not thread.is_alive()


@dataclass
class ReadEvent:
    """One event read back from the spool."""

    n: int
    batch: int
    leaf: bytes
    envelope: dict[str, Any]
    ciphertext: bytes
    extra: bytes

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.envelope["k"])


def read_events(spool: Path) -> list[ReadEvent]:
    """Every valid event of a spool, in order."""
    reader = SpoolReader.at_start(spool)
    found: list[ReadEvent] = []
    while (batch := reader.next_valid()) is not None:
        found.extend(
            ReadEvent(
                batch.first_n + at,
                batch.number,
                record.leaf,
                parse_leaf(record.leaf),
                record.ciphertext,
                record.extra,
            )
            for at, record in enumerate(iterate_records(batch.body))
        )
    reader.close()
    return found


def open_events(bench: Bench) -> dict[int, bytes]:
    """Payloads by index, opened with the bench's keys."""
    keys: dict[str, bytes] = {}
    opened: dict[int, bytes] = {}
    for event in read_events(bench.spool):
        session = event.envelope["s"]
        if event.extra:
            key = bench.ring.open_session_key(session, event.extra, bench.keys)
            assert key is not None
            keys[session] = key
        sealer = SessionSealer(keys[session], RandomPool())
        place = associated_data(ORIGIN, event.n, event.kind)
        q, committed = event.envelope["q"], event.envelope["y"]["com"]
        opened[event.n] = sealer.open(q, place, event.ciphertext, committed)
    return opened


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process or thread does to files; fails after 20 s."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)

"""A recorder on a journal whose disk a test moves by hand, and the chunks that became durable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from support.live_journal import HandClock

from gatekeep.domain.events import EventKind, Receipt
from gatekeep.errors import JournalUnavailable
from gatekeep.recordings.chunks import (
    ERRORS,
    OUTPUT,
    Chunk,
    ChunkOrder,
    Record,
    Terminal,
    decode_chunk,
)
from gatekeep.recordings.recorder import ChannelRecorder


class SlowPending:
    """A receipt that comes when the test says so."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def durable(self) -> Receipt:
        """Wait for the test's word."""
        await self.decided
        return Receipt(self.n, 1)


class SlowJournal:
    """Appended events wait for `sync`; with `auto` they are durable at once."""

    def __init__(self, *, auto: bool = False) -> None:
        self.auto = auto
        self.payloads: list[dict[str, Any]] = []
        self.counters: list[dict[str, Any]] = []
        self.durable = 0
        self.refuse: Exception | None = None
        self._waiting: list[SlowPending] = []

    def append(
        self,
        stream: Any,
        kind: EventKind,
        payload: bytes,
        *,
        decision: bytes = b"",
        counters: bytes = b"",
    ) -> SlowPending:
        """Keep one event."""
        if self.refuse is not None:
            raise self.refuse
        assert kind is EventKind.RECORDING_CHUNK
        pending = SlowPending(len(self.payloads))
        self.payloads.append(json.loads(payload))
        self.counters.append(json.loads(counters))
        self._waiting.append(pending)
        if self.auto:
            self.sync()
        return pending

    def sync(self, count: int | None = None) -> None:
        """The oldest `count` events (all) are durable."""
        for pending in self._waiting[:count]:
            pending.decided.set_result(None)
            self.durable += 1
        del self._waiting[:count]

    def break_disk(self) -> None:
        """No event that waits ever becomes durable."""
        for pending in self._waiting:
            pending.decided.set_exception(JournalUnavailable("the disk is gone", fatal=True))
        self._waiting.clear()

    def chunks(self) -> list[Chunk]:
        """Everything appended, decoded."""
        return [decode_chunk(payload) for payload in self.payloads]

    async def stored(self, first: int) -> AsyncIterator[Chunk]:
        """The durable chunks from one on, as an archive finds them: some time passes with each."""
        for payload in self.payloads[first : self.durable]:
            await asyncio.sleep(0)
            yield decode_chunk(payload)


class RecordingBench:
    """A recorder with its journal and clock; `faults` is what `on_failure` was told."""

    def __init__(self, *, auto: bool = False, terminal: Terminal | None = None) -> None:
        self.journal = SlowJournal(auto=auto)
        self.clock = HandClock()
        self.faults: list[BaseException] = []
        self.recorder = ChannelRecorder(
            self.journal,
            object(),
            self.clock,
            channel=0,
            terminal=terminal or Terminal(80, 24, "xterm"),
            on_failure=self.faults.append,
        )

    def tick(self, microseconds: int) -> None:
        """Let time pass."""
        self.clock.monotonic += microseconds * 1000

    def records(self) -> list[Record]:
        """What was appended so far, checked for order and hash."""
        order = ChunkOrder()
        return [record for chunk in self.journal.chunks() for record in order.check(chunk)]


def shown(records: list[Record]) -> bytes:
    """Output and errors, one after the other."""
    return b"".join(record.data for record in records if record.code in (OUTPUT, ERRORS))


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(12):
        await asyncio.sleep(0)

"""A journal that behaves: keeps events in memory, makes them durable when told, and can break."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from gatekeep.domain.events import EventKind, Receipt
from gatekeep.errors import JournalUnavailable


@dataclass
class FakeStream:
    """A session's chain, by name only."""

    session_id: str


@dataclass
class KeptEvent:
    """One appended event with its payload opened."""

    n: int
    session_id: str
    kind: EventKind
    payload: dict[str, Any]
    decision: dict[str, Any]
    counters: dict[str, Any]


class FakePending:
    """A receipt that comes when the journal syncs."""

    def __init__(self, journal: FakeJournal, n: int) -> None:
        self._journal = journal
        self.n = n

    async def durable(self) -> Receipt:
        """Wait for the journal's sync, or raise what broke it."""
        await self._journal.synced.wait()
        if self._journal.broken_sync is not None:
            raise self._journal.broken_sync
        self._journal.durable.add(self.n)
        return Receipt(self.n, 1)


@dataclass
class FakeJournal:
    """`auto` makes every event durable at once; `break_append_at` fails the append with that index.

    `durable` are the events whose sync somebody waited for.
    """

    auto: bool = True
    accepting: bool = True
    broken_sync: JournalUnavailable | None = None
    break_append_at: int | None = None
    events: list[KeptEvent] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    durable: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.system = FakeStream("0" * 32)
        self.synced = asyncio.Event()
        if self.auto:
            self.synced.set()

    def open_stream(self, *, session_id: str, subject: str, target: str) -> FakeStream:
        """A chain for one session."""
        return FakeStream(session_id)

    def append(
        self,
        stream: FakeStream,
        kind: EventKind,
        payload: bytes,
        *,
        decision: bytes = b"",
        counters: bytes = b"",
    ) -> FakePending:
        """Keep one event."""
        n = len(self.events)
        if self.break_append_at == n:
            raise JournalUnavailable("the journal cannot write", cause="injected")
        self.events.append(
            KeptEvent(
                n,
                stream.session_id,
                kind,
                json.loads(payload or b"{}"),
                json.loads(decision or b"{}"),
                json.loads(counters or b"{}"),
            )
        )
        return FakePending(self, n)

    def mend(self) -> None:
        """From now on it works again."""
        self.broken_sync, self.break_append_at, self.accepting = None, None, True

    def close_stream(self, stream: FakeStream) -> None:
        """Note that a chain ended."""
        self.closed.append(stream.session_id)

    def kinds(self) -> list[str]:
        """The kinds appended so far, in order."""
        return [event.kind.value for event in self.events]

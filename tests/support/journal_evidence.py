"""What a running gateway has recorded, opened with its own keys, for tests. Waits for facts only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gatekeep.domain.events import StoredEvent
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.reading import EventFiles
from gatekeep.journal.unsealing import Unsealer
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.reading import stored_event
from gatekeep.stores.sqlite.state import StateStore

_LIMIT_S = 20.0
_STEP_S = 0.02


class Evidence:
    """Reads one gateway's events while it runs, or after it ended."""

    def __init__(self, state: Path, keys: Path) -> None:
        self._ring = KeyRing.open(keys, data_dir=state, create=False)
        self._state = StateStore.open(state / "state.db", self._ring.state_db_key(), SystemClock())
        self._unsealer = Unsealer(self._ring, self._state)
        self._files = EventFiles(state / "journal")
        self._marked = 0

    def mark(self) -> int:
        """Where the log ends now, once every session that was left has closed."""
        self.until(self._marked, lambda events: _all_closed(events, 0))
        self._marked = self._files.durable_n()
        return self._marked

    def since(self, mark: int) -> list[StoredEvent]:
        """Every durable event from `mark` on."""
        held = self._files.events(mark, self._files.durable_n())
        return [stored_event(one, self._unsealer) for one in held]

    def until(
        self, mark: int, holds: Callable[[Sequence[StoredEvent]], bool]
    ) -> list[StoredEvent]:
        """The events from `mark` on, as soon as `holds` is true of them; fails after 20 s."""
        deadline = time.monotonic() + _LIMIT_S
        while True:
            events = self.since(mark)
            if holds(events):
                return events
            if time.monotonic() > deadline:
                raise AssertionError(f"never recorded; there is {[kind(e) for e in events]}")
            time.sleep(_STEP_S)

    def closed(self, mark: int, sessions: int = 1) -> list[StoredEvent]:
        """The events from `mark` on, once that many sessions closed and none is open."""
        return self.until(mark, lambda events: _all_closed(events, sessions))

    def with_kind(self, mark: int, wanted: str) -> StoredEvent:
        """The first event of that kind from `mark` on."""
        return next(
            e
            for e in self.until(mark, lambda events: wanted in map(kind, events))
            if kind(e) == wanted
        )

    def close(self) -> None:
        """Let go of the files."""
        self._files.close()
        self._state.close()


def kind(event: StoredEvent) -> str:
    """The kind of an event."""
    return str(event.envelope["k"])


def of_kind(events: Iterable[StoredEvent], wanted: str) -> list[dict[str, object]]:
    """The payloads of the events of one kind."""
    return [dict(e.payload or {}) for e in events if kind(e) == wanted]


def outcomes(events: Sequence[StoredEvent]) -> list[tuple[str, str]]:
    """(text, outcome) of every released action, `open` where none was recorded."""
    ends = {e.payload["of"]: e.payload["outcome"] for e in events if e.payload and kind(e) == "action.finished"}  # fmt: skip
    return [
        (str(e.payload["text"]), str(ends.get(e.n, "open")))
        for e in events
        if e.payload and kind(e) == "action.released"
    ]


def _all_closed(events: Sequence[StoredEvent], sessions: int) -> bool:
    kinds = [kind(e) for e in events]
    closed = kinds.count("session.closed")
    return closed >= sessions and closed >= kinds.count("session.opened")

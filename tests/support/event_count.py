"""Reads a journal's events with their payloads, and counts what a story wants counted.

Reads as an auditor with the key directory would: files and keys, no gateway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatekeep.journal.encoding import parse_leaf
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.reading import EventFiles
from gatekeep.journal.unsealing import Unsealer
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.state import StateStore

RELEASED = "action.released"
ENDINGS = ("action.finished", "action.unknown")


@dataclass(frozen=True, slots=True)
class Seen:
    """One event: its place, its envelope's words, and its payload in clear."""

    n: int
    kind: str
    session: str
    payload: Mapping[str, Any]


def events(state: Path, keys: Path, first: int = 0) -> Iterator[Seen]:
    """Every durable event from `first` on, in order, opened with the key ring."""
    ring = KeyRing.open(keys)
    journal = state / "journal"
    with closing(StateStore.open(state / "state.db", ring.state_db_key(), SystemClock())) as store:
        unsealer = Unsealer(ring, store)
        with closing(EventFiles(journal)) as files:
            for held in files.events(first, files.durable_n()):
                envelope = parse_leaf(held.leaf)
                payload = unsealer.read(envelope, held.ciphertext, held.extra)
                assert payload is not None, f"event {held.n} stays sealed"
                yield Seen(held.n, envelope["k"], envelope["s"], payload)


@dataclass(slots=True)
class Tally:
    """What became of the actions of one log. `doubled` are released ones with two endings."""

    kinds: Counter[str]
    released: dict[int, Seen]
    endings: dict[int, Seen]
    doubled: list[int]

    @classmethod
    def of(cls, seen: Iterable[Seen]) -> Tally:
        """Count events; an ending belongs to the released one that its `of` names."""
        tally = cls(Counter(), {}, {}, [])
        for event in seen:
            tally.kinds[event.kind] += 1
            if event.kind == RELEASED:
                tally.released[event.n] = event
            elif event.kind in ENDINGS:
                of = event.payload["of"]
                if of in tally.endings:
                    tally.doubled.append(of)
                tally.endings[of] = event
        return tally

    @property
    def without_ending(self) -> list[int]:
        """Released actions that nothing ended."""
        return [n for n in self.released if n not in self.endings]

    def templates(self) -> Counter[str]:
        """How often each template was released."""
        return Counter(event.payload["template"] for event in self.released.values())

    def outcomes(self, template: str) -> Counter[str]:
        """The outcomes of the released actions of one template; `action.unknown` is `unknown`."""
        return Counter(
            self.endings[n].payload.get("outcome", "unknown") if n in self.endings else "none"
            for n, event in self.released.items()
            if event.payload["template"] == template
        )

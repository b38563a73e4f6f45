"""Folding: whatever strangers do, few events come of it."""

from __future__ import annotations

from support.door import HandClock

from gatekeep.domain.events import EventKind
from gatekeep.proxies.folding import Folded, FoldedEvents, source_prefix

FAILED = EventKind.AUTH_FAILED


def test_prefixes() -> None:
    """A /24, a /64, the address within a mapped one; anything else stays itself, cut."""
    assert source_prefix("192.0.2.77") == "192.0.2.0/24"
    assert source_prefix("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert source_prefix("::ffff:192.0.2.77") == "192.0.2.0/24"
    assert source_prefix("fe80::1%eth0") == "fe80::/64"
    assert source_prefix("x" * 100) == "x" * 45


def test_one_event_per_prefix_cause_and_ten_seconds() -> None:
    """With the count, and the first of them as a sample."""
    clock, told = HandClock(), list[Folded]()
    folds = FoldedEvents(clock, told.append)
    for last, name in enumerate(("alice", "bob", "carol"), start=1):
        folds.note(FAILED, f"192.0.2.{last}", "the proof does not fit", name)
    folds.note(EventKind.PROTOCOL_FAULT, "192.0.2.9", "cut off within a message")
    folds.flush()
    assert told == []
    clock.now_ns += 10 * 10**9
    folds.flush()
    folds.flush()
    assert [(fold.kind, fold.count, fold.source, fold.principal) for fold in told] == [
        (FAILED, 3, "192.0.2.1", "alice"),
        (EventKind.PROTOCOL_FAULT, 1, "192.0.2.9", ""),
    ]


def test_ten_million_failures_from_everywhere_stay_few_events() -> None:
    """Beyond 64 folds the rest shares one per kind and cause, and no attempt goes uncounted."""
    told = list[Folded]()
    folds = FoldedEvents(HandClock(), told.append)
    for number in range(10_000):
        folds.note(FAILED, f"10.{number % 256}.{number // 256}.1", "the proof does not fit")
    folds.flush(everything=True)
    assert len(told) == 65
    assert sum(fold.count for fold in told) == 10_000
    assert told[-1].prefix == "*"

"""The newest events at hand: handed out once, in order, and never more than a few."""

from __future__ import annotations

from gatekeep.journal.recent import Event, RecentEvents


def _event(n: int) -> Event:
    return (n, b"leaf", b"ciphertext", b"")


def _filled(first: int, end: int, *, kept_bytes: int = 1000) -> RecentEvents:
    recent = RecentEvents(kept_bytes)
    for n in range(first, end):
        recent.begin(100).append(_event(n))
    return recent


def test_events_are_handed_out_once_and_in_order() -> None:
    """Slices put together are what was added; what was handed out is gone."""
    recent = _filled(5, 15)
    assert [event[0] for event in recent.take(5, 4)] == [5, 6, 7, 8]
    assert recent.take(5, 4) == []
    assert [event[0] for event in recent.take(10, 100)] == [10, 11, 12, 13, 14]
    assert recent.take(15, 100) == []


def test_what_is_not_at_hand_is_not_made_up() -> None:
    """Asked for an earlier event than the first that is kept, nothing is handed out or lost."""
    recent = _filled(5, 8)
    assert recent.take(4, 10) == []
    assert len(recent.take(5, 10)) == 3


def test_too_many_are_forgotten_and_it_goes_on_behind_them() -> None:
    """Memory stays bounded when nobody asks; later events are at hand again."""
    recent = _filled(0, 11)
    assert recent.take(0, 100) == []
    assert [event[0] for event in recent.take(10, 100)] == [10]

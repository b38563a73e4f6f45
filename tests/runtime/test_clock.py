"""The machine's clock and its randomness."""

from __future__ import annotations

from gatekeep.runtime.clock import SystemClock, random_bytes


def test_units_are_what_they_say() -> None:
    """Microseconds of wall time since 1970, nanoseconds that never go back."""
    clock = SystemClock()
    assert 1_700_000_000_000_000 < clock.wall_us() < 4_000_000_000_000_000
    first = clock.monotonic_ns()
    assert clock.monotonic_ns() >= first


def test_random_bytes_have_their_length_and_differ() -> None:
    """As many as asked for, never the same twice."""
    assert len(random_bytes(32)) == 32
    assert random_bytes(32) != random_bytes(32)

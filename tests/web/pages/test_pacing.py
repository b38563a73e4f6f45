"""Pace: a burst, then so many a second, for each name apart."""

from __future__ import annotations

from support.clock import MovedClock

from gatekeep.web.pages.pacing import Pace


def test_a_burst_and_then_slowly() -> None:
    """Three at once, then one every two seconds; waiting long fills up to the burst and no further."""
    clock = MovedClock()
    pace = Pace(clock.monotonic_ns, per_s=0.5, burst=3)
    assert [pace.takes("a") for _ in range(4)] == [True, True, True, False]
    clock.pass_s(2)
    assert [pace.takes("a") for _ in range(2)] == [True, False]
    clock.pass_s(3600)
    assert [pace.takes("a") for _ in range(4)] == [True, True, True, False]
    assert pace.takes("b")


def test_memory_is_bounded() -> None:
    """Many names do not fill the memory."""
    pace = Pace(MovedClock().monotonic_ns, per_s=1, burst=1, capacity=100)
    for number in range(1_000):
        pace.takes(str(number))
    assert len(pace) == 100

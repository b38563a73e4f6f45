"""Time for expiry: a stepped wall clock never lengthens a right. Ordering of events lives elsewhere."""

from __future__ import annotations

from gatekeep.runtime.clock import Clock


class SteadyTime:
    """The later of the wall clock and of its first reading plus what has passed since."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall_us = clock.wall_us()
        self._monotonic_ns = clock.monotonic_ns()

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        passed_us = (self._clock.monotonic_ns() - self._monotonic_ns) // 1000
        return max(self._clock.wall_us(), self._wall_us + passed_us)

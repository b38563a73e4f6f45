"""Time for expiry and for waits: a stepped wall clock never lengthens a right, nor shortens a bar.

Ordering of events lives elsewhere.
"""

from __future__ import annotations

from gatekeep.runtime.clock import Clock


class SteadyTime:
    """The wall clock, and its first reading plus what has passed since: the later, or the earlier."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall_us = clock.wall_us()
        self._monotonic_ns = clock.monotonic_ns()

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, the later of the two: what ends is over no later."""
        return max(self._clock.wall_us(), self._passed_us())

    def least_us(self) -> int:
        """The earlier of the two: what has to pass first has passed no earlier."""
        return min(self._clock.wall_us(), self._passed_us())

    def _passed_us(self) -> int:
        return self._wall_us + (self._clock.monotonic_ns() - self._monotonic_ns) // 1000

"""Time for expiry and for waits: a stepped wall clock never lengthens a right, nor shortens a bar.

Ordering of events lives elsewhere.
"""

from __future__ import annotations

import threading

from gatekeep.runtime.clock import Clock


class SteadyTime:
    """The wall clock, and its first reading plus what has passed since: the later, or the earlier.

    May be read from any thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall_us = clock.wall_us()
        self._monotonic_ns = clock.monotonic_ns()
        self._ahead_us = 0
        self._reading = threading.Lock()

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, the later of the two: what ends is over no later."""
        return max(self._clock.wall_us(), self._passed_us())

    def least_us(self) -> int:
        """The earlier of the two: what has to pass first has passed no earlier."""
        return min(self._clock.wall_us(), self._passed_us())

    def onward_us(self) -> int:
        """The time by which rights end that begin by it, too: it never goes back.

        A clock that was set forward, and then back to where it should be, stays where it was: what
        was given meanwhile ends in the time it was given for.
        """
        return self._read()[0]

    def set_back_us(self) -> int:
        """How far the wall clock stands behind `onward_us`: more than before, and it was set back."""
        onward, wall = self._read()
        return onward - wall

    def _read(self) -> tuple[int, int]:
        with self._reading:
            wall, passed = self._clock.wall_us(), self._passed_us()
            self._ahead_us = max(self._ahead_us, wall - passed)
            return passed + self._ahead_us, wall

    def _passed_us(self) -> int:
        return self._wall_us + (self._clock.monotonic_ns() - self._monotonic_ns) // 1000

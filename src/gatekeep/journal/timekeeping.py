"""Times in leaves: wall time as read, monotonic time since the boot id, and steps between the two.

The clock is a port; nothing is appended here.
"""

from __future__ import annotations

from gatekeep.runtime.clock import Clock, random_bytes

STEP_LIMIT_US = 2_000_000
_BOOT_BYTES = 8
_BOOT_LIMIT_NS = 2**52


class Timekeeper:
    """Reads both clocks for each event.

    `boot` is random for each run, and renewed before monotonic numbers could reach 2^53 (after
    52 days). `step_us` is set when wall time moved against monotonic time by over two seconds
    since the last reading; who notes it resets it to 0.
    """

    def __init__(self, clock: Clock) -> None:
        self._wall_us = clock.wall_us
        self._monotonic_ns = clock.monotonic_ns
        self.step_us = 0
        self._begin_boot()
        self._offset_us = self._wall_us() - self._monotonic_ns() // 1000

    def read(self) -> tuple[int, int]:
        """Wall time in µs UTC, and nanoseconds since this boot id."""
        wall, monotonic = self._wall_us(), self._monotonic_ns()
        offset = wall - monotonic // 1000
        step = offset - self._offset_us
        self._offset_us = offset
        if not -STEP_LIMIT_US <= step <= STEP_LIMIT_US:
            self.step_us = step
        return wall, monotonic - self._base_ns

    def renew_boot(self) -> None:
        """Take a new boot id if this one's numbers grow too large. Called now and then."""
        if self._monotonic_ns() - self._base_ns > _BOOT_LIMIT_NS:
            self._begin_boot()

    def _begin_boot(self) -> None:
        self.boot = random_bytes(_BOOT_BYTES).hex()
        self._base_ns = self._monotonic_ns()

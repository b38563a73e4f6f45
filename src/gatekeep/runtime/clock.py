"""The clock as a port: wall time orders nothing, monotonic time measures, random bytes arrive."""

from __future__ import annotations

import os
import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from; tests pass one that they move."""

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, as read (may step)."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back within one boot of the process."""


class SystemClock:
    """The machine's clock."""

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000

    def monotonic_ns(self) -> int:
        """Nanoseconds of `CLOCK_MONOTONIC`."""
        return time.monotonic_ns()


def random_bytes(count: int) -> bytes:
    """`count` bytes from the operating system's generator."""
    return os.urandom(count)

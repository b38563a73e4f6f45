"""Clocks that tests move."""

from __future__ import annotations

from dataclasses import dataclass

from gatekeep.runtime.clock import SystemClock

_START_US = 1_700_000_000_000_000


@dataclass
class MovedClock:
    """A clock that only tests move. Wall and monotonic time, moved together by `pass_s` or apart by `step_s`."""

    wall: int = _START_US
    monotonic: int = 0

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return self.wall

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        return self.monotonic

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += int(seconds * 1_000_000)
        self.monotonic += int(seconds * 1_000_000_000)

    def step_s(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP would."""
        self.wall += int(seconds * 1_000_000)


class SteppedClock:
    """The machine's own time, whose wall clock a test sets forward or back."""

    def __init__(self) -> None:
        self._own = SystemClock()
        self._stepped_us = 0
        self._passed_ns = 0

    def wall_us(self) -> int:
        """As it was set."""
        return self._own.wall_us() + self._stepped_us

    def monotonic_ns(self) -> int:
        """The machine's own: nobody sets it."""
        return self._own.monotonic_ns() + self._passed_ns

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.step_s(seconds)
        self._passed_ns += int(seconds * 1_000_000_000)

    def step_s(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self._stepped_us += int(seconds * 1_000_000)

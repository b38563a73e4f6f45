"""A clock that only tests move."""

from __future__ import annotations

from dataclasses import dataclass

_START_US = 1_700_000_000_000_000


@dataclass
class MovedClock:
    """Wall and monotonic time, moved together by `pass_s` or apart by `step_s`."""

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

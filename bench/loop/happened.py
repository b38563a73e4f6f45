"""What is known of a try in a simulated organisation, and the clock by which it happens. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from organisation import Work

from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.suggestions import DAY_US

FIRST_DAY: Final = 20_454
"""2026-01-01, a Thursday."""


@dataclass(slots=True)
class Clock:
    """Time as the simulation moves it."""

    us: int = FIRST_DAY * DAY_US

    def wall_us(self) -> int:
        """Microseconds since 1970."""
        return self.us

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        return self.us * 1000


@dataclass(frozen=True, slots=True)
class Try:
    """Somebody wants something done. `work` tells whether it is wanted."""

    principal: Principal
    target: str
    text: str
    work: Work
    again: bool = False


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a try: `waited` for a person, went out by an `adopted` rule, or neither."""

    day: int
    work: Work
    passed: bool
    waited: bool
    adopted: str = ""


@dataclass(slots=True)
class Later:
    """A sample that a person has to look at afterwards."""

    rule: str
    n: int
    at_us: int
    session: Session
    text: str
    wanted: bool
    groups: tuple[str, ...]

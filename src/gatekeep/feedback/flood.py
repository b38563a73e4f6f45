"""Keeps one person from filling the loop's memory. Counts by day.

With what is denied to him, or with what an adopted rule lets him do ten thousand times.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from gatekeep.domain.suggestions import DAY_US

ALIKE_A_DAY: Final = 20
"""So many denials of the same to the same person are kept of one day."""

PERSON_A_DAY: Final = 1000
"""The same for all denials of one person."""

PASSED_A_DAY: Final = 200
"""So many matches of an adopted rule that are alike are kept of one person's day."""


class Flood:
    """Says which are kept: so many `alike`, and so many of one `person`, a day."""

    def __init__(self, alike: int = ALIKE_A_DAY, person: int = PERSON_A_DAY) -> None:
        self._alike = alike
        self._person = person
        self._day = -1
        self._seen: Counter[tuple[str, ...]] = Counter()
        self.left_out = 0

    def holds(self, at_us: int, person: str, *what: str) -> bool:
        """Whether this one is still kept."""
        day = at_us // DAY_US
        if day != self._day:
            self._day = day
            self._seen.clear()
        alike = self._seen[person, *what] = self._seen[person, *what] + 1
        all_his = self._seen[(person,)] = self._seen[(person,)] + 1
        kept = alike <= self._alike and all_his <= self._person
        self.left_out += not kept
        return kept

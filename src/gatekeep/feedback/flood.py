"""Keeps one person from filling the loop's memory with what is denied to him. Counts by day."""

from __future__ import annotations

from collections import Counter
from typing import Final

from gatekeep.domain.suggestions import DAY_US

ALIKE_A_DAY: Final = 20
"""So many denials of the same to the same person are kept of one day."""

PERSON_A_DAY: Final = 1000
"""The same for all denials of one person."""


class Flood:
    """Says which denials are kept."""

    def __init__(self) -> None:
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
        kept = alike <= ALIKE_A_DAY and all_his <= PERSON_A_DAY
        self.left_out += not kept
        return kept

"""When a rule that loosens ends, and how its text says so. Reads texts; ends nothing itself."""

from __future__ import annotations

import datetime as dt
import re
import sys
from typing import Final

from gatekeep.domain.suggestions import DAY_US

LONGEST_DAYS: Final = 90
"""After so many days a rule that loosens ends at the latest."""

EPOCH: Final = dt.date(1970, 1, 1)
_EXPIRES: Final = re.compile(r'@expires\("(\d{4}-\d{2}-\d{2})"\)')


def last_day(rule: str) -> int | None:
    """The last day (since 1970-01-01) on which a rule gives anything, by `@expires`; None without one."""
    said = _EXPIRES.search(rule)
    return None if said is None else (dt.date.fromisoformat(said[1]) - EPOCH).days


def text_ends_us(rule: str) -> int:
    """The midnight (µs UTC) from which a rule's own text gives nothing; far off where it never ends."""
    last = last_day(rule)
    return sys.maxsize if last is None else (last + 1) * DAY_US

"""What a person typed while it could not pass: kept in order, bounded, given out line by line.

A shell gives back what lay before a reply; all of a long paste would go back and forth with each
of its lines, so only one goes out at a time, unless a program wants more of it.
"""

from __future__ import annotations

import re
from typing import Final

PACE_MS: Final = 150
"""So long the rest waits for the next prompt; then a program is taken to read it."""

_LINE_END = re.compile(rb"[\r\n]")


class Kept:
    """`due` is when the rest is to go out whatever happens; None while nothing went out before."""

    def __init__(self, limit: int) -> None:
        self._limit: Final = limit
        self._bytes = bytearray()
        self.due: int | None = None

    def __bool__(self) -> bool:
        return bool(self._bytes)

    @property
    def too_much(self) -> bool:
        """More than may be kept."""
        return len(self._bytes) > self._limit

    def add(self, data: bytes) -> None:
        """Behind all the rest."""
        self._bytes += data

    def put_back(self, data: bytes) -> None:
        """Before all the rest: it had been sent, and comes back."""
        self._bytes[:0] = data

    def clear(self) -> bool:
        """Drop all; whether there was any."""
        had = bool(self._bytes)
        self._bytes.clear()
        self.due = None
        return had

    def line(self, now_ms: int) -> bytes:
        """Up to the first line's end."""
        found = _LINE_END.search(self._bytes)
        end = found.end() if found else len(self._bytes)
        data = bytes(self._bytes[:end])
        del self._bytes[:end]
        self.due = now_ms + PACE_MS if self._bytes else None
        return data

    def all(self) -> bytes:
        """Everything."""
        data = bytes(self._bytes)
        self.clear()
        return data

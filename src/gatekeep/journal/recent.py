"""The newest events that were archived, kept for a moment for who works on them next. Memory only."""

from __future__ import annotations

from typing import Final

KEPT_BYTES: Final = 16 * 1024 * 1024
"""Spool bytes of which at most the events are kept; who is further behind reads files."""

Event = tuple[int, bytes, bytes, bytes]
"""Index, leaf, ciphertext, extra: what `reading.Held` is, without a name."""


class RecentEvents:
    """Events in order, without a gap. When they become too many all are forgotten."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._events: list[Event] = []
        self._bytes = 0

    def begin(self, size: int) -> list[Event]:
        """The list to which the events of a batch of `size` bytes are to be appended."""
        self._bytes += size
        if self._bytes > self._kept_bytes:
            self._events.clear()
            self._bytes = size
        return self._events

    def take(self, first: int, limit: int) -> list[Event]:
        """Up to `limit` events from `first` on, or none if they are not here.

        What is before `first`, or handed out, is forgotten.
        """
        events = self._events
        place = first - events[0][0] if events else -1
        if place < 0:
            return []
        found = events[place : place + limit]
        del events[: place + limit]
        if not events:
            self._bytes = 0
        return found

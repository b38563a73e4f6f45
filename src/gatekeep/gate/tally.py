"""Counts of what the gate did since start, for metrics; no names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """How many actions came out so; `unrecorded` were refused because their event could not be kept."""

    allowed: int = 0
    asked: int = 0
    denied: int = 0
    unrecorded: int = 0
    finished: int = 0

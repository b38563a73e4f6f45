"""Outcomes: what became of a forwarded action."""

from __future__ import annotations

import enum
from typing import NamedTuple


class OutcomeKind(enum.StrEnum):
    """How an action ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class Outcome(NamedTuple):
    """The target's answer to one execution; result rows themselves are never stored.

    `tag` is CommandComplete's tag (several joined by `; ` for a simple Query), `rows` the rows
    sent to the client, `bytes_in`/`bytes_out` the bytes towards and from the target,
    `status` the transaction status (`I`, `T`, `E`) when known, else empty. How long it took is
    known to the proxy alone. SKIPPED: the target never ran it, because an earlier
    message of the same pipeline failed.
    """

    kind: OutcomeKind
    tag: str = ""
    rows: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    sqlstate: str = ""
    message: str = ""
    status: str = ""


def failed_outcome(words: str) -> Outcome:
    """What was released and then could not be begun."""
    return Outcome(OutcomeKind.FAILED, message=words)

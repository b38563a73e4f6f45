"""Exit codes, and how a failure is told: what happened, why, and the thing to do.

The table is the one of docs/cli.md; a test compares the two.
"""

from __future__ import annotations

import enum
from typing import TextIO

from gatekeep.cli.output import visible
from gatekeep.errors import (
    GatekeepError,
    JournalUnavailable,
    NotPermitted,
    SettingsError,
)


class Exit(enum.IntEnum):
    """Every exit code of `gatekeep`; `audit verify`, `prove` and `check` add meanings of their own."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_ALLOWED = 3
    NOT_SIGNED_IN = 4
    NOT_FOUND = 5
    DECIDED_OTHERWISE = 6
    STILL_WAITING = 7
    CHECK_FAILED = 8
    NOT_REACHED = 9
    EVIDENCE_USAGE = 64
    CANNOT_RECORD = 74
    SETTINGS = 78
    INTERRUPTED = 130


class Stop(Exception):  # noqa: N818 - the end of a command, not always a mistake
    """End the command with words and a code."""

    def __init__(
        self, what: str, *, why: str = "", advice: str = "", code: Exit = Exit.FAILED
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.advice = advice
        self.code = code
        self.also: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: GatekeepError, *, serving: bool = False) -> Stop:
        """The end that an error of ours means; `serve` has codes for settings and journal."""
        if isinstance(error, SettingsError):
            code = Exit.SETTINGS if serving else Exit.FAILED
            stop = cls(error.public, advice=error.fix, code=code)
            stop.what = str(error)
            stop.also = tuple(str(other) for other in getattr(error, "also", ()))
            return stop
        if isinstance(error, NotPermitted):
            return cls(error.public, code=Exit.NOT_ALLOWED)
        if isinstance(error, JournalUnavailable):
            return cls(error.public, code=Exit.CANNOT_RECORD if serving else Exit.FAILED)
        return cls(error.public)

    def tell(self, stream: TextIO) -> None:
        """Write it down, one thing a line, foreign text made visible."""
        stream.write(f"gatekeep: {visible(self.what)}\n")
        stream.writelines(f"    also: {visible(other)}\n" for other in self.also)
        if self.why:
            stream.write(f"  why: {visible(self.why)}\n")
        if self.advice:
            stream.write(f"  try: {visible(self.advice)}\n")

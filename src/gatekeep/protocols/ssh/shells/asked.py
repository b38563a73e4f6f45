"""One accept byte on its way: about what it is asked, and how far it came. Plain words."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Stage(enum.Enum):
    """See `shell_gate`."""

    SETTLING = enum.auto()
    JUDGING = enum.auto()
    HELD = enum.auto()
    STARTING = enum.auto()
    CANCELLING = enum.auto()


class About(enum.Enum):
    """What is asked: a line of the shell's, or leave for what cannot be read."""

    LINE = "line"
    LOOSE = "ungated"  # entered while it is not known who reads
    HIDDEN = "hidden_input"
    FULL_SCREEN = "full_screen"
    NO_MARKS = "no_marks"


@dataclass(slots=True)
class Asked:
    """`accept` is the byte that waits. `until` bounds the stages that wait for the target.

    `rows` are those of ours that stand below the line, `words` what they say as long as it is held.
    `searched`: an open search was ended. `keys_told`: it was said that keys are ignored.
    """

    about: About
    since: int
    accept: bytes = b""
    stage: Stage = Stage.SETTLING
    id: int = 0
    text: str = ""
    until: int = 0
    rows: int = 0
    words: tuple[str, ...] = ()
    keys_told: bool = False
    searched: bool = False

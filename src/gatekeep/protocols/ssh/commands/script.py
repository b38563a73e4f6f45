"""What a command line is made of: simple commands, their words and redirections. Records only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from gatekeep.protocols.ssh.commands.words import Word

_DESCRIPTOR: Final = re.compile(r"\d+-?|-")


@dataclass(slots=True)
class Redirection:
    """`>`, `<` and their kin. `descriptor` is empty where none is written."""

    operator: str
    target: Word
    descriptor: str = ""

    @property
    def joins(self) -> bool:
        """Whether it only joins one open stream to another, or closes it (`2>&1`)."""
        value = self.target
        return self.operator in (">&", "<&", ">&-", "<&-") and (
            not value.written or (value.literal and _DESCRIPTOR.fullmatch(value.value) is not None)
        )

    @property
    def writes(self) -> bool:
        """Whether it opens a file for writing."""
        return ">" in self.operator and not self.joins


@dataclass(slots=True)
class SimpleCommand:
    """One simple command: its words, the variables set before it, and where its streams go.

    `script` is the text on its standard input where that is written in the line (a here-document
    or here-string); `piped` that its input comes out of another command, or is that of a structure
    around it which has one of its own. `at` is where it begins, in bytes.
    """

    words: list[Word] = field(default_factory=list)
    assignments: list[tuple[str, Word]] = field(default_factory=list)
    redirections: list[Redirection] = field(default_factory=list)
    script: Word | None = None
    piped: bool = False
    at: int = 0

    @property
    def fed(self) -> bool:
        """Whether its input is written in the line, or is a file that the line names."""
        return self.script is not None or any(
            one.operator == "<" and one.descriptor in ("", "0") for one in self.redirections
        )


@dataclass(slots=True)
class Script:
    """All simple commands of a text, and how far they are to be trusted.

    `doubtful`: the shell may read it differently. `bash`: it is written in ways that only bash
    reads so. `broken`: the grammar found errors, and `ends_early` that one is at the end, so that
    more input may mend it. `functions` are the names that it defines. From the byte `last_line` on
    a shell that reads the text while it runs has read all of it before any of it runs.
    """

    commands: list[SimpleCommand] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    doubtful: bool = False
    bash: bool = False
    broken: bool = False
    ends_early: bool = False
    last_line: int = 0

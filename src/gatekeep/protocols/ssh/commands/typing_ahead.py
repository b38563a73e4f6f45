"""What a shell does with a typed line before it reads it: wait for more, or recall history."""

from __future__ import annotations

import re
from typing import Final

_QUOTED: Final = re.compile(r"\\.|'[^']*'?|![^\s=(\"]|\"", re.DOTALL)
_ENDS_OPEN: Final = re.compile(r"(?:\|\|?|&&|\|&)[ \t]*(?:#[^\n]*)?$")


def is_complete(text: str, *, broken: bool) -> bool:
    """Whether the shell would run this; false while it would ask for more.

    `broken`: the grammar found an error at the text's end. A line that it takes for unfinished and
    the shell for wrong is no harm: nothing runs either way.
    """
    ends = text.rstrip("\n")
    slashes = len(ends) - len(ends.rstrip("\\"))
    if slashes % 2 or broken:
        return False
    return _ENDS_OPEN.search(ends[-200:]) is None


def recalls_history(text: str) -> bool:
    """Whether an interactive bash may put words of earlier lines into this one."""
    if text.startswith("^"):
        return True
    if "!" not in text:
        return False
    double = False
    at = 0
    while (found := _QUOTED.search(text, at)) is not None:
        piece = found[0]
        at = found.end()
        if piece == '"':
            double = not double
        elif piece.startswith("'") and double:
            at = found.start() + 1
        elif piece.startswith("!"):
            return True
    return False

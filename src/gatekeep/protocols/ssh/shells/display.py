"""Our own words on the client's terminal, so painted that the target's picture of it stays true.

They go below the line that is edited; afterwards the rows are cleared and the cursor returns.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatekeep.protocols.ssh.shells.screen import Strip, width


def plain(words: Sequence[str]) -> bytes:
    """Whole lines, where no line is being edited."""
    return "".join(f"\r\n{word}" for word in words).encode() + b"\r\n"


def below(strip: Strip, words: Sequence[str]) -> bytes:
    """Lines under the edited line; each is cut so that it takes one row."""
    down = len(strip.rows) - 1 - strip.y
    move = f"\x1b[{down}B" if down else ""
    lines = "".join(f"\r\n\x1b[K{_cut(word, strip.columns - 1)}" for word in words)
    return (move + lines).encode()


def back(strip: Strip, shown: int) -> bytes:
    """Clear `shown` lines that `below` painted and return to the cursor."""
    down = len(strip.rows) - 1 - strip.y
    clear = "\r\x1b[2K\x1b[A" * shown
    move = f"\x1b[{down}A" if down else ""
    return f"{clear}{move}\x1b[{strip.x + 1}G".encode()


def _cut(word: str, columns: int) -> str:
    taken = 0
    for at, char in enumerate(word):
        taken += width(char)
        if taken > columns:
            return word[:at]
    return word

"""Our own words on the client's terminal, so painted that the target's picture of it stays true.

They go below the line that is edited; afterwards the rows are cleared and the cursor returns. What
is to stay goes above it: the terminal itself moves the line down, as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatekeep.protocols.ssh.shells.screen import Strip, width


def plain(words: Sequence[str]) -> bytes:
    """Whole lines, where no line is being edited."""
    return "".join(f"\r\n{word}" for word in words).encode() + b"\r\n"


def folded(words: Sequence[str], columns: int) -> list[str]:
    """Lines as rows of a terminal: one that is longer than a row goes on in the next."""
    return [row for word in words for row in _rows(word, max(columns - 1, 2))]


def below(strip: Strip, rows: Sequence[str]) -> bytes:
    """Rows under the edited line; each is cut so that it takes no more than one."""
    down = len(strip.rows) - 1 - strip.y
    move = f"\x1b[{down}B" if down else ""
    lines = "".join(f"\r\n\x1b[K{_cut(row, strip.columns - 1)}" for row in rows)
    return (move + lines).encode()


def back(strip: Strip, shown: int) -> bytes:
    """Clear `shown` rows that `below` painted and return to the cursor."""
    down = len(strip.rows) - 1 - strip.y
    clear = "\r\x1b[2K\x1b[A" * shown
    move = f"\x1b[{down}A" if down else ""
    return f"{clear}{move}\x1b[{strip.x + 1}G".encode()


def above(strip: Strip, top: int, words: Sequence[str]) -> bytes:
    """Whole lines above row `top`, where the edited line begins, for good.

    Room is made below first, and the rows from `top` on are pushed into it with whatever colours
    they have. Nothing where the line is so long that its beginning may have left the screen.
    """
    rows = folded(words, strip.columns)
    height = len(strip.rows) - top
    if height + len(rows) > strip.height:
        return b""
    down = len(strip.rows) - 1 - strip.y
    to_end = f"\x1b[{down}B" if down else ""
    room = "\r" + "\n" * len(rows)
    to_top = f"\x1b[{len(rows) + height - 1}A\x1b[{len(rows)}L"
    lines = "".join(f"\x1b[K{_cut(row, strip.columns - 1)}\r\n" for row in rows)
    to_line = f"\x1b[{strip.y - top}B" if strip.y > top else ""
    return f"{to_end}{room}{to_top}{lines}{to_line}\x1b[{strip.x + 1}G".encode()


def _rows(word: str, columns: int) -> list[str]:
    rows: list[str] = []
    while not rows or word:
        row = _cut(word, columns) or word[:1]
        rows.append(row)
        word = word[len(row) :]
    return rows


def _cut(word: str, columns: int) -> str:
    taken = 0
    for at, char in enumerate(word):
        taken += width(char)
        if taken > columns:
            return word[:at]
    return word

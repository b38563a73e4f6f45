"""Paints an emulated screen on a reader's terminal: printable text, SGR and cursor moves of ours.

Nothing else is ever written, whatever was recorded (12-threats H10): no erasing, no modes, no
strings. What the recording conceals is shown, underlined in the reader's own colours.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

from wcwidth import wcswidth

from gatekeep.recordings.chunks import MAX_COLUMNS, MAX_ROWS, Terminal
from gatekeep.recordings.colours import NAMES, Colour, alike, indexed
from gatekeep.recordings.emulator import Cell, Emulator

ALLOWED: Final = re.compile(
    r"(?:\x1b\[\d{1,4};\d{1,4}H|\x1b\[(?:\d{1,3})(?:;\d{1,3}){0,15}m|[^\x00-\x1f\x7f-\x9f])*"
)
"""All that a painter writes: cursor positions, SGR, and characters that are shown."""

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SGR: Final = {
    "bold": "1", "italics": "3", "underscore": "4", "reverse": "7", "strikethrough": "9",
}  # fmt: skip
_HEX: Final = re.compile(r"[0-9a-f]{6}")
_PLAIN: Final = "\x1b[0m"


class Painter:
    """Keeps what stands on the reader's terminal and gives the text that brings it up to date."""

    def __init__(self, columns: int, rows: int) -> None:
        self._columns = min(max(columns, 1), MAX_COLUMNS)
        self._rows = min(max(rows, 1), MAX_ROWS)
        self._painted: list[tuple[Cell, ...] | None] = [None] * self._rows
        self._shown: tuple[Terminal, int] | None = None

    def frame(self, emulator: Emulator) -> str:
        """What to write so that the emulated screen stands there; its bottom if it is too tall."""
        row, column = emulator.cursor
        top = max(0, row - self._rows + 1)
        parts: list[str] = []
        changed = emulator.changed()
        if self._shown != (emulator.terminal, top):
            self._shown = emulator.terminal, top
            changed = set(range(top, top + self._rows))
        for place in sorted(row - top for row in changed if 0 <= row - top < self._rows):
            wanted = self._wanted(emulator, top + place)
            if wanted != self._painted[place]:
                self._painted[place] = wanted
                parts.append(_move(place, 0) + _line(place, wanted))
        parts.append(_move(row - top, min(column, self._columns - 1)))
        return "".join(parts)

    def _wanted(self, emulator: Emulator, row: int) -> tuple[Cell, ...]:
        cells = emulator.row(row)[: self._columns] if row < emulator.terminal.rows else ()
        if cells and _width(cells[-1].text) > 1:
            cells = (*cells[:-1], _BLANK)  # half of a wide character has no room
        return cells + (_BLANK,) * (self._columns - len(cells))

    def leave(self) -> str:
        """What to write at the end: plain, below everything."""
        return f"{_PLAIN}{_move(self._rows - 1, 0)}"


_BLANK: Final = Cell(" ")


def shown_text(text: str) -> str:
    """A cell's text, with what a terminal would obey or hide as U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(c) in _HIDDEN else c for c in text)


def _width(text: str) -> int:
    return int(wcswidth(text))


def _move(row: int, column: int) -> str:
    return f"\x1b[{row + 1};{column + 1}H"


def _line(place: int, cells: tuple[Cell, ...]) -> str:
    """A whole row, from its first column."""
    style = _PLAIN
    parts = [style]
    for column, cell in enumerate(cells):
        if not cell.text:
            continue
        wanted = _style(cell)
        if wanted != style:
            parts.append(wanted)
            style = wanted
        parts.append(shown_text(cell.text))
        if cell.text.isascii():
            continue
        following = column + max(1, _width(cell.text))
        if following < len(cells):
            # Terminals differ in how wide some characters are: say where the next one stands.
            parts.append(_move(place, following))
    return "".join(parts) + _PLAIN


@functools.lru_cache(4096)
def _style(cell: Cell) -> str:
    """The cell's look as one SGR sequence. A colour on itself is shown plain and underlined."""
    numbers = ["0", *(_SGR[name] for name in cell.attributes if name in _SGR)]
    foreground, background = _colour(cell.foreground), _colour(cell.background)
    if alike(foreground, background):
        return _sgr([*numbers, "4"])
    return _sgr(
        [*numbers, *_numbers(cell.foreground, foreground), *_numbers(cell.background, background, 10)]
    )


def _sgr(numbers: list[str]) -> str:
    return f"\x1b[{';'.join(numbers)}m"


def _index(name: str) -> int:
    """The index of one of pyte's colour names (one of which it spells bfight…), or -1."""
    if name in NAMES:
        return NAMES.index(name)
    if name.startswith(("bright", "bfight")) and name[6:] in NAMES:
        return 8 + NAMES.index(name[6:])
    return -1


def _colour(name: str) -> Colour | None:
    index = _index(name)
    if index >= 0:
        return indexed(index)
    if _HEX.fullmatch(name):
        red, green, blue = (int(name[at : at + 2], 16) for at in (0, 2, 4))
        return red, green, blue
    return None


def _numbers(name: str, colour: Colour | None, ground: int = 0) -> list[str]:
    """The SGR numbers of a colour; `ground` is 10 for a background."""
    index = _index(name)
    if index >= 0:
        return [str(index + 30 + ground if index < 8 else index + 82 + ground)]  # noqa: PLR2004 - 90 begins the bright ones
    return [] if colour is None else [str(38 + ground), "2", *map(str, colour)]

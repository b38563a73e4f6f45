"""The strip: the few rows of a terminal on which a line is being edited, as the target paints them.

Rows grow downwards from where the prompt began, so nothing depends on where on the glass it stands.
Bounded; what cannot be modelled is named in `doubt` and makes the line unresolved. No parsing here.
"""

from __future__ import annotations

import unicodedata
from array import array
from typing import Final

_BLANK: Final = 0  # never written, or erased
_TAIL: Final = 0x110000  # the second half of a wide character
_TAILS: Final = array("I", [_TAIL])
_ZERO_WIDTH: Final = frozenset({"Mn", "Me", "Cf", "Cc", "Zl", "Zp"})
_TAB: Final = 8


def width(char: str) -> int:
    """Columns that a character takes: 0, 1 or 2."""
    if unicodedata.category(char) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


class Row:
    """One row. `wrapped`: it goes on where the row above was full. `odd`: not plain characters."""

    __slots__ = ("cells", "odd", "wrapped")

    def __init__(self) -> None:
        self.cells = array("I")
        self.wrapped = False
        self.odd = False

    def reach(self, end: int) -> None:
        """Make it at least `end` cells long."""
        if (lack := end - len(self.cells)) > 0:
            self.cells.extend([_BLANK] * lack)

    def split(self, x: int) -> None:
        """Column x begins something new: a wide character across it loses both halves."""
        if 0 < x < len(self.cells) and self.cells[x] == _TAIL:
            self.cells[x - 1] = self.cells[x] = ord(" ")

    def text(self, start: int = 0, end: int | None = None) -> str:
        """Its characters; unwritten cells are spaces, at the end they are left out."""
        cells = self.cells[start:end]
        while cells and cells[-1] == _BLANK:
            cells.pop()
        return "".join(chr(cell) if cell else " " for cell in cells if cell != _TAIL)

    def gap(self, start: int) -> int | None:
        """Where, after `start`, unwritten cells stand before written ones (a prompt at the right)."""
        cells = self.cells
        seen = None
        for at in range(start, len(cells)):
            if cells[at] == _BLANK:
                seen = at if seen is None else seen
            elif seen is not None:
                return seen
        return None

    @property
    def begins_wide(self) -> bool:
        """Whether a character of two columns stands first."""
        return self.cells[1:2] == _TAILS

    @property
    def ends_blank(self) -> bool:
        """Whether a blank was written last."""
        return bool(self.cells) and self.cells[-1] == ord(" ")

    def is_cut(self, columns: int) -> bool:
        """Whether a mark in the last column may say that the line goes on unseen."""
        return len(self.cells) >= max(columns - 1, 1) and self.cells[-1] == ord(">")

    def indent(self) -> int:
        """How many unwritten cells lead it."""
        return next((at for at, cell in enumerate(self.cells) if cell != _BLANK), 0)


class Strip:
    """Rows and a cursor.

    `painted` counts the characters ever painted, `first_break` what it was at the first
    control since somebody set it to None.

    Asleep (nobody edits) it keeps one row only. `home` counts how often the cursor was sent to the
    upper left corner: everything above is forgotten then.
    """

    def __init__(self, columns: int, height: int, max_cells: int) -> None:
        self.columns = columns
        self.height = height
        self.rows: list[Row] = [Row()]
        self.x = 0
        self.y = 0
        self.awake = False
        self.doubt = ""
        self.painted = 0
        self.first_break: int | None = 0
        self.home = 0
        self.insert = False
        self.odd_set = False
        self._max_rows = max(max_cells // columns, 4)
        self._max_cells = max_cells
        self._full = False  # the last column is written; the next character wraps
        self._saved: tuple[int, int] | None = None

    # --- waking -----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Editing begins: only the row under the cursor is kept, and it is row 0."""
        self._forget()
        self.awake = True
        self.doubt = ""

    def sleep(self) -> None:
        """Editing ended."""
        self._forget()
        self.awake = False

    def resize(self, columns: int, height: int) -> None:
        """Another size; what is painted stays where it is (shells paint anew)."""
        self.columns = columns
        self.height = height
        self._max_rows = max(self._max_cells // columns, 4)
        self.x = min(self.x, columns - 1)
        self._full = False
        for row in self.rows:
            del row.cells[columns:]

    def _forget(self) -> None:
        self.rows = [self.rows[self.y]]
        self.y = 0
        self._saved = None

    def _fresh_row(self) -> None:
        self.rows = [Row()]
        self.y = 0
        self._saved = None

    # --- characters -------------------------------------------------------------------------------

    def paint(self, text: str) -> None:
        """Printable characters, without controls."""
        self.painted += len(text)
        if text.isascii():
            self._paint_narrow(text)
            return
        for char in text:
            self._paint_char(char)

    def _paint_narrow(self, text: str) -> None:
        at, total = 0, len(text)
        while at < total:
            if self._full:
                self._wrap()
            part = text[at : at + self.columns - self.x]
            self._put(array("I", part.encode("utf-32-le")), len(part))
            at += len(part)

    def _paint_char(self, char: str) -> None:
        wide = width(char)
        if wide == 0:
            self.rows[self.y].odd = True
            return
        if self._full or self.x + wide > self.columns:
            self._wrap()
        cells = array("I", [ord(char)] if wide == 1 else [ord(char), _TAIL])
        self._put(cells, wide)

    def _put(self, cells: array[int], count: int) -> None:
        row = self.rows[self.y]
        x = self.x
        row.reach(x)
        row.split(x)
        if self.insert:
            row.cells[x:x] = cells
            del row.cells[self.columns :]
        else:
            row.split(x + count)
            row.cells[x : x + count] = cells
        if self.odd_set:
            row.odd = True
        self.x = x + count
        if self.x >= self.columns:
            self.x = self.columns - 1
            self._full = True

    def _wrap(self) -> None:
        self._full = False
        self.x = 0
        if not self.awake:
            self._fresh_row()
            return
        self._lower()
        self.rows[self.y].wrapped = True

    def _lower(self) -> None:
        self.y += 1
        if self.y >= self._max_rows:
            self.doubt = "too_long"
            self._fresh_row()
        elif self.y >= len(self.rows):
            self.rows.append(Row())

    # --- controls ---------------------------------------------------------------------------------

    def line_feed(self) -> None:
        """LF: one row down. Asleep, the rows above are forgotten and the row begins anew."""
        self._full = False
        if self.awake:
            self._lower()
        else:
            self.x = 0
            self._fresh_row()

    def carriage_return(self) -> None:
        """CR: to the first column."""
        self.x = 0
        self._full = False

    def backspace(self) -> None:
        """BS: one column to the left."""
        self.x = max(self.x - 1, 0)
        self._full = False

    def tab(self) -> None:
        """TAB: to the next stop; cells passed over stay as they are."""
        self.column((self.x // _TAB + 1) * _TAB)

    def column(self, x: int) -> None:
        """To a column, counted from 0."""
        self.x = min(max(x, 0), self.columns - 1)
        self._full = False

    def vertical(self, count: int) -> None:
        """Down, or up when negative; never above row 0."""
        self._full = False
        if not self.awake:
            return
        if count < 0:
            if -count > self.y:
                self.doubt = self.doubt or "above_prompt"
            self.y = max(self.y + count, 0)
            return
        for _ in range(min(count, self._max_rows)):
            self._lower()

    def position(self, row: int, column: int) -> None:
        """To a place on the glass, counted from 1: known is only the upper left corner."""
        self._full = False
        if row <= 1:
            self._fresh_row()
            self.home += 1
        else:
            self.doubt = self.doubt or "positioned"
            if not self.awake:
                self._fresh_row()
        self.x = min(max(column - 1, 0), self.columns - 1)

    def save(self) -> None:
        """Remember the cursor."""
        self._saved = (self.x, self.y)

    def restore(self) -> None:
        """Return to where it was remembered."""
        if self._saved is None or self._saved[1] >= len(self.rows):
            self.doubt = self.doubt or "positioned"
            return
        self.x, self.y = min(self._saved[0], self.columns - 1), self._saved[1]
        self._full = False

    # --- erasing ----------------------------------------------------------------------------------

    def erase_line(self, mode: int) -> None:
        """0 from the cursor to the end, 1 up to the cursor, 2 the whole row."""
        row = self.rows[self.y]
        row.split(self.x + (mode == 1))
        if mode == 0:
            del row.cells[self.x :]
            if self.x == 0:
                row.odd = False
        elif mode == 1:
            row.reach(self.x + 1)
            for at in range(self.x + 1):
                row.cells[at] = _BLANK
        else:
            del row.cells[:]
            row.wrapped = row.odd = False

    def erase_display(self, mode: int) -> None:
        """0 from the cursor on, 1 up to the cursor, 2 and 3 everything."""
        if mode == 0:
            self.erase_line(0)
            del self.rows[self.y + 1 :]
        elif mode == 1:
            for row in self.rows[: self.y]:
                del row.cells[:]
                row.wrapped = row.odd = False
            self.erase_line(1)
        elif mode == 2:  # noqa: PLR2004 - the number of the sequence; 3 erases only what scrolled away
            for row in self.rows:
                del row.cells[:]
                row.wrapped = row.odd = False

    def insert_cells(self, count: int) -> None:
        """Push what stands at the cursor to the right."""
        row = self.rows[self.y]
        row.reach(self.x)
        row.split(self.x)
        row.cells[self.x : self.x] = array("I", [_BLANK] * min(count, self.columns))
        del row.cells[self.columns :]

    def delete_cells(self, count: int) -> None:
        """Pull what stands behind the cursor to the left."""
        row = self.rows[self.y]
        row.split(self.x)
        row.split(self.x + count)
        del row.cells[self.x : self.x + count]

    def erase_cells(self, count: int) -> None:
        """Blank cells from the cursor on."""
        row = self.rows[self.y]
        row.split(self.x)
        row.split(self.x + count)
        for at in range(self.x, min(self.x + count, len(row.cells))):
            row.cells[at] = _BLANK

    def insert_rows(self, count: int) -> None:
        """Push rows down."""
        if not self.awake:
            return
        room = self._max_rows - len(self.rows)
        self.rows[self.y : self.y] = [Row() for _ in range(min(count, max(room, 0)))] or []
        if count > room:
            self.doubt = "too_long"

    def delete_rows(self, count: int) -> None:
        """Pull rows up."""
        if self.awake:
            del self.rows[self.y : self.y + count]
            if self.y >= len(self.rows):
                self.rows.extend(Row() for _ in range(self.y + 1 - len(self.rows)))

    def reset(self) -> None:
        """RIS: as it was switched on."""
        self._fresh_row()
        self.x = 0
        self._full = self.insert = self.odd_set = False
        self.home += 1

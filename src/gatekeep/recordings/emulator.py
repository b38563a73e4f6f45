"""The one seam to pyte: a bounded screen, drawn by calls of ours and never by its parser.

`sequences` cuts the bytes; each sequence that is known is one call with clamped numbers, anything
else is left out. Titles, reports, clipboard and resizing by the target have no effect at all.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from pyte import charsets, modes
from pyte.screens import Char, Screen
from wcwidth import wcwidth

from gatekeep.recordings.chunks import Terminal
from gatekeep.recordings.sequences import Control, Csi, Escape, Piece, Printed, Sequencer

MARKS_PER_CELL: Final = 2
_ALTERNATES: Final = frozenset({47, 1047, 1049})
_PRIVATE: Final = frozenset({6, 7, 25})  # origin, wrapping, cursor
_ANSI: Final = frozenset({4, 20})  # insert mode, line feed mode
_INSERT: Final = modes.IRM
_WRAP: Final = modes.DECAWM
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS: Final = frozenset({"Mn", "Me"})
_UNKNOWN: Final = "\ufffd"


@dataclass(frozen=True, slots=True)
class Cell:
    """One character as it stands: text ("" behind a wide one), colours in pyte's words, attributes."""

    text: str
    foreground: str = "default"
    background: str = "default"
    attributes: tuple[str, ...] = ()


_ATTRIBUTES: Final = ("bold", "italics", "underscore", "strikethrough", "reverse", "blink")


class Emulator:
    """What a terminal would show. Takes any bytes, never raises for them.

    `faults` counts what pyte could not do; none is known.
    """

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.faults = 0
        self._sequencer = Sequencer()
        self._main = Screen(terminal.columns, terminal.rows)
        self._other: Screen | None = None
        self._screen = self._main
        self._style = self._main.default_char
        self._styled: dict[str, Char] = {}

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column, from 0."""
        cursor = self._screen.cursor
        return min(cursor.y, self.terminal.rows - 1), min(cursor.x, self.terminal.columns - 1)

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return self._other is not None

    def row(self, number: int) -> tuple[Cell, ...]:
        """The cells of one row, from 0."""
        line = self._screen.buffer.get(number)
        if line is None:
            return (_BLANK,) * self.terminal.columns
        return _whole(tuple(_cell(line[column]) for column in range(self.terminal.columns)))

    def changed(self) -> set[int]:
        """The rows that may look different since this was asked last."""
        rows = {row for row in self._screen.dirty if row < self.terminal.rows}
        self._screen.dirty.clear()
        return rows

    def resize(self, terminal: Terminal) -> None:
        """The client's terminal has another size."""
        self.terminal = terminal
        for screen in (self._main, self._other):
            if screen is not None:
                screen.savepoints.clear()
                screen.resize(terminal.rows, terminal.columns)
                screen.ensure_hbounds()
                screen.ensure_vbounds()
                screen.tabstops = set(range(8, terminal.columns, 8))
                screen.dirty.update(range(terminal.rows))

    def feed(self, data: bytes) -> None:
        """Bytes of the target."""
        for piece in self._sequencer.feed(data):
            try:
                self._take(piece)
            except Exception:  # noqa: BLE001 - a screen of another's making: whatever fails there, the reader sees the rest
                self.faults += 1

    def _take(self, piece: Piece) -> None:
        if isinstance(piece, Printed):
            self._draw(piece.text)
        elif isinstance(piece, Control):
            self._control(piece.character)
        elif isinstance(piece, Csi):
            self._sequence(piece)
        elif isinstance(piece, Escape):
            self._escape(piece)

    # -- inside --------------------------------------------------------------------------------

    def _draw(self, text: str) -> None:
        if text.isascii():
            self._draw_ascii(text)
            return
        for character in text:
            width = wcwidth(character)
            category = unicodedata.category(character)
            if category in _HIDDEN or width < 0:
                character = _UNKNOWN  # noqa: PLW2901 - drawn in its place
            if width > 0 or character == _UNKNOWN or self._joins(category):
                self._screen.draw(character)

    def _draw_ascii(self, text: str) -> None:
        """Rows at a time what pyte draws character by character, where nothing special is set."""
        screen, cursor = self._screen, self._screen.cursor
        plain = not screen.charset and screen.g0_charset is charsets.LAT1_MAP
        if not plain or _INSERT in screen.mode or _WRAP not in screen.mode:
            screen.draw(text)
            return
        if cursor.attrs is not self._style:
            self._style, self._styled = cursor.attrs, {}
        styled = self._styled
        while text:
            if cursor.x >= screen.columns:
                screen.draw(text[0])  # wraps
                text = text[1:]
                continue
            part = text[: screen.columns - cursor.x]
            line, column = screen.buffer[cursor.y], cursor.x
            for character in part:
                char = styled.get(character)
                if char is None:
                    char = styled[character] = self._style._replace(data=character)
                line[column] = char
                column += 1
            cursor.x = column
            screen.dirty.add(cursor.y)
            text = text[len(part) :]

    def _joins(self, category: str) -> bool:
        """Whether a character without width may join the one before: a mark, and not too many."""
        if category not in _MARKS:
            return False
        cursor, screen = self._screen.cursor, self._screen
        row, column = (cursor.y, cursor.x) if cursor.x else (cursor.y - 1, screen.columns)
        if row < 0:
            return False
        line = screen.buffer.get(row)
        return line is None or len(line[column - 1].data) <= MARKS_PER_CELL

    def _control(self, character: str) -> None:
        screen = self._screen
        if character == "\r":
            screen.carriage_return()
        elif character in "\n\v\f":
            screen.linefeed()
        elif character == "\b":
            screen.backspace()
        elif character == "\t":
            screen.tab()
        elif character == "\x0e":
            screen.shift_out()
        elif character == "\x0f":
            screen.shift_in()

    def _escape(self, escape: Escape) -> None:
        screen = self._screen
        if escape.intermediates in ("(", ")"):
            screen.define_charset(escape.final, escape.intermediates)
        elif escape.intermediates == "#" and escape.final == "8":
            screen.alignment_display()
        elif escape.intermediates:
            return
        elif escape.final == "7":
            self._save()
        elif escape.final == "8":
            self._restore()
        elif escape.final == "E":
            screen.linefeed()
            screen.carriage_return()
        elif escape.final == "c":
            self._leave_alternate()
            self._screen.savepoints.clear()
            self._screen.reset()
        elif escape.final in _ESCAPES:
            _ESCAPES[escape.final](screen)

    def _sequence(self, csi: Csi) -> None:
        if csi.intermediates:
            return
        if csi.final in "hl" and csi.private in ("", "?"):
            for number in csi.parameters:
                self._mode(csi.private, number, on=csi.final == "h")
        elif csi.private:
            return
        elif csi.final == "m":
            self._screen.select_graphic_rendition(*(max(0, n) for n in csi.parameters or (0,)))
        elif csi.final == "s":
            self._save()
        elif csi.final == "u":
            self._restore()
        elif csi.final == "r":
            self._margins(*_numbers(csi, 2))
        elif csi.final in _SEQUENCES:
            call, count, least, most = _SEQUENCES[csi.final]
            call(self._screen, *(min(max(n, least), most) for n in _numbers(csi, count)))

    def _mode(self, private: str, number: int, *, on: bool) -> None:
        if private and number in _ALTERNATES:
            self._enter_alternate() if on else self._leave_alternate()
        elif private and number in _PRIVATE:
            (self._screen.set_mode if on else self._screen.reset_mode)(number, private=True)
        elif not private and number in _ANSI:
            (self._screen.set_mode if on else self._screen.reset_mode)(number)

    def _margins(self, top: int, bottom: int) -> None:
        if top <= 1 and bottom <= 0:
            self._screen.set_margins()
        else:
            self._screen.set_margins(max(top, 1), bottom if bottom > 0 else self.terminal.rows)

    def _save(self) -> None:
        self._screen.savepoints.clear()  # one is enough, and a target could ask for millions
        self._screen.save_cursor()

    def _restore(self) -> None:
        if self._screen.savepoints:
            self._screen.restore_cursor()
            self._screen.ensure_hbounds()
            self._screen.ensure_vbounds()

    def _enter_alternate(self) -> None:
        if self._other is None:
            self._other = Screen(self.terminal.columns, self.terminal.rows)
            self._screen = self._other

    def _leave_alternate(self) -> None:
        if self._other is not None:
            self._other = None
            self._screen = self._main
            self._screen.dirty.update(range(self.terminal.rows))


_BLANK: Final = Cell(" ")


@functools.lru_cache(8192)
def _cell(char: Char) -> Cell:
    attributes = tuple(name for name in _ATTRIBUTES if getattr(char, name))
    return Cell(char.data, char.fg, char.bg, attributes)


def _whole(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """A row in which no half of a wide character stands alone: its other half was overwritten."""
    if all(cell.text.isascii() and cell.text for cell in cells):
        return cells
    found = list(cells)
    column = 0
    while column < len(found):
        wide = len(found[column].text) > 0 and wcwidth(found[column].text[0]) > 1
        if wide and column + 1 < len(found) and not found[column + 1].text:
            column += 2
            continue
        if wide or not found[column].text:
            found[column] = replace(found[column], text=" ")
        column += 1
    return tuple(found)


def _numbers(csi: Csi, count: int) -> list[int]:
    """The first parameters, 0 where one is missing."""
    given = [max(0, number) for number in csi.parameters[:count]]
    return given + [0] * (count - len(given))


def _to_line(screen: Screen, line: int) -> None:
    """To a line in the same column; pyte's own fails in origin mode without margins."""
    screen.cursor_position(line, screen.cursor.x + 1)


_ESCAPES: Final[dict[str, Callable[[Screen], None]]] = {
    "D": Screen.index,
    "M": Screen.reverse_index,
    "H": Screen.set_tab_stop,
}
_MOST: Final = 1000
# call, number of parameters, least and most that each may be (0 counts as 1 where 1 is the least)
_SEQUENCES: Final[dict[str, tuple[Callable[..., None], int, int, int]]] = {
    "@": (Screen.insert_characters, 1, 1, _MOST),
    "A": (Screen.cursor_up, 1, 1, _MOST),
    "B": (Screen.cursor_down, 1, 1, _MOST),
    "C": (Screen.cursor_forward, 1, 1, _MOST),
    "D": (Screen.cursor_back, 1, 1, _MOST),
    "E": (Screen.cursor_down1, 1, 1, _MOST),
    "F": (Screen.cursor_up1, 1, 1, _MOST),
    "G": (Screen.cursor_to_column, 1, 1, _MOST),
    "H": (Screen.cursor_position, 2, 1, _MOST),
    "J": (Screen.erase_in_display, 1, 0, 3),
    "K": (Screen.erase_in_line, 1, 0, 2),
    "L": (Screen.insert_lines, 1, 1, _MOST),
    "M": (Screen.delete_lines, 1, 1, _MOST),
    "P": (Screen.delete_characters, 1, 1, _MOST),
    "X": (Screen.erase_characters, 1, 1, _MOST),
    "`": (Screen.cursor_to_column, 1, 1, _MOST),
    "a": (Screen.cursor_forward, 1, 1, _MOST),
    "d": (_to_line, 1, 1, _MOST),
    "e": (Screen.cursor_down, 1, 1, _MOST),
    "f": (Screen.cursor_position, 2, 1, _MOST),
    "g": (Screen.clear_tab_stop, 1, 0, 3),
}

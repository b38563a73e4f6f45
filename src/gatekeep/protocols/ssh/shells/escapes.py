"""What a target sends to a terminal, read incrementally: characters for the strip, and marks.

The same bytes give the same calls in the same order, however they are cut. Sequences are bounded;
nothing is kept of what is not understood. What a mark means is `shell_gate`'s.
"""

from __future__ import annotations

import codecs
import enum
import re
from collections.abc import Callable
from typing import Final

from gatekeep.protocols.ssh.shells.screen import Strip

_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
#: What leaves no trace behind the next line feed or jump, while nobody edits a line.
_DULL: Final = re.compile(r"(?>[^\x0e\x0f\x18\x1a\x1b\x7f-\x9f]+|\x1b\[[0-9;:]{0,60}[@-gi-km-~])*")
_JUMP: Final = re.compile(r"\x1b\[[0-9;]*\Z")
_WORTH_SKIPPING: Final = 256
_JUMP_LENGTH: Final = 12
_MAX_PARAMETERS: Final = 64
_MAX_STRING: Final = 256
_MAX_COUNT: Final = 9999
_ALTERNATE: Final = frozenset({47, 1047, 1049})
_PASTE: Final = 2004


class Mark(enum.Enum):
    """What a shell or a program says by a sequence."""

    EDIT_BEGAN = enum.auto()  # ?2004h, or OSC 133;A
    PROMPT_ENDED = enum.auto()  # OSC 133;B
    LINE_TAKEN = enum.auto()  # ?2004l, or OSC 133;C
    ALTERNATE_ON = enum.auto()
    ALTERNATE_OFF = enum.auto()
    TRANSFER = enum.auto()  # the beginning of a zmodem header


class _At(enum.Enum):
    GROUND = enum.auto()
    ESCAPE = enum.auto()
    INTERMEDIATE = enum.auto()
    CSI = enum.auto()
    CSI_IGNORE = enum.auto()
    OSC = enum.auto()
    STRING = enum.auto()  # DCS, SOS, PM, APC: skipped
    STRING_ESCAPE = enum.auto()


_OSC_MARKS: Final = {"A": Mark.EDIT_BEGAN, "B": Mark.PROMPT_ENDED, "C": Mark.LINE_TAKEN}


class OutputReader:
    """Paints on a strip and reports marks, in the order in which they came."""

    def __init__(self, strip: Strip, on_mark: Callable[[Mark], None]) -> None:
        self.strip = strip
        self.hasty = False  # nobody counts what is painted
        self.pasting = False  # the target asked for bracketed paste
        self._on_mark = on_mark
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._at = _At.GROUND
        self._held = ""  # parameters, or the beginning of a string
        self._osc = False
        self._cancelled = 0  # how much of CAN "B" was seen

    def feed(self, data: bytes) -> None:
        """Read some of the stream."""
        text = self._decode(data)
        at, end = 0, len(text)
        while at < end:
            if self._at is _At.GROUND:
                if end - at > _WORTH_SKIPPING and self.hasty and not self.strip.awake:
                    at = self._skip(text, at)
                if at == end:
                    return
                plain = _PLAIN.match(text, at)
                if plain is not None:
                    at = plain.end()
                    self._plain(plain.group())
                    continue
            self._step(text[at])
            at += 1

    def _skip(self, text: str, at: int) -> int:
        """Asleep, a strip holds one row: go to where the last one begins. Changes nothing but time."""
        if self._cancelled:
            return at
        dull = _DULL.match(text, at)
        end = at if dull is None else dull.end()
        feed = text.rfind("\n", at, end)
        jump = text.rfind("H", at, end)
        start = max(jump - _JUMP_LENGTH, at)
        found = _JUMP.search(text, start, jump) if jump > feed else None
        if found is not None:
            return found.start()
        if feed < at:
            return at
        self.strip.line_feed()
        return feed + 1

    def _plain(self, text: str) -> None:
        if self._cancelled:
            if text[0] == "B":
                self._on_mark(Mark.TRANSFER)
            self._cancelled = 0
        self.strip.paint(text)

    def _step(self, char: str) -> None:
        if self.strip.first_break is None:
            self.strip.first_break = self.strip.painted
        if char == "\x1b":
            in_string = self._at in (_At.OSC, _At.STRING)
            self._at = _At.STRING_ESCAPE if in_string else _At.ESCAPE
        elif char in "\x18\x1a":
            self._at = _At.GROUND
            self._cancelled = int(char == "\x18")
        elif self._at in (_At.OSC, _At.STRING):
            self._string(char)
        elif char < " " or "\x7f" <= char <= "\x9f":
            self._control(char)
        elif self._at is _At.STRING_ESCAPE:
            self._string_end(char)
        elif self._at is _At.ESCAPE:
            self._escape(char)
        elif self._at is _At.INTERMEDIATE:
            self._intermediate(char)
        else:
            self._csi(char)

    # --- controls ---------------------------------------------------------------------------------

    def _control(self, char: str) -> None:
        """C0 acts inside sequences too, as on a real terminal."""
        strip = self.strip
        if char == "\r":
            strip.carriage_return()
        elif char in "\n\v\f":
            strip.line_feed()
        elif char == "\b":
            strip.backspace()
        elif char == "\t":
            strip.tab()
        elif char in "\x0e\x0f":
            strip.odd_set = char == "\x0e"
        elif char >= "\x80":
            # terminals differ in whether they obey C1 in UTF-8
            strip.doubt = strip.doubt or "controls"

    def _escape(self, char: str) -> None:
        self._at = _At.GROUND
        strip = self.strip
        if char == "[":
            self._at, self._held = _At.CSI, ""
        elif char in "]PX^_":
            self._at, self._held = (_At.OSC if char == "]" else _At.STRING), ""
            self._osc = char == "]"
        elif char in " #%()*+-./":
            self._at, self._held = _At.INTERMEDIATE, char
        elif char == "7":
            strip.save()
        elif char == "8":
            strip.restore()
        else:
            self._escape_move(char)

    def _escape_move(self, char: str) -> None:
        strip = self.strip
        if char == "D":
            strip.vertical(1)
        elif char == "E":
            strip.carriage_return()
            strip.line_feed()
        elif char == "M":
            strip.vertical(-1)
        elif char == "c":
            strip.reset()

    def _intermediate(self, char: str) -> None:
        if char <= "/":
            return
        self._at = _At.GROUND
        if self._held == "(":
            self.strip.odd_set = char not in "BA"

    # --- strings ----------------------------------------------------------------------------------

    def _string(self, char: str) -> None:
        if char in "\x07\x9c" and (self._osc or char == "\x9c"):
            self._at = _At.GROUND
            self._command()
        elif len(self._held) < _MAX_STRING:
            self._held += char

    def _string_end(self, char: str) -> None:
        self._at = _At.GROUND
        self._command()
        if char != "\\":  # the ESC began another sequence
            self._escape(char)

    def _command(self) -> None:
        if self._osc and self._held.startswith("133;"):
            mark = _OSC_MARKS.get(self._held[4:5])
            if mark is Mark.EDIT_BEGAN and "k=s" in self._held:
                return  # a secondary prompt does not begin anew
            if mark is not None:
                self._on_mark(mark)

    # --- control sequences ------------------------------------------------------------------------

    def _csi(self, char: str) -> None:
        if "@" <= char <= "~":
            ignore = self._at is _At.CSI_IGNORE
            self._at = _At.GROUND
            if not ignore:
                self._dispatch(char, self._held)
        elif len(self._held) < _MAX_PARAMETERS:
            self._held += char
        else:
            self._at = _At.CSI_IGNORE
            self.strip.doubt = self.strip.doubt or "controls"

    def _dispatch(self, final: str, held: str) -> None:
        if held[:1] == "?":
            if final in "hl":
                for mode in _numbers(held[1:]):
                    self._private_mode(mode, on=final == "h")
            return
        if held and not held[-1].isdigit() and held[-1] not in ";:":
            return  # intermediates and private markers: cursor shape, reports, keyboard modes
        numbers = _numbers(held)
        first = numbers[0] if numbers else 0
        if not _move(self.strip, final, first, numbers):
            _erase(self.strip, final, first)

    def _private_mode(self, mode: int, *, on: bool) -> None:
        if mode == _PASTE:
            self.pasting = on
            self._on_mark(Mark.EDIT_BEGAN if on else Mark.LINE_TAKEN)
        elif mode in _ALTERNATE:
            self._on_mark(Mark.ALTERNATE_ON if on else Mark.ALTERNATE_OFF)


def _numbers(held: str) -> list[int]:
    return [
        min(int(part), _MAX_COUNT) if part.isascii() and part.isdigit() else 0
        for part in held.split(";")
    ]


def _move(strip: Strip, final: str, first: int, numbers: list[int]) -> bool:
    count = max(first, 1)
    if final in "AF":
        strip.vertical(-count)
    elif final in "BEe":
        strip.vertical(count)
    elif final in "Ca":
        strip.column(strip.x + count)
    elif final == "D":
        strip.column(strip.x - count)
    elif final in "G`":
        strip.column(count - 1)
    elif final in "Hf":
        strip.position(count, max(numbers[1], 1) if len(numbers) > 1 else 1)
    elif final == "s":
        strip.save()
    elif final == "u":
        strip.restore()
    else:
        return False
    if final in "EF":
        strip.carriage_return()
    return True


def _erase(strip: Strip, final: str, first: int) -> None:
    count = max(first, 1)
    if final == "J":
        strip.erase_display(first)
    elif final == "K":
        strip.erase_line(first)
    elif final == "@":
        strip.insert_cells(count)
    elif final == "P":
        strip.delete_cells(count)
    elif final == "X":
        strip.erase_cells(count)
    elif final == "L":
        strip.insert_rows(count)
    elif final == "M":
        strip.delete_rows(count)
    elif final in "hl":
        strip.insert = final == "h" if first == 4 else strip.insert  # noqa: PLR2004 - IRM's number
    elif final in "brdSTIZ":
        # repeats, margins, rows by number: shells do not edit lines with these
        strip.doubt = strip.doubt or "controls"

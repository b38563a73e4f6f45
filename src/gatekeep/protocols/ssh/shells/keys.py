"""What a client types, cut where a line may be accepted, and what can be told of it by counting.

Nothing is held back here but by the caller, and no typed byte is kept. An accept byte counts in
every place, inside answers of the terminal too, except inside a paste that the target will take.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

ACCEPTS: Final = frozenset(b"\r\n\x0f")
INTERRUPTS: Final = frozenset(b"\x03\x04")
_ESC: Final = 0x1B
_QUOTES: Final = frozenset(b"\x11\x16")  # C-q and C-v take the next byte as it is
#: Keys after which an escape sequence still begins: moving, erasing, completing.
_PLAIN_KEYS: Final = frozenset(b"\x01\x02\x04\x05\x06\x07\x08\t\x0b\x0c\x15\x17\x19\x7f")
_PASTE_BEGINS: Final = b"200~"
_PASTE_ENDS: Final = b"\x1b[201~"
_HISTORY: Final = frozenset(b"\x0e\x10\x12\x13")  # C-n, C-p, C-r, C-s
_DELETE: Final = 0x7F


@dataclass(slots=True)
class Piece:
    """Some of what was typed. An accept byte is a piece of its own.

    `printable` counts characters that a shell would echo (less what the end of a paste had been
    counted for). `inside`: the accept byte stands inside a sequence, such as an answer. `edits`: anything but characters.
    `recalls`: keys that may bring an earlier line. `quoted`: a byte may have been taken literally,
    or a paste held control bytes. `breaks`: a paste held line ends. `interrupts`: C-c or C-d.
    """

    data: bytes
    accept: bool = False
    inside: bool = False
    printable: int = 0
    edits: bool = False
    recalls: bool = False
    quoted: bool = False
    breaks: bool = False
    interrupts: bool = False


class _At(enum.Enum):
    GROUND = enum.auto()
    QUOTED = enum.auto()
    ESCAPE = enum.auto()
    CSI = enum.auto()
    SINGLE = enum.auto()  # SS3: one more byte
    STRING = enum.auto()  # an answer: OSC, DCS …
    PASTE = enum.auto()


class KeyReader:
    """The state of the client's stream; `begin_line` when the target begins to edit a new line."""

    def __init__(self) -> None:
        self._at = _At.GROUND
        self._held = b""  # parameters of a sequence, or the tail of a paste
        self._clean = True  # the byte before leaves ESC its meaning
        self._bare_escape = False  # then the editor may be in a mode where a paste is commands

    def begin_line(self) -> None:
        """A new line: an editor in vi mode inserts again."""
        self._bare_escape = False
        self._clean = True

    def take(self, queue: bytearray, *, pasting: bool) -> Piece | None:
        """Remove one piece from the front: an accept byte, or all before the next one.

        `pasting`: the target asked for bracketed paste and is editing a line.
        """
        if not queue:
            return None
        if not pasting and self._at is _At.PASTE:
            self._at = _At.GROUND
        piece = Piece(b"")
        end = 0
        for byte in queue:
            if byte in ACCEPTS and self._at is not _At.PASTE:
                break
            end += 1
            self._step(byte, piece, pasting=pasting)
        if end == 0:
            inside = self._at in (_At.CSI, _At.STRING)
            self._at = _At.GROUND
            piece = Piece(bytes(queue[:1]), accept=True, inside=inside)
            del queue[:1]
            return piece
        piece.data = bytes(queue[:end])
        del queue[:end]
        return piece

    def _step(self, byte: int, piece: Piece, *, pasting: bool) -> None:
        at = self._at
        if at is _At.PASTE:
            self._paste(byte, piece)
        elif at is _At.GROUND:
            self._ground(byte, piece)
        elif at is _At.QUOTED:
            self._at = _At.GROUND
            self._clean = False
            piece.printable += 1
        elif at is _At.ESCAPE:
            self._escape(byte, piece)
        elif at is _At.CSI:
            self._csi(byte, pasting=pasting)
        elif at is _At.SINGLE or byte == 0x07:  # noqa: PLR2004 - BEL ends an answer
            self._at = _At.GROUND
        elif byte == _ESC:
            self._at = _At.ESCAPE

    def _ground(self, byte: int, piece: Piece) -> None:
        if byte >= 0x20 and byte != _DELETE:  # noqa: PLR2004 - below are controls
            piece.printable += byte & 0xC0 != 0x80  # noqa: PLR2004 - not the rest of a character
            self._clean = True
            return
        piece.edits = True
        piece.interrupts |= byte in INTERRUPTS
        piece.recalls |= byte in _HISTORY
        if byte == _ESC:
            self._at = _At.ESCAPE
            self._bare_escape |= not self._clean
        elif byte in _QUOTES:
            self._at = _At.QUOTED
            piece.quoted = True
        self._clean = byte in _PLAIN_KEYS

    def _escape(self, byte: int, piece: Piece) -> None:
        piece.recalls = True  # arrows, M-< and their kind
        if byte == ord("["):
            self._at, self._held = _At.CSI, b""
        elif byte == ord("O"):
            self._at = _At.SINGLE
        else:
            self._bare_escape = True
            self._at = _At.STRING if byte in b"]P_^X" else _At.GROUND
            self._at = _At.ESCAPE if byte == _ESC else self._at
        self._clean = True

    def _csi(self, byte: int, *, pasting: bool) -> None:
        if byte == _ESC:
            self._at, self._bare_escape = _At.ESCAPE, True
            return
        if len(self._held) < len(_PASTE_BEGINS):
            self._held += bytes((byte,))
        if 0x40 <= byte <= 0x7E:  # noqa: PLR2004 - the range of final bytes
            begins = self._held == _PASTE_BEGINS and pasting and not self._bare_escape
            self._at, self._held = (_At.PASTE if begins else _At.GROUND), b""

    def _paste(self, byte: int, piece: Piece) -> None:
        self._held = (self._held + bytes((byte,)))[-len(_PASTE_ENDS) :]
        if self._held == _PASTE_ENDS:
            self._at, self._held = _At.GROUND, b""
            piece.printable -= len(_PASTE_ENDS) - 2  # its other characters were counted as text
        elif byte in b"\r\n":
            piece.breaks = True
        elif byte >= 0x20:  # noqa: PLR2004 - below are controls
            piece.printable += byte & 0xC0 != 0x80  # noqa: PLR2004 - not the rest of a character
        elif byte != _ESC:
            piece.quoted = True

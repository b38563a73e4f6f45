"""Everything that was printed, as lines of text with their moments. Pure.

Unlike a screen it leaves nothing out: what was overwritten, erased, concealed (SGR 8, a colour on
itself), or shown on the alternate screen is all here, and so is what stood in control strings such
as a clipboard's. The lines are not made safe for a terminal; whoever prints them does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from gatekeep.recordings.chunks import ERRORS, EXITED, MARKER, OUTPUT, RESIZED, TOLD, Record
from gatekeep.recordings.colours import Colour, alike, indexed
from gatekeep.recordings.sequences import Control, Csi, Escape, Piece, Printed, Sequencer, String

MAX_LINE: Final = 4096
ALTERNATE: Final = "alternate"
CONCEALED: Final = "concealed"
REPLACED: Final = "overwritten"
STDERR: Final = "stderr"
SEQUENCE: Final = "sequence"
WORDS: Final = "gatekeep"
PLACE: Final = "marker"
SIZE: Final = "size"
EXIT: Final = "exit"

_BREAKS: Final = frozenset("\n\v\f")
_RETURNS: Final = frozenset("\r\b")
_MOVES: Final = frozenset("ABCDEFGHLMPSTXZ@`abcdefgkrsu")
_ESCAPE_BREAKS: Final = frozenset("78DEMc")
_ALTERNATES: Final = frozenset({47, 1047, 1049})


_NO_COLOUR: Final = object()


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line, from the moment of its first character on. `notes` say how it was shown.

    `overwritten` means that the cursor went back over it, so that it may not have stayed.
    """

    at_us: int
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Style:
    """What SGR says that matters here: whether text is hidden from the eye."""

    conceal: bool = False
    foreground: Colour | None = None
    background: Colour | None = None

    @property
    def concealed(self) -> bool:
        """SGR 8, or a colour on itself."""
        return self.conceal or alike(self.foreground, self.background)

    def applied(self, parameters: tuple[int, ...]) -> Style:
        """The style after one SGR sequence."""
        style = self
        numbers = [max(number, 0) for number in parameters] or [0]
        while numbers:
            style = _one(style, numbers.pop(0), numbers)
        return style


def _one(style: Style, number: int, following: list[int]) -> Style:
    """The style after one attribute; what belongs to it is taken off `following`."""
    if number == 0:
        return Style()
    if number in (8, 28):
        return replace(style, conceal=number == 8)  # noqa: PLR2004 - SGR 8 conceals
    for ground, name in ((0, "foreground"), (10, "background")):
        colour = _colour(number - ground, following)
        if colour is not _NO_COLOUR:
            return replace(style, **{name: colour})
    return style


def _colour(number: int, following: list[int]) -> Any:
    """What a foreground's SGR number sets: a colour, None for the reader's own, or _NO_COLOUR."""
    if number == 38:  # noqa: PLR2004 - SGR 38;…
        return _extended(following)
    if number == 39:  # noqa: PLR2004 - SGR 39, the reader's own
        return None
    for base, bright in ((30, 0), (90, 8)):
        if base <= number < base + 8:
            return indexed(number - base + bright)
    return _NO_COLOUR


def _extended(numbers: list[int]) -> Colour | None:
    """The colour that follows 38 or 48, taken off the list."""
    kind = numbers.pop(0) if numbers else 0
    if kind == 5:  # noqa: PLR2004 - SGR 38;5;n
        return indexed(numbers.pop(0) if numbers else 0)
    if kind == 2:  # noqa: PLR2004 - SGR 38;2;r;g;b
        red, green, blue = [*numbers[:3], 0, 0, 0][:3]
        del numbers[:3]
        return red, green, blue
    return None


class Printout:
    """Turns records into lines; `end` gives the one that is not finished."""

    def __init__(self) -> None:
        self._streams = {OUTPUT: _Stream(()), ERRORS: _Stream((STDERR,))}

    def feed(self, record: Record) -> Iterator[TextLine]:
        """The lines that a record completes."""
        stream = self._streams.get(record.code)
        if stream is not None:
            yield from stream.feed(record.at_us, record.data)
            return
        # A word of ours stands between what was printed before and behind it.
        for other in self._streams.values():
            yield from other.finish(())
        if record.code == TOLD:
            yield from _told(record)
            return
        note = {MARKER: PLACE, RESIZED: SIZE, EXITED: EXIT}[record.code]
        yield TextLine(record.at_us, record.data.decode("utf-8", "replace"), (note,))

    def end(self) -> Iterator[TextLine]:
        """What is left when nothing follows."""
        for stream in self._streams.values():
            yield from stream.end()


class _Stream:
    """One stream of bytes: the line that is being printed, and how."""

    def __init__(self, notes: tuple[str, ...]) -> None:
        self._notes = notes
        self._sequencer = Sequencer()
        self._style = Style()
        self._alternate = False
        self._went_back = False
        self._text = ""
        self._at_us = 0
        self._now_us = 0

    def feed(self, at_us: int, data: bytes) -> Iterator[TextLine]:
        self._now_us = at_us
        for piece in self._sequencer.feed(data):
            yield from self._take(piece)

    def end(self) -> Iterator[TextLine]:
        for piece in self._sequencer.feed(b"", final=True):
            yield from self._take(piece)
        yield from self.finish(())

    def _take(self, piece: Piece) -> Iterator[TextLine]:
        if isinstance(piece, Printed):
            yield from self._print(piece.text)
        elif isinstance(piece, Control):
            yield from self._control(piece.character)
        elif isinstance(piece, Csi):
            yield from self._sequence(piece)
        elif isinstance(piece, Escape):
            if piece.final in _ESCAPE_BREAKS:
                yield from self.finish((REPLACED,) if piece.final == "c" else ())
        else:
            yield from self.finish(())
            yield TextLine(self._now_us, _said(piece), (*self._notes, SEQUENCE))

    def _print(self, text: str) -> Iterator[TextLine]:
        if self._went_back:
            yield from self.finish((REPLACED,))
        while text:
            if not self._text:
                self._at_us = self._now_us
            room = MAX_LINE - len(self._text)
            self._text += text[:room]
            text = text[room:]
            if len(self._text) >= MAX_LINE:
                yield from self.finish(())

    def _control(self, character: str) -> Iterator[TextLine]:
        if character in _BREAKS:
            yield from self.finish(())
        elif character in _RETURNS:
            self._went_back = bool(self._text)
        elif character == "\t":
            yield from self._print("\t")

    def _sequence(self, csi: Csi) -> Iterator[TextLine]:
        if csi.final == "m" and not (csi.private or csi.intermediates):
            style = self._style.applied(csi.parameters)
            if style.concealed != self._style.concealed:
                yield from self.finish(())
            self._style = style
        elif csi.final in "hl" and csi.private == "?" and _ALTERNATES & set(csi.parameters):
            yield from self.finish(())
            self._alternate = csi.final == "h"
        elif csi.final in _MOVES or (csi.final in "JK" and max((0, *csi.parameters)) > 0):
            yield from self.finish(())

    def finish(self, notes: Iterable[str]) -> Iterator[TextLine]:
        """End the line, if there is one."""
        self._went_back = False
        if not self._text:
            return
        text, self._text = self._text, ""
        more = [ALTERNATE] * self._alternate + [CONCEALED] * self._style.concealed
        yield TextLine(self._at_us, text, (*self._notes, *more, *notes))


def _told(record: Record) -> Iterator[TextLine]:
    """Our own words, which may be several lines, and come with what clears their place."""
    words = _Stream((WORDS,))
    yield from words.feed(record.at_us, record.data)
    yield from words.end()


def _said(piece: String) -> str:
    """A control string in words: nobody sees one, and some do things."""
    cut = "" if piece.length == len(piece.head) else f" … {piece.length} characters"
    return f"{piece.kind} {piece.head}{cut}"

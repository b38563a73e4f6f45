r"""Cuts what a target printed into text and control sequences. Pure; decides nothing about them.

The same bytes give the same pieces however they are chunked, and memory is bounded whatever comes.

| state | printable | C0 | ESC | ends with |
|---|---|---|---|---|
| ground | Printed | Control | → escape | |
| escape | `0`-`~`: Escape, or → csi (`[`), string (`]` `P` `X` `^` `_`); blank to `/` collected | Control | → escape anew | final |
| csi | parameters and intermediates collected; `@`-`~`: Csi | Control | → escape | final |
| string | head kept, length counted | counted (BEL ends an OSC) | → string escape | ST, or CAN and SUB |
| string escape | `\`: String; else String, then as escape | as escape | → escape | |

C1 controls (U+0080 to U+009F) count as their two-character forms. Bytes that are not UTF-8 are
U+FFFD, so an 8-bit CSI byte alone is no CSI here. CAN and SUB end any sequence; a character that
no sequence can hold ends one and is printed, because a reader should rather see too much.
"""

from __future__ import annotations

import codecs
import enum
import functools
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_PARAMETERS: Final = 32
MAX_PARAMETER: Final = 9999
MAX_SEQUENCE: Final = 256
STRING_HEAD: Final = 1024

_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_WHOLE_CSI: Final = re.compile(r"\x1b\[([ -?]{0,64})([@-~])")
_STRING_TEXT: Final = re.compile(r"[^\x07\x18\x1a\x1b\x80-\x9f]+")
_STRINGS: Final = {"]": "OSC", "P": "DCS", "X": "SOS", "^": "PM", "_": "APC"}
_BEL: Final = "\x07"
_ESC: Final = "\x1b"
_CANCEL: Final = frozenset("\x18\x1a")


class Printed(NamedTuple):
    """Characters that are shown."""

    text: str


class Control(NamedTuple):
    """One C0 control, or DEL."""

    character: str


class Escape(NamedTuple):
    """ESC, intermediates, a final character."""

    intermediates: str
    final: str


class Csi(NamedTuple):
    """A control sequence: private marker, parameters (missing ones are -1), intermediates, final.

    Sub-parameters (after a colon) count as parameters.
    """

    private: str
    parameters: tuple[int, ...]
    intermediates: str
    final: str


class String(NamedTuple):
    """A control string such as OSC: its kind, how it begins, how long it was."""

    kind: str
    head: str
    length: int


Piece = Printed | Control | Escape | Csi | String


class _State(enum.Enum):
    GROUND = enum.auto()
    ESCAPE = enum.auto()
    CSI = enum.auto()
    STRING = enum.auto()
    STRING_ESCAPE = enum.auto()


class Sequencer:
    """Reads bytes, gives pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._state = _State.GROUND
        self._collected = ""
        self._too_long = False
        self._kind = ""
        self._head = ""
        self._length = 0

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[Piece]:
        """The pieces that `data` completes. `final` also ends a character that was cut off."""
        text = self._decoder.decode(data, final)
        at = 0
        while at < len(text):
            run = self._run(text, at)
            if run is not None:
                if self._state is _State.GROUND:
                    yield Printed(run)
                else:
                    self._keep(run)
                at += len(run)
                continue
            if self._state is _State.GROUND:
                whole = _WHOLE_CSI.match(text, at)
                if whole is not None:
                    # The short way for a sequence that is here whole; else it goes step by step.
                    csi = parse_csi(*whole.groups())
                    if csi is not None:
                        yield csi
                    at = whole.end()
                    continue
            yield from self._step(text[at])
            at += 1

    def _run(self, text: str, at: int) -> str | None:
        """A run of characters that only this state's text is made of."""
        if self._state is _State.GROUND:
            match = _TEXT.match(text, at)
        elif self._state is _State.STRING:
            match = _STRING_TEXT.match(text, at)
        else:
            return None
        return match.group() if match else None

    def _step(self, character: str) -> Iterator[Piece]:
        if "\x80" <= character <= "\x9f":
            # The two-character form of a C1 control.
            yield from self._step(_ESC)
            yield from self._step(chr(ord(character) - 0x40))
        elif character in _CANCEL:
            if self._state in (_State.STRING, _State.STRING_ESCAPE):
                yield self._string()
            self._state = _State.GROUND
            yield Control(character)
        elif self._state is _State.STRING:
            yield from self._in_string(character)
        elif self._state is _State.STRING_ESCAPE:
            yield self._string()
            self._begin_escape()
            if character != "\\":
                yield from self._step(character)
            else:
                self._state = _State.GROUND
        elif character == _ESC:
            self._begin_escape()
        elif character < " " or character == "\x7f" or self._state is _State.GROUND:
            yield Control(character)
        elif self._state is _State.ESCAPE:
            yield from self._in_escape(character)
        else:
            yield from self._in_csi(character)

    def _begin_escape(self) -> None:
        self._state = _State.ESCAPE
        self._collected = ""
        self._too_long = False

    def _in_string(self, character: str) -> Iterator[Piece]:
        if character == _ESC:
            self._state = _State.STRING_ESCAPE
        elif character == _BEL and self._kind == "OSC":
            self._state = _State.GROUND
            yield self._string()
        else:
            self._keep(character)

    def _in_escape(self, character: str) -> Iterator[Piece]:
        if character <= "/":
            self._collect(character)
        elif character == "[" and not self._collected:
            self._state = _State.CSI
        elif character in _STRINGS and not self._collected:
            self._state = _State.STRING
            self._kind, self._head, self._length = _STRINGS[character], "", 0
        else:
            self._state = _State.GROUND
            if character > "~":
                yield Printed(character)
            elif not self._too_long:
                yield Escape(self._collected, character)

    def _in_csi(self, character: str) -> Iterator[Piece]:
        if character < "@":
            self._collect(character)
            return
        self._state = _State.GROUND
        if character > "~":
            yield Printed(character)
            return
        csi = None if self._too_long else parse_csi(self._collected, character)
        if csi is not None:
            yield csi

    def _collect(self, character: str) -> None:
        if len(self._collected) < MAX_SEQUENCE:
            self._collected += character
        else:
            self._too_long = True

    def _keep(self, text: str) -> None:
        self._length += len(text)
        self._head += text[: STRING_HEAD - len(self._head)]

    def _string(self) -> String:
        return String(self._kind, self._head, self._length)


_CSI: Final = re.compile(r"([<-?]?)([0-9;:]*)([ -/]*)")


@functools.lru_cache(1024)
def parse_csi(collected: str, final: str) -> Csi | None:
    """A control sequence from what stood between `[` and its final; None if it is malformed."""
    match = _CSI.fullmatch(collected)
    if match is None:
        return None
    private, numbers, intermediates = match.groups()
    parts = re.split("[;:]", numbers)[:MAX_PARAMETERS] if numbers else []
    parameters = tuple(min(int(part[:9]), MAX_PARAMETER) if part else -1 for part in parts)
    return Csi(private, parameters, intermediates, final)

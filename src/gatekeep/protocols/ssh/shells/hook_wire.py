"""The wire between a shell's hook and the gateway: frames found in what a terminal shows.

A frame is `ESC ] 7717 ; token ; kind ; number ; text ST` (ST: ESC and a backslash), with `%` and control characters of
the text as `%XX`. What is no frame is given back unchanged, whatever the chunks; a frame never is.
No decision is made here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

INTRODUCER: Final = b"\x1b]7717;"
MAX_FRAME_BYTES: Final = 4096
"""Of one frame; the hook splits what is longer than about 900."""

_NUMBER_DIGITS: Final = 9
_FIELDS: Final = 4
_END = re.compile(rb"\x1b\\|\x07|\x1b(?!\\)(?=.)|[\x00-\x06\x08-\x1a\x1c-\x1f\x7f]", re.DOTALL)
_TERMINATORS: Final = (b"\x1b\\", b"\x07")


class Frame(NamedTuple):
    """What the hook says. A frame that is not well-formed has the kind `?`."""

    token: bytes
    kind: bytes
    number: int
    text: bytes


BROKEN: Final = Frame(b"", b"?", 0, b"")
Item: TypeAlias = bytes | Frame


class FrameScanner:
    """Takes what the target's terminal shows and gives, in order, what is shown and the frames."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Item]:
        """The next bytes. At most the beginning of a frame is kept back."""
        held = self._held + data
        self._held = b""
        at = 0
        while at < len(held):
            start = held.find(INTRODUCER, at)
            if start < 0:
                keep = _ends_as_a_frame_begins(held[at:][-len(INTRODUCER) :])
                self._held = held[len(held) - keep :]
                if len(held) - keep > at:
                    yield held[at : len(held) - keep]
                return
            if start > at:
                yield held[at:start]
            body = start + len(INTRODUCER)
            end = _END.search(held, body, body + MAX_FRAME_BYTES + 2)
            if end is not None:
                whole = end.group() in _TERMINATORS
                yield _read(held[body : end.start()]) if whole else BROKEN
                at = end.end() if whole else end.start()
            elif len(held) - body > MAX_FRAME_BYTES:
                yield BROKEN
                at = body + MAX_FRAME_BYTES
            else:
                self._held = held[start:]
                return

    def end(self) -> bytes:
        """The target ends: what was kept back and is no frame."""
        held, self._held = self._held, b""
        return b"" if held.startswith(INTRODUCER) else held


def _ends_as_a_frame_begins(data: bytes) -> int:
    for length in range(min(len(INTRODUCER) - 1, len(data)), 0, -1):
        if INTRODUCER.startswith(data[-length:]):
            return length
    return 0


def _read(body: bytes) -> Frame:
    fields = body.split(b";", _FIELDS - 1)
    if len(fields) != _FIELDS:
        return BROKEN
    token, kind, number, text = fields
    if not (number.isdigit() and len(number) <= _NUMBER_DIGITS):
        return BROKEN
    return Frame(token, kind, int(number), unquote_to_bytes(text))


class Marks:
    """Private modes that a line editor or a full-screen program switches on and off."""

    EDITING: Final = 2004
    SCREENS: Final = frozenset({47, 1047, 1049})
    _SEQUENCE = re.compile(rb"\x1b\[\?([0-9;]{1,40})([hl])")
    _LONGEST: Final = 44

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> list[tuple[int, bool]]:
        """Each mode that is set (True) or reset in these bytes, in order."""
        seen: list[tuple[int, bool]] = []
        text = self._tail + data
        done = 0
        for found in self._SEQUENCE.finditer(text):
            done = found.end()
            modes = [int(word[:6]) for word in found.group(1).split(b";") if word]
            seen += [(mode, found.group(2) == b"h") for mode in modes]
        self._tail = text[max(done, len(text) - self._LONGEST) :]
        return seen


class ReplyGuard:
    """Takes out of what a client types whatever the hook could read as ours: replies and keys."""

    _STEPS: Final = (b"\x1b", b"[]", b"7", b"7", b"1", b"7")

    def __init__(self) -> None:
        self._matched = 0

    def clean(self, data: bytes) -> bytes:
        """The same bytes, without the last one of each pattern; nothing is kept back."""
        if not self._matched and b"\x1b" not in data:
            return data
        kept = bytearray()
        at = 0
        while at < len(data):
            if not self._matched:
                escape = data.find(b"\x1b", at)
                escape = len(data) if escape < 0 else escape
                kept += data[at:escape]
                at = escape
                self._matched = int(at < len(data))
                kept += data[at : at + 1]
            else:
                self._one(data[at], kept)
            at += 1
        return bytes(kept)

    def _one(self, byte: int, kept: bytearray) -> None:
        if byte in self._STEPS[self._matched]:
            self._matched += 1
        else:
            self._matched = int(byte in self._STEPS[0])
        if self._matched == len(self._STEPS):
            self._matched -= 1
        else:
            kept.append(byte)

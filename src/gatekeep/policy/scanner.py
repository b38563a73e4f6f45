"""Cuts a policy file into single policies and knows the line where each begins.

Cedar's own parser gives no positions, so each piece is handed to it alone. Nothing here knows
what a policy means; only strings, `//` comments and brackets are recognised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+) | (?P<comment>//[^\n]*) | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<open>[({\[]) | (?P<close>[)}\]]) | (?P<end>;) | (?P<quote>") | (?P<other>[^\s"/(){}\[\];]+|/)""",
    re.VERBOSE | re.DOTALL,
)
_ID: Final = re.compile(r'@id\s*\(\s*"((?:[^"\\]|\\.)*)"')
_PAIRS: Final = {")": "(", "}": "{", "]": "["}


@dataclass(frozen=True, slots=True)
class Piece:
    """One policy's text, without what stands before it; `line` counts from 1."""

    text: str
    line: int
    guessed_id: str


class CutError(Exception):
    """The file cannot be cut: `what` is wrong with the policy that begins at `line`."""

    def __init__(self, what: str, line: int, guessed_id: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.line = line
        self.guessed_id = guessed_id


class _Cutter:
    """Walks the tokens of one file; `start` is where the current policy began, -1 between two."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = -1
        self._open: list[str] = []
        self.pieces: list[Piece] = []

    def cut(self) -> None:
        for token in _TOKEN.finditer(self._text):
            kind = token.lastgroup
            if kind in ("space", "comment"):
                continue
            if self._start < 0:
                self._start = token.start()
            if kind == "quote":
                raise self._error("a string is not closed", len(self._text))
            if kind == "open":
                self._open.append(token.group())
            elif kind == "close":
                self._close(token.group(), token.end())
            elif kind == "end":
                self._finish(token.end())
        if self._start >= 0:
            raise self._error("the last policy does not end with a semicolon", len(self._text))

    def _close(self, bracket: str, end: int) -> None:
        if not self._open or self._open.pop() != _PAIRS[bracket]:
            raise self._error(f"a {bracket} closes nothing", end)

    def _finish(self, end: int) -> None:
        if self._open:
            raise self._error(f"a {self._open[-1]} is not closed before the semicolon", end)
        text = self._text[self._start : end]
        self.pieces.append(Piece(text, self._line(), _guess_id(text)))
        self._start = -1

    def _line(self) -> int:
        return self._text.count("\n", 0, self._start) + 1

    def _error(self, what: str, end: int) -> CutError:
        return CutError(what, self._line(), _guess_id(self._text[self._start : end]))


def cut(text: str) -> list[Piece]:
    """All policies of one file, in order. Raises CutError where strings or brackets are broken."""
    cutter = _Cutter(text)
    cutter.cut()
    return cutter.pieces


def _guess_id(text: str) -> str:
    found = _ID.search(text)
    return found.group(1) if found else ""

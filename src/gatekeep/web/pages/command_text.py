"""A command as an approver must see it: all of it, line by line, with nothing hidden in it.

Turns text into pieces that a template prints; decides nothing. What would not be seen becomes a
visible piece, and the pieces joined say every character.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gatekeep.messages import web as words

MAX_CHARACTERS: Final = 262_144
MAX_LINES: Final = 5_000
SCREEN_LINES: Final = 30
SCREEN_CHARACTERS: Final = 2_000

_MASKS: Final = re.compile(r"('\*\*\*'|/\* \*\*\* \*/|\*\*\*)")
_BLANKS: Final = re.compile(r"(?<=\S)( {9,})|^( {41,})")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_EMPTY_RUN: Final = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line. `kind` is plain, escape, tab, secret, foreign or blanks.

    `note` are the code points of foreign letters, which may look like others.
    """

    kind: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, or a run of empty ones up to number `last`. `changed`: the last time it was not so."""

    number: int
    last: int
    pieces: tuple[Piece, ...]
    changed: bool = False


@dataclass(frozen=True, slots=True)
class CommandText:
    """All lines. `whole`: nothing was left out. `long`: more than fits on a screen."""

    lines: tuple[Line, ...]
    count: int
    whole: bool
    long: bool


def command_text(text: str, *, redacted: bool, before: str | None = None) -> CommandText:
    """The lines of a text; `redacted` says that marks in it stand for secrets.

    `before` is what was asked the last time: lines that were not in it are marked.
    """
    shown = text[:MAX_CHARACTERS].split("\n")[:MAX_LINES]
    known = frozenset(before.split("\n")) if before is not None else None
    count = text.count("\n") + 1
    return CommandText(
        tuple(_lines(shown, known, redacted=redacted)),
        count,
        whole=len(text) <= MAX_CHARACTERS and count <= MAX_LINES,
        long=count > SCREEN_LINES or len(text) > SCREEN_CHARACTERS,
    )


def _lines(shown: list[str], known: frozenset[str] | None, *, redacted: bool) -> Iterator[Line]:
    number = 0
    for empty, group in itertools.groupby(shown, key=lambda line: not line):
        run = list(group)
        if empty and len(run) >= _EMPTY_RUN:
            folded = Piece("blanks", words.empty_lines(len(run)))
            yield Line(number + 1, number + len(run), (folded,))
            number += len(run)
            continue
        for line in run:
            number += 1
            changed = known is not None and line not in known
            yield Line(number, number, tuple(_pieces(line, redacted=redacted)), changed)


def _pieces(line: str, *, redacted: bool) -> Iterator[Piece]:
    for number, part in enumerate(_MASKS.split(line) if redacted else [line]):
        if number % 2:
            yield Piece("secret", words.SECRET)
        elif part:
            yield from _folded(part)


def _folded(part: str) -> Iterator[Piece]:
    """Runs of blanks that push the rest out of sight are counted instead of shown."""
    at = 0
    for found in _BLANKS.finditer(part):
        yield from _seen(part[at : found.start()])
        yield Piece("blanks", words.blanks(found.end() - found.start()))
        at = found.end()
    yield from _seen(part[at:])


def _seen(part: str) -> Iterator[Piece]:
    if part.isascii() and part.isprintable():
        if part:
            yield Piece("plain", part)
        return
    for kind, group in itertools.groupby(part, key=_kind):
        run = "".join(group)
        if kind == "escape":
            yield Piece(kind, "".join(_escaped(character) for character in run))
        elif kind == "tab":
            yield Piece(kind, "→\t" * len(run))
        elif kind == "foreign":
            yield Piece(kind, run, " ".join(f"U+{ord(character):04X}" for character in run))
        else:
            yield Piece(kind, run)


def _kind(character: str) -> str:
    if character.isascii():
        if character == "\t":
            return "tab"
        return "plain" if character.isprintable() else "escape"
    if unicodedata.category(character) in _HIDDEN:
        return "escape"
    latin = unicodedata.name(character, "").startswith("LATIN ")
    return "plain" if latin and unicodedata.normalize("NFKC", character) == character else "foreign"


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:  # noqa: PLR2004 - one byte
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - four digits

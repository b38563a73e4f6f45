"""Foreign text, whole and line by line, with nothing in it that cannot be seen for what it is.

What would not be seen becomes `⟨U+202E⟩`, letters that may pass for others are followed by their
code points, long runs of blanks and empty lines are counted. Nothing is cut here.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_BLANKS: Final = re.compile(r"(?<=\S)([ \t]{9,})|^([ \t]{41,})")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_EMPTY_RUN: Final = 4
_LAST_LATIN: Final = "\u017f"
_LIKE_ASCII: Final = frozenset("\u0131\u0138\u00f8\u00d8")
"""Latin letters that are read as i, k, o and 0."""


@dataclass(frozen=True, slots=True)
class Legible:
    """Lines to show. `confusable`: letters in it may be taken for others.

    `count` is how many lines the text has itself, where runs of empty ones are not folded.
    """

    lines: tuple[str, ...]
    count: int
    confusable: bool

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)


def legible(text: str) -> Legible:
    """The text as it is to be shown."""
    return Legible(
        tuple(_lines(text)),
        text.count("\n") + 1,
        any(_kind(character) == "foreign" for character in text),
    )


def seen(text: str) -> str:
    """A name or a short text on one line."""
    return _seen(" ".join(text.split("\n")))


def _lines(text: str) -> Iterator[str]:
    for empty, group in itertools.groupby(text.split("\n"), key=lambda line: not line.strip()):
        run = list(group)
        if empty and len(run) >= _EMPTY_RUN:
            yield f"⋯ {len(run)} empty lines"
            continue
        for line in run:
            yield "".join(_folded(line))


def _folded(line: str) -> Iterator[str]:
    """Runs of blanks that would push the rest out of sight are counted instead of shown."""
    at = 0
    for found in _BLANKS.finditer(line):
        yield _seen(line[at : found.start()])
        yield f"⋯{found.end() - found.start()} blanks⋯"
        at = found.end()
    yield _seen(line[at:])


def _seen(part: str) -> str:
    if part.isascii() and part.isprintable():
        return part
    shown: list[str] = []
    for kind, group in itertools.groupby(part, key=_kind):
        run = "".join(group)
        codes = " ".join(f"U+{ord(character):04X}" for character in run)
        shown.append({"hidden": f"⟨{codes}⟩", "foreign": f"{run}⟨{codes}⟩"}.get(kind, run))
    return "".join(shown)


def _kind(character: str) -> str:
    """`plain`, `hidden`, or `foreign`: a character that may be taken for another.

    Our own marks are foreign too, so that a text cannot pretend to hold one.
    """
    if character.isascii():
        return "plain" if character.isprintable() or character in "\t\n" else "hidden"
    if unicodedata.category(character) in _HIDDEN:
        return "hidden"
    letter = character <= _LAST_LATIN and unicodedata.category(character).startswith("L")
    same = unicodedata.normalize("NFKC", character) == character
    return "plain" if letter and same and character not in _LIKE_ASCII else "foreign"

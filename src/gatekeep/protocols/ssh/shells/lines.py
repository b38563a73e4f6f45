"""The logical line behind a prompt, read off the strip, and how sure that reading is.

Never from what was typed: a line that is not shown is not known. Pure look-up; no state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gatekeep.protocols.ssh.shells.screen import Row, Strip

_SEARCH: Final = re.compile(r"\((?:failed )?(?:reverse-)?i-search\)`")
_SEARCH_LINE: Final = re.compile(r"\((?:failed )?(?:reverse-)?i-search\)`(.*?)': (.*)\Z", re.DOTALL)
_CARET: Final = re.compile(r"\^[@-_?]")
#: ASCII, and what popular prompts end in: U+276F, U+00BB, U+203A, U+279C, U+03BB.
_PROMPT_ENDS: Final = ("$", "#", "%", ">", "\u276f", "\u00bb", "\u203a", "\u279c", "\u03bb")
_BASH_LIKE: Final = frozenset({"bash", "sh", "dash", "ksh"})
_NO_EXPANSION: Final = " \t\n=("
_HEREDOC: Final = re.compile(r"<<-?\s*(['\"]?)([A-Za-z0-9_]+)\1")


@dataclass(frozen=True, slots=True)
class Prompt:
    """Where editing begins: in row `y`, behind `text`. `home` is the strip's count then."""

    y: int
    x: int
    text: str
    home: int
    marked: bool = False

    @property
    def usual(self) -> bool:
        """Whether it ends as prompts do, so that it is not half a line of somebody's."""
        return self.marked or self.text.rstrip().endswith(_PROMPT_ENDS)


@dataclass(frozen=True, slots=True)
class Typed:
    """What is known of the keys of this line (see `keys.Piece`)."""

    recalls: bool = False
    quoted: bool = False
    breaks: bool = False
    completes: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A line, and what makes it unsure.

    `shown` counts the characters, blanks at the end too, without line ends. `searching`: an
    incremental search is open and cannot be told from the line.
    """

    text: str
    shown: int
    doubts: frozenset[str] = frozenset()
    searching: bool = False


def prompt_at_cursor(strip: Strip, *, marked: bool = False) -> Prompt:
    """The prompt that ends where the cursor stands."""
    x = strip.x
    return Prompt(strip.y, x, _before(strip.rows[strip.y], x), strip.home, marked)


def _before(row: Row, x: int) -> str:
    return row.text(0, x).ljust(x)


def _continues(strip: Strip, y: int) -> bool:
    """Whether row y goes on from the row above; a flag alone may be stale."""
    if y == 0 or not strip.rows[y].wrapped:
        return False
    return len(strip.rows[y - 1].cells) >= strip.columns - 1


def read_line(strip: Strip, prompt: Prompt, typed: Typed, login_shell: str) -> Reading:
    """The line as it stands now."""
    doubts = {strip.doubt} if strip.doubt else set()
    start, x = _start(strip, prompt, typed, doubts)
    if _search_is_open(strip, start):
        return _search(strip, start, doubts)
    if len(strip.rows) - start > strip.height:
        doubts.add("scrolled")
    whole = _join(strip, start, x, login_shell, doubts)
    text = _trim(whole)
    if "\n" in text and not (typed.breaks or typed.quoted or typed.recalls):
        doubts.add("rows")
    doubts |= _meaning(text, typed, login_shell)
    return Reading(text, len(whole.replace("\n", "")), frozenset(doubts))


def _start(strip: Strip, prompt: Prompt, typed: Typed, doubts: set[str]) -> tuple[int, int]:
    """The row and column where the line begins; the prompt may have been painted again lower."""
    moved = strip.home != prompt.home
    first = 0 if moved else prompt.y
    if first >= len(strip.rows):
        doubts.add("prompt_lost")
        return len(strip.rows) - 1, 0
    if _search_is_open(strip, first):
        return first, 0
    places = [
        y
        for y in range(first, len(strip.rows))
        if not _continues(strip, y) and _before(strip.rows[y], prompt.x) == prompt.text
    ]
    if not places:
        doubts.add("prompt_lost")
        return first, 0
    if prompt.x == 0 or places == [prompt.y]:
        return places[0], prompt.x
    if len(places) > 1 and (typed.breaks or typed.quoted or typed.recalls or not typed.completes):
        doubts.add("prompt_repeated")  # a row of the line itself may look like the prompt
        return places[0], prompt.x
    return places[-1], prompt.x


def _search_is_open(strip: Strip, y: int) -> bool:
    more = y + 1 < len(strip.rows) and _continues(strip, y + 1)
    return bool(_SEARCH.match(strip.rows[y].text() + (strip.rows[y + 1].text() if more else "")))


def _search(strip: Strip, start: int, doubts: set[str]) -> Reading:
    shown = _join(strip, start, 0, "bash", doubts)
    found = _SEARCH_LINE.match(shown)
    if found is None or shown.count("': ") != 1:
        return Reading(_trim(shown), len(shown), frozenset(doubts | {"search"}), searching=True)
    return Reading(_trim(found.group(2)), len(shown), frozenset(doubts))


def _join(strip: Strip, start: int, x: int, login_shell: str, doubts: set[str]) -> str:
    last = len(strip.rows) - 1
    if login_shell not in _BASH_LIKE:
        last = max(strip.y, start)  # below may stand what completion offers
        while last + 1 < len(strip.rows) and _continues(strip, last + 1):
            last += 1
    parts: list[str] = []
    for y in range(start, last + 1):
        row = strip.rows[y]
        begin = x if y == start else 0
        indent = 0 if y == start else row.indent()
        gap = row.gap(max(begin, indent))
        if gap is not None or indent:
            doubts.add("gap")
        if row.odd:
            doubts.add("characters")
        if parts and not _continues(strip, y):
            parts.append("\n")
        elif parts and row.begins_wide and strip.rows[y - 1].ends_blank:
            doubts.add("edge")  # a blank of the line, or what the last column was filled with
        parts.append(row.text(begin, gap))
    if strip.rows[last].is_cut(strip.columns):
        doubts.add("cut")
    return "".join(parts).rstrip("\n")


def _trim(text: str) -> str:
    bare = text.rstrip(" ")
    return bare + " " if bare.endswith("\\") and bare != text else bare


def _meaning(text: str, typed: Typed, login_shell: str) -> set[str]:
    """What is shown, and yet not what will run."""
    doubts = set()
    if login_shell not in ("sh", "dash") and expands_history(text):
        doubts.add("history_expansion")
    if (typed.quoted or typed.recalls) and _CARET.search(text):
        doubts.add("control_characters")
    return doubts


def expands_history(text: str) -> bool:
    """Whether a shell may put an earlier line in the place of `!…` or `^…^`."""
    if text.startswith("^"):
        return True
    for at, char, quote in _unquoted(text):
        after = text[at + 1 : at + 2]
        if char == "!" and quote != "'" and after and after not in _NO_EXPANSION:
            return not (quote == '"' and after == '"')
    return False


def _unquoted(text: str) -> Iterator[tuple[int, str, str]]:
    """Each character that no backslash takes away, with the quote that it stands in."""
    quote, at = "", 0
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'":
            at += 2
            continue
        if char == quote:
            quote = ""
        elif char in "'\"" and not quote:
            quote = char
        yield at, char, quote
        at += 1


def looks_complete(text: str) -> bool:
    """A rough answer where no parser was given: quotes, a last backslash, heredocs, open ends."""
    quote = ""
    for _, _, quote in _unquoted(text):  # noqa: B007 - the last one is asked for
        pass
    body = text.split("\n")
    if quote or (len(text) - len(text.rstrip("\\"))) % 2:
        return False
    if text.rstrip().endswith(("|", "&&")):
        return False
    return all(
        any(line.strip() == found.group(2) for line in body[1:])
        for found in _HEREDOC.finditer(text)
    )

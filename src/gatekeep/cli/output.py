"""How results are shown: a terminal, a pipe and a screen reader each get what they can use.

stdout is data, stderr is talk. Everything that came from elsewhere passes through `visible`, so
that no statement, name or note can drive the reader's terminal (12-threats H10).
"""

from __future__ import annotations

import enum
import json
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import yaml
from rich.cells import cell_len

Row = Mapping[str, Any]

_SHAPES: Final = {"allow": "● allow", "ask": "◆ ask", "deny": "■ deny"}
_COLOURS: Final = {"allow": "32", "ask": "33", "deny": "31", "dim": "2"}
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that draw nothing: fillers, joiners, variation selectors.
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
_BLANKS: Final = re.compile(r"\s+")
_PLAIN: Final = re.compile(r"[\x20-\x7e]*")


class Format(enum.StrEnum):
    """What `-o` may say."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Colour(enum.StrEnum):
    """What `--color` may say."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Kind(enum.Enum):
    """How a column's value is read."""

    TEXT = enum.auto()
    TIME = enum.auto()
    VERDICT = enum.auto()


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title on a terminal, the key in the row, and how the value is read."""

    title: str
    key: str
    kind: Kind = Kind.TEXT


def _is_hidden(character: str) -> bool:
    return character in _BLANK or unicodedata.category(character) in _HIDDEN


def visible(text: str) -> str:
    """Foreign text on one line, whole: whatever a terminal would obey or hide is spelt out.

    C0, C1, DEL, bidirectional and zero-width characters are written as their code in hex.
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_spelt(c) if _is_hidden(c) else c for c in text)


def _spelt(character: str) -> str:
    code = ord(character)
    if code < 0x100:  # noqa: PLR2004 - the first 256 code points
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - one unit


def folded(text: str) -> str:
    """A statement on one line: runs of blanks and line ends become one blank, the rest visible."""
    return visible(_BLANKS.sub(" ", text).strip())


def local_time(time_us: int) -> str:
    """Microseconds UTC as a reader's own wall clock."""
    moment = datetime.fromtimestamp(time_us / 1_000_000, UTC).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def utc_time(time_us: int) -> str:
    """Microseconds UTC by RFC 3339, with all six digits."""
    seconds, micros = divmod(time_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"


@dataclass(frozen=True, slots=True)
class Surface:
    """What is known of where stdout goes."""

    terminal: bool
    colour: bool
    accessible: bool
    width: int

    @classmethod
    def of(
        cls, stream: TextIO, environment: Mapping[str, str], colour: Colour, width: int
    ) -> Surface:
        """`NO_COLOR`, `TERM=dumb` and GATEKEEP_ACCESSIBLE are honoured; `--color` goes first."""
        terminal = stream.isatty()
        wanted = terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
        if colour is not Colour.AUTO:
            wanted = colour is Colour.ALWAYS
        accessible = terminal and environment.get("GATEKEEP_ACCESSIBLE", "") not in {"", "0"}
        return cls(terminal, wanted, accessible, width)


class Screen:
    """Writes results for one command. `header` adds the header line in a pipe."""

    def __init__(
        self,
        surface: Surface,
        format_: Format = Format.TABLE,
        *,
        header: bool = False,
        out: TextIO | None = None,
        talk: TextIO | None = None,
    ) -> None:
        self.surface = surface
        self.format = format_
        self._header = header
        self._out = out or sys.stdout
        self._talk = talk or sys.stderr

    def say(self, what: str, *, following: str = "") -> None:
        """Talk: one line of what happened and, dimmed, the next command."""
        line = what if not following else f"{what}   {self.paint('dim', 'next: ' + following)}"
        self._talk.write(line + "\n")

    def data(self, line: str) -> None:
        """One line of data as it is, already made visible."""
        self._out.write(line + "\n")

    def flush(self) -> None:
        """Bring streamed lines to the reader now."""
        self._out.flush()

    def document(self, value: Any) -> None:
        """One JSON or YAML document; hidden characters stay escaped, which loses nothing."""
        if self.format is Format.YAML:
            self._out.write(yaml.safe_dump(value, sort_keys=False, width=100))
        else:
            self._out.write(json_text(value, indent=2) + "\n")

    def rows(self, columns: Sequence[Column], rows: Sequence[Row], *, whole: Any = None) -> None:
        """A list: aligned on a terminal, tab-separated in a pipe, or `whole` as a document."""
        if self.format is not Format.TABLE:
            self.document(list(rows) if whole is None else whole)
        elif self.surface.accessible:
            self._flat(columns, rows)
        elif self.surface.terminal:
            self._aligned(columns, rows)
        else:
            if self._header:
                self.data("\t".join(column.title for column in columns))
            for row in rows:
                self.data(tabbed(columns, row))
        if not rows and self.surface.terminal and self.format is Format.TABLE:
            self.say("none")

    def record(self, columns: Sequence[Column], row: Row, *, whole: Any = None) -> None:
        """One thing as `name: value` lines, or as a document."""
        if self.format is not Format.TABLE:
            self.document(row if whole is None else whole)
        else:
            self._flat(columns, [row])

    def paint(self, colour: str, text: str) -> str:
        """`text` in a colour of the reader's own palette, where colour is wanted."""
        if not self.surface.colour or colour not in _COLOURS:
            return text
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"

    def cut(self, text: str, room: int | None = None) -> str:
        """`text` cut at the right edge with `…`; elsewhere than on a terminal it stays whole."""
        room = self.surface.width if room is None else room
        if not self.surface.terminal or self.surface.accessible or cell_len(text) <= room:
            return text
        kept = ""
        for character in text:
            if cell_len(kept + character) > room - 1:
                break
            kept += character
        return kept + "…" if room > 0 else ""

    def _flat(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        for number, row in enumerate(rows):
            if number:
                self.data("")
            for column in columns:
                self.data(f"{column.title.lower()}: {shown(column, row)}")

    def _aligned(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        if not rows:
            return
        cells = [[shown(column, row) for column in columns] for row in rows]
        widths = [
            max(cell_len(text) for text in (column.title, *(line[place] for line in cells)))
            for place, column in enumerate(columns)
        ]
        self.data(self._line([column.title for column in columns], widths, ["dim"] * len(widths)))
        for line, row in zip(cells, rows, strict=True):
            colours = [
                str(row.get(column.key, "")) if column.kind is Kind.VERDICT else ""
                for column in columns
            ]
            self.data(self._line(line, widths, colours))

    def _line(self, cells: Sequence[str], widths: Sequence[int], colours: Sequence[str]) -> str:
        line, room = "", self.surface.width
        for place, (text, width) in enumerate(zip(cells, widths, strict=True)):
            last = place == len(cells) - 1
            padded = text if last else text + " " * (width - cell_len(text) + 2)
            piece = self.cut(padded, room) if cell_len(padded.rstrip()) > room else padded
            line += self.paint(colours[place], piece)
            room -= cell_len(piece)
            if room <= 0:
                break
        return line.rstrip()


def shown(column: Column, row: Row) -> str:
    """A value for people: local time, shape and word, text on one line."""
    value = row.get(column.key)
    if value is None or value == "":
        return "-"
    if column.kind is Kind.TIME:
        return local_time(int(value)) if value else "never"
    if column.kind is Kind.VERDICT:
        return _SHAPES.get(str(value), visible(str(value)))
    return folded(_words(value))


def tabbed(columns: Sequence[Column], row: Row) -> str:
    """A record for a pipe: whole values, tabs between them, one line, UTC times."""
    return "\t".join(_whole(column, row.get(column.key)) for column in columns)


def verdict_shape(verdict: str) -> str:
    """Shape and word of a decision; any other word stays itself."""
    return _SHAPES.get(verdict, visible(verdict))


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that no terminal obeys: hidden characters are JSON escapes, so nothing is lost."""
    separators = None if indent else (",", ":")
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(_json_escape(c) if c != "\n" and _is_hidden(c) else c for c in text)


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"


def _whole(column: Column, value: Any) -> str:
    if value is None:
        return ""
    if column.kind is Kind.TIME:
        return utc_time(int(value)) if value else ""
    return visible(_words(value))


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(str(one) for one in value)
    if isinstance(value, Mapping):
        return json_text(value)
    return str(value)

"""What a terminal, a pipe and a screen reader get."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
import yaml

from gatekeep.cli.output import (
    Colour,
    Column,
    Format,
    Kind,
    Screen,
    Surface,
    folded,
    json_text,
    utc_time,
    visible,
)

COLUMNS = (
    Column("TIME", "t", Kind.TIME),
    Column("DECISION", "d", Kind.VERDICT),
    Column("WHAT", "w"),
)
ROW = {"t": 1_760_000_000_123_456, "d": "deny", "w": "delete from customers where id > 17"}

# What may stand in a statement, a name or an error text of somebody who means harm.
HOSTILE = [
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\x1b]52;c;cm0gLXJmIC8=\x07",
    "\x1bP+q544e\x1b\\",
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]1337;File=:AAAA\x07",
    "\x1b[6n",
    "\x1b[5n",
    "\x1b[c",
    "\x1b[8m hidden \x1b[0m",
    "\x1b[?1049h",
    "\x9b31m",
    "\x9d0;x\x9c",
    "\x90q\x9c",
    "a\x08\x08b",
    "fine\rEVIL",
    "line\nline",
    "tab\tbed",
    "\x00",
    "\x7f",
    "\u202eevil\u202c",
    "\u2066x\u2069",
    "\u200bzero",
    "\u200d",
    "\ufeff",
    "\u2028",
    "\u2029",
    "\u00ad",
    "\u061c",
    "\ufe0f",
    "\u3164",
    "\U000e0041",
    "\ud800",
    "\u2800",
    "\x1b[21t",
    "\x85",
]


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def _screen(
    *,
    terminal: bool,
    format_: Format = Format.TABLE,
    colour: bool = False,
    accessible: bool = False,
    width: int = 40,
    header: bool = False,
) -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    surface = Surface(terminal, colour, accessible, width)
    return Screen(surface, format_, header=header, out=out, talk=io.StringIO()), out


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_foreign_drives_the_terminal(text: str) -> None:
    """Controls, C1, DEL, bidi and zero-width characters are spelt out in every form of output."""
    row = {**ROW, "w": text}
    for terminal in (True, False):
        for accessible in (True, False):
            screen, out = _screen(terminal=terminal, accessible=accessible, width=400)
            screen.rows(COLUMNS, [row])
            _assert_harmless(out.getvalue().replace("\t", ""))
    for format_ in (Format.JSON, Format.YAML):
        screen, out = _screen(terminal=True, format_=format_)
        screen.rows(COLUMNS, [row])
        _assert_harmless(out.getvalue())
    _assert_harmless(visible(text))
    _assert_harmless(folded(text))


def _assert_harmless(text: str) -> None:
    for character in text.replace("\n", ""):
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}, repr(text)
    assert "\ufe0f" not in text
    assert "\u3164" not in text


@pytest.mark.parametrize("text", HOSTILE)
def test_json_and_yaml_lose_nothing(text: str) -> None:
    """Escapes in a document are the format's own: reading gives the value back."""
    if text != "\ud800":
        assert json.loads(json_text({"w": text}))["w"] == text
        screen, out = _screen(terminal=False, format_=Format.YAML)
        screen.document({"w": text})
        assert yaml.safe_load(out.getvalue())["w"] == text


def test_ordinary_writing_stays_readable() -> None:
    """Letters of any script are not escaped."""
    assert visible("Zoë 東京 naïve ½ →") == "Zoë 東京 naïve ½ →"
    assert "東京" in json_text({"w": "東京"})


def test_a_terminal_gets_columns_cut_at_its_edge() -> None:
    """Aligned columns without borders, never wider than the screen, cut with an ellipsis."""
    screen, out = _screen(terminal=True, width=48)
    screen.rows(COLUMNS, [ROW, {**ROW, "w": "x"}])
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["TIME", "DECISION", "WHAT"]
    assert all(len(line) <= 48 for line in lines)
    assert lines[1].endswith("…")
    assert "■ deny" in lines[1]
    assert lines[1].index("■") == lines[2].index("■") == lines[0].index("DECISION")


def test_wide_characters_do_not_break_the_edge() -> None:
    """A character of two cells counts as two."""
    screen, _ = _screen(terminal=True, width=6)
    assert screen.cut("東京東京") == "東京…"


def test_a_pipe_gets_whole_values() -> None:
    """Tabs, no header, UTC by RFC 3339, nothing cut, one line a record, no colour."""
    screen, out = _screen(terminal=False, width=10)
    screen.rows(COLUMNS, [{**ROW, "w": "a" * 500 + "\nb\tc"}])
    (line,) = out.getvalue().splitlines()
    assert line.split("\t") == ["2025-10-09T08:53:20.123456Z", "deny", "a" * 500 + r"\x0ab\x09c"]


def test_a_header_can_be_asked_for_in_a_pipe() -> None:
    """`--header` adds one."""
    screen, out = _screen(terminal=False, header=True)
    screen.rows(COLUMNS, [ROW])
    assert out.getvalue().splitlines()[0] == "TIME\tDECISION\tWHAT"


def test_a_screen_reader_gets_flat_lists() -> None:
    """GATEKEEP_ACCESSIBLE: `name: value`, a blank line between records, nothing cut."""
    screen, out = _screen(terminal=True, accessible=True, width=10)
    screen.rows(COLUMNS, [ROW, ROW])
    blocks = out.getvalue().split("\n\n")
    assert len(blocks) == 2
    assert blocks[0].splitlines()[2] == "what: delete from customers where id > 17"


@pytest.mark.parametrize(
    ("environment", "asked", "colour"),
    [
        ({"TERM": "xterm"}, Colour.AUTO, True),
        ({"NO_COLOR": "1"}, Colour.AUTO, False),
        ({"NO_COLOR": ""}, Colour.AUTO, True),
        ({"TERM": "dumb"}, Colour.AUTO, False),
        ({"NO_COLOR": "1"}, Colour.ALWAYS, True),
        ({}, Colour.NEVER, False),
    ],
)
def test_colour_obeys_the_reader(environment: dict[str, str], asked: Colour, colour: bool) -> None:
    """NO_COLOR and TERM=dumb switch it off, `--color` has the last word."""
    assert Surface.of(Tty(), environment, asked, 80).colour is colour


def test_a_pipe_has_no_colour() -> None:
    """Unless it is asked for."""
    assert Surface.of(io.StringIO(), {}, Colour.AUTO, 80).colour is False
    assert Surface.of(io.StringIO(), {}, Colour.ALWAYS, 80).colour is True


def test_colour_only_adds_to_shape_and_word() -> None:
    """With colour taken out the line is the one without."""
    bright, with_colour = _screen(terminal=True, colour=True, width=80)
    plain, without = _screen(terminal=True, width=80)
    for screen in (bright, plain):
        screen.rows(COLUMNS, [ROW])
    stripped = with_colour.getvalue()
    for code in ("\x1b[31m", "\x1b[2m", "\x1b[0m"):
        assert code in stripped
        stripped = stripped.replace(code, "")
    assert [x.rstrip() for x in stripped.splitlines()] == without.getvalue().splitlines()


def test_an_empty_list_is_no_data() -> None:
    """Nothing on stdout; on a terminal a word of talk."""
    for terminal in (True, False):
        screen, out = _screen(terminal=terminal)
        screen.rows(COLUMNS, [])
        assert out.getvalue() == ""


def test_times_keep_their_digits() -> None:
    """Microseconds are never rounded away."""
    assert utc_time(1) == "1970-01-01T00:00:00.000001Z"

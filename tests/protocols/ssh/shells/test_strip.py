"""The strip and its reader: what a terminal would show of a line, and what is not believed."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.protocols.ssh.shells.escapes import Mark, OutputReader
from gatekeep.protocols.ssh.shells.screen import Strip, width


def painted(data: bytes, columns: int = 20, cells: int = 4_096) -> tuple[Strip, list[Mark]]:
    """A strip that is awake, after this."""
    strip, marks = Strip(columns, 100, cells), list[Mark]()
    strip.wake()
    OutputReader(strip, marks.append).feed(data)
    return strip, marks


def texts(strip: Strip) -> list[str]:
    """Its rows, without blanks at their ends."""
    return [row.text().rstrip() for row in strip.rows]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"ab\bc", ["ac"]),
        (b"abc\x1b[2D\x1b[1@X", ["aXbc"]),
        (b"abc\x1b[3D\x1b[P", ["bc"]),
        (b"abc\r\x1b[K", [""]),
        (b"abc\x1b[1K", [""]),
        (b"abc\x1b[2X", ["abc"]),
        (b"abc\r\x1b[2X", ["  c"]),
        (b"one\r\ntwo\x1b[Axy", ["onexy", "two"]),
        (b"a" * 25, ["a" * 20, "a" * 5]),
        (b"a" * 20 + b" \rb", ["a" * 20, "b"]),
        ("漢字".encode() + b"\x1b[1Da", ["漢 a"]),
        (b"one\r\ntwo\x1b[H\x1b[2Jx", ["x"]),
        (b"one\r\ntwo\r\x1b[A\x1b[J", [""]),
        (b"one\x1b7\r\ntwo\x1b8!", ["one!", "two"]),
        (b"\x1b[4hb\x1b[Da", ["ab"]),
        (b"one\r\ntwo\x1b[A\x1b[L", ["", "one", "two"]),
        (b"one\r\ntwo\x1b[A\x1b[M", ["two"]),
        (b"a\tb", ["a       b"]),
        (b"\x1b]0;title\x07ab\x1bPq\x1b\\c", ["abc"]),
        (b"a\x1b[31;1mb\x1b[0mc\x1b[8md", ["abcd"]),
    ],
)
def test_a_line_is_painted_as_terminals_do(data: bytes, rows: list[str]) -> None:
    """Editing sequences of readline, zle and fish; concealed characters are read all the same."""
    assert texts(painted(data)[0]) == rows


@pytest.mark.parametrize(
    ("data", "doubt"),
    [
        (b"\x1b[5;5Hx", "positioned"),
        (b"\x1b[2;10r", "controls"),
        (b"a\x1b[3b", "controls"),
        (b"\xc2\x9b1m", "controls"),
        (b"\x1b[9A", "above_prompt"),
        (b"\x1b8", "positioned"),
        (b"\x1b[" + b"1;" * 60 + b"m", "controls"),
        (b"x\r\n" * 300, "too_long"),
    ],
)
def test_what_is_not_modelled_is_named(data: bytes, doubt: str) -> None:
    """A reading of such a strip is not sure."""
    assert painted(data)[0].doubt == doubt


def test_characters_without_width_make_a_row_odd() -> None:
    """Combining marks, zero-width characters and line-drawing sets do not pass as plain text."""
    for data in ("e\u0301", "a\u200bb", "a\u202eb"):
        assert painted(data.encode())[0].rows[0].odd
    assert painted(b"\x1b(0qq\x1b(B")[0].rows[0].odd
    assert not painted("é".encode())[0].rows[0].odd


def test_marks_come_in_order() -> None:
    """Several in one sequence, and both kinds of ends of OSC."""
    data = b"\x1b[?2004h\x1b]133;A\x07\x1b]133;B\x1b\\\x1b]133;C\x07\x1b[?2004l\x1b[?25;1049h\x1b[?47l"
    assert painted(data + b"**\x18B0")[1] == [
        Mark.EDIT_BEGAN, Mark.EDIT_BEGAN, Mark.PROMPT_ENDED, Mark.LINE_TAKEN, Mark.LINE_TAKEN,
        Mark.ALTERNATE_ON, Mark.ALTERNATE_OFF, Mark.TRANSFER,
    ]  # fmt: skip


def test_a_secondary_prompt_does_not_begin_anew() -> None:
    """OSC 133;A with k=s marks a continuation."""
    assert painted(b"\x1b]133;A;k=s\x07")[1] == []


def test_memory_is_bounded() -> None:
    """Endless rows, wide rows and endless sequences leave no more cells than allowed."""
    strip = Strip(1_000, 500, 16_384)
    strip.wake()
    reader = OutputReader(strip, lambda _: None)
    for chunk in (b"x" * 100_000, b"\n" * 5_000, b"\x1b]" + b"y" * 100_000, b"\x07\x1b[999999999L"):
        reader.feed(chunk)
    reader.feed(b"\x1b[9999B\x1b[9999@" * 50)
    assert sum(len(row.cells) for row in strip.rows) <= 16_384
    assert len(strip.rows) <= 17
    assert len(reader._held) <= 256


def test_asleep_it_keeps_one_row() -> None:
    """What a program prints costs nothing, and the row of a prompt that begins there is kept."""
    strip = Strip(20, 24, 4_096)
    reader = OutputReader(strip, lambda _: None)
    reader.feed(b"line\r\n" * 1_000 + b"z" * 45 + b"\r\n% ")
    assert texts(strip) == ["%"]
    strip.wake()
    reader.feed(b"ls")
    assert texts(strip) == ["% ls"]


@pytest.mark.parametrize(("char", "columns"), [("a", 1), ("漢", 2), ("\uff41", 2), ("\u0301", 0)])
def test_widths(char: str, columns: int) -> None:
    """As terminals count."""
    assert width(char) == columns


_PARTS = st.sampled_from(
    [
        "a", "bc", "漢", "x" * 9, "\b", "\r", "\r\n", "\x1b[K", "\x1b[C", "\x1b[D", "\x1b[2@", "\x1b[P",
        "\x1b[1K", "\x1b[A", "\x1b[3X", "\x1b[5G", "\x1b[J", " ",
    ]
)  # fmt: skip


@given(st.lists(_PARTS, max_size=30))
@settings(max_examples=400, deadline=None)
def test_it_agrees_with_another_emulator(parts: list[str]) -> None:
    """Where the strip has no doubt, an independent terminal shows the same rows and cursor."""
    strip, other = Strip(12, 100, 4_096), pyte.Screen(12, 100)
    strip.wake()
    reader, stream = OutputReader(strip, lambda _: None), pyte.ByteStream(other)
    for part in parts:
        if strip._full and part[0] in "\x1b\b":
            return  # terminals differ in where the cursor is behind a full row
        reader.feed(part.encode())
        stream.feed(part.encode())
    if strip.doubt or "漢" in parts:  # the two differ in what half a character is
        return
    shown = [line.rstrip() for line in other.display]
    assert texts(strip) == shown[: len(strip.rows)]
    assert not any(shown[len(strip.rows) :])
    assert (strip.y, strip.x) == (other.cursor.y, min(other.cursor.x, 11))


_STREAM = st.sampled_from(
    [
        "abc", "\n", "\r\n", "\x1b[31m", "\x1b[5;7H", "\x1b[H", "H", "\x1b[K", "\x1b[2", "J", "\x1b",
        "[?2004h", "\x0e", "\x1b[4h", "x" * 50, "\x18", "B", "漢", "\b", "\r", "\x1b[?1049l",
        "\x1b]0;x\n", "\x07", "\x1b[3\n1m", "\x1b(0", "\x9b", "z" * 300,
    ]
)  # fmt: skip


@given(st.lists(_STREAM, max_size=60))
@settings(max_examples=500, deadline=None)
def test_haste_changes_nothing_but_time(parts: list[str]) -> None:
    """Asleep, what leaves no trace may be skipped: marks, row and cursor are the same."""
    ends = []
    data = "".join([*parts, "y" * 260]).encode()
    for hasty in (False, True):
        strip, marks = Strip(20, 10, 4_096), list[Mark]()
        reader = OutputReader(strip, marks.append)
        reader.hasty = hasty
        reader.feed(data)
        rows = [(row.cells, row.odd) for row in strip.rows]
        ends.append((marks, rows, strip.x, strip._full, strip.insert, strip.odd_set, reader._at))
    assert ends[0] == ends[1]

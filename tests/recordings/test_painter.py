"""Painting: the screen is right, and nothing but text, SGR and cursor moves reaches a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hostile_terminal import HOSTILE, forbidden, stream

from gatekeep.recordings.chunks import Terminal
from gatekeep.recordings.emulator import MARKS_PER_CELL, Emulator
from gatekeep.recordings.painter import ALLOWED, Painter, shown_text

SIZE = Terminal(40, 6)


def screen(*parts: bytes, size: Terminal = SIZE) -> list[str]:
    """The rows of the screen after some output, without trailing blanks."""
    emulator = Emulator(size)
    for part in parts:
        emulator.feed(part)
    return rows(emulator)


def rows(emulator: Emulator) -> list[str]:
    """The text of each row."""
    return [
        "".join(cell.text for cell in emulator.row(row)).rstrip()
        for row in range(emulator.terminal.rows)
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"ab\r\ncd", ["ab", "cd"]),
        (b"abc\rX", ["Xbc"]),
        (b"abc\b\bX", ["aXc"]),
        (b"\x1b[2;3Hx", ["", "  x"]),
        (b"abc\x1b[2D\x1b[K", ["a"]),
        (b"a\r\nb\x1b[2J\x1b[Hc", ["c"]),
        (b"main\x1b[?1049h\x1b[Halt\x1b[?1049l", ["main"]),
        (b"1\x1b[?1049h\x1b[Halt", ["alt"]),
        (b"a\tb", ["a       b"]),
        (b"abc\x1b[2G\x1b[@Y", ["aYbc"]),
        (b"abc\x1b[2G\x1b[P", ["ac"]),
        (b"a\x1b7\x1b[3;3Hb\x1b8c", ["ac", "", "  b"]),
        (b"a\r\nb\x1b[1;1H\x1b[Lc", ["c", "a", "b"]),
        (b"\x1b(0q\x1b(Bq", ["─q"]),
        (b"\x1b[2;3r\x1b[3;1Hx\r\ny", ["", "x", "y"]),
        ("日本x".encode(), ["日本x"]),
        (b"a\x1b[10000bz", ["az"]),
        (b"\x1bcz", ["z"]),
        (b"\x1b[31mx\x1b[0m", ["x"]),
    ],
)
def test_the_screen_is_what_a_terminal_shows(data: bytes, expected: list[str]) -> None:
    """Cursor, erasing, inserting, margins, tabs, wide characters, both screens."""
    shown = screen(data)
    assert shown[: len(expected)] == expected
    assert not any(shown[len(expected) :])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_output_reaches_no_terminal(name: str) -> None:
    """Frames hold only what is allowed, and what stands behind the hostile thing is still shown."""
    for size in (SIZE, Terminal(1, 1), Terminal(1000, 500)):
        emulator, painter = Emulator(size), Painter(60, 10)
        written = painter.frame(emulator)
        for byte in stream(name)[:300]:
            emulator.feed(bytes([byte]))
        emulator.feed(stream(name)[300:])
        written += painter.frame(emulator) + painter.leave()
        assert forbidden(written) == ""
        assert emulator.faults == 0
        assert ALLOWED.fullmatch(written)
    assert "(seen)" in "".join(screen(stream(name)))


@settings(deadline=None)
@given(data=st.binary(max_size=300), columns=st.integers(1, 50), lines=st.integers(1, 9))
def test_no_bytes_break_the_emulator(data: bytes, columns: int, lines: int) -> None:
    """Any bytes on a screen of any size, resized in the middle, paint only what is allowed."""
    emulator, painter = Emulator(Terminal(columns, lines)), Painter(lines, columns)
    emulator.feed(data)
    first = painter.frame(emulator)
    emulator.resize(Terminal(lines, columns))
    emulator.feed(data)
    assert ALLOWED.fullmatch(first + painter.frame(emulator))
    assert emulator.faults == 0


CSI = st.builds(
    lambda numbers, final: b"\x1b[" + b";".join(b"%d" % n for n in numbers) + final,
    st.lists(st.integers(0, 60), max_size=3),
    st.sampled_from([bytes([c]) for c in range(0x40, 0x7F)]),
)


@settings(deadline=None)
@given(parts=st.lists(st.one_of(CSI, st.sampled_from([b"abc", b"\n", b"\r", b"\b", b"\t", b"\x1bM", b"\x1b7", b"\x1b8", b"\x1b[?6h", b"\x1b[4h", b"\x1b[?1049h", b"\xe6\x97\xa5", b"\xcc\x81"])), max_size=40))  # fmt: skip
def test_no_sequence_breaks_the_emulator(parts: list[bytes]) -> None:
    """Every control sequence with any small numbers in any order leaves a screen that is painted."""
    emulator, painter = Emulator(Terminal(12, 5)), Painter(20, 4)
    written = ""
    for part in parts:
        emulator.feed(part)
        written += painter.frame(emulator)
    emulator.resize(Terminal(5, 12))
    assert ALLOWED.fullmatch(written + painter.frame(emulator))
    assert emulator.faults == 0
    row, column = emulator.cursor
    assert row in range(12)
    assert column in range(5)


@settings(deadline=None)
@given(parts=st.lists(st.one_of(CSI, st.sampled_from([b"abc", b"\n", "日本".encode()])), max_size=20))
def test_many_frames_paint_what_one_would(parts: list[bytes]) -> None:
    """A reader's terminal stands the same after each frame as after the last alone."""
    emulator = Emulator(Terminal(12, 5))
    often, reader = Painter(12, 5), Emulator(Terminal(12, 5))
    for part in parts:
        emulator.feed(part)
        reader.feed(often.frame(emulator).encode())
    once = Emulator(Terminal(12, 5))
    once.feed(Painter(12, 5).frame(emulator).encode())
    assert rows(reader) == rows(once)


STYLED = st.sampled_from([b"\x1b[31m", b"\x1b[0m", b"\x1b[4h", b"\x1b[4l", b"\x1b[?7l", b"\x1b[?7h", b"\x0e", b"\x0f", b"\x1b)0", b"\x1b[5;3r"])  # fmt: skip


@settings(deadline=None)
@given(parts=st.lists(st.one_of(CSI, STYLED, st.binary(max_size=30).map(lambda b: bytes(32 + c % 95 for c in b))), max_size=25))  # fmt: skip
def test_drawing_by_rows_is_drawing_by_characters(parts: list[bytes]) -> None:
    """The short way for ordinary text leaves the same screen as pyte's own, in every mode."""
    ours, theirs = Emulator(Terminal(12, 5)), Emulator(Terminal(12, 5))

    def the_long_way(text: str) -> None:
        theirs._screen.draw(text)

    theirs._draw_ascii = the_long_way  # type: ignore[method-assign] # what is compared with
    for part in parts:
        ours.feed(part)
        theirs.feed(part)
    assert ours.cursor == theirs.cursor
    assert [ours.row(row) for row in range(5)] == [theirs.row(row) for row in range(5)]
    assert ours.changed() >= theirs.changed()


def test_concealed_text_is_shown_to_reviewers() -> None:
    """SGR 8 and a colour on itself do not hide; the latter is underlined in the reader's colours."""
    emulator = Emulator(SIZE)
    emulator.feed(b"\x1b[8mone\x1b[0m\x1b[30;40mtwo\x1b[0m\x1b[38;5;196;48;5;196mxyz\x1b[0;32mok")
    frame = Painter(40, 6).frame(emulator)
    assert "one" in frame
    assert "\x1b[0;4mtwoxyz\x1b[0;32mok" in frame


def test_colours_and_attributes_are_painted() -> None:
    """Names, bright names and true colours, on both grounds; blinking is left out."""
    emulator = Emulator(SIZE)
    emulator.feed(b"\x1b[1;3;4;5;7;9;91;44ma\x1b[0;38;2;1;2;3;105mb\x1b[0;95;48;5;196mc")
    frame = Painter(40, 6).frame(emulator)
    assert "\x1b[0;1;3;4;9;7;91;44ma" in frame
    assert "\x1b[0;38;2;1;2;3;105mb" in frame
    assert "\x1b[0;95;48;2;255;0;0mc" in frame


def test_half_of_a_wide_character_is_a_blank() -> None:
    """What overwrites one half blanks the other, so every cell stands in its own column."""
    assert screen("日本日本\rabc".encode())[0] == "abc 日本"
    assert screen("日本".encode() + b"\x1b[2Gx")[0] == " x本"
    assert screen("日本".encode() + b"\x1b[3Gx")[0] == "日x"


def test_a_tall_screen_follows_its_cursor() -> None:
    """On a smaller terminal the part with the cursor is seen."""
    emulator = Emulator(Terminal(10, 50))
    emulator.feed(b"\x1b[50;1Hlast")
    assert "last" in Painter(10, 5).frame(emulator)


def test_marks_are_few_and_hidden_characters_are_seen() -> None:
    """A cell holds a bounded number of marks; bidi and zero-width characters become U+FFFD."""
    emulator = Emulator(SIZE)
    emulator.feed(("e" + "\u0323" * 1000 + "\u202ex\u200b").encode())
    cells = emulator.row(0)
    assert len(cells[0].text) <= MARKS_PER_CELL + 1
    assert "".join(cell.text for cell in cells[1:4]) == "\ufffdx\ufffd"
    assert shown_text("a\u202e") == "a\ufffd"


def test_a_target_cannot_keep_memory() -> None:
    """Saved cursors, tab stops and titles do not pile up."""
    emulator = Emulator(SIZE)
    emulator.feed(b"\x1b7\x1bH" * 5000 + b"\x1b]0;" + b"x" * 100_000)
    assert len(emulator._screen.savepoints) == 1
    assert len(emulator._screen.tabstops) < 50
    assert emulator._screen.title == ""

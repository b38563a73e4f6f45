"""The text twin: nothing printed is missing, hidden text is named as such, moments are kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hostile_terminal import HOSTILE, stream

from gatekeep.recordings.chunks import Record
from gatekeep.recordings.colours import alike, indexed
from gatekeep.recordings.sequences import Printed, Sequencer
from gatekeep.recordings.text import MAX_LINE, Printout, TextLine


def lines(*records: Record) -> list[TextLine]:
    """All lines of some records."""
    printout = Printout()
    return [line for record in records for line in printout.feed(record)] + list(printout.end())


def printed(data: bytes) -> list[tuple[str, tuple[str, ...]]]:
    """Text and notes of one output."""
    return [(line.text, line.notes) for line in lines(Record(5, "o", data))]


@settings(deadline=None)
@given(parts=st.lists(st.sampled_from(sorted(HOSTILE)), max_size=6), tail=st.binary(max_size=20))
def test_every_printed_character_is_in_one_line(parts: list[str], tail: bytes) -> None:
    """Whatever moves, erases, conceals or switches: the lines together are all that was printed."""
    data = b"".join(map(stream, parts)) + tail
    pieces = [*Sequencer().feed(data, final=True)]
    wanted = "".join(piece.text for piece in pieces if isinstance(piece, Printed))
    found = "".join(text for text, notes in printed(data) if "sequence" not in notes)
    assert found.replace("\t", "") == wanted.replace("\t", "")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"one\r\ntwo\n", [("one", ()), ("two", ())]),
        (b"bad\rgood\n", [("bad", ("overwritten",)), ("good", ())]),
        (b"rm x\b\b\b\bls  \n", [("rm x", ("overwritten",)), ("ls  ", ())]),
        (b"a\x1b[2Kb", [("a", ()), ("b", ())]),
        (b"a\x1b[K\x1b[1mb\n", [("ab", ())]),
        (b"a\x1b[5;5Hb", [("a", ()), ("b", ())]),
        (b"a\x1b[8mb\x1b[0mc", [("a", ()), ("b", ("concealed",)), ("c", ())]),
        (b"\x1b[31;41mb", [("b", ("concealed",))]),
        (b"\x1b[48;5;16;38;2;0;0;3mb\x1b[39mc", [("b", ("concealed",)), ("c", ())]),
        (b"\x1b[97;107mb\x1b[49mc", [("b", ("concealed",)), ("c", ())]),
        (b"a\x1b[?1049hb\x1b[?1049lc", [("a", ()), ("b", ("alternate",)), ("c", ())]),
        (b"\x1b]52;c;eA==\x07x", [("OSC 52;c;eA==", ("sequence",)), ("x", ())]),
        (b"\x1bPA\x1b\\", [("DCS A", ("sequence",))]),
        (b"\xe2\x82", [("\ufffd", ())]),
    ],
)
def test_how_it_was_shown_is_noted(
    data: bytes, expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    """Overwritten, concealed and alternate text is there, with its note; strings are spelt out."""
    assert printed(data) == expected


def test_a_line_has_the_moment_of_its_first_character() -> None:
    """Time is that of the first byte shown, and a character cut in two is whole again."""
    found = lines(
        Record(10, "o", b"a"),
        Record(20, "o", b"b\nc\xc3"),
        Record(30, "o", b"\xa9\n"),
        Record(40, "e", b"oops"),
        Record(50, "m", b"event 7"),
        Record(60, "r", b"100x30"),
        Record(70, "t", b"gatekeep: held"),
        Record(80, "x", b"0"),
    )
    assert found == [
        TextLine(10, "ab"),
        TextLine(20, "cé"),
        TextLine(40, "oops", ("stderr",)),
        TextLine(50, "event 7", ("marker",)),
        TextLine(60, "100x30", ("size",)),
        TextLine(70, "gatekeep: held", ("gatekeep",)),
        TextLine(80, "0", ("exit",)),
    ]


def test_an_endless_line_is_cut_and_long_strings_are_counted() -> None:
    """Memory does not grow with a line that never ends."""
    found = lines(Record(0, "o", b"x" * (MAX_LINE + 5)))
    assert [len(line.text) for line in found] == [MAX_LINE, 5]
    (said, _), *_ = printed(b"\x1b]0;" + b"y" * 5000 + b"\x07")
    assert said.endswith(" … 5002 characters")


def test_colours_are_those_of_xterm() -> None:
    """Indices give the colours of the usual palette, and near ones are alike."""
    assert indexed(16) == (0, 0, 0)
    assert indexed(231) == (255, 255, 255)
    assert indexed(9999) == indexed(255) == (238, 238, 238)
    assert indexed(1) == (205, 0, 0)
    assert indexed(8) == (127, 127, 127)
    assert alike(indexed(0), indexed(16))
    assert not alike(indexed(0), indexed(7))
    assert not alike(None, indexed(0))

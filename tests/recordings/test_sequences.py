"""Cutting terminal output: known sequences, any chunking, bounds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hostile_terminal import HOSTILE

from gatekeep.recordings.sequences import (
    MAX_PARAMETER,
    MAX_PARAMETERS,
    STRING_HEAD,
    Control,
    Csi,
    Escape,
    Piece,
    Printed,
    Sequencer,
    String,
)

SOME = st.lists(
    st.one_of(
        st.sampled_from(sorted(HOSTILE.values(), key=len)[:50]),
        st.sampled_from([b"\x1b", b"[", b"]", b"\\", b"\x9c", b"\xc2\x9c", b"\x18", b"m", b"0;1", b"\x07"]),
        st.binary(max_size=6),
    ),
    max_size=12,
).map(b"".join)  # fmt: skip


def pieces(*parts: bytes) -> list[Piece]:
    """What the parts are cut into, with neighbouring text joined."""
    sequencer = Sequencer()
    found: list[Piece] = []
    for number, part in enumerate((*parts, b"")):
        for piece in sequencer.feed(part, final=number == len(parts)):
            if isinstance(piece, Printed) and found and isinstance(found[-1], Printed):
                found[-1] = Printed(found[-1].text + piece.text)
            else:
                found.append(piece)
    return found


@settings(deadline=None)
@given(data=SOME, cuts=st.lists(st.integers(0, 60), max_size=8))
def test_chunking_changes_nothing(data: bytes, cuts: list[int]) -> None:
    """The same bytes in any pieces are the same text and sequences."""
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    assert pieces(*(data[a:b] for a, b in pairwise(places))) == pieces(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\x1b[1;31mb", [Printed("a"), Csi("", (1, 31), "", "m"), Printed("b")]),
        (b"\x1b[?25l", [Csi("?", (25,), "", "l")]),
        (b"\x1b[;5H", [Csi("", (-1, 5), "", "H")]),
        (b"\x1b[4:3m", [Csi("", (4, 3), "", "m")]),
        (b"\x1b[!p", [Csi("", (), "!", "p")]),
        (b"\x1b(0\x1b7", [Escape("(", "0"), Escape("", "7")]),
        (b"\x1b]0;t\x07x", [String("OSC", "0;t", 3), Printed("x")]),
        (b"\x1b]0;t\x1b\\x", [String("OSC", "0;t", 3), Printed("x")]),
        (b"\x1bPq\x07\x1b\\", [String("DCS", "q\x07", 2)]),
        (b"\x1b]0;t\x1b[31m", [String("OSC", "0;t", 3), Csi("", (31,), "", "m")]),
        (b"\x1b]0;t\x18x", [String("OSC", "0;t", 3), Control("\x18"), Printed("x")]),
        (b"\x1b[3\n1m", [Control("\n"), Csi("", (31,), "", "m")]),
        (b"\x1b[1<m", []),
        (b"\x1b[3\x1b[4m", [Csi("", (4,), "", "m")]),
        ("\x9b4m\x9d0\x9cx".encode(), [Csi("", (4,), "", "m"), String("OSC", "0", 1), Printed("x")]),
        (b"\x9b4m\xff", [Printed("\ufffd4m\ufffd")]),
        ("\x1bé\x1b[1é".encode(), [Printed("éé")]),
    ],
)  # fmt: skip
def test_sequences_are_cut_as_terminals_cut_them(data: bytes, expected: list[Piece]) -> None:
    """Each form of ECMA-48, and what ends one early."""
    assert pieces(data) == expected


def test_everything_is_bounded() -> None:
    """Long strings keep a head, numbers and their count are clamped, endless sequences are dropped."""
    (string,) = pieces(b"\x1b]" + b"x" * 100_000 + b"\x07")
    assert isinstance(string, String)
    assert (len(string.head), string.length) == (STRING_HEAD, 100_000)
    (csi,) = pieces(b"\x1b[" + b"1;" * 100 + b"m")
    assert isinstance(csi, Csi)
    assert len(csi.parameters) == MAX_PARAMETERS
    assert pieces(b"\x1b[99999999999999C") == [Csi("", (MAX_PARAMETER,), "", "C")]
    assert pieces(b"\x1b[" + b"1" * 300 + b"mx") == [Printed("x")]

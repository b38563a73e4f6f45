"""What a client types: every accept byte is cut out, whatever stands around it; nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.protocols.ssh.shells.keys import ACCEPTS, KeyReader, Piece

_BYTES = st.lists(
    st.sampled_from(
        [b"a", b"\r", b"\n", b"\x0f", b"\x1b", b"\x1b[A", b"\x1b[200~", b"\x1b[201~", b"\x16", b"\x03",
         b"\xc3\xa9", b"\x1bOP", b"\x1b]0;", b"\x07", b"\x1b[2", b"00~", b"\t", b"\x11", b"\x1b[5;3R"]
    ),
    max_size=20,
).map(b"".join)  # fmt: skip


def pieces(data: bytes, *, pasting: bool = False, cut: int = 1_000_000) -> list[Piece]:
    """All pieces of a stream that comes in cuts."""
    reader, queue, found = KeyReader(), bytearray(), list[Piece]()
    for at in range(0, len(data), cut):
        queue += data[at : at + cut]
        while piece := reader.take(queue, pasting=pasting):
            found.append(piece)
    return found


@given(st.one_of(_BYTES, st.binary(max_size=60)), st.booleans(), st.sampled_from([1, 2, 5]))
@settings(max_examples=600, deadline=None)
def test_nothing_is_lost_and_cuts_change_no_accept(data: bytes, pasting: bool, cut: int) -> None:
    """The pieces join to the stream; accepts are the same however it came."""
    whole = pieces(data, pasting=pasting)
    split = pieces(data, pasting=pasting, cut=cut)
    assert b"".join(piece.data for piece in whole) == data
    assert b"".join(piece.data for piece in split) == data
    assert [p.data for p in whole if p.accept] == [p.data for p in split if p.accept]
    assert sum(p.printable for p in whole) == sum(p.printable for p in split)


@given(st.one_of(_BYTES, st.binary(max_size=60)))
@settings(max_examples=600, deadline=None)
def test_outside_pastes_every_accept_byte_is_cut_out(data: bytes) -> None:
    """Also inside sequences, after C-v, and in answers of terminals."""
    for piece in pieces(data):
        assert piece.accept is (len(piece.data) == 1 and piece.data[0] in ACCEPTS)
        assert piece.accept or not ACCEPTS & set(piece.data)


@pytest.mark.parametrize(
    ("data", "accepts"),
    [
        (b"\x1b[200~a\rb\x1b[201~", 0),
        (b"\x1b[200~a\rb\x1b[201~\r", 1),
        (b"\x1b[200~a\x1b[201~\rb\x1b[201~", 1),
        (b"a\x1b[200~\r\x1b[201~", 0),
        (b"\x1b[A\x1b[200~\r\x1b[201~", 0),
        (b"\x15\x1b[200~\r\x1b[201~", 0),
        (b"\x16\x1b[200~\r\x1b[201~", 1),
        (b"\x11\x1b[200~\r\x1b[201~", 1),
        (b"\x18\x1b[200~\r\x1b[201~", 1),
        (b"\x1d\x1b[200~\r\x1b[201~", 1),
        (b"\x1b\x1b[200~\r\x1b[201~", 1),
        (b"\x1b0\x1b[200~\r\x1b[201~", 1),
        (b"\x1b[\x1b[200~\r\x1b[201~", 1),
        (b"\x1b]x\x1b[200~\r\x1b[201~", 1),
    ],
)
def test_a_paste_is_one_only_where_an_editor_sees_it_so(data: bytes, accepts: int) -> None:
    """Not behind keys that take the next bytes otherwise."""
    assert sum(piece.accept for piece in pieces(data, pasting=True)) == accepts


def test_a_new_line_begins_without_doubt() -> None:
    """An editor in vi mode inserts again."""
    reader = KeyReader()
    reader.take(bytearray(b"\x1b0"), pasting=True)
    reader.begin_line()
    assert reader.take(bytearray(b"\x1b[200~\r\x1b[201~"), pasting=True) == Piece(
        b"\x1b[200~\r\x1b[201~", edits=True, recalls=True, breaks=True
    )


@pytest.mark.parametrize(
    ("data", "printable"),
    [
        (b"abc", 3), ("é漢".encode(), 2), (b"\x1b[A\x1b[5;3R", 0), (b"\x1bOPx", 1), (b"\x7f\x08", 0),
        (b"\x1b[200~ab\x1b[201~", 2), (b"\x16\x01", 1), (b"\x1b]11;rgb:0\x07", 0),
    ],
)  # fmt: skip
def test_what_a_shell_would_echo_is_counted(data: bytes, printable: int) -> None:
    """Characters, not bytes; neither keys nor answers."""
    assert sum(piece.printable for piece in pieces(data, pasting=True)) == printable


def test_an_accept_inside_an_answer_says_so() -> None:
    """What is typed by a terminal on a target's demand."""
    assert [p.inside for p in pieces(b"\x1b]lrm x\r") if p.accept] == [True]
    assert [p.inside for p in pieces(b"\x1b\r") if p.accept] == [False]

"""Frames in what a terminal shows: found, taken out, and nothing else touched."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.shells.hook_wire import (
    BROKEN,
    MAX_FRAME_BYTES,
    Frame,
    FrameScanner,
    Marks,
    ReplyGuard,
)

FRAME = b"\x1b]7717;tok;l;7;a%25b%0A\x1b\\"
PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            FRAME, b"\x1b", b"\x1b]", b"\x1b]77", b"\x1b]7717;", b"\x1b\\", b"\x07", b"\x1b]0;t\x07",
            b"\x1b]7717;;b;0;\x07", b"\x1b[?2004h", b"\x1b[?1049;2004l", b"7717", b"plain",
        ]
    ),
)  # fmt: skip


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The same bytes in chunks."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


def read(chunks: list[bytes]) -> list[object]:
    """Frames in order, and the bytes between them joined."""
    scanner = FrameScanner()
    found: list[object] = [b""]
    for chunk in chunks:
        for item in scanner.feed(chunk):
            if isinstance(item, Frame):
                found += [item, b""]
            else:
                assert isinstance(found[-1], bytes)
                found[-1] += item
    assert isinstance(found[-1], bytes)
    found[-1] += scanner.end()
    return found


def test_a_frame_is_taken_out_and_read() -> None:
    """Token, kind, number and text, with what was escaped."""
    assert read([b"x" + FRAME + b"y"]) == [b"x", Frame(b"tok", b"l", 7, b"a%b\n"), b"y"]


@given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 10_000), max_size=12))
def test_chunks_make_no_difference(pieces: list[bytes], places: list[int]) -> None:
    """Whatever the target prints, cut anywhere, gives the same frames and the same bytes."""
    data = b"".join(pieces)
    assert read(cut(data, places)) == read([data])


@given(st.binary(max_size=400), st.lists(st.integers(0, 10_000), max_size=12))
def test_what_holds_no_introducer_passes_unchanged(data: bytes, places: list[int]) -> None:
    """Byte for byte."""
    data = data.replace(b"7717", b"")
    assert read(cut(data, places)) == [data]


@given(st.lists(PIECES, max_size=12))
def test_no_whole_frame_is_ever_shown(pieces: list[bytes]) -> None:
    """The introducer is in nothing that is shown."""
    for item in read([b"".join(pieces)]):
        if not isinstance(item, Frame):
            assert isinstance(item, bytes)
            assert b"\x1b]7717;" not in item


@given(st.integers(1, 3), st.integers(1, 5000))
def test_a_frame_without_end_is_bounded(times: int, size: int) -> None:
    """No more than one frame's length is kept back; what is longer is broken."""
    scanner = FrameScanner()
    items = list(scanner.feed(b"\x1b]7717;"))
    for _ in range(times):
        items += scanner.feed(b"x" * size)
        assert len(scanner._held) <= MAX_FRAME_BYTES + 10
    assert (BROKEN in items) == (times * size > MAX_FRAME_BYTES)


def test_what_is_not_well_formed_is_broken() -> None:
    """Too few fields, no number, a control character or another sequence inside."""
    for body in (b"", b"a;b;c", b"t;l;x;y", b"t;l;-1;y", b"t;l;1234567890;y", b"t;l;1;a\nb", b"t;\x1b[A"):
        assert BROKEN in read([b"\x1b]7717;" + body + b"\x1b\\"])


@given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 10_000), max_size=12))
def test_marks_are_the_same_in_any_chunks(pieces: list[bytes], places: list[int]) -> None:
    """Modes set and reset, in order, each once."""
    data = b"".join(pieces)
    marks = Marks()
    seen = [mark for chunk in cut(data, places) for mark in marks.feed(chunk)]
    assert seen == Marks().feed(data)


def test_marks_name_modes() -> None:
    """Several in one sequence, too."""
    assert Marks().feed(b"a\x1b[?2004hb\x1b[?1049;2004l") == [
        (2004, True), (1049, False), (2004, False),
    ]  # fmt: skip


@given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 10_000), max_size=12))
def test_nothing_typed_can_be_read_as_a_reply(pieces: list[bytes], places: list[int]) -> None:
    """Cut anywhere; and what holds no such thing passes byte for byte, at once."""
    data = b"".join(pieces)
    guard = ReplyGuard()
    clean = b"".join(guard.clean(chunk) for chunk in cut(data, places))
    assert b"\x1b]7717" not in clean
    assert b"\x1b[7717" not in clean
    if b"\x1b]7717" not in data and b"\x1b[7717" not in data:
        assert clean == data

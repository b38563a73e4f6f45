"""Frames: segments are cut where they end, whatever the pieces, and rows are skipped by length."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.errors import ClientFault
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.frames import COPY_DATA, Cut, Cutter, skip_rows

BIG = m.frame(b"d", bytes(30_000))
MESSAGES = [
    m.query("select 1"), m.parse("", "select 1"), m.bind("", ""), m.execute(""), m.SYNC, m.FLUSH,
    m.describe("P", ""), m.close("S", "a"), m.frame(b"F", bytes(14)), BIG, m.frame(b"c"),
]  # fmt: skip


def cut_all(cutter: Cutter) -> list[Cut]:
    """Every segment that is whole."""
    found = []
    while (cut := cutter.cut()) is not None:
        found.append(cut)
    return found


@given(st.lists(st.sampled_from(MESSAGES), max_size=30), st.randoms(use_true_random=False))
def test_pieces_do_not_matter(stream: list[bytes], draw: random.Random) -> None:
    """The same segments whole, and cut anywhere; together they are the stream without COPY."""
    data = b"".join(stream)
    whole, pieced = Cutter(), Cutter()
    whole.feed(data)
    expected = cut_all(whole)
    found, at = [], 0
    while at < len(data):
        step = draw.randint(1, 9_000)
        pieced.feed(data[at : at + step])
        found += cut_all(pieced)
        at += step
    assert found == expected
    kept = b"".join(one for one in stream if one[:1] not in b"dc")
    joined = b"".join(cut.raw for cut in found)
    assert kept.startswith(joined)
    assert len(kept) - len(joined) == pieced.held


@given(st.lists(st.sampled_from(MESSAGES), max_size=30))
def test_starts_and_types_point_into_the_bytes(stream: list[bytes]) -> None:
    """Each type is the byte at its start."""
    cutter = Cutter()
    cutter.feed(b"".join(stream))
    for cut in cut_all(cutter):
        assert [cut.raw[start] for start in cut.starts] == cut.types
        assert cut.starts[0] == 0


def test_a_message_that_comes_whole_is_not_copied() -> None:
    """The very same object goes on."""
    cutter, data = Cutter(), m.query("select 1")
    cutter.feed(data)
    cut = cutter.cut()
    assert cut is not None
    assert cut.raw is data
    assert cutter.fresh


def test_a_query_behind_an_open_segment_cuts_it() -> None:
    """What was not ended by a Sync is a segment of its own, before the Query."""
    cutter = Cutter()
    cutter.feed(m.parse("", "a") + m.query("b") + m.TERMINATE)
    assert [(cut.kind, chr(cut.types[0])) for cut in cut_all(cutter)] == [
        ("cut", "P"), ("query", "Q"), (None, "X"),
    ]  # fmt: skip


def test_too_large_in_the_middle_of_a_segment_leaves_a_gap() -> None:
    """The message's place is kept, its bytes are not."""
    cutter = Cutter()
    size = 20 << 20
    cutter.feed(m.parse("", "a") + b"B" + size.to_bytes(4, "big"))
    cutter.feed(bytes(size - 4) + m.execute("") + m.SYNC)
    cut = cutter.cut()
    assert cut is not None
    assert (cut.kind, cut.too_large, bytes(cut.types)) == ("sync", {1}, b"PBES")
    assert len(cut.raw) < 100


def test_every_bind_may_be_large_and_memory_is_still_bounded() -> None:
    """Binds without Execute are cut by their bytes too."""
    cutter = Cutter()
    one = m.bind("", "", [bytes(10 << 20)])
    cutter.feed(one)
    assert cutter.cut() is None
    cutter.feed(one)
    cut = cutter.cut()
    assert cut is not None
    assert (cut.kind, len(cut.types)) == ("cut", 2)


@pytest.mark.parametrize("data", [b"Z\x00\x00\x00\x05I", b"d\x00\x00\x00\x03", b"c\x00\x01\x00\x00"])
def test_what_no_client_sends_is_its_fault(data: bytes) -> None:
    """Unknown types, lengths below four, and COPY messages beyond measure."""
    cutter = Cutter()
    cutter.feed(data)
    with pytest.raises(ClientFault):
        cutter.cut()


@given(st.lists(st.integers(2, 300), max_size=20), st.integers(0, 4_000))
def test_rows_are_counted_by_their_headers(sizes: list[int], shown: int) -> None:
    """However much of them is here: a row counts when its header is whole."""
    rows = [m.frame(b"D", bytes(size)) for size in sizes]
    data = b"".join(rows)[:shown]
    count, end = skip_rows(data, 0, len(data))
    starts = [sum(map(len, rows[:at])) for at in range(len(rows))]
    assert count == sum(1 for start in starts if start + 5 <= len(data))
    assert end == sum(map(len, rows[:count]))


def test_rows_end_at_the_first_other_message_or_impossible_length() -> None:
    """Nothing behind it is skipped."""
    row = m.frame(b"D", bytes(2))
    for other in (m.frame(b"C", b"SELECT 1\x00"), b"D\x00\x00\x00\x05x", b"D\xff\xff\xff\xff"):
        data = row * 3 + other + row
        assert skip_rows(data, 0, len(data)) == (3, 3 * len(row))
    copied = m.frame(b"d")  # may be empty, as a row may not
    for other in (m.frame(b"c"), b"d\x00\x00\x00\x03", b"d\xff\xff\xff\xff", row):
        data = copied * 3 + other + copied
        assert skip_rows(data, 0, len(data), COPY_DATA) == (3, 3 * len(copied))

"""Segments: which executions they hold, the quick way and the long one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gatekeep.errors import ClientFault
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.frames import Cutter
from gatekeep.protocols.postgres.segments import Reader, bare_sync
from gatekeep.protocols.postgres.statements import Names
from gatekeep.protocols.postgres.turns import Execution, Segment


def long_way(reader: Reader, data: bytes) -> Segment:
    """Cut and read."""
    cutter = Cutter()
    cutter.feed(data)
    cut = cutter.cut()
    assert cut is not None
    return reader.read(cut)


def told(segment: Segment) -> list[Any]:
    """All that is said of a segment."""
    return [
        segment.kind,
        segment.raw,
        list(segment.codes),
        [type(owner) for owner in segment.owners],
        [
            (
                one.mode, one.text, one.statement_name, one.portal_name, one.parameter_oids,
                one.parameter_formats, one.values, one.bind_only, one.unknown_source, one.bytes_in,
            )
            for one in segment.executions
        ],
    ]  # fmt: skip


VALUES = st.lists(st.none() | st.binary(max_size=9), max_size=4)


@given(
    VALUES, st.sampled_from(["", "p"]), st.sampled_from(["", "s"]), st.booleans(), st.booleans(),
    st.integers(0, 3), st.data(),
)  # fmt: skip
def test_the_quick_way_says_what_the_long_way_says(  # noqa: PLR0917 - drawn by hypothesis
    values: list[bytes | None],
    portal: str,
    name: str,
    described: bool,
    parsed: bool,
    formats: int,
    data: st.DataObject,
) -> None:
    """Familiar bytes are not read twice, with the same result, damage included."""
    tail = (m.describe("P", portal) if described else b"") + m.execute(portal, 5) + m.SYNC
    head = m.parse(name, "select $1", [23]) if parsed else b""
    reader = Reader(Names())
    long_way(reader, m.parse("s", "select 's'") + m.SYNC)
    long_way(reader, m.parse("", "select ''") + m.SYNC)
    long_way(reader, head + m.bind(portal, name, [b"7"]) + tail)
    new = head + m.bind(portal, name, values, [1] * formats) + tail
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(new) - 1))
        new = new[:at] + bytes([data.draw(st.integers(0, 255))]) + new[at + 1 :]
    quick = reader.quick(new)
    if quick is None:
        return
    try:
        slow = long_way(reader, new)
    except ClientFault:
        raise AssertionError("the quick way read what the long way refuses") from None
    assert told(quick) == told(slow)


def test_the_quick_way_is_taken_for_prepared_statements() -> None:
    """Bind, Describe, Execute, Sync of a known shape, and the same behind a known Parse."""
    reader = Reader(Names())
    for head in (b"", m.parse("", "select 1")):
        data = head + m.bind("", "", [b"1"]) + m.describe("P", "") + m.execute("") + m.SYNC
        assert reader.quick(data) is None
        long_way(reader, data)
        assert reader.quick(data) is not None
        assert reader.quick(data[:-1]) is None
        assert reader.quick(data + b"Q") is None


def test_what_is_remembered_is_bounded() -> None:
    """A client that never repeats itself fills nothing."""
    reader = Reader(Names())
    for number in range(500):
        portal = f"p{number}"
        long_way(
            reader,
            m.parse("", f"select {number}") + m.bind(portal, "") + m.execute(portal) + m.SYNC,
        )
    assert len(reader._tails) <= 64
    assert len(reader._parses) <= 64


def test_executions_stand_in_the_order_of_their_first_effect() -> None:
    """By their Bind, because planning runs code; what is run twice is told twice."""
    reader = Reader(Names())
    segment = long_way(
        reader,
        m.parse("a", "A") + m.parse("b", "B") + m.bind("p", "a") + m.bind("q", "b")
        + m.execute("q") + m.bind("r", "a") + m.execute("p", 1) + m.execute("p", 1) + m.SYNC,
    )  # fmt: skip
    assert [(one.text, one.portal_name, one.bind_only) for one in segment.executions] == [
        ("A", "p", False), ("B", "q", False), ("A", "r", True), ("A", "p", False),
    ]  # fmt: skip
    assert len({one.key for one in segment.executions}) == 4
    assert all(isinstance(one, Execution) for one in segment.executions)


def test_a_bare_sync_holds_nothing() -> None:
    """It owes a ReadyForQuery and no execution."""
    segment = bare_sync()
    assert (segment.kind, segment.raw, tuple(segment.executions)) == ("sync", m.SYNC, ())

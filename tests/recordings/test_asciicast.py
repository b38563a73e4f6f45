"""Casts keep to the format's specification, lose no text, and drive no terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hostile_terminal import HOSTILE, forbidden

from gatekeep.recordings.asciicast import CastHeader, cast_lines
from gatekeep.recordings.chunks import Record, Terminal

HEADER = CastHeader(Terminal(80, 24, "xterm-256color"), 1_763_000_000_900_000, "alice on web-1")


def cast(records: list[Record], version: int) -> tuple[dict[str, Any], list[list[Any]]]:
    """Header and events of a cast."""
    header, *events = [json.loads(line) for line in cast_lines(records, HEADER, version=version)]
    return header, events


def test_version_3_tells_intervals() -> None:
    """Header with `term`, events with the time since the event before, markers, sizes, exit."""
    records = [
        Record(500_000, "o", b"caf\xc3"),
        Record(1_500_000, "o", b"\xa9\r\n"),
        Record(1_500_000, "r", b"100x50"),
        Record(1_600_000, "t", b"gatekeep: held \x1b[2J"),
        Record(1_700_001, "m", b"event 7"),
        Record(1_800_000, "e", b"oops"),
        Record(2_000_000, "x", b"1"),
    ]
    header, events = cast(records, 3)
    assert header == {
        "version": 3,
        "term": {"cols": 80, "rows": 24, "type": "xterm-256color"},
        "timestamp": 1_763_000_000,
        "title": "alice on web-1",
    }
    assert events == [
        [0.5, "o", "caf"],
        [1.0, "o", "é\r\n"],
        [0.0, "r", "100x50"],
        [0.1, "m", "gatekeep: held \\x1b[2J"],
        [0.100001, "m", "event 7"],
        [0.099999, "o", "oops"],
        [0.2, "x", "1"],
    ]


def test_version_2_tells_moments() -> None:
    """Header with `width` and `height`, events with the time since the start, no exit."""
    header, events = cast(
        [Record(500_000, "o", b"a"), Record(1_500_000, "r", b"9x9"), Record(1_600_000, "x", b"0")], 2
    )
    assert header == {
        "version": 2,
        "width": 80,
        "height": 24,
        "env": {"TERM": "xterm-256color"},
        "timestamp": 1_763_000_000,
        "title": "alice on web-1",
    }
    assert events == [[0.5, "o", "a"], [1.5, "r", "9x9"]]
    with pytest.raises(ValueError, match="1"):
        list(cast_lines([], HEADER, version=1))


@settings(deadline=None)
@given(
    parts=st.lists(st.tuples(st.integers(0, 10**9), st.binary(max_size=30)), max_size=20),
    version=st.sampled_from([2, 3]),
)
def test_text_and_time_survive_any_chunking(parts: list[tuple[int, bytes]], version: int) -> None:
    """The output of a cast is the whole output decoded once, and its clock does not drift."""
    records, at = [], 0
    for step, data in parts:
        at += step
        records.append(Record(at, "o", data))
    _, events = cast(records, version)
    text = "".join(data for _, _, data in events)
    assert text == b"".join(record.data for record in records).decode("utf-8", "replace")
    times = [event[0] for event in events]
    total = sum(round(t * 1e6) for t in times) if version == 3 else round(max(times, default=0) * 1e6)
    assert total <= at
    assert all(t >= 0 for t in times)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_cast_on_a_terminal_is_only_text(name: str) -> None:
    """Whatever was printed, the file holds escapes of JSON and no control character."""
    for version in (2, 3):
        header = CastHeader(Terminal(), 0, HOSTILE[name].decode("latin-1"))
        for line in cast_lines([Record(0, "o", HOSTILE[name])], header, version=version):
            assert line.isascii()
            assert forbidden(line) == ""

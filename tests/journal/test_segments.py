"""Segments: spares are made ready in slices, kept if whole, begun anew if not."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from support.disk import FaultyDisk

from gatekeep.journal.segments import SegmentFull, Segments, Sizes, SpareSegment
from gatekeep.journal.spool import Position, segment_path

_SIZES = Sizes(segment=8192, reserve=4096, slice=2048)


def _segments(where: Path, disk: FaultyDisk, size: int = _SIZES.segment) -> Segments:
    segment_path(where, 0).write_bytes(bytes(size))
    return Segments(where, Position(0, 0, 0, 1), _SIZES, disk)


def test_a_spare_is_made_in_slices(tmp_path: Path) -> None:
    """Blocks first, then each slice written and synced; only a whole one gets its name."""
    disk = FaultyDisk()
    spare = SpareSegment(tmp_path / "next", 8192, disk)
    steps = 0
    while not spare.ready:
        assert not (tmp_path / "next").exists()
        spare.step(2048)
        steps += 1
    assert steps == 5
    assert disk.calls == ["open", "allocate", *["write", "sync"] * 4, "rename"]
    assert (tmp_path / "next").read_bytes() == bytes(8192)
    assert SpareSegment(tmp_path / "next", 8192, disk).ready
    assert not SpareSegment(tmp_path / "next", 4096, disk).ready


def test_space_that_ends_halfway_leaves_nothing(tmp_path: Path) -> None:
    """The half-made file is removed, so that it does not hold the last space itself."""
    disk = FaultyDisk()
    spare = SpareSegment(tmp_path / "next", 8192, disk)
    spare.step(2048)
    disk.fail("write", errno.ENOSPC)
    with pytest.raises(OSError, match="space"):
        spare.step(2048)
    assert not list(tmp_path.iterdir())
    disk.heal()
    while not spare.ready:
        spare.step(2048)


def test_lack_of_space_blocks_until_both_spares_are_ready(tmp_path: Path) -> None:
    """Blocked is told from failing: no space may come back, a failed disk does not."""
    disk = FaultyDisk()
    segments = _segments(tmp_path, disk)
    disk.space = _SIZES.segment
    while not segments.blocked:
        segments.prepare()
    assert (tmp_path / "reserve").exists()
    assert segments.stalled
    disk.heal()
    while segments.preparing:
        segments.prepare()
    assert not segments.blocked
    segments.close()
    broken = FaultyDisk()
    again = _segments(tmp_path, broken)
    (tmp_path / "reserve").unlink()
    again = Segments(tmp_path, Position(0, 0, 0, 1), _SIZES, broken)
    broken.fail("sync", errno.EIO)
    again.prepare()
    with pytest.raises(OSError, match="Input/output"):
        again.prepare()
    again.close()


def test_a_batch_that_comes_before_its_segment_is_ready_waits_for_it(tmp_path: Path) -> None:
    """With space there is no refusal: the rest is prepared at once."""
    disk = FaultyDisk()
    segments = _segments(tmp_path, disk)
    segments.append(memoryview(b"x" * 8000), 3, closing=False)
    assert segments.behind
    segments.append(memoryview(b"y" * 500), 2, closing=False)
    assert segments.position == Position(3, 500, 5, 3)
    assert segments.rolled
    segments.close()


def test_what_fits_no_segment_is_full(tmp_path: Path) -> None:
    """Larger than a segment: refused, nothing written, and the next one still goes in."""
    segments = _segments(tmp_path, FaultyDisk())
    for closing in (False, True):
        with pytest.raises(SegmentFull):
            segments.append(memoryview(b"x" * 9000), 1, closing=closing)
    segments.append(memoryview(b"x" * 8192), 1, closing=False)
    assert segments.position.offset == 8192
    segments.close()


def test_an_empty_reserve_that_became_current_is_replaced(tmp_path: Path) -> None:
    """Killed between taking the reserve and writing: a request takes the next segment in its place."""
    segments = _segments(tmp_path, FaultyDisk(), size=_SIZES.reserve)
    segments.append(memoryview(b"x" * 100), 1, closing=False)
    assert segments.position == Position(0, 100, 1, 2)
    assert segment_path(tmp_path, 0).stat().st_size == _SIZES.segment
    segments.close()


def test_the_reserve_is_always_the_smaller() -> None:
    """Small segments get a smaller reserve, so that the two are never taken for each other."""
    assert Sizes(segment=1 << 20).reserve == 1 << 19
    assert Sizes().reserve < Sizes().segment

"""Where the writer writes: the current segment, the next one made ready, and the reserve.

Standard library only. One owner, one thread. What is refused for lack of space raises
SegmentFull; any OSError that leaves here means that the disk failed.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

from gatekeep.journal.disk import Disk
from gatekeep.journal.spool import (
    NEXT_NAME,
    RESERVE_NAME,
    SEGMENT_BYTES,
    Position,
    segment_path,
)

RESERVE_BYTES = 8 * 1024 * 1024
SLICE_BYTES = 512 * 1024
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_PAST = 1.5
_URGENT = 0.5


class SegmentFull(Exception):  # noqa: N818 - a state of the disk, and what it is called
    """There is no room for this batch; nothing of it was written."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a segment, of the reserve (always the smaller), and of one step of preparing them."""

    segment: int = SEGMENT_BYTES
    reserve: int = RESERVE_BYTES
    slice: int = SLICE_BYTES

    def __post_init__(self) -> None:
        if self.reserve >= self.segment:  # by its size a reserve is told from a segment
            object.__setattr__(self, "reserve", self.segment // 2)


class SpareSegment:
    """A file being made ready: blocks reserved, then zeros written and synced slice by slice.

    Zeros make a later fdatasync cheap (no block changes its state) and a clean end visible.
    """

    def __init__(self, path: Path, size: int, disk: Disk) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._size = size
        self._disk = disk
        self._handle = -1
        self._done = 0
        self.ready = path.exists() and path.stat().st_size == size

    @property
    def fraction(self) -> float:
        """How much of it is done."""
        return 1.0 if self.ready else self._done / self._size

    def step(self, length: int) -> None:
        """Do one slice. Raises OSError; after ENOSPC the next step begins anew."""
        try:
            if self._handle < 0:
                self._handle = self._disk.open(self._part, create=True)
                self._disk.allocate(self._handle, self._size)
                return
            length = min(length, self._size - self._done)
            self._disk.write(self._handle, bytes(length), self._done)
            self._disk.sync_data(self._handle)
            self._done += length
        except OSError:
            self._drop()
            raise
        if self._done == self._size:
            self._disk.close(self._handle)
            self._handle = -1
            self._disk.rename(self._part, self.path)
            self.ready = True

    def take(self, path: Path) -> None:
        """It becomes the segment at `path`, durably; another one will be needed."""
        self._disk.rename(self.path, path)
        self.ready = False
        self._done = 0

    def _drop(self) -> None:
        if self._handle >= 0:
            self._disk.close(self._handle)
            self._handle = -1
        self._done = 0
        self._part.unlink(missing_ok=True)


class Segments:
    """Appends whole batch frames, each with one write and one fdatasync.

    Never two batches under one fdatasync: sectors reach the disk in any order, and a later batch
    found whole must prove that the earlier one had been durable.
    `blocked`: a spare could not be made ready and is not ready yet. `stalled`: the last step found
    no space, so the next one should wait. `rolled`: a new segment was begun (the reader resets it).
    """

    def __init__(self, spool: Path, position: Position, sizes: Sizes, disk: Disk) -> None:
        self._spool = spool
        self._sizes = sizes
        self._disk = disk
        self.position = position
        self.rolled = False
        self.blocked = False
        self.stalled = False
        path = segment_path(spool, position.segment)
        self._handle = disk.open(path)
        self._size = path.stat().st_size
        self._on_reserve = self._size < sizes.segment
        self._next = SpareSegment(spool / NEXT_NAME, sizes.segment, disk)
        self._reserve = SpareSegment(spool / RESERVE_NAME, sizes.reserve, disk)

    @property
    def preparing(self) -> bool:
        """Whether a spare segment is still to be made ready."""
        return not (self._next.ready and self._reserve.ready)

    @property
    def behind(self) -> bool:
        """Whether preparing must go on now, though batches wait."""
        used = self.position.offset / self._size
        return not self._next.ready and self._next.fraction < used * _PAST

    def prepare(self) -> None:
        """One step of making spares ready, the reserve first while the segment is young.

        Sets `blocked` when the disk has no room for them. Raises OSError if the disk failed.
        """
        urgent = self.position.offset > self._size * _URGENT
        if not self._reserve.ready and (self._next.ready or not urgent):
            self._step(self._reserve)
        elif not self._next.ready:
            self._step(self._next)

    def _step(self, spare: SpareSegment) -> None:
        try:
            spare.step(self._sizes.slice)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            self.blocked = self.stalled = True
        else:
            self.stalled = False
            if not self.preparing:
                self.blocked = False

    def append(self, frame: memoryview, count: int, *, closing: bool) -> None:
        """Make one batch of `count` events durable. Raises SegmentFull, or OSError once and for all."""
        here = self.position
        if here.offset + len(frame) > self._size or (self._on_reserve and not closing):
            self._roll(len(frame), closing=closing)
            here = self.position
        self._disk.write(self._handle, frame, here.offset)
        self._disk.sync_data(self._handle)
        self.position = Position(
            here.segment, here.offset + len(frame), here.next_n + count, here.next_batch + 1
        )

    def close(self) -> None:
        """Close the current segment."""
        self._disk.close(self._handle)

    def _roll(self, length: int, *, closing: bool) -> None:
        while not self._next.ready and not self.blocked:
            self._step(self._next)
        if self._next.ready and length <= self._sizes.segment:
            spare, size = self._next, self._sizes.segment
        elif closing and self._reserve.ready and length <= self._sizes.reserve:
            spare, size = self._reserve, self._sizes.reserve
        else:
            raise SegmentFull
        here = self.position
        path = segment_path(self._spool, here.next_n)
        spare.take(path)
        handle = self._disk.open(path)
        self._disk.close(self._handle)
        self._handle, self._size = handle, size
        self._on_reserve = spare is self._reserve
        self.position = Position(here.next_n, 0, here.next_n, here.next_batch)
        self.rolled = True

"""The spool's files: segments, the acked cursor, the lock; and reading durable batches back.

Standard library only: the writer process imports this. What a record holds is in `encoding`,
how a damaged tail is judged in `recovery`.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from gatekeep.errors import EvidenceBroken, JournalUnavailable
from gatekeep.journal.frames import (
    HEADER_BYTES,
    ZERO_HEADER,
    parse_header,
)

SEGMENT_BYTES = 64 * 1024 * 1024
NEXT_NAME = "next"
RESERVE_NAME = "reserve"
CURSOR_NAME = "acked"
OPEN_NAME = "open"
_SUFFIX = ".seg"
_DIGITS = 20
_LENGTHS = struct.Struct(">III")
_SLOT = struct.Struct(">QQI")
_SLOT_BYTES = 32
_LOCK_WAIT_S = 5.0
_LOCK_PAUSE_S = 0.02
_CURSOR_BYTES = 2 * _SLOT_BYTES


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def segment_path(spool: Path, first_n: int) -> Path:
    """Where the segment that begins with event `first_n` lies."""
    return spool / f"{first_n:0{_DIGITS}d}{_SUFFIX}"


def list_segments(spool: Path) -> list[int]:
    """First event indices of all segments, ascending."""
    return sorted(
        int(entry.name[:_DIGITS])
        for entry in spool.iterdir()
        if entry.name.endswith(_SUFFIX)
        and len(entry.name) == _DIGITS + len(_SUFFIX)
        and entry.name[:_DIGITS].isdigit()
    )


def count_records(body: bytes | memoryview) -> int:
    """Number of records in a batch body. Raises EvidenceBroken if their lengths do not fit."""
    offset, count, end = 0, 0, len(body)
    unpack, size = _LENGTHS.unpack_from, _LENGTHS.size
    while offset + size <= end:
        leaf, ciphertext, extra = unpack(body, offset)
        offset += size + leaf + ciphertext + extra
        count += 1
    if offset != end:
        raise EvidenceBroken("a record's lengths do not fit its batch")
    return count


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two batches: segment, byte offset, and what comes next there."""

    segment: int
    offset: int
    next_n: int
    next_batch: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One valid batch: its number, the index of its first event, its body, and where it ends."""

    number: int
    first_n: int
    count: int
    body: bytes
    start: Position
    end: Position


class SegmentFile:
    """One segment opened for reading."""

    def __init__(self, spool: Path, first_n: int) -> None:
        self.path = segment_path(spool, first_n)
        self._handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._handle).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset`, fewer at the end of the file."""
        return os.pread(self._handle, length, offset)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def batch_at(self, position: Position) -> Batch | None:
        """The batch that begins at `position` and carries its number, if a valid one does."""
        raw = self.read(position.offset, HEADER_BYTES)
        header = parse_header(raw)
        if header is None or (position.next_batch and header.number != position.next_batch):
            return None
        body = self.read(position.offset + HEADER_BYTES, header.body_length)
        if not header.fits(body):
            return None
        count = count_records(body)
        end = Position(
            position.segment,
            position.offset + HEADER_BYTES + len(body),
            position.next_n + count,
            header.number + 1,
        )
        return Batch(header.number, position.next_n, count, body, position, end)

    def is_clean_from(self, offset: int) -> bool:
        """Whether nothing but zeros follows."""
        return self.last_written(offset) == offset

    def last_written(self, offset: int) -> int:
        """The end of the last byte after `offset` that is not zero (`offset` if all are)."""
        end, step = self.size, 1 << 20
        while end > offset:
            start = max(offset, end - step)
            kept = self.read(start, end - start).rstrip(b"\0")
            if kept:
                return start + len(kept)
            end = start
        return offset


class SpoolReader:
    """Walks the batches of a spool in order, from segment to segment.

    `position` is where it stands; begin with `SpoolReader.at_start` or with a position kept
    from before. A batch number of 0 in a position takes whatever number comes.
    """

    def __init__(self, spool: Path, position: Position) -> None:
        self._spool = spool
        self.position = position
        self._segment: SegmentFile | None = None

    @classmethod
    def at_start(cls, spool: Path, from_n: int = 0) -> SpoolReader:
        """Stand at the segment that holds `from_n` (the oldest if it is gone).

        Raises EvidenceBroken if there is no segment.
        """
        segments = list_segments(spool)
        if not segments:
            raise EvidenceBroken("the spool has no segment", cause=str(spool))
        first = max((n for n in segments if n <= from_n), default=segments[0])
        return cls(spool, Position(first, 0, first, 0))

    def close(self) -> None:
        """Close the open segment."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def next_valid(self) -> Batch | None:
        """The next valid batch, or None where there is none (yet). Moves past it.

        Crosses into the next segment when this one ends cleanly and the next begins with the
        index that comes next.
        """
        while True:
            segment = self.open_segment()
            batch = segment.batch_at(self.position)
            if batch is not None:
                self.position = batch.end
                return batch
            if not self._cross(segment):
                return None

    def batches(self, durable: Acked) -> Iterator[Batch]:
        """All batches from here up to the acknowledged one.

        Raises EvidenceBroken if one of them is missing or damaged.
        """
        while self.position.next_n < durable.next_n:
            batch = self.next_valid()
            if batch is None:
                raise EvidenceBroken(
                    "an acknowledged batch of the spool is damaged",
                    cause=f"segment {self.position.segment} offset {self.position.offset}",
                )
            yield batch

    def open_segment(self) -> SegmentFile:
        """The segment at `position`."""
        if self._segment is None:
            try:
                self._segment = SegmentFile(self._spool, self.position.segment)
            except FileNotFoundError as error:
                raise EvidenceBroken("a segment is missing", cause=str(error)) from error
        return self._segment

    def _cross(self, segment: SegmentFile) -> bool:
        here = self.position
        if here.next_n == here.segment or not segment_path(self._spool, here.next_n).exists():
            return False
        head = segment.read(here.offset, HEADER_BYTES)
        if head != ZERO_HEADER[: len(head)]:
            return False
        self.close()
        self.position = Position(here.next_n, 0, here.next_n, here.next_batch)
        return True


@dataclass(frozen=True, slots=True)
class Acked:
    """What the writer has acknowledged: the last batch number and the next event index."""

    batch: int
    next_n: int


NOTHING_ACKED = Acked(0, 0)


class AckedCursor:
    """The `acked` file: two slots written in turn, so that a reader always finds a whole one.

    The writer moves it after each fdatasync; the archivist makes it durable (`sync`).
    """

    def __init__(self, spool: Path, *, writable: bool = False) -> None:
        flags = os.O_RDWR if writable else os.O_RDONLY
        self._handle = os.open(spool / CURSOR_NAME, flags | os.O_CLOEXEC)
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self._map = mmap.mmap(self._handle, _CURSOR_BYTES, access=access)

    @staticmethod
    def create(spool: Path) -> None:
        """Make the file durably, saying that nothing is acknowledged."""
        values = struct.pack(">QQ", 0, 0)
        first = values + struct.pack(">I", crc32(values))
        fresh = spool / f"{CURSOR_NAME}.tmp"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, first.ljust(_CURSOR_BYTES, b"\0"))
            os.fsync(handle)
        finally:
            os.close(handle)
        fresh.rename(spool / CURSOR_NAME)
        sync_directory(spool)

    def move(self, acked: Acked) -> None:
        """Write the slot of this batch number; the other slot stays whole meanwhile."""
        values = struct.pack(">QQ", acked.batch, acked.next_n)
        offset = (acked.batch & 1) * _SLOT_BYTES
        self._map[offset : offset + _SLOT.size] = values + struct.pack(">I", crc32(values))

    def read(self) -> Acked:
        """The newest whole slot. Raises EvidenceBroken if neither slot is whole."""
        found: list[Acked] = []
        for offset in (0, _SLOT_BYTES):
            raw = self._map[offset : offset + _SLOT.size]
            batch, next_n, crc = _SLOT.unpack(raw)
            if crc32(raw[:16]) == crc:
                found.append(Acked(batch, next_n))
        if not found:
            raise EvidenceBroken("the spool's acked cursor is damaged")
        return max(found, key=lambda acked: acked.batch)

    def sync(self) -> None:
        """Make what was written durable (also from another process than the writer's)."""
        os.fsync(self._handle)

    def close(self) -> None:
        """Unmap and close."""
        self._map.close()
        os.close(self._handle)


def read_acked(spool: Path) -> Acked:
    """The cursor's value now. Raises EvidenceBroken if it is missing or damaged."""
    try:
        cursor = AckedCursor(spool)
    except (FileNotFoundError, ValueError) as error:
        raise EvidenceBroken("the spool's acked cursor is missing", cause=str(error)) from error
    try:
        return cursor.read()
    finally:
        cursor.close()


class SpoolLock:
    """One owner per spool: an flock, and a line saying who holds it.

    The lock lives as long as any process that holds `handle` or a copy of it: the gateway takes
    it before recovery and the writer inherits it, so there is no moment without.
    """

    def __init__(self, spool: Path, *, wait_s: float = _LOCK_WAIT_S) -> None:
        """Take it. Waits a little: the writer of a killed gateway first finishes what it has.

        Raises JournalUnavailable (fatal) if somebody else keeps it.
        """
        self.handle = os.open(spool / "owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + wait_s
        while not self._locked():
            if time.monotonic() >= until:
                owner = os.pread(self.handle, 200, 0).decode("ascii", "replace").strip()
                os.close(self.handle)
                raise JournalUnavailable(
                    "another gateway owns this journal", cause=owner, fatal=True
                )
            time.sleep(_LOCK_PAUSE_S)
        os.ftruncate(self.handle, 0)
        os.pwrite(self.handle, f"pid {os.getpid()}\n".encode(), 0)

    def _locked(self) -> bool:
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give up this process's share of the lock."""
        os.close(self.handle)


def prepare_spool(spool: Path) -> None:
    """Make the directory, readable by its owner only, and its name durable."""
    if not spool.is_dir():
        spool.mkdir(mode=0o700, parents=True)
        sync_directory(spool.parent)

"""What the spool holds after a stop of any kind: torn tail or damage, and what was left open.

Reads files and zeroes a torn tail; nothing is appended here (`opening` writes what follows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.disk import Disk
from gatekeep.journal.frames import HEADER_BYTES, encode_header, valid_batches
from gatekeep.journal.opened import OpenThings, read_open_things
from gatekeep.journal.segments import Sizes, SpareSegment
from gatekeep.journal.spool import (
    CURSOR_NAME,
    Acked,
    AckedCursor,
    Batch,
    Position,
    SpoolReader,
    list_segments,
    read_acked,
    segment_path,
)

_NO_FLOORS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where the log goes on, and what the last run left open.

    `position.next_n` is the next event index and `position.next_batch` the next batch number;
    `torn_bytes` is the length of an unacknowledged tail that was cut off.
    """

    position: Position
    opened: OpenThings = field(default_factory=OpenThings)
    torn_bytes: int = 0


def recover(
    spool: Path,
    *,
    floors: Mapping[str, int] = _NO_FLOORS,
    scan_from: int = 0,
    sizes: Sizes | None = None,
    disk: Disk | None = None,
) -> Recovered:
    """Judge the spool and make it ready for the writer. Call with the spool's lock held.

    `floors` are event counts that others know to be durable, by the name of who knows (the
    archivist's cursor, the last checkpoint): a spool that ends before one of them has lost
    evidence. `scan_from` is the first event not yet archived.
    Raises EvidenceBroken, and then every file is as it was.
    """
    disk = disk or Disk()
    if not list_segments(spool):
        return _begin(spool, floors, sizes or Sizes(), disk)
    opened = read_open_things(spool)
    acked = read_acked(spool)
    reader = SpoolReader.at_start(spool, min(scan_from, opened.n))
    try:
        last = _scan(reader, opened)
        position = _end(spool, reader, acked)
        _check_floors(position.next_n, {"acked": acked.next_n, "open": opened.floor, **floors})
        torn = _judge_tail(reader, position)
    finally:
        reader.close()
    if last is not None and last.number > acked.batch:
        _write_again(spool, last, disk)
    _settle(spool, position, torn, disk)
    return Recovered(position, opened, torn)


def _begin(spool: Path, floors: Mapping[str, int], sizes: Sizes, disk: Disk) -> Recovered:
    if (spool / CURSOR_NAME).exists():
        _check_floors(0, {"acked": read_acked(spool).next_n})
    _check_floors(0, floors)
    AckedCursor.create(spool)
    first = SpareSegment(segment_path(spool, 0), sizes.segment, disk)
    while not first.ready:
        first.step(sizes.segment)
    return Recovered(Position(0, 0, 0, 1))


def _scan(reader: SpoolReader, opened: OpenThings) -> Batch | None:
    """Walk to the end; returns the last batch."""
    last: Batch | None = None
    while (batch := reader.next_valid()) is not None:
        if batch.end.next_n > opened.n:
            opened.observe_batch(batch)
        last = batch
    return last


def _end(spool: Path, reader: SpoolReader, acked: Acked) -> Position:
    """Where the last valid batch ends. Raises EvidenceBroken if more segments follow."""
    here = reader.position
    if here.segment != list_segments(spool)[-1]:
        raise EvidenceBroken(
            "a batch in the middle of the spool is damaged or missing",
            cause=f"segment {here.segment} offset {here.offset}",
        )
    number = here.next_batch or acked.batch + 1
    return Position(here.segment, here.offset, here.next_n, number)


def _check_floors(next_n: int, floors: Mapping[str, int]) -> None:
    for name, floor in floors.items():
        if next_n < floor:
            raise EvidenceBroken(
                "the spool ends before events that were durable",
                cause=f"{name} knows {floor} events, the spool has {next_n}",
            )


def _judge_tail(reader: SpoolReader, position: Position) -> int:
    """Length of a torn tail, 0 for a clean end. Raises EvidenceBroken if it is damage instead."""
    segment = reader.open_segment()
    end = segment.last_written(position.offset)
    if end == position.offset:
        return 0
    rest = segment.read(position.offset, max(end - position.offset, HEADER_BYTES))
    for offset in valid_batches(rest, after=position.next_batch - 1):
        raise EvidenceBroken(
            "a damaged batch is followed by a whole one, so it had been durable",
            cause=f"segment {position.segment} offset {position.offset}, whole at +{offset}",
        )
    return end - position.offset


def _write_again(spool: Path, batch: Batch, disk: Disk) -> None:
    """Make a batch durable that was not acknowledged (the writer writes one at a time).

    After a failed fsync the kernel may hold pages for clean that never reached the disk; a sync
    alone would pass them over.
    """
    handle = disk.open(segment_path(spool, batch.start.segment))
    try:
        frame = encode_header(batch.number, batch.body) + batch.body
        disk.write(handle, frame, batch.start.offset)
        disk.sync_data(handle)
    finally:
        disk.close(handle)


def _settle(spool: Path, position: Position, torn: int, disk: Disk) -> None:
    """Zero the torn tail, make what is there durable, and let the cursor say so."""
    handle = disk.open(segment_path(spool, position.segment))
    try:
        if torn:
            disk.write(handle, bytes(torn), position.offset)
        disk.sync_data(handle)
    finally:
        disk.close(handle)
    cursor = AckedCursor(spool, writable=True)
    try:
        cursor.move(Acked(position.next_batch - 1, position.next_n))
        cursor.sync()
    finally:
        cursor.close()

"""Verifies the spool: frames, order, the acked cursor, equality with the archive, and the tail.

A segment is verified by a plain value, so that other processes can verify some of them.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final
from zlib import crc32

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.encoding import iterate_records
from gatekeep.journal.examine import Examined, Examiner
from gatekeep.journal.report import Fault, Finding
from gatekeep.journal.spool import (
    CURSOR_NAME,
    Acked,
    Batch,
    Position,
    SegmentFile,
    list_segments,
    segment_path,
)
from gatekeep.journal.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    blob_path,
    bundle_path,
    parse_blob,
    parse_bundle,
    read_at_least,
)
from gatekeep.journal.unsealing import Unsealer

DELETED_NAME: Final = "deleted"
_SLOT = struct.Struct(">QQI")
_LENGTHS = struct.Struct(">III")
_SLOT_BYTES: Final = 32
_TRIES: Final = 50
_PAUSE_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Stretch:
    """One segment to verify. `following` is the first index of the next one (None: the last)."""

    spool: Path
    log: Path
    origin: str
    first: int
    following: int | None
    size: int
    acked: Acked


@dataclass(slots=True)
class SegmentResult:
    """What a segment held. `end` is the index after its last event."""

    stretch: Stretch
    end: int
    first_batch: int = 0
    last_batch: int = 0
    acked_seen: bool = False
    loose_bytes: int = 0
    clean: bool = True
    in_archive: bool = True
    examined: Examined = field(default_factory=Examined)


def read_cursor(spool: Path) -> Acked:
    """The acked cursor, every byte of its file checked. Raises EvidenceBroken.

    A running writer may be in the middle of a slot, so a damaged one is read again.
    """
    for attempt in range(_TRIES):
        try:
            content = (spool / CURSOR_NAME).read_bytes()
        except FileNotFoundError as error:
            raise EvidenceBroken("the acked cursor is missing") from error
        slots = [_slot(content[i : i + _SLOT_BYTES]) for i in (0, _SLOT_BYTES)]
        if len(content) == 2 * _SLOT_BYTES and None not in slots:
            return max((slot for slot in slots if slot), key=lambda acked: acked.batch)
        if attempt + 1 < _TRIES:
            time.sleep(_PAUSE_S)
    raise EvidenceBroken("the acked cursor is damaged")


def _slot(raw: bytes) -> Acked | None:
    if raw == bytes(_SLOT_BYTES):
        return Acked(0, 0)
    if len(raw) != _SLOT_BYTES or any(raw[_SLOT.size :]):
        return None
    batch, next_n, crc = _SLOT.unpack_from(raw)
    return Acked(batch, next_n) if crc32(raw[:16]) == crc else None


def read_deleted(spool: Path) -> dict[int, int]:
    """Segments that were deleted on purpose: first index → next index. Raises EvidenceBroken."""
    try:
        text = (spool / DELETED_NAME).read_text("ascii")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise EvidenceBroken("the list of deleted segments is damaged") from error
    deleted: dict[int, int] = {}
    for line in text.splitlines(keepends=True):
        parts = line.split(" ")
        first, following = (int(p) if p.isdigit() else -1 for p in (*parts, "", "")[:2])
        if line != deleted_line(first, following):
            raise EvidenceBroken("the list of deleted segments is damaged")
        deleted[first] = following
    return deleted


def deleted_line(first: int, following: int) -> str:
    """A line of the list: first index, next index, crc32 of both."""
    text = f"{first} {following}"
    return f"{text} {crc32(text.encode()):08x}\n"


def stretches(spool: Path, log: Path, origin: str, size: int, acked: Acked) -> list[Stretch]:
    """Every segment there is, in order."""
    firsts = list_segments(spool)
    return [
        Stretch(spool, log, origin, first, following, size, acked)
        for first, following in zip(firsts, [*firsts[1:], None], strict=True)
    ]


def verify_segment(stretch: Stretch, unsealer: Unsealer | None = None) -> SegmentResult:
    """Check one segment: every batch, every byte after the last, every event against the archive."""
    name = f"spool/{segment_path(stretch.spool, stretch.first).name}"
    examiner = Examiner(stretch.origin, unsealer)
    result = SegmentResult(stretch, stretch.first, examined=examiner.result)
    archive = _Archive(stretch, name, examiner)
    findings = examiner.result.findings
    segment = SegmentFile(stretch.spool, stretch.first)
    try:
        position = Position(stretch.first, 0, stretch.first, 0)
        while (batch := _next_batch(segment, position, name, findings)) is not None:
            result.first_batch = result.first_batch or batch.number
            result.last_batch = batch.number
            if batch.number == stretch.acked.batch:
                result.acked_seen = batch.end.next_n == stretch.acked.next_n
            archive.take(batch)
            position = batch.end
        result.end = position.next_n
        result.in_archive = archive.whole
        _check_rest(segment, position, result, name, findings)
    finally:
        segment.close()
    return result


def _next_batch(
    segment: SegmentFile, position: Position, name: str, findings: list[Finding]
) -> Batch | None:
    try:
        return segment.batch_at(position)
    except EvidenceBroken as error:
        findings.append(Finding(Fault.MISMATCH, name, error.public, position.next_n))
        return None


def _check_rest(
    segment: SegmentFile, end: Position, result: SegmentResult, name: str, findings: list[Finding]
) -> None:
    """What follows the last valid batch: nothing, or an unacknowledged tail of the last segment."""
    stretch = result.stretch
    written = segment.last_written(end.offset)
    result.clean = written == end.offset
    needed = stretch.acked.next_n if stretch.following is None else stretch.following
    if end.next_n < needed and not result.clean:
        what = f"is damaged at byte {end.offset}: events {end.next_n} to {needed - 1} cannot be read"
        findings.append(Finding(Fault.MISMATCH, name, what, end.next_n))
    elif stretch.following is None:
        result.loose_bytes = written - end.offset
    elif end.next_n > needed:
        findings.append(Finding(Fault.MISMATCH, name, "holds events of the next segment", needed))
    elif not result.clean:
        what = f"has bytes after its last batch, up to byte {written}"
        findings.append(Finding(Fault.MISMATCH, name, what))


class _Archive:
    """Compares a segment's events with bundles and blobs; examines those that are not in them.

    Payloads after the last whole blob are only in the spool, and the tail's leaves too.
    """

    def __init__(self, stretch: Stretch, name: str, examiner: Examiner) -> None:
        self._stretch = stretch
        self._name = name
        self._examiner = examiner
        self._whole = stretch.size // TILE_WIDTH * TILE_WIDTH
        self._number = -1
        self._parsed = False
        self._bundle = self._blob = b""
        self._leaf_at = self._blob_at = 0
        self.whole = True
        self._leaves: list[bytes] | None = None
        self._sealed: list[tuple[bytes, bytes]] | None = None

    def take(self, batch: Batch) -> None:
        """Check the events of one batch."""
        n, body, offset = batch.first_n, batch.body, 0
        if batch.end.next_n <= self._whole:
            while offset < len(body):
                offset = self._compare_stored(n, body, offset)
                n += 1
            return
        for record in iterate_records(body):
            if n < self._stretch.size:
                self._compare(n, record.leaf, record.ciphertext, record.extra)
            else:
                digest = sha256(b"\0" + record.leaf).digest()
                envelope = self._examiner.leaf(n, record.leaf, digest, self._name)
                if envelope is not None:
                    self._examiner.payload(envelope, record.ciphertext, record.extra, self._name)
            n += 1

    def _compare_stored(self, n: int, body: bytes, offset: int) -> int:
        """Compare one record with what the archive holds at `n`, as bytes; returns where it ends.

        Bundle and blob hold the record's parts in order, so two comparisons of slices do.
        """
        if n >> TILE_HEIGHT != self._number:
            self._load(n >> TILE_HEIGHT)
        leaf_length, sealed_length, extra_length = _LENGTHS.unpack_from(body, offset)
        first = offset + _LENGTHS.size
        second = first + leaf_length
        following: int = second + sealed_length + extra_length
        leaf_end = self._leaf_at + 2 + leaf_length
        blob_end = self._blob_at + 8 + sealed_length + extra_length
        if (
            self._bundle[self._leaf_at + 2 : leaf_end] != body[first:second]
            or self._blob[self._blob_at : self._blob_at + 8] != body[offset + 4 : first]
            or self._blob[self._blob_at + 8 : blob_end] != body[second:following]
        ):
            self._parse()
            extra_at = second + sealed_length
            self._compare(n, body[first:second], body[second:extra_at], body[extra_at:following])
        self._leaf_at, self._blob_at = leaf_end, blob_end
        return following

    def _compare(self, n: int, leaf: bytes, ciphertext: bytes, extra: bytes) -> None:
        number, place = divmod(n, TILE_WIDTH)
        if number != self._number:
            self._load(number)
        self._parse()
        if self._leaves is not None and self._leaves[place] != leaf:
            self._differs(n, "has another leaf than the archive")
        if n >= self._whole:
            self._only_here(n, leaf, ciphertext, extra)
        elif self._sealed is not None and self._sealed[place] != (ciphertext, extra):
            what = "payload" if self._sealed[place][0] != ciphertext else "session key"
            self._differs(n, f"has another {what} than {blob_path(number)}")
            if what == "session key":  # no leaf names it, so which of the two changed is not known
                self._examiner.result.findings.append(
                    Finding(Fault.MISMATCH, f"log/{blob_path(number)}", "has another session key than the spool", n)
                )

    def _only_here(self, n: int, leaf: bytes, ciphertext: bytes, extra: bytes) -> None:
        """The payload of an archived event whose blob is not whole yet; its leaf was examined."""
        checker = Examiner(self._stretch.origin)
        envelope = checker.leaf(n, leaf, b"", self._name)
        self._examiner.result.findings += checker.result.findings
        if envelope is not None:
            self._examiner.payload(envelope, ciphertext, extra, self._name)

    def _load(self, number: int) -> None:
        """Read a bundle and its blob; what is wrong with them is reported by `verify_archive`."""
        self._number = number
        self._parsed = False
        self._leaf_at = self._blob_at = 0
        width = min(TILE_WIDTH, self._stretch.size - number * TILE_WIDTH)
        log = self._stretch.log
        try:
            self._bundle = read_at_least(log, bundle_path(number), width)
        except EvidenceBroken:
            self._bundle = b""
        try:
            self._blob = (log / blob_path(number)).read_bytes() if width == TILE_WIDTH else b""
        except FileNotFoundError:
            self._blob = b""
        first = number * TILE_WIDTH
        if self._stretch.first > first:  # the segment begins inside: find its place
            self._parse()
            before = self._stretch.first - first
            self._leaf_at = sum(2 + len(leaf) for leaf in (self._leaves or [])[:before])
            self._blob_at = sum(8 + len(c) + len(x) for c, x in (self._sealed or [])[:before])

    def _parse(self) -> None:
        """The loaded files as events; None where they do not hold what they should."""
        if self._parsed:
            return
        self._parsed = True
        self._leaves = self._sealed = None
        width = min(TILE_WIDTH, self._stretch.size - self._number * TILE_WIDTH)
        with contextlib.suppress(EvidenceBroken):
            leaves = parse_bundle(self._bundle)
            self._leaves = leaves if len(leaves) >= width else None
        with contextlib.suppress(EvidenceBroken):
            sealed = parse_blob(self._blob)
            self._sealed = sealed if len(sealed) == TILE_WIDTH else None
        if width == TILE_WIDTH and (self._leaves is None or self._sealed is None):
            self.whole = False

    def _differs(self, n: int, what: str) -> None:
        self._examiner.result.findings.append(Finding(Fault.MISMATCH, self._name, what, n))


def check_order(
    results: Sequence[SegmentResult], deleted: dict[int, int], size: int, acked: Acked
) -> Iterator[Finding]:
    """Segments must follow each other without a hole, but for those deleted on purpose."""
    here, batch = 0, 0
    archived = size // TILE_WIDTH * TILE_WIDTH
    for result in results:
        first = result.stretch.first
        if here != first:
            batch = 0
            yield from _judge_hole(here, first, deleted, archived)
        if batch and result.first_batch not in (0, batch + 1):
            name = f"spool/{segment_path(result.stretch.spool, first).name}"
            what = f"begins with batch {result.first_batch}, not {batch + 1}"
            yield Finding(Fault.MISMATCH, name, what, first)
        damaged = not result.clean and result.stretch.following is not None
        here = result.stretch.following if damaged else result.end  # type: ignore[assignment] # damaged: not None
        batch = 0 if damaged else result.last_batch
    if acked.next_n > here and (not results or results[-1].clean):
        what = f"no segment holds events {here} to {acked.next_n - 1}"
        yield Finding(Fault.MISSING, "spool", what, here)
    if acked.batch and here >= acked.next_n and not any(r.acked_seen for r in results):
        what = f"names batch {acked.batch} before event {acked.next_n}, and there is none"
        yield Finding(Fault.MISMATCH, f"spool/{CURSOR_NAME}", what)


def _judge_hole(here: int, first: int, deleted: dict[int, int], archived: int) -> Iterator[Finding]:
    begin = here
    while deleted.get(here, 0) > here and here < first:
        here = deleted[here]
    if here != first:
        what = f"no segment holds events {here} to {first - 1}"
        yield Finding(Fault.MISSING, "spool", what, here)
    elif first > archived:
        yield Finding(Fault.MISSING, "spool", "a deleted segment was not archived whole", begin)

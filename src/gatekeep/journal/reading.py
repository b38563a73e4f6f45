"""Events by index, from the archive where their bundle is whole, else from the spool. No keys.

What was durable is handed out as it lies there; proving it is the work of `verify`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.archive import LOG_DIR, SPOOL_DIR
from gatekeep.journal.encoding import iterate_records
from gatekeep.journal.spool import Position, SpoolReader, list_segments, read_acked
from gatekeep.journal.tiles import TILE_WIDTH, blob_path, bundle_path, parse_blob, parse_bundle

_BLOCKS_KEPT: Final = 16


class Held(NamedTuple):
    """One event as it is stored."""

    n: int
    leaf: bytes
    ciphertext: bytes
    extra: bytes


class EventFiles:
    """Reads one journal's events. For one thread at a time; several instances may be used."""

    def __init__(self, journal: Path) -> None:
        self._spool = journal / SPOOL_DIR
        self._log = journal / LOG_DIR
        self._blocks: OrderedDict[int, list[Held]] = OrderedDict()
        self._marks: list[Position] = []
        self._reader: SpoolReader | None = None
        self._ahead: list[Held] = []

    def durable_n(self) -> int:
        """Index after the last acknowledged event. Raises EvidenceBroken if that is unreadable."""
        return read_acked(self._spool).next_n

    def event(self, n: int) -> Held | None:
        """Event `n`, or None if there is none (yet). Raises EvidenceBroken if it is damaged."""
        if not 0 <= n < self.durable_n():
            return None
        return next(iter(self.events(n, n + 1)), None)

    def events(self, first: int, end: int) -> Iterator[Held]:
        """Events [first, end), all of which must be durable."""
        while first < end:
            number = first // TILE_WIDTH
            stop = min(end, (number + 1) * TILE_WIDTH)
            whole = self._whole_block(number)
            if whole is not None:
                yield from whole[first - number * TILE_WIDTH : stop - number * TILE_WIDTH]
            else:
                yield from self._from_spool(first, stop)
            first = stop

    def close(self) -> None:
        """Close what is open."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _whole_block(self, number: int) -> list[Held] | None:
        block = self._blocks.get(number)
        if block is not None:
            self._blocks.move_to_end(number)
            return block
        try:
            sealed = parse_blob((self._log / blob_path(number)).read_bytes())
            leaves = parse_bundle((self._log / bundle_path(number)).read_bytes())
        except FileNotFoundError:
            return None
        if len(sealed) != TILE_WIDTH or len(leaves) != TILE_WIDTH:
            raise EvidenceBroken(f"{bundle_path(number)} and {blob_path(number)} do not hold 256 events")
        block = [
            Held(number * TILE_WIDTH + place, leaf, *parts)
            for place, (leaf, parts) in enumerate(zip(leaves, sealed, strict=True))
        ]
        self._blocks[number] = block
        if len(self._blocks) > _BLOCKS_KEPT:
            self._blocks.popitem(last=False)
        return block

    def _from_spool(self, first: int, end: int) -> list[Held]:
        """Durable events [first, end) of the spool, going on where the last call stopped if it can."""
        found: list[Held] = []
        ahead = self._ahead
        if not ahead or ahead[0].n > first or self._next_n() < first:
            self._seek(first)
            ahead = self._ahead
        while True:
            found += [held for held in ahead if first + len(found) <= held.n < end]
            if first + len(found) >= end:
                return found
            ahead = self._ahead = self._next_batch()

    def _next_n(self) -> int:
        return self._reader.position.next_n if self._reader is not None else -1

    def _seek(self, n: int) -> None:
        """Stand before the batch that holds `n`, or as near before it as is known."""
        self.close()
        self._ahead = []
        place = bisect_right(self._marks, n, key=lambda mark: mark.next_n) - 1
        segments = [first for first in list_segments(self._spool) if first <= n]
        if not segments:
            raise EvidenceBroken(f"event {n} is neither in the archive nor in the spool")
        if place >= 0 and self._marks[place].segment >= segments[-1]:
            self._reader = SpoolReader(self._spool, self._marks[place])
        else:
            self._reader = SpoolReader.at_start(self._spool, n)

    def _next_batch(self) -> list[Held]:
        reader = self._reader
        batch = reader.next_valid() if reader is not None else None
        if batch is None:
            raise EvidenceBroken("a durable batch of the spool cannot be read")
        self._mark(batch.start)
        return [
            Held(n, record.leaf, record.ciphertext, record.extra)
            for n, record in enumerate(iterate_records(batch.body), batch.first_n)
        ]

    def _mark(self, start: Position) -> None:
        marks = self._marks
        if not marks or start.next_n >= marks[-1].next_n + TILE_WIDTH:
            marks.append(start)

"""Verifies the archive: bundles, level-0 tiles and blobs in runs, and the tree above them.

A run is a plain value, so that other processes can verify some of them. Checkpoints are `verify`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.examine import Examined, Examiner
from gatekeep.journal.report import Fault, Finding
from gatekeep.journal.tiles import (
    TILE_BYTES,
    TILE_WIDTH,
    GrowingTree,
    Tile,
    blob_path,
    bundle_path,
    parse_blob,
    parse_bundle,
    read_at_least,
    tile_path,
)
from gatekeep.journal.tree import HASH_BYTES, fold, join_subtrees
from gatekeep.journal.unsealing import Unsealer

RUN_BUNDLES: Final = 32


@dataclass(frozen=True, slots=True)
class Run:
    """Bundles [first, end) of a log of `size` events. `marks`: sizes within whose roots are wanted."""

    log: Path
    origin: str
    first: int
    end: int
    size: int
    marks: tuple[int, ...] = ()


@dataclass(slots=True)
class RunResult:
    """For each bundle: the root over its events, and the root its tile claims (None: not there).

    `marks` maps a wanted size to the root over the part of its last bundle below that size.
    """

    run: Run
    folds: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    differences: dict[int, int] = field(default_factory=dict)
    marks: dict[int, bytes] = field(default_factory=dict)
    examined: Examined = field(default_factory=Examined)


def runs(log: Path, origin: str, size: int, marks: Sequence[int]) -> Iterator[Run]:
    """The whole log in runs, in order."""
    bundles = -(-size // TILE_WIDTH)
    wanted = sorted(mark for mark in set(marks) if mark % TILE_WIDTH)
    position = 0
    for first in range(0, bundles, RUN_BUNDLES):
        end = min(first + RUN_BUNDLES, bundles)
        begun = position
        while position < len(wanted) and wanted[position] < end * TILE_WIDTH:
            position += 1
        yield Run(log, origin, first, end, size, tuple(wanted[begun:position]))


def verify_run(run: Run, unsealer: Unsealer | None = None) -> RunResult:
    """Check every event of these bundles and compute their roots."""
    result = RunResult(run)
    examiner = Examiner(run.origin, unsealer)
    result.examined = examiner.result
    for number in range(run.first, run.end):
        _verify_bundle(run, number, examiner, result)
    return result


def _verify_bundle(run: Run, number: int, examiner: Examiner, result: RunResult) -> None:
    width = min(TILE_WIDTH, run.size - number * TILE_WIDTH)
    first_n = number * TILE_WIDTH
    findings = examiner.result.findings
    claimed = _read_hashes(run, number, width, findings)
    file = bundle_path(number, width)
    leaves = _read_leaves(run, number, width, findings)
    if leaves is None:
        examiner.gap()
        result.folds.append((None, fold(claimed) if claimed else None))
        _mark(run, number, claimed or (), result)
        return
    digests = [sha256(b"\0" + leaf).digest() for leaf in leaves]
    entries_root = fold(digests)
    if claimed is not None and claimed != digests:
        result.differences[number] = first_n + next(
            place for place, pair in enumerate(zip(claimed, digests, strict=True)) if pair[0] != pair[1]
        )
    result.folds.append((entries_root, fold(claimed) if claimed is not None else None))
    _mark(run, number, digests, result)
    sealed = _read_blob(run, number, findings) if width == TILE_WIDTH else None
    if width == TILE_WIDTH and sealed is None:
        examiner.missing(width)
    blob_file = blob_path(number)
    for place, leaf in enumerate(leaves):
        envelope = examiner.leaf(first_n + place, leaf, digests[place], file)
        if sealed is not None and envelope is not None:
            examiner.payload(envelope, *sealed[place], blob_file)


def _mark(run: Run, number: int, hashes: Sequence[bytes], result: RunResult) -> None:
    """Roots of the prefixes of this bundle that old checkpoints need."""
    for mark in run.marks:
        if mark // TILE_WIDTH == number and mark % TILE_WIDTH <= len(hashes):
            result.marks[mark] = fold(hashes[: mark % TILE_WIDTH])


def _read_hashes(run: Run, number: int, width: int, findings: list[Finding]) -> list[bytes] | None:
    name = tile_path(0, number, width)
    try:
        content = read_at_least(run.log, tile_path(0, number), width)
    except EvidenceBroken as error:
        findings.append(Finding(Fault.MISSING, name, error.public))
        return None
    if not width * HASH_BYTES <= len(content) <= TILE_BYTES or len(content) % HASH_BYTES:
        findings.append(Finding(Fault.MISMATCH, name, "has a wrong length"))
        return None
    return [content[i : i + HASH_BYTES] for i in range(0, width * HASH_BYTES, HASH_BYTES)]


def _read_leaves(run: Run, number: int, width: int, findings: list[Finding]) -> list[bytes] | None:
    name = bundle_path(number, width)
    try:
        content = read_at_least(run.log, bundle_path(number), width)
    except EvidenceBroken as error:
        findings.append(Finding(Fault.MISSING, name, error.public))
        return None
    try:
        leaves = parse_bundle(content)
    except EvidenceBroken as error:
        findings.append(Finding(Fault.MISMATCH, name, error.public))
        return None
    if len(leaves) < width or len(leaves) > TILE_WIDTH:
        findings.append(Finding(Fault.MISMATCH, name, f"holds {len(leaves)} leaves, not {width}"))
        return None
    return leaves[:width]


def _read_blob(
    run: Run, number: int, findings: list[Finding]
) -> list[tuple[bytes, bytes]] | None:
    name = blob_path(number)
    try:
        parts = parse_blob((run.log / name).read_bytes())
    except FileNotFoundError:
        findings.append(Finding(Fault.MISSING, name, f"{name} is missing"))
        return None
    except EvidenceBroken as error:
        findings.append(Finding(Fault.MISMATCH, name, error.public))
        return None
    if len(parts) != TILE_WIDTH:
        findings.append(Finding(Fault.MISMATCH, name, f"holds {len(parts)} payloads"))
        return None
    return parts


class UpperTree:
    """Rebuilds the tree above the bundles and compares every tile of it with what is stored.

    `roots` maps each wanted size (a mark, or a multiple of 256) to the root recomputed for it.
    """

    def __init__(self, log: Path, size: int, wanted: Sequence[int]) -> None:
        self._log = log
        self._size = size
        self._tree = GrowingTree()
        self._wanted = sorted(set(wanted))
        self._next = 0
        self.roots: dict[int, bytes] = {}
        self.findings: list[Finding] = []
        self._stored: dict[int, bytes] = {}
        self._difference: int | None = None
        self._last: tuple[bytes | None, bytes | None] = (None, None)

    def add(self, result: RunResult) -> None:
        """Take the next run's bundles."""
        for number, folds in enumerate(result.folds, result.run.first):
            self._collect(number, result.marks)
            if (number + 1) * TILE_WIDTH > self._size:
                self._last = folds
                self._difference = result.differences.get(number)
                return
            chosen = self._judge(number, folds, result.differences.get(number))
            for tile in self._tree.extend([chosen]):
                self._compare(Tile(tile.level + 1, tile.number, tile.width, tile.content))

    def finish(self, signed_root: bytes) -> bytes:
        """Compare the partial tiles; returns the root of the whole tree."""
        self._collect(self._size // TILE_WIDTH, {})
        for tile in self._tree.partials():
            self._compare(Tile(tile.level + 1, tile.number, tile.width, tile.content))
        if self._size % TILE_WIDTH == 0:
            return self._tree.root()
        over_events, over_tile = self._last
        roots = {
            part: join_subtrees([*self._tree.parts(), part])
            for part in (over_events, over_tile)
            if part is not None
        }
        chosen = over_events if over_events in roots else over_tile
        if over_tile in roots and roots[over_tile] == signed_root:
            chosen = over_tile
        if over_events != over_tile and None not in self._last:
            number, width = divmod(self._size, TILE_WIDTH)
            guilty = bundle_path(number, width) if chosen == over_tile else tile_path(0, number, width)
            self.findings.append(
                Finding(Fault.MISMATCH, guilty, "does not fit the signed root", self._difference)
            )
        return roots[chosen] if chosen is not None else b""

    def _judge(
        self, number: int, folds: tuple[bytes | None, bytes | None], event: int | None
    ) -> bytes:
        """Whom to believe where events and tile differ: the one that the tile above agrees with."""
        over_events, over_tile = folds
        if over_events == over_tile and over_events is not None:
            return over_events
        stored = self._hash_above(number)
        if over_events is None or over_tile is None:
            return over_events or over_tile or stored or bytes(HASH_BYTES)
        bundle, tile = bundle_path(number), tile_path(0, number)
        guilty = [bundle] if over_tile == stored else [tile] if over_events == stored else [bundle, tile]
        self.findings += [
            Finding(Fault.MISMATCH, file, "does not fit the tree above it", event) for file in guilty
        ]
        return over_tile if over_tile == stored else over_events

    def _hash_above(self, number: int) -> bytes | None:
        upper, place = divmod(number, TILE_WIDTH)
        if upper not in self._stored:
            width = min(TILE_WIDTH, self._size // TILE_WIDTH - upper * TILE_WIDTH)
            try:
                self._stored = {upper: read_at_least(self._log, tile_path(1, upper), width)}
            except EvidenceBroken:
                self._stored = {upper: b""}
        hashed = self._stored[upper][place * HASH_BYTES : (place + 1) * HASH_BYTES]
        return hashed if len(hashed) == HASH_BYTES else None

    def _compare(self, tile: Tile) -> None:
        whole = tile_path(tile.level, tile.number)
        try:
            content = read_at_least(self._log, whole, tile.width)
        except EvidenceBroken as error:
            self.findings.append(Finding(Fault.MISSING, tile.path, error.public))
            return
        exact = content if tile.width == TILE_WIDTH else content[: len(tile.content)]
        if exact != tile.content:
            self.findings.append(
                Finding(Fault.MISMATCH, tile.path, "does not fit the events below it")
            )

    def _collect(self, number: int, marks: Mapping[int, bytes]) -> None:
        """Roots of the wanted sizes that end before or within bundle `number`."""
        while self._next < len(self._wanted):
            size = self._wanted[self._next]
            if size // TILE_WIDTH > number:
                return
            self._next += 1
            inside = size % TILE_WIDTH
            if not inside:
                self.roots[size] = self._tree.root()
            elif size in marks:
                self.roots[size] = join_subtrees([*self._tree.parts(), marks[size]])

"""Verifies a whole journal, or a log alone, offline: files and public keys are all it needs.

Puts the parts together; each part's own checks are in `verify_archive`, `verify_spool`,
`verify_files` and `examine`. Nothing is written.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeVar

from gatekeep.domain.checkpoints import Checkpoint
from gatekeep.errors import EvidenceBroken
from gatekeep.journal.archive import (
    CHECKPOINT_NAME,
    HISTORY_NAME,
    LOG_DIR,
    SIGNED_NAME,
    SPOOL_DIR,
)
from gatekeep.journal.checkpoint import (
    UnknownKey,
    VerifierKey,
    open_checkpoint,
    parse_checkpoint,
    split_notes,
)
from gatekeep.journal.examine import Chains
from gatekeep.journal.report import Fault, Report
from gatekeep.journal.spool import CURSOR_NAME, Acked
from gatekeep.journal.tiles import TILE_WIDTH, bundle_path
from gatekeep.journal.unsealing import Unsealer
from gatekeep.journal.verify_archive import RunResult, UpperTree, runs, verify_run
from gatekeep.journal.verify_files import check_files
from gatekeep.journal.verify_spool import (
    SegmentResult,
    check_order,
    read_cursor,
    read_deleted,
    stretches,
    verify_segment,
)

_PARALLEL_FROM: Final = 200_000

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count. `from_evidence`: the keys came with what is verified (at best 3)."""

    keys: Sequence[VerifierKey]
    from_evidence: bool = False


def verify(
    path: Path, trust: Trust, *, unsealer: Unsealer | None = None, workers: int | None = None
) -> Report:
    """Verify `path`: a journal (with `log/` and `spool/`) or a C2SP log directory alone.

    With `unsealer` every payload is opened, and one that stays sealed is a finding. `workers`
    processes share the work (default: one for each CPU when the log is large); opening payloads
    is done in this one, so that keys stay here. A log that grows meanwhile is verified up to
    what was acknowledged at the call. Never raises for what it finds.
    """
    return _Verification(path, trust, unsealer, workers).run()


class _Verification:
    """One run of `verify`, step by step."""

    def __init__(
        self, path: Path, trust: Trust, unsealer: Unsealer | None, workers: int | None
    ) -> None:
        self._path = path
        self._whole = (path / LOG_DIR).is_dir() or (path / SPOOL_DIR).is_dir()
        self._log = path / LOG_DIR if self._whole else path
        self._prefix = f"{LOG_DIR}/" if self._whole else ""
        self._trust = trust
        self._unsealer = unsealer
        self._workers = workers
        self._chains = Chains()
        self._marks: list[tuple[Checkpoint, str]] = []
        self.report = Report(keys_from_evidence=trust.from_evidence)

    def run(self) -> Report:
        """All checks."""
        report = self.report
        report.assumptions.append("SHA-256 and Ed25519 hold; the public keys given are the log's")
        try:
            top = self._checkpoints()
            acked = self._acked() if self._whole else None
            if top is None:
                return report
            report.origin, report.size, report.root = top.origin, top.size, top.root.hex()
            report.end = top.size
            workers = self._choose_workers(top.size)
            with _pool(workers) as pool:
                self._archive(top, pool)
                if acked is not None:
                    self._spool(top, acked, pool)
            report.extend(check_files(self._log, top.size, self._prefix, report.notes))
            self._count(top)
        except OSError as error:
            report.add(Fault.MISSING, str(error.filename or self._path), f"cannot be read: {error.strerror}")
        except Exception as error:  # noqa: BLE001 - what cannot be understood is a failure, never passed
            report.add(Fault.MISMATCH, str(self._path), f"cannot be examined: {error!r}")
        return report

    def _choose_workers(self, size: int) -> int:
        if self._unsealer is not None or (self._workers is None and size < _PARALLEL_FROM):
            return 1
        return self._workers or os.cpu_count() or 1

    # Checkpoints: read in the reverse order of their writing, so that on a log that grows each
    # is at most as new as the next.

    def _checkpoints(self) -> Checkpoint | None:
        published = self._note(self._prefix + CHECKPOINT_NAME)
        history = self._history()
        signed = self._note(SIGNED_NAME) if self._whole else None
        named = (
            (published, self._prefix + CHECKPOINT_NAME),
            (history[-1] if history else None, self._prefix + HISTORY_NAME),
            (signed, SIGNED_NAME),
        )
        present = [(note, name) for note, name in named if note is not None]
        for (older, name), (newer, _) in pairwise(present):
            if older.size > newer.size:
                self.report.add(Fault.MISMATCH, name, f"is ahead of what was signed: {older.size} events")
        self._marks = [(note, self._prefix + HISTORY_NAME) for note in history]
        self._marks += [(note, name) for note, name in present if name != self._prefix + HISTORY_NAME]
        if not present:
            return None  # each that is missing, unknown or wrong is a finding already
        return max((note for note, _ in present), key=lambda note: note.size)

    def _note(self, name: str) -> Checkpoint | None:
        try:
            content = (self._path / name).read_bytes()
        except FileNotFoundError:
            self.report.add(Fault.MISSING, name, "is missing")
            return None
        return self._open(content, name)

    def _open(self, content: bytes, name: str) -> Checkpoint | None:
        try:
            self.report.checkpoints += 1
            return open_checkpoint(content, self._trust.keys)
        except UnknownKey as error:
            self.report.add(Fault.UNDECIDED, name, error.public)
            return None
        except EvidenceBroken as error:
            self.report.add(Fault.MISMATCH, name, error.public)
            return None

    def _history(self) -> list[Checkpoint]:
        name = self._prefix + HISTORY_NAME
        try:
            content = (self._path / name).read_bytes()
        except FileNotFoundError:
            self.report.add(Fault.MISSING, name, "is missing")
            return []
        try:
            notes = split_notes(self._without_torn_end(content))
        except EvidenceBroken as error:
            self.report.add(Fault.MISMATCH, name, error.public)
            return []
        opened = [note for note in (self._open(one, name) for one in notes) if note is not None]
        for before, after in pairwise(opened):
            if after.size <= before.size or after.origin != before.origin:
                self.report.add(
                    Fault.MISMATCH, name, f"does not grow: {after.size} events after {before.size}"
                )
        return opened

    def _without_torn_end(self, content: bytes) -> bytes:
        """The history without a note that was being appended: it must begin like `signed`."""
        if not self._whole:
            return content
        try:
            signed = (self._path / SIGNED_NAME).read_bytes()
        except FileNotFoundError:
            return content
        origin = parse_first_line(signed)
        start = content.rfind(origin)
        tail = content[start:] if start >= 0 else b""
        if tail and tail != signed and signed.startswith(tail):
            self.report.notes.append("the last checkpoint is not yet wholly in the history")
            return content[:start]
        return content

    # The tree

    def _archive(self, top: Checkpoint, pool: ProcessPoolExecutor | None) -> None:
        report = self.report
        sizes = [note.size for note, _ in self._marks if note.size <= top.size]
        upper = UpperTree(self._log, top.size, sizes)
        jobs = runs(self._log, top.origin, top.size, sizes)
        results: Iterator[RunResult] = (
            pool.map(verify_run, jobs) if pool else (verify_run(job, self._unsealer) for job in jobs)
        )
        for result in results:
            examined = result.examined
            report.extend(
                type(f)(f.fault, self._prefix + f.file, f.what, f.event) for f in examined.findings
            )
            report.leaves += examined.leaves
            report.states.update(examined.states)
            where = self._prefix + bundle_path(result.run.first)
            report.extend(self._chains.join(examined, where))
            upper.add(result)
        root = upper.finish(top.root)
        report.extend(
            type(f)(f.fault, self._prefix + f.file, f.what, f.event) for f in upper.findings
        )
        upper.roots[top.size] = root
        for note, name in self._marks:
            computed = upper.roots.get(note.size)
            if note.size <= top.size and computed is not None and computed != note.root:
                report.add(
                    Fault.MISMATCH, name,
                    f"the root signed for {note.size} events is not the root of these events",
                )

    # The spool

    def _acked(self) -> Acked | None:
        if not (self._path / SPOOL_DIR).is_dir():
            self.report.add(Fault.MISSING, SPOOL_DIR, "is missing")
            return None
        try:
            return read_cursor(self._path / SPOOL_DIR)
        except EvidenceBroken as error:
            fault = Fault.MISSING if "missing" in error.public else Fault.MISMATCH
            self.report.add(fault, f"{SPOOL_DIR}/{CURSOR_NAME}", error.public)
            return Acked(0, 0)

    def _spool(self, top: Checkpoint, acked: Acked, pool: ProcessPoolExecutor | None) -> None:
        report = self.report
        spool = self._path / SPOOL_DIR
        try:
            deleted = read_deleted(spool)
        except EvidenceBroken as error:
            report.add(Fault.MISMATCH, f"{SPOOL_DIR}/deleted", error.public)
            deleted = {}
        if acked.next_n < top.size and acked.batch:
            report.add(
                Fault.MISMATCH, f"{SPOOL_DIR}/{CURSOR_NAME}",
                f"acknowledges {acked.next_n} events, and {top.size} were signed",
            )
        jobs = stretches(spool, self._log, top.origin, top.size, acked)
        results: list[SegmentResult] = list(
            pool.map(verify_segment, jobs)
            if pool
            else (verify_segment(job, self._unsealer) for job in jobs)
        )
        report.extend(check_order(results, deleted, top.size, acked))
        for result in results:
            examined = result.examined
            report.extend(examined.findings)
            report.leaves += examined.leaves
            report.tail += examined.leaves
            report.states.update(examined.states)
            report.extend(self._chains.join(examined, f"{SPOOL_DIR}/{result.stretch.first:020d}.seg"))
            report.end = max(report.end, result.end)
            if result.loose_bytes:
                report.notes.append(
                    f"{result.loose_bytes} bytes after the last acknowledged batch are not part of"
                    " the log; the next start cuts them off"
                )

    def _count(self, top: Checkpoint) -> None:
        """Every archived event must have been seen, and its payload accounted for."""
        report = self.report
        unread = report.size % TILE_WIDTH if not self._whole else 0
        if unread:
            report.states["MISSING"] += unread
            report.add(
                Fault.MISSING, "blob",
                f"the payloads of the last {unread} events are in the spool, which is not here",
                top.size - unread,
            )
        if self._chains.open_sessions:
            report.notes.append(f"{self._chains.open_sessions} chains of sessions are still open")


def parse_first_line(note: bytes) -> bytes:
    """The origin line of a note, with its newline; empty if the note is not in form."""
    try:
        return parse_checkpoint(note)[0].origin.encode() + b"\n"
    except EvidenceBroken:
        return b""


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    if workers == 1:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield pool

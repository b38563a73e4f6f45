"""Folds notices, so that a flood of them is few lines: pure, no clock and no task of its own.

One fold a rule, principal and target. The first of a fold is told within a minute, what follows within
ten minutes once, with a count. Batches lie a minute apart, and hold ten folds at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gatekeep.gate.notice_ports import Notice

_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is told.

    `fold_s` is the least time between two lines about the same, `gap_s` that between two batches;
    `most` folds are known at a time, `at_once` of them are told together.
    """

    fold_s: float = 600.0
    gap_s: float = 60.0
    most: int = 200
    at_once: int = 10


DEFAULT_PACE: Final = Pace()


@dataclass(frozen=True, slots=True)
class Folded:
    """What came to be as often as `counts` says, by what it came to; `newest` is the last of them."""

    newest: Notice
    counts: Mapping[str, int]

    @property
    def count(self) -> int:
        """How many notices it stands for."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Batch:
    """What is told together. `left_out` more notices found no room, and are told nowhere else."""

    folds: tuple[Folded, ...]
    left_out: int = 0


@dataclass(slots=True)
class _Fold:
    newest: Notice
    due_ns: int
    counts: Counter[str] = field(default_factory=Counter)


class NoticeFolds:
    """Takes notices, and gives batches when they are due. All times are monotonic nanoseconds."""

    def __init__(self, pace: Pace = DEFAULT_PACE) -> None:
        self._pace = pace
        self._folds: dict[tuple[str, str, str], _Fold] = {}
        self._left_out = 0
        self._next_ns = 0

    @property
    def busy(self) -> bool:
        """Whether something is still to be told, or may yet be folded into what was."""
        return bool(self._folds or self._left_out)

    def note(self, notice: Notice, now_ns: int) -> None:
        """Take one; a few dictionary look-ups, whatever comes."""
        key = (notice.rule.rule, notice.principal, notice.target)
        fold = self._folds.get(key)
        if fold is None:
            if len(self._folds) >= self._pace.most:
                self._left_out += 1
                return
            fold = self._folds[key] = _Fold(notice, now_ns)
        fold.newest = notice
        fold.counts[notice.came_to] += 1

    def due(self, now_ns: int, quiet: Callable[[Folded], bool] = lambda _one: False) -> Batch | None:
        """What is to be told now, if anything is. What `quiet` says yes to counts as told."""
        if now_ns < self._next_ns:
            return None
        told: list[Folded] = []
        longest_waiting = sorted(self._folds.items(), key=lambda item: item[1].due_ns)
        for key, fold in longest_waiting:
            if fold.due_ns > now_ns or len(told) >= self._pace.at_once:
                break
            if not fold.counts:
                del self._folds[key]
                continue
            one = self._taken(fold, now_ns)
            if not quiet(one):
                told.append(one)
        return self._batch(told, now_ns)

    def last(self, quiet: Callable[[Folded], bool] = lambda _one: False) -> Batch | None:
        """All that was not told yet, at the end: as many folds as fit, and the count of the rest."""
        rest = [self._taken(fold, 0) for fold in self._folds.values() if fold.counts]
        spoken = [one for one in rest if not quiet(one)]
        self._folds.clear()
        most = self._pace.at_once
        self._left_out += sum(one.count for one in spoken[most:])
        return self._batch(spoken[:most], 0)

    def _taken(self, fold: _Fold, now_ns: int) -> Folded:
        one = Folded(fold.newest, dict(fold.counts))
        fold.counts.clear()
        fold.due_ns = now_ns + int(self._pace.fold_s * _NS)
        return one

    def _batch(self, told: list[Folded], now_ns: int) -> Batch | None:
        left_out, self._left_out = self._left_out, 0
        if not told and not left_out:
            return None
        self._next_ns = now_ns + int(self._pace.gap_s * _NS)
        return Batch(tuple(told), left_out)

"""Tells people what rules with `@notify` decided: takes notices from the gate, hands batches to adapters.

Nobody waits for it, and it decides nothing. What is muted is counted in place of being told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from gatekeep.gate.notice_ports import Notice
from gatekeep.notify.notice_folds import DEFAULT_PACE, Batch, Folded, NoticeFolds, Pace
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

Tell = Callable[[Batch], None]
"""Puts a batch on its way; must not wait."""

Muted = Callable[[str, int], bool]
"""`muted(mark, count)`: whether what the rule of this mark decides is not told one by one now. If so,
as many count."""

_TURN_S: Final = 1.0

_log = structlog.get_logger(__name__)


class Notices:
    """Every place that notices go to. `note` implements gate.notice_ports.TakeNotice."""

    def __init__(
        self,
        clock: Clock,
        places: Sequence[Tell],
        muted: Muted,
        *,
        pace: Pace = DEFAULT_PACE,
        turn_s: float = _TURN_S,
    ) -> None:
        self._clock = clock
        self._places = tuple(places)
        self._muted = muted
        self._folds = NoticeFolds(pace)
        self._turn_s = turn_s
        self._owner = TaskOwner("notices")
        self._runs = False
        self._closed = False

    def note(self, notice: Notice) -> None:
        """Take one; told within a minute, or folded into what was told."""
        if self._closed:
            return
        self._folds.note(notice, self._clock.monotonic_ns())
        if not self._runs:
            self._runs = True
            self._owner.spawn(self._run(), name="notices")

    async def close(self) -> None:
        """Tell what was not told yet, then take no more."""
        self._closed = True
        await self._owner.close()
        self._tell(self._folds.last(self._quiet))

    async def _run(self) -> None:
        try:
            while self._folds.busy:
                await asyncio.sleep(self._turn_s)
                self._tell(self._folds.due(self._clock.monotonic_ns(), self._quiet))
        finally:
            self._runs = False

    def _quiet(self, one: Folded) -> bool:
        return self._muted(one.newest.rule.mark, one.count)

    def _tell(self, batch: Batch | None) -> None:
        if batch is None:
            return
        if batch.left_out:
            _log.warning("too many notices at once", not_told=batch.left_out)
        for tell in self._places:
            try:
                tell(batch)
            except Exception as error:  # noqa: BLE001 - one place's fault is not the other's
                _log.error("notices were not told", error=type(error).__name__)

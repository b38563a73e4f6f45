"""When a batch goes out: at once where somebody waits alone, later where many come. Sends nothing itself.

What a batch holds and what became of it is the business of `live`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gatekeep.domain.events import EventKind
from gatekeep.journal.chain import Batch

OUTCOME_S: Final = 0.005
"""How long outcomes, for which nobody waits, may wait for an event that takes them along."""
GATHER_EVENTS: Final = 16
GATHER_TURNS: Final = 4

_FINISHED: Final = EventKind.ACTION_FINISHED


class Pacing:
    """Calls `send` when what waits is to go out.

    That is at the end of the loop's turn in which the first event came. Outcomes alone do not
    count: they go with the next event, or after `OUTCOME_S`. Under load (the last batch had
    `GATHER_EVENTS`) a batch waits while each turn of the loop adds to it, for `GATHER_TURNS` at
    most, until it holds events of half of the open sessions: the other half is then at the
    target, and the disk is asked less often. `sessions` counts the open ones.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, send: Callable[[], None], sessions: Callable[[], int]
    ) -> None:
        self._loop = loop
        self._send = send
        self._sessions = sessions
        self._due = False
        self._lingers = False
        self._turns = 0
        self._gathered = 0
        self.batch: Batch | None = None
        self.last_size = 0

    def appended(self, kind: EventKind) -> None:
        """An event of this kind was added to what waits."""
        if self._due:
            return
        if kind is not _FINISHED:
            self._due = True
            self._turns = self._gathered = 0
            self._loop.call_soon(self._turn)
        elif not self._lingers:
            self._lingers = True
            self._loop.call_later(OUTCOME_S, self._lingered)

    def _turn(self) -> None:
        batch = self.batch
        if batch is not None and self.last_size >= GATHER_EVENTS and self._grows(batch):
            self._loop.call_soon(self._turn)
            return
        self._due = False
        self._send()

    def _grows(self, batch: Batch) -> bool:
        """Whether it is worth one more turn to wait for more."""
        gathered, self._gathered = self._gathered, len(batch.events)
        self._turns += 1
        return (
            self._gathered > gathered
            and self._turns < GATHER_TURNS
            and 2 * len(batch.before) < self._sessions()
        )

    def _lingered(self) -> None:
        self._lingers = False
        if not self._due:
            self._send()


class Deadlines:
    """Calls `late` with each batch that is still undecided at its `late_at`; one timer for all.

    `waiting` gives all that were sent or wait to be.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: Callable[[], list[Batch]],
        late: Callable[[Batch], None],
    ) -> None:
        self._loop = loop
        self._waiting = waiting
        self._late = late
        self._watches = False

    def watch(self, late_at: float) -> None:
        """A batch began that is late at this time of the loop; none is late before an older one."""
        if not self._watches:
            self._watches = True
            self._loop.call_at(late_at, self._look)

    def _look(self) -> None:
        self._watches = False
        now = self._loop.time()
        for batch in self._waiting():
            if batch.future.done():
                continue
            if batch.late_at > now:
                self.watch(batch.late_at)
                break
            self._late(batch)

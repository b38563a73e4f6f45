"""What was sent to a target and is not answered yet: the queue of segments, and where it stands.

Walks steps; reads no bytes. `replies` reads them and says when a step is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres.settlement import Settlement, ending
from gatekeep.protocols.postgres.turns import Execution, Segment

_IDLE_ROW: Final = g.TRANSITIONS[g.IDLE]
_OURS: Final = frozenset(("probe", "awake", "sorting"))


class Flight:
    """The segments in flight of one conversation.

    `idle` says whether nothing is; `owed` counts segments that owe a ReadyForQuery; `skipping` is
    true while the target ignores everything up to a Sync; `boundary` is true between a
    ReadyForQuery and the next segment (what only keeps awake is none: nothing changes by it); `ours`
    while the replies are to something of our own and not for the client; `unsynced` while messages have gone out that no Sync has ended: a Query
    among them does not end their transaction, whatever it is answered.
    """

    def __init__(self) -> None:
        self.owed = 0
        self.skipping = False
        self.boundary = True
        self.ours = False
        self.unsynced = False
        self._queue: deque[Segment] = deque()
        self._segment: Segment | None = None
        self._row = _IDLE_ROW
        self._passed = 0  # bytes of the target's earlier chunks
        self._settlement = Settlement()

    @property
    def idle(self) -> bool:
        """Whether all that was sent is answered."""
        return self._segment is None

    @property
    def last_tag(self) -> str:
        """How the execution ended that ended last."""
        return self._settlement.last_tag

    def expect(self, segment: Segment) -> None:
        """A segment went out; its replies come after those of the segments before it."""
        if not segment.codes:
            return
        if segment.codes[-1] in g.OWES_READY:
            self.owed += 1
            self.skipping = False
            self.unsynced = self.unsynced and segment.codes[-1] != g.SYNC
        else:
            self.unsynced = True
        self._queue.append(segment)
        self.boundary = self.boundary and segment.kind == "awake"
        if self._segment is None:
            self._settlement.mark = self._passed
            self._segment = segment
            self._row = g.TRANSITIONS[segment.codes[0]]
            self.ours = segment.kind in _OURS

    def drop(self, executions: Sequence[Execution]) -> None:
        """These were released and then not sent, or sent and ignored: settled at the next Ready."""
        self._settlement.skipped += executions

    def unsettled(self) -> list[Execution]:
        """Executions sent whose end is not known, in order."""
        found: list[Execution] = []
        for segment in self._queue:
            if segment.kind in _OURS:
                continue
            found += [done.execution for done in segment.done or ()]
            found += ending(segment, segment.at)
        parted = [done.execution for done in self._settlement.parted]
        return parted + found + self._settlement.skipped

    def _next(self) -> None:
        """The reply of one step is complete: on to the next step, or the next segment."""
        segment = self._segment
        assert segment is not None  # noqa: S101 - only a step of a segment completes
        segment.at += 1
        if segment.at < len(segment.codes):
            self._row = g.TRANSITIONS[segment.codes[segment.at]]
        else:
            self._queue.popleft()
            self._resume()

    def _resume(self) -> None:
        """Wait for the first segment of the queue, at the step where it stands."""
        if self._queue:
            segment = self._segment = self._queue[0]
            self._row = g.TRANSITIONS[segment.codes[segment.at]]
            self.ours = segment.kind in _OURS
        else:
            self._segment = None
            self._row = _IDLE_ROW
            self.ours = False

"""What is to be said in Slack, channel by channel: in order, paced, tried again, never in the way.

Each piece has a key: a newer one takes the place of the one that still waits. What a piece says is
made when it is sent. Nobody waits for this.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from gatekeep.notify.slack_api import Answer
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

Send = Callable[[], Awaitable[Answer | None]]
"""Says it, and tells how that went; None where there is nothing to say any more."""

MOST_WAITING: Final = 1000
LIFE_S: Final = 3600.0
"""How long something is tried before it is given up."""
_LONGEST_PAUSE_S: Final = 30.0
_NS: Final = 1_000_000_000

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Piece:
    send: Send
    until_ns: int
    failures: int = 0


@dataclass(slots=True)
class _Lane:
    """One channel's pieces. `free_ns` is when the next may be sent."""

    pieces: OrderedDict[str, _Piece] = field(default_factory=OrderedDict)
    free_ns: int = 0
    runs: bool = False


class SlackQueue:
    """All channels of one workspace. `pace_s` lies between two messages in one channel."""

    def __init__(self, owner: TaskOwner, clock: Clock, *, pace_s: float = 1.0) -> None:
        self._owner = owner
        self._clock = clock
        self._pace_s = pace_s
        self._lanes: dict[str, _Lane] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.dropped = 0
        """How many pieces found no room, or were given up."""

    def __len__(self) -> int:
        return sum(len(lane.pieces) for lane in self._lanes.values())

    def put(self, channel: str, key: str, send: Send) -> bool:
        """Say this when its turn comes; false when too much waits already."""
        lane = self._lanes.get(channel)
        if (lane is None or key not in lane.pieces) and len(self) >= MOST_WAITING:
            self.dropped += 1
            _log.error("too much waits to be said in slack", waiting=MOST_WAITING)
            return False
        if lane is None:
            lane = self._lanes[channel] = _Lane()
        lane.pieces[key] = _Piece(send, self._clock.monotonic_ns() + int(LIFE_S * _NS))
        if not lane.runs:
            lane.runs = True
            self._idle.clear()
            self._owner.spawn(self._run(lane), name=f"channel {channel}")
        return True

    async def said(self, limit_s: float) -> None:
        """Wait until nothing waits to be said, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._idle.wait()

    async def _run(self, lane: _Lane) -> None:
        try:
            while lane.pieces:
                wait_ns = lane.free_ns - self._clock.monotonic_ns()
                if wait_ns > 0:
                    await asyncio.sleep(wait_ns / _NS)
                key, piece = next(iter(lane.pieces.items()))
                await self._say(lane, key, piece)
        finally:
            lane.runs = False
            if not any(one.runs for one in self._lanes.values()):
                self._idle.set()

    async def _say(self, lane: _Lane, key: str, piece: _Piece) -> None:
        try:
            answer = await piece.send()
        except Exception as error:  # noqa: BLE001 - whatever it was, the others' turn comes
            _log.error("not said in slack", error=repr(error))
            answer = Answer(error=type(error).__name__)
        now = self._clock.monotonic_ns()
        if answer is not None:
            lane.free_ns = now + int(self._pace_s * _NS)
        replaced = lane.pieces.get(key) is not piece
        if answer is not None and answer.again_s is not None:
            piece.failures += 1
            lane.free_ns = now + int(self._pause_s(piece, answer) * _NS)
            if replaced or now < piece.until_ns:
                return
        if not replaced:
            del lane.pieces[key]
        if answer is not None and answer.error:
            self.dropped += 1

    def _pause_s(self, piece: _Piece, answer: Answer) -> float:
        """As long as Slack asked for, and twice as long as before each time."""
        longer = min(self._pace_s * 2.0 ** min(piece.failures, 8), _LONGEST_PAUSE_S)
        return max(answer.again_s or 0.0, longer)

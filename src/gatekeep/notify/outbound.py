"""What is to go out to one place: a bounded queue with a pace of its own, tried again, in nobody's way.

What finds no room, or is given up, is counted and told in diagnostics. What is sent, and whether
that went well, knows whoever puts it here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

AFTER_S: Final = 3600.0
"""How long beyond the life of a request something about it is tried, in seconds."""
_LOOK_S: Final = 0.01
_US: Final = 1_000_000
_NS: Final = 1_000_000_000
_MOST_DOUBLINGS: Final = 20

_log = structlog.get_logger(__name__)


def life_s(open_until_us: int, now_us: int) -> float:
    """How long something about a request is worth being tried, in seconds."""
    return max(open_until_us - now_us, 0) / _US + AFTER_S


@dataclass(frozen=True, slots=True)
class Tried:
    """How one try went: `fault` is empty for a good one, else a few words without secrets.

    `again`: another try may help, not before `wait_s` seconds.
    """

    fault: str = ""
    again: bool = False
    wait_s: float = 0.0


SENT: Final = Tried()

Send = Callable[[], Awaitable[Tried]]
"""Makes what is said and sends it, at its turn."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast and how much.

    `gap_s` lies between two tries; a failed one is tried again after `first_s`, then twice as long
    each time, at most `longest_s`. `most` pieces wait at a time.
    """

    gap_s: float = 0.0
    first_s: float = 1.0
    longest_s: float = 60.0
    most: int = 1000


DEFAULT_PACE: Final = Pace()


@dataclass(slots=True, eq=False)
class _Piece:
    what: str
    send: Send
    due_ns: int
    until_ns: int
    failures: int = 0


class Outbound:
    """The queue of one place. `sent`, `dropped` and `given_up` count pieces since the start."""

    def __init__(
        self, name: str, owner: TaskOwner, clock: Clock, pace: Pace = DEFAULT_PACE
    ) -> None:
        self.name = name
        self._owner = owner
        self._clock = clock
        self._pace = pace
        self._pieces: list[_Piece] = []
        self._news = asyncio.Event()
        self._runs = False
        self.sent = 0
        self.dropped = 0
        self.given_up = 0

    def __len__(self) -> int:
        """How many pieces wait."""
        return len(self._pieces)

    def put(self, what: str, send: Send, *, lasts_s: float) -> None:
        """Send this when its turn comes, and try for at most `lasts_s` seconds.

        `what` names it in diagnostics. Where too much waits already, the oldest is dropped for it.
        """
        now = self._clock.monotonic_ns()
        if len(self._pieces) >= self._pace.most:
            oldest = self._pieces.pop(0)
            self.dropped += 1
            _log.error("too much waits to go out", to=self.name, dropped=oldest.what)
        self._pieces.append(_Piece(what, send, now, now + int(lasts_s * _NS)))
        self._news.set()
        if not self._runs:
            self._runs = True
            self._owner.spawn(self._run(), name=self.name)

    async def flushed(self, limit_s: float) -> None:
        """Wait until each piece was tried once, at most so long."""
        until_ns = self._clock.monotonic_ns() + int(limit_s * _NS)
        while any(not one.failures for one in self._pieces):
            if self._clock.monotonic_ns() >= until_ns:
                return
            await asyncio.sleep(_LOOK_S)

    async def _run(self) -> None:
        try:
            while self._pieces:
                piece = min(self._pieces, key=lambda one: one.due_ns)
                self._news.clear()
                wait_ns = piece.due_ns - self._clock.monotonic_ns()
                if wait_ns > 0:
                    await self._news_within(wait_ns / _NS)
                    continue
                await self._try(piece)
                if self._pace.gap_s:
                    await asyncio.sleep(self._pace.gap_s)
        finally:
            self._runs = False

    async def _news_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def _try(self, piece: _Piece) -> None:
        try:
            tried = await piece.send()
        except Exception as error:  # noqa: BLE001 - whatever it was, the others' turn comes
            tried = Tried(type(error).__name__, again=True)
        if piece not in self._pieces:
            return  # dropped meanwhile, and told of
        if not tried.fault:
            self.sent += 1
            self._pieces.remove(piece)
            return
        now = self._clock.monotonic_ns()
        pause_s = self._pause_s(piece, tried)
        piece.failures += 1
        if tried.again and now + pause_s * _NS < piece.until_ns:
            piece.due_ns = now + int(pause_s * _NS)
            if piece.failures == 1:
                _log.warning("not sent yet", to=self.name, what=piece.what, why=tried.fault)
            return
        self.given_up += 1
        self._pieces.remove(piece)
        _log.error(
            "not sent", to=self.name, what=piece.what, why=tried.fault, tries=piece.failures
        )

    def _pause_s(self, piece: _Piece, tried: Tried) -> float:
        longer = self._pace.first_s * 2.0 ** min(piece.failures, _MOST_DOUBLINGS)
        return max(tried.wait_s, min(longer, self._pace.longest_s))

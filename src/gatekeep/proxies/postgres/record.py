"""What one session tells the journal: what became of what it forwarded, and facts beside that.

Events of what is to be forwarded are the gate's; these are the others. Forwards nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import orjson

from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.clearance import Answer, Clearance
from gatekeep.gate.evidence import of_counters
from gatekeep.gate.permit import EarlyPermit, Permit, Refusal
from gatekeep.gate.ports import Journal, PendingReceipt
from gatekeep.gate.supervision import LiveSession
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import conversation as talk
from gatekeep.runtime.clock import Clock

_NOTES_UNWAITED: Final = 256


class SessionRecord:
    """The record of one session. `open` says whether something that was forwarded has not ended."""

    def __init__(self, live: LiveSession, gate: Clearance, journal: Journal, clock: Clock) -> None:
        self._live = live
        self._gate = gate
        self._journal = journal
        self._clock = clock
        self._forwarded: dict[int, tuple[Permit | EarlyPermit, int]] = {}
        self.unconfirmed: list[PendingReceipt] = []
        """Of reads that went out before their fsync."""
        self._notifications = 0  # recorded since one was waited for
        self._last_note: PendingReceipt | None = None

    @property
    def open(self) -> bool:
        """Whether something that was forwarded has not ended yet."""
        return bool(self._forwarded)

    def goes_out(self, execution: talk.Execution, permit: Permit | EarlyPermit) -> None:
        """It is forwarded now."""
        self._forwarded[execution.key] = (permit, self._clock.monotonic_ns())
        if isinstance(permit, EarlyPermit):
            self.unconfirmed.append(permit.pending)

    def taken_back(self, answers: Sequence[Answer], words: WireMessage) -> list[Refusal]:
        """Permits that are not used after all: their actions never ran, and the log says so.

        What was refused before keeps its words.
        """
        for answer in answers:
            if not isinstance(answer, Refusal):
                self._gate.settle(self._live, answer, Outcome(OutcomeKind.SKIPPED))
        return [one if isinstance(one, Refusal) else Refusal(words) for one in answers]

    def settle(self, execution: talk.Execution, outcome: Outcome) -> None:
        """How it ended. Raises JournalUnavailable: it ran, and nobody may say that it did not."""
        forwarded = self._forwarded.pop(execution.key, None)
        if forwarded is None:
            return
        permit, left_ns = forwarded
        elapsed_us = (self._clock.monotonic_ns() - left_ns) // 1000
        self._gate.settle(self._live, permit, outcome, elapsed_us)

    async def confirmed(self, limit_s: float) -> None:
        """Wait until what went out early is durable.

        Raises JournalUnavailable, or TimeoutError after `limit_s` seconds.
        """
        waiting, self.unconfirmed = self.unconfirmed, []
        async with asyncio.timeout(limit_s):
            for pending in waiting:
                await pending.durable()

    def notified(self, turn: talk.Notification) -> None:
        """A NotificationResponse passed."""
        self._notifications += 1
        self._last_note = self.note(
            EventKind.NOTIFICATION_RECEIVED,
            {"channel": turn.channel, "length": turn.length, "sha256": turn.sha256},
        )

    @property
    def behind(self) -> bool:
        """Whether so many notifications wait for the disk that the target should wait too."""
        return self._notifications > _NOTES_UNWAITED

    async def keep_pace(self) -> None:
        """Wait for the disk: one statement can make a million notifications."""
        if self._last_note is not None and self.behind:
            self._notifications = 0
            await self._last_note.durable()

    def note(
        self, kind: EventKind, payload: dict[str, object], counters: bytes = b""
    ) -> PendingReceipt | None:
        """Record a fact of this session's end or surroundings, if it still can be recorded."""
        with contextlib.suppress(JournalUnavailable):
            return self._journal.append(
                self._live.events, kind, orjson.dumps(payload), counters=counters
            )
        return None

    def close(self, cause: str) -> None:
        """What was forwarded and never answered is said to be unknown."""
        for permit, _left_ns in self._forwarded.values():
            of = permit.n
            self._gate.lost(of)
            self.note(EventKind.ACTION_UNKNOWN, {"cause": cause, "of": of}, of_counters(of))
        self._forwarded.clear()

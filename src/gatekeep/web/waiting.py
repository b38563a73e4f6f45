"""Callers that wait for a request to change: held open for a few seconds, then answered anyway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.gate.approval_ports import Approvals

MAX_WAITING: Final = 256

Seen = TypeVar("Seen")


class Waits:
    """Every call that waits; `end` answers them all. At most MAX_WAITING wait, others do not."""

    def __init__(self, approvals: Approvals) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._count = 0
        self._ended = False
        approvals.listen(self._heard)

    def end(self) -> None:
        """Let nobody wait any more."""
        self._ended = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def until(
        self,
        request_id: str,
        look: Callable[[], Awaitable[Seen]],
        enough: Callable[[Seen], bool],
        seconds: float,
    ) -> Seen:
        """What `look` gives, as soon as it is enough or the time is over."""
        if self._ended or self._count >= MAX_WAITING or seconds <= 0:
            return await look()
        changed = asyncio.Event()
        events = self._waiting.setdefault(request_id, set())
        events.add(changed)
        self._count += 1
        try:
            return await self._until(changed, look, enough, seconds)
        finally:
            self._count -= 1
            events.discard(changed)
            if not events:
                self._waiting.pop(request_id, None)

    async def _until(
        self,
        changed: asyncio.Event,
        look: Callable[[], Awaitable[Seen]],
        enough: Callable[[Seen], bool],
        seconds: float,
    ) -> Seen:
        try:
            async with asyncio.timeout(seconds):
                # whoever waits is registered before the first look, so that nothing is missed
                while not enough(seen := await look()) and not self._ended:
                    await changed.wait()
                    changed.clear()
                return seen
        except TimeoutError:
            return await look()

    def _heard(self, _what: str, request: ApprovalRequest) -> None:
        for event in self._waiting.get(request.id, ()):
            event.set()

"""Store, journal, effect: every change of requests and grants, durable before anybody acts on it.

The store works on a thread of its own, so that its fsync keeps no session waiting; the journal is
told by whoever comes first, for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from gatekeep.gate.approval_ports import ApprovalStore
from gatekeep.gate.ports import Journal
from gatekeep.runtime.tasks import TaskOwner

Result = TypeVar("Result")


class Thread(Protocol):
    """Runs functions one after the other, away from the event loop."""

    async def run(self, function: Callable[[], Result]) -> Result:
        """What the function returns; its exceptions pass through."""


class ApprovalRecord:
    """The store, and what it owes the journal. Raises JournalUnavailable where either cannot write."""

    def __init__(
        self, store: ApprovalStore, thread: Thread, journal: Journal, owner: TaskOwner
    ) -> None:
        self._store = store
        self._thread = thread
        self._journal = journal
        self._owner = owner
        self._telling = asyncio.Lock()

    async def read(self, question: Callable[[ApprovalStore], Result]) -> Result:
        """Ask the store."""
        return await self._thread.run(lambda: question(self._store))

    async def change(self, change: Callable[[ApprovalStore], Result]) -> Result:
        """Make one change, and wait until what it owes the journal is durable and has its effect.

        It is brought to its end even where the caller is cancelled meanwhile.
        """

        async def whole() -> Result:
            made = await self.read(change)
            await self.tell()
            return made

        return await self._to_its_end(whole())

    async def tell(self) -> None:
        """Tell the journal what it is owed, and settle it."""
        async with self._telling:
            rows = await self.read(lambda store: store.pending())
            waiting = [
                (row, self._journal.append(self._journal.system, row.kind, row.payload))
                for row in rows
            ]
            for _row, receipt in waiting:
                await receipt.durable()
            if waiting:
                await self.read(lambda store: _settle(store, [row.id for row, _ in waiting]))

    async def _to_its_end(self, work: Awaitable[Result]) -> Result:
        async def run() -> Result:
            return await work

        task: asyncio.Task[Result] = self._owner.spawn(run(), name="change")
        try:
            return await asyncio.shield(task)
        finally:
            if task.done() and not task.cancelled():
                task.exception()  # looked at here, whoever was cancelled


def _settle(store: ApprovalStore, rows: list[int]) -> None:
    for row in rows:
        store.settle(row)

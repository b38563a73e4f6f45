"""The store of links and messages, kept away from the event loop, and what it owes the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gatekeep.gate.ports import Journal
from gatekeep.notify.slack_ports import Result, SlackStore, Thread
from gatekeep.runtime.tasks import TaskOwner


class SlackRecord:
    """Raises JournalUnavailable where store or journal cannot write."""

    def __init__(
        self, store: SlackStore, thread: Thread, journal: Journal, owner: TaskOwner
    ) -> None:
        self._store = store
        self._thread = thread
        self._journal = journal
        self._owner = owner
        self._telling = asyncio.Lock()

    async def ask(self, question: Callable[[SlackStore], Result]) -> Result:
        """Read, or change what no event tells of."""
        return await self._thread.run(lambda: question(self._store))

    async def change(self, change: Callable[[SlackStore], Result]) -> Result:
        """Store, journal, effect; it goes on to its end where the caller is cancelled."""
        task = self._owner.spawn(self._whole(change), name="change of a link")
        return await asyncio.shield(task)

    async def _whole(self, change: Callable[[SlackStore], Result]) -> Result:
        made = await self.ask(change)
        await self.tell()
        return made

    async def tell(self) -> None:
        """Tell the journal what it is owed of links, each row once, and settle it."""
        async with self._telling:
            for row in await self.ask(lambda store: store.pending()):
                receipt = self._journal.append(self._journal.system, row.kind, row.payload)
                await receipt.durable()
                await self.ask(lambda store, number=row.id: store.settle(number))  # type: ignore[misc]  # mypy does not infer defaults

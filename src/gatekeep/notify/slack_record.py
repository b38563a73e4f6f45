"""The store of links and messages, kept away from the event loop; the journal is told of links."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gatekeep.notify.slack_ports import Result, SlackStore, Thread
from gatekeep.runtime.tasks import TaskOwner


class SlackRecord:
    """Raises JournalUnavailable where store or journal cannot write.

    `tell` tells the journal what the state owes it, and settles that.
    """

    def __init__(
        self,
        store: SlackStore,
        thread: Thread,
        tell: Callable[[], Awaitable[None]],
        owner: TaskOwner,
    ) -> None:
        self._store = store
        self._thread = thread
        self._tell = tell
        self._owner = owner

    async def ask(self, question: Callable[[SlackStore], Result]) -> Result:
        """Read, or change what no event tells of."""
        return await self._thread.run(lambda: question(self._store))

    async def change(self, change: Callable[[SlackStore], Result]) -> Result:
        """Store, journal, effect; it goes on to its end where the caller is cancelled."""
        task = self._owner.spawn(self._whole(change), name="change of a link")
        return await asyncio.shield(task)

    async def _whole(self, change: Callable[[SlackStore], Result]) -> Result:
        made = await self.ask(change)
        await self._tell()
        return made

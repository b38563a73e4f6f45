"""Store, journal, effect: every change of requests and grants, durable before anybody acts on it.

The store works on a thread of its own, so that its fsync keeps no session waiting; the journal is
told by whoever comes first, for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, Protocol, TypeVar

from gatekeep.domain.events import EventKind
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import ApprovalStore
from gatekeep.gate.ports import Journal, Outbox, OutboxRow, PendingReceipt
from gatekeep.runtime.tasks import TaskOwner

Result = TypeVar("Result")
Store = TypeVar("Store", bound=Outbox)


class Thread(Protocol):
    """Runs functions one after the other, away from the event loop."""

    async def run(self, function: Callable[[], Result]) -> Result:
        """What the function returns; its exceptions pass through."""


class Record(Generic[Store]):
    """A store, and what it owes the journal. Raises JournalUnavailable where either cannot write."""

    def __init__(
        self, store: Store, thread: Thread, journal: Journal, owner: TaskOwner
    ) -> None:
        self._store = store
        self._thread = thread
        self._journal = journal
        self._owner = owner
        self._telling = asyncio.Lock()
        self._owes = False

    async def read(self, question: Callable[[Store], Result]) -> Result:
        """Ask the store."""
        return await self._thread.run(lambda: question(self._store))

    async def change(
        self, change: Callable[[Store], Result], *, takes: bool = False
    ) -> Result:
        """Make one change, and wait until what it owes the journal is durable and has its effect.

        It is brought to its end even where the caller is cancelled meanwhile. Nothing is kept while
        the journal accepts nothing, unless the change only `takes` a right. Where the journal fails
        afterwards, what was kept stays owed, and counts once it was told.
        """
        if not takes and not self._journal.accepting:
            raise JournalUnavailable("the journal accepts nothing")

        async def whole() -> Result:
            made = await self.read(change)
            self._owes = True
            await self.tell()
            return made

        return await self.to_its_end(whole(), name="change")

    def later(self, change: Callable[[Store], object], *, name: str) -> None:
        """Make a change that only takes a right, and wait for nothing: who calls has failed."""
        self._owner.spawn(self.change(change, takes=True), name=name)

    async def owed(self, kind: EventKind) -> Sequence[str]:
        """The ids of what changed, for each event of this kind that the journal was not told yet."""
        rows = await self.read(lambda store: store.pending())
        return [row.subject for row in rows if row.kind is kind]

    async def catch_up(self) -> None:
        """Tell what an earlier telling could not; called again and again."""
        if self._owes:
            await self.tell()

    async def tell(self) -> None:
        """Tell the journal what it is owed, and settle it; what it cannot take stays owed."""
        async with self._telling:
            self._owes = False
            try:
                rows = await self.read(lambda store: store.pending())
            except BaseException:
                self._owes = True  # whoever looks next asks again
                raise
            waiting, failure = self._appended(rows)
            durable: list[int] = []
            try:
                for row, receipt in waiting:
                    await receipt.durable()
                    durable.append(row)
            finally:
                self._owes = self._owes or len(durable) < len(rows)
                if durable:
                    await self.read(lambda store: _settle(store, durable))
            if failure is not None:
                raise failure

    def _appended(
        self, rows: Sequence[OutboxRow]
    ) -> tuple[list[tuple[int, PendingReceipt]], JournalUnavailable | None]:
        waiting: list[tuple[int, PendingReceipt]] = []
        for row in rows:
            try:
                receipt = self._journal.append(self._journal.system, row.kind, row.payload)
            except JournalUnavailable as error:
                return waiting, error
            waiting.append((row.id, receipt))
        return waiting, None

    async def to_its_end(self, work: Coroutine[Any, Any, Result], *, name: str) -> Result:
        """What this comes to; it goes on even where the caller is cancelled meanwhile."""
        task: asyncio.Task[Result] = self._owner.spawn(work, name=name)
        try:
            return await asyncio.shield(task)
        finally:
            if task.done() and not task.cancelled():
                task.exception()  # looked at here, whoever was cancelled


class ApprovalRecord(Record[ApprovalStore]):
    """That of requests and grants."""


def _settle(store: Outbox, rows: Sequence[int]) -> None:
    for row in rows:
        store.settle(row)

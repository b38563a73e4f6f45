"""Tells the journal what the state owes it: the middle of store, journal, effect.

Run at start-up before anything is served; what it settles is decided by the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gatekeep.domain.events import EventKind
from gatekeep.gate.approval_ports import APPROVAL_KINDS
from gatekeep.gate.ports import Journal, Outbox


def any_kind(_kind: EventKind) -> bool:
    """All of them."""
    return True


def not_of_approvals(kind: EventKind) -> bool:
    """Approvals and suggestions tell the journal themselves, once they are at work."""
    return not kind.startswith((*APPROVAL_KINDS, "suggestion."))


async def drain(
    outbox: Outbox, journal: Journal, kinds: Callable[[EventKind], bool] = any_kind
) -> int:
    """Append every pending event, oldest first, and settle each once it is durable.

    An event that was durable but not settled before a crash is written a second time: the journal
    may say a fact twice, it never leaves one out. Returns how many were settled.
    Raises JournalUnavailable; what was not settled stays pending.
    """
    waiting = [
        (row, journal.append(journal.system, row.kind, row.payload))
        for row in outbox.pending()
        if kinds(row.kind)
    ]
    for row, receipt in waiting:
        await receipt.durable()
        outbox.settle(row.id)
    return len(waiting)


class Telling:
    """One telling at a time, and each to its end: else what one tells would be told by the next."""

    def __init__(self, outbox: Outbox, journal: Journal) -> None:
        self._outbox = outbox
        self._journal = journal
        self._turn = asyncio.Lock()

    async def tell(self, kinds: Callable[[EventKind], bool] = not_of_approvals) -> None:
        """Tell what is owed. Raises JournalUnavailable."""

        async def whole() -> None:
            async with self._turn:
                await drain(self._outbox, self._journal, kinds)

        await asyncio.shield(whole())

"""Tells the journal what the state owes it: the middle of store, journal, effect.

Run at start-up before anything is served; what it settles is decided by the store.
"""

from __future__ import annotations

from gatekeep.gate.ports import Journal, Outbox


async def drain(outbox: Outbox, journal: Journal) -> int:
    """Append every pending event, oldest first, and settle each once it is durable.

    An event that was durable but not settled before a crash is written a second time: the journal
    may say a fact twice, it never leaves one out. Returns how many were settled.
    Raises JournalUnavailable; what was not settled stays pending.
    """
    waiting = [
        (row, journal.append(journal.system, row.kind, row.payload)) for row in outbox.pending()
    ]
    for row, receipt in waiting:
        await receipt.durable()
        outbox.settle(row.id)
    return len(waiting)

"""Batches and receipts: one word for all who wait, and receipts that follow their event."""

from __future__ import annotations

import asyncio

import pytest

from gatekeep.errors import JournalUnavailable
from gatekeep.journal.chain import Batch, Pending


def _pending(batch: Batch, n: int = 7) -> Pending:
    pending = Pending()
    pending.n, pending.batch = n, batch
    return pending


async def test_the_first_word_counts() -> None:
    """A batch that was late stays refused for those who waited, even if it is acknowledged after."""
    batch = Batch(0, asyncio.get_running_loop(), closing=False)
    batch.resolve(JournalUnavailable("late"))
    batch.resolve()
    for _ in range(2):
        with pytest.raises(JournalUnavailable, match="late"):
            await _pending(batch).durable()


async def test_a_receipt_follows_an_event_that_was_appended_again() -> None:
    """Who waits for the refused batch goes on to wait for the one that holds the event now."""
    loop = asyncio.get_running_loop()
    refused, again = (Batch(0, loop, closing=False) for _ in range(2))
    pending = _pending(refused)
    waiting = asyncio.ensure_future(pending.durable())
    await asyncio.sleep(0)
    pending.n, pending.batch = 3, again
    refused.resolve(JournalUnavailable("full"))
    await asyncio.sleep(0)
    again.number = 9
    again.resolve()
    receipt = await waiting
    assert (receipt.n, receipt.batch) == (3, 9)

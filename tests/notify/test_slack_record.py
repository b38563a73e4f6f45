"""Store, journal, effect for links: told once, in order, to the end."""

from __future__ import annotations

import asyncio

import pytest
from support.approval_world import ERIN
from support.slack_world import SlackWorld, until

from gatekeep.errors import JournalUnavailable


async def test_a_change_goes_on_where_its_caller_is_cancelled(world: SlackWorld) -> None:
    """A browser that is closed in the middle leaves no half of a link."""
    world.world.journal.synced.clear()
    linking = asyncio.ensure_future(world.link(ERIN))
    await until(lambda: world.books.link_of("erin"), "it is kept")
    linking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await linking
    world.world.journal.synced.set()

    async def settled() -> bool:
        return await world.slack.links.linked(ERIN) is not None

    await until(settled, "it counts")


async def test_what_the_journal_refuses_stays_owed(world: SlackWorld) -> None:
    """It does not count, and is told at the next occasion, once."""
    journal = world.world.journal
    before = len(journal.events)
    journal.break_append_at = before
    with pytest.raises(JournalUnavailable):
        await world.link(ERIN)
    assert len(world.owing.pending()) == 1
    assert await world.slack.links.linked(ERIN) is None
    journal.break_append_at = None
    await asyncio.gather(*(world.telling.tell() for _ in range(5)))
    assert world.owing.pending() == []
    assert len(journal.events) == before + 1
    assert await world.slack.links.linked(ERIN) is not None

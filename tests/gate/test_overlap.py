"""Permits before the fsync: for proven reads alone, where nothing can be written (12-threats M3)."""

from __future__ import annotations

import asyncio

import pytest
from support import builders
from support.fake_journal import FakeJournal
from support.gate_story import Story, by_text

from gatekeep.domain.actions import SqlAction, SqlClass
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind
from gatekeep.gate.permit import EarlyPermit, Permit, Refusal


async def test_a_proven_read_overlaps_with_its_fsync_where_nothing_can_be_written() -> None:
    """The permit comes at once, and the event is on its way (12-threats M3)."""
    story = Story(journal=FakeJournal(auto=False))
    story.only_reads()
    (answer,) = await story.clear(builders.action("SELECT 1"), overlap=True)
    assert isinstance(answer, EarlyPermit)
    assert answer.vector_safe
    assert answer.n == 0
    assert [event.kind for event in story.journal.events] == [EventKind.ACTION_RELEASED]


@pytest.mark.parametrize(
    ("action", "read_only", "overlap"),
    [
        (builders.action("SELECT 1"), True, False),
        (builders.action("SELECT 1"), False, True),
        (builders.action("BEGIN", builders.facts(SqlClass.SESSION, "BEGIN")), True, True),
        (
            builders.action("SELECT 1", builders.facts(SqlClass.READ, "SELECT", vector_safe=False)),
            True,
            True,
        ),
    ],
    ids=["transactions may write", "session may write", "no read", "changes how others are read"],
)
async def test_everything_else_is_durable_first(
    action: SqlAction, read_only: bool, overlap: bool
) -> None:
    """One condition that does not hold, and there is no permit before the fsync."""
    story = Story(journal=FakeJournal(auto=False))
    if read_only:
        story.only_reads()
    waiting = asyncio.ensure_future(story.clear(action, overlap=overlap))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    story.journal.synced.set()
    assert isinstance((await waiting)[0], Permit)


async def test_a_refusal_among_reads_waits_for_the_disk_too() -> None:
    """What is refused is not reported before it is recorded."""
    story = Story(by_text(drop=Verdict.DENY), FakeJournal(auto=False))
    story.only_reads()
    drop = builders.action("DROP TABLE t", builders.facts(SqlClass.DDL, "DROP TABLE"))
    waiting = asyncio.ensure_future(story.clear(builders.action("SELECT 1"), drop, overlap=True))
    await asyncio.sleep(0)
    assert not waiting.done()
    story.journal.synced.set()
    assert [type(answer) for answer in await waiting] == [Permit, Refusal]

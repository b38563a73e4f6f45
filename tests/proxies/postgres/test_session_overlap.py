"""A session that only reads: its statements run while their events go to the disk (12-threats M3)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from support.fake_journal import FakeJournal
from support.session_story import DONE, Story, message, query

from gatekeep.errors import JournalUnavailable


async def _reading(story: Story) -> None:
    """The session reads only, and the target has said so."""
    story.live.session = replace(story.live.session, read_only=True)
    vector = story.session._talk.vector
    assert vector is not None
    story.session._talk._rereading.vector = replace(vector, transaction_read_only="on")
    story.from_client.write(query("SELECT 1"))
    await story.at_target(query("SELECT 1"))


async def test_a_proven_read_runs_while_its_event_goes_to_the_disk() -> None:
    """Forwarded at once; nothing of the answer passes on, in any order, before the fsync."""
    journal = FakeJournal(auto=False)
    async with Story(journal) as story:
        await _reading(story)
        notice = message(b"N", b"SNOTICE\0C00000\0Mhello\0\0")
        story.from_target.write(notice + message(b"S", b"x\0y\0") + DONE)
        await story.nothing_at_client()
        assert story.outcomes() == []
        journal.synced.set()
        await story.at_client(notice + message(b"S", b"x\0y\0") + DONE)
    assert story.outcomes() == ["done"]


async def test_a_read_whose_event_is_never_durable_was_never_seen() -> None:
    """The journal breaks: what the target answered is dropped, both wires close, in words."""
    journal = FakeJournal(auto=False)
    ended: list[str] = []
    async with Story(journal) as story:
        story.live.end = ended.append
        await _reading(story)
        story.from_target.write(message(b"D", b"\0\x01\0\0\0\x06secret") + DONE)
        await story.nothing_at_client()
        journal.broken_sync = JournalUnavailable("fsync failed")
        journal.synced.set()
        assert await asyncio.wait_for(story.running, 5) == "journal"
        said = await asyncio.wait_for(story.client.read(500), 5)
        assert b"58030" in said
        assert b"secret" not in said
    assert ended == ["journal"], "what runs is cancelled"
    assert story.faults


async def test_a_disk_that_is_too_slow_ends_the_session_too() -> None:
    """After the limit nothing is held any longer; the gateway itself goes on."""
    async with Story(FakeJournal(auto=False), confirm_s=0.02) as story:
        await _reading(story)
        story.from_target.write(DONE)
        assert await asyncio.wait_for(story.running, 5) == "journal"
        assert b"58030" in await asyncio.wait_for(story.client.read(500), 5)
    assert story.faults == []

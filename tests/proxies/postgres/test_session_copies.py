"""A session whose target takes rows: how a COPY FROM STDIN ends when a peer or the gateway does."""

from __future__ import annotations

import asyncio

from support.session_story import Story, message, query

COPY = query("COPY orders FROM STDIN")
TAKES = message(b"G", b"\0\0\0")
COPIED = message(b"C", b"COPY 1\0") + message(b"Z", b"I")
GIVEN_UP = message(b"E", b"SERROR\0VERROR\0C57014\0MCOPY from stdin failed\0\0") + message(b"Z", b"I")


async def _taking(story: Story) -> None:
    story.from_client.write(COPY)
    await story.at_target(COPY)
    story.from_target.write(TAKES)
    await story.at_client(TAKES)
    story.from_client.write(message(b"d", b"1\n"))
    await story.at_target(message(b"d", b"1\n"))


async def test_a_copy_of_a_client_that_left_is_given_up_at_once() -> None:
    """The target would wait for rows for ever: it gets a CopyFail, and how it ended is recorded."""
    async with Story() as story:
        await _taking(story)
        story.from_client.close()
        await story.at_target(message(b"f", b"gatekeep: client left\0"))
        story.from_target.write(GIVEN_UP)
        assert await asyncio.wait_for(story.running, 5) == "client left"
    assert story.outcomes() == ["cancelled"]


async def test_a_copy_in_the_middle_of_a_row_ends_with_its_connection() -> None:
    """Nothing can be said in the middle of a message; how it ended is not known, and said so."""
    async with Story() as story:
        await _taking(story)
        story.from_client.write(message(b"d", b"12345\n")[:7])
        await story.at_target(message(b"d", b"12345\n")[:7])
        story.from_client.close()
        assert await asyncio.wait_for(story.running, 5) == "client left"
    assert story.journal.kinds() == ["action.released", "action.unknown"]


async def test_an_ended_session_gives_its_copy_up() -> None:
    """Ended from outside among rows: no row more, and the client is told."""
    async with Story() as story:
        await _taking(story)
        story.session.end("suspected leak")
        await story.at_target(message(b"f", b"gatekeep: suspected leak\0"))
        story.from_target.write(GIVEN_UP)
        assert await asyncio.wait_for(story.running, 5) == "suspected leak"
    assert story.outcomes() == ["cancelled"]


async def test_a_copy_goes_on_while_the_gateway_drains() -> None:
    """Its rows are what it needs to end; no statement after it goes out."""
    async with Story() as story:
        await _taking(story)
        story.session.drain()
        rest = message(b"d", b"2\n") + message(b"c")
        story.from_client.write(rest + query("SELECT 1"))
        await story.at_target(rest)
        story.from_target.write(COPIED)
        assert await asyncio.wait_for(story.running, 5) == "gateway stopped"
        assert b"SELECT 1\0" not in await asyncio.wait_for(story.target.read(500), 5)
    assert story.outcomes() == ["done"]

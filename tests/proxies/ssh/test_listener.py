"""The SSH door holds out: strangers are bounded, broken hand-shakes end alone, sessions end with it."""

from __future__ import annotations

import asyncio

import pytest
from support.ssh_story import ssh_story


async def test_half_open_connections_do_not_stop_a_real_one() -> None:
    """The oldest stranger of an address makes room for the next."""
    async with ssh_story() as story:
        strangers = [await asyncio.open_connection("127.0.0.1", story.port) for _ in range(100)]
        await story.until(lambda: story.door.unauthenticated <= 32)
        async with await story.client() as client:
            assert (await client.run("echo in")).stdout == "in"
        for _reader, writer in strangers:
            writer.close()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"SSH-1.5-old\r\n", b"\0" * 9000])
async def test_what_does_not_speak_ssh_ends_alone(said: bytes) -> None:
    """No hand-shake, no session, no trace of it among the strangers."""
    async with ssh_story() as story:
        reader, writer = await asyncio.open_connection("127.0.0.1", story.port)
        writer.write(said)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await story.until(lambda: story.door.unauthenticated == 0)
        async with await story.client() as client:
            assert (await client.run("echo in")).stdout == "in"


async def test_drained_sessions_end_with_their_channels() -> None:
    """What runs comes to its end; a session without channels ends at once."""
    async with ssh_story() as story, await story.client() as idle, await story.client() as client:
        process = await client.create_process("cat", encoding=None)
        await story.until(lambda: len(story.events("action.released")) == 1)
        await story.until(lambda: story.sessions.opened == 2)
        story.door.stop_accepting()
        story.sessions.drain()
        await idle.wait_closed()
        process.stdin.write(b"last words")
        process.stdin.write_eof()
        assert await process.stdout.read() == b"last words"
        assert await story.sessions.ended(10)

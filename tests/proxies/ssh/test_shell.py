"""Terminals through the door: recorded whole, told whose session it is, their lines judged in order."""

from __future__ import annotations

import asyncssh
from support.ssh_story import SshStory, ssh_story

from gatekeep.proxies.ssh.shell import ShellRelay
from gatekeep.recordings.chunks import decode_chunk, unpack


def recorded(story: SshStory, code: str = "o") -> bytes:
    """What the recording holds of one kind of record."""
    pieces = [
        record.data
        for event in story.events("recording.chunk")
        if event.payload["codec"].startswith("records")
        for record in unpack(decode_chunk(event.payload).records)
        if record.code == code
    ]
    return b"".join(pieces)


async def shell(client: asyncssh.SSHClientConnection) -> asyncssh.SSHClientProcess[bytes]:
    """An interactive shell on a terminal."""
    return await client.create_process(term_type="xterm", term_size=(80, 24), encoding=None)


async def test_a_shell_says_whose_session_it_is_and_is_recorded_whole() -> None:
    """On stderr, once; the recording is what was shown, and our words are marked as ours."""
    async with ssh_story() as story, await story.client() as client:
        process = await shell(client)
        process.stdin.write(b"print gr\xc3\xbc\xc3\x9fe\r")
        process.stdin.write(b"exit 4\r")
        done = await process.wait()
        assert done.exit_status == 4
        assert b"gatekeep: alice on web-1 as deploy, recorded as S-" in done.stderr
        await story.until(lambda: len(story.events("action.finished")) >= 1)
        assert recorded(story) == done.stdout
        assert b"recorded as S-" in recorded(story, "t")
        assert recorded(story, "x") == b"4"
        assert ShellRelay.__doc__


async def test_what_is_typed_is_never_recorded_as_such() -> None:
    """Only what the target shows is kept: typed without echo, it is nowhere."""
    async with ssh_story() as story, await story.client() as client:
        process = await shell(client)
        process.stdin.write(b"silent\r")
        process.stdin.write(b"hunter2\r")
        process.stdin.write(b"exit 0\r")
        await process.wait()
        await story.until(lambda: bool(story.events("channel.closed")) or bool(story.events("action.finished")))
        held = repr([event.payload for event in story.journal.events])
        assert "hunter2" not in held
        assert b"hunter2" not in recorded(story)


async def test_a_recording_that_fails_ends_the_session() -> None:
    """What cannot be recorded is not shown on and on."""
    async with ssh_story() as story:
        client = await story.client()
        process = await shell(client)
        await story.until(lambda: bool(story.events("action.released")))
        story.journal.break_append_at = len(story.journal.events)
        process.stdin.write(b"print x\r")
        await client.wait_closed()
        assert story.faults

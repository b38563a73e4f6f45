"""How long sessions last: a silent one is ended, one that moves bytes is not, none lasts for ever."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest
from support.ssh_story import SshStory, ssh_story

from gatekeep.proxies.ssh.opening import SessionLimits


async def sweep(story: SshStory, seconds: float) -> None:
    """What the gateway does every half second, more often."""
    async with asyncio.timeout(seconds):
        while story.sessions.running():
            story.sessions.end_lapsed()
            await asyncio.sleep(0.02)


async def test_a_session_without_a_byte_is_ended_in_words() -> None:
    """Also where a command runs that says nothing."""
    async with ssh_story() as story, await story.client() as client:
        story.sessions._limits = SessionLimits(idle_s=0.3)
        process = await client.create_process("stuck")
        await sweep(story, 10)
        assert "nothing was sent or received for too long" in await process.stderr.read()
        (closed,) = story.events("session.closed")
        assert closed.payload["reason"] == "nothing was sent or received for too long"


async def test_a_session_that_moves_bytes_goes_on() -> None:
    """Either way; the limit counts from the last of them."""
    async with ssh_story() as story, await story.client() as client:
        story.sessions._limits = SessionLimits(idle_s=0.6)
        process = await client.create_process("cat")
        sweeping = asyncio.ensure_future(sweep(story, 20))
        for _ in range(30):
            process.stdin.write("x")
            assert await process.stdout.read(1) == "x"
            await asyncio.sleep(0.05)
        assert not sweeping.done()
        await sweeping
        assert story.events("session.closed")


async def test_no_session_lasts_longer_than_it_may() -> None:
    """However busy it is."""
    async with ssh_story() as story, await story.client() as client:
        story.sessions._limits = SessionLimits(longest_s=0.5)
        process = await client.create_process("flood 1000000", encoding=None)
        reading = asyncio.ensure_future(process.stdout.read())
        await sweep(story, 10)
        await asyncio.gather(reading, return_exceptions=True)
        (closed,) = story.events("session.closed")
        assert closed.payload["reason"] == "it has lasted as long as sessions may"


@pytest.mark.parametrize(
    "line",
    ["env /usr/lib/openssh/sftp-server", "/usr/lib/openssh/sftp-server; ls", "bash -c 'exec sftp-server'",
     "env scp -t /srv", "cd /srv && scp -f x", "nice scp -rt ."],
)  # fmt: skip
async def test_a_server_of_files_is_not_started_in_other_ways(line: str) -> None:
    """Nobody would judge what it does; no rule is asked, the record has it."""
    async with ssh_story() as story, await story.client() as client:
        done = await client.run(line)
        assert done.exit_status == 126
        assert "started in another way is not available" in str(done.stderr)
        assert not story.events("action.released")
        assert story.events("action.refused")[0].payload["cause"] == "not_offered"


async def test_a_file_called_so_is_a_file() -> None:
    """Only what runs counts."""
    async with ssh_story() as story, await story.client() as client:
        done = await client.run("echo sftp-server scp -t")
        assert isinstance(done, asyncssh.SSHCompletedProcess)
        assert done.exit_status == 0

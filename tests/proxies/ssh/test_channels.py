"""Session channels through the door: recorded before they run, true to direct, refused in words."""

from __future__ import annotations

import asyncio
import hashlib

import asyncssh
import pytest
from support.ssh_story import ssh_story

from gatekeep.errors import JournalUnavailable


async def test_a_command_is_recorded_before_it_runs_and_then_its_end() -> None:
    """Released, then what became of it; output, stderr and exit status are the target's own."""
    async with ssh_story() as story, await story.client() as client:
        done = await client.run("fail 3")
        assert (done.exit_status, done.stdout, done.stderr) == (3, "", "went wrong\n")
        await story.until(lambda: bool(story.events("action.finished")))
        (released,) = story.events("action.released")
        assert released.payload["text"] == "fail 3"
        assert released.payload["assurance"] == "exact"
        (finished,) = story.events("action.finished")
        assert finished.payload["of"] == released.n
        assert (finished.payload["outcome"], finished.payload["tag"]) == ("failed", "exit 3")


async def test_a_refusal_is_on_stderr_and_nothing_runs() -> None:
    """Exit status 126, nothing on stdout, the words of the rule; the connection goes on."""
    async with ssh_story() as story, await story.client() as client:
        story.policy.denied.add("forbidden")
        refused = await client.run("echo forbidden")
        assert refused.exit_status == 126
        assert refused.stdout == ""
        assert 'policy does not allow "echo forbidden" on web-1' in refused.stderr
        assert refused.stderr.endswith("gatekeep: nothing was run\n")
        assert (await client.run("echo fine")).stdout == "fine"
        assert [event.payload["cause"] for event in story.events("action.refused")] == ["policy"]


async def test_bytes_pass_unchanged_both_ways() -> None:
    """Any bytes, more than the windows hold, and the end of input."""
    data = bytes(range(256)) * 16_384
    async with ssh_story() as story, await story.client() as client:
        done = await client.run("cat", input=data, encoding=None)
        assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()
        await story.until(lambda: bool(story.events("action.finished")))
        (finished,) = story.events("action.finished")
        assert finished.payload["bytes_in"] == finished.payload["bytes_out"] == len(data)


async def test_many_channels_at_once_on_one_connection() -> None:
    """Each has its own decision, event and exit status."""
    async with ssh_story() as story, await story.client() as client:
        done = await asyncio.gather(*(client.run(f"echo {number}") for number in range(100)))
        assert [one.stdout for one in done] == [str(number) for number in range(100)]
        assert len(story.events("action.released")) == 100
        assert len(story.events("session.opened")) == 1


async def test_a_terminal_and_its_size_reach_the_target() -> None:
    """With a terminal the size is the client's."""
    async with ssh_story() as story, await story.client() as client:
        done = await client.run("size", term_type="xterm", term_size=(101, 37))
        assert done.stdout.startswith("(101, 37")
        assert story.events("action.released")[0].payload["pty"] == "xterm"


async def test_only_language_and_terminal_variables_go_on() -> None:
    """What changes the meaning of a reviewed line is left out, and the record says so."""
    async with ssh_story() as story, await story.client() as client:
        await client.run("echo", env={"LANG": "C", "BASH_ENV": "x", "LC_ALL": "C"})
        payload = story.events("action.released")[0].payload
        assert payload["env"] == {"LANG": "C", "LC_ALL": "C"}
        assert payload["env_left_out"] == ["BASH_ENV"]


async def test_a_signal_that_ends_a_command_is_told_as_one() -> None:
    """The client sees the signal, the record names it."""
    async with ssh_story() as story, await story.client() as client:
        done = await client.run("die")
        assert done.exit_signal[0] == "KILL"
        await story.until(lambda: bool(story.events("action.finished")))
        assert story.events("action.finished")[0].payload["tag"] == "signal KILL"


async def test_a_client_that_leaves_cancels_what_it_ran() -> None:
    """Its channel on the target closes, the outcome says cancelled, the session is closed."""
    async with ssh_story() as story:
        client = await story.client()
        await client.create_process("stuck")
        await story.until(lambda: bool(story.events("action.released")))
        client.abort()
        await story.until(lambda: bool(story.events("session.closed")))
        assert story.events("action.finished")[0].payload["outcome"] == "cancelled"


async def test_a_target_that_does_not_answer_is_said_so() -> None:
    """The event of the command is durable, its outcome is failed, exit status 255."""
    async with ssh_story() as story, await story.client() as client:
        story.reachable = False
        done = await client.run("echo x")
        assert done.exit_status == 255
        assert "web-1 does not answer" in done.stderr
        assert story.events("action.finished")[0].payload["outcome"] == "failed"


async def test_what_cannot_be_recorded_does_not_run() -> None:
    """The journal fails: nothing reaches the target, and an incident is named."""
    async with ssh_story() as story, await story.client() as client:
        await story.until(lambda: bool(story.events("session.opened")))
        story.journal.broken_sync = JournalUnavailable("gone")
        done = await client.run("echo x")
        assert done.exit_status == 126
        assert done.stdout == ""
        assert "cannot be recorded" in done.stderr


async def test_a_session_ended_from_outside_hears_why() -> None:
    """The words reach the open channel; then the connection closes."""
    async with ssh_story() as story:
        client = await story.client()
        process = await client.create_process("stuck")
        await story.until(lambda: bool(story.events("action.released")))
        for session in story.sessions.running():
                session.live.end("carol: leaked key")
        assert "this session was ended: carol: leaked key" in await process.stderr.read()
        await client.wait_closed()
        await story.until(lambda: bool(story.events("session.closed")))
        assert story.events("session.closed")[0].payload["reason"] == "carol: leaked key"


@pytest.mark.parametrize("login_name", ["alice", "alice+nope"])
async def test_a_connection_without_a_target_hears_why(login_name: str) -> None:
    """No target named, or none there is: words on stderr, and nothing else."""
    async with ssh_story() as story, await story.client(login_name) as client:
        done = await client.run("echo x")
        assert done.exit_status == 126
        assert "target" in done.stderr
        assert not story.events("action.released")


async def test_a_slow_reader_stops_the_target() -> None:
    """What the client does not take waits on the target, not here."""
    async with ssh_story() as story, await story.client() as client:
        process = await client.create_process("flood 1000", encoding=None, window=131_072)
        process.channel.pause_reading()
        await story.until(lambda: bool(story.events("action.released")))
        await asyncio.sleep(0.2)
        process.channel.resume_reading()
        assert len(await process.stdout.read()) == 1000 * 65536


async def test_x11_and_agent_forwarding_are_refused() -> None:
    """Neither is offered; what was asked for runs without."""
    async with ssh_story() as story, await story.client(agent_forwarding=True) as client:
        assert (await client.run("echo x")).stdout == "x"
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.run("echo x", x11_forwarding=True, x11_display=":1")

"""SSH sessions begin durably, are asked about again, and end with the right that they began with."""

from __future__ import annotations

from support.ssh_story import ssh_story

from gatekeep.errors import JournalUnavailable
from gatekeep.proxies.ssh.opening import SshSessions


async def test_no_session_begins_that_cannot_be_recorded() -> None:
    """The client hears it, and the target hears nothing."""
    async with ssh_story() as story:
        story.journal.broken_sync = JournalUnavailable("gone")
        async with await story.client() as client:
            done = await client.run("echo x")
        assert done.exit_status == 126
        assert "cannot be recorded" in done.stderr
        assert story.sessions.opened == 0
        assert isinstance(story.sessions, SshSessions)


async def test_a_right_that_is_gone_lets_no_new_channel_in() -> None:
    """The session stays; what is opened from now on is refused."""
    async with ssh_story() as story, await story.client() as client:
        assert (await client.run("echo x")).stdout == "x"
        story.policy.opens = False
        done = await client.run("echo y")
        assert done.exit_status == 126
        assert "no longer lets you open sessions on web-1" in done.stderr


async def test_sessions_end_with_what_they_were_opened_by() -> None:
    """Without anybody doing anything on them; the reason is told."""
    async with ssh_story() as story, await story.client() as client:
        await story.until(lambda: story.sessions.opened == 1)
        story.sessions.end_lapsed()
        assert not story.events("session.closed")
        story.lapses["alice"] = "its key no longer works"
        story.sessions.end_lapsed()
        await client.wait_closed()
        await story.until(lambda: bool(story.events("session.closed")))
        assert story.events("session.closed")[0].payload["reason"] == "its key no longer works"

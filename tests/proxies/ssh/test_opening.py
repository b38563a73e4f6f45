"""SSH sessions begin durably, are asked about again, and end with the right that they began with."""

from __future__ import annotations

from dataclasses import replace

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


async def test_sessions_end_with_their_key_or_certificate() -> None:
    """A key that was taken out of the directory, a certificate whose time is over."""
    async with ssh_story() as story, await story.client() as first, await story.client() as second:
        await story.until(lambda: story.sessions.opened == 2)
        by_key, by_certificate = story.sessions.running()
        by_key.arrival = replace(by_key.arrival, method="key")
        by_certificate.arrival = replace(by_certificate.arrival, method="certificate", ends_us=1)
        story.sessions.end_lapsed(lambda _name, _fingerprint: False)
        await first.wait_closed()
        await second.wait_closed()
        await story.until(lambda: len(story.events("session.closed")) == 2)
        reasons = {event.payload["reason"] for event in story.events("session.closed")}
        assert reasons == {"its key no longer works", "its certificate has ended"}

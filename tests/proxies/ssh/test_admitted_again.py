"""What began on good terms does not go on without them: each channel, tunnel and jump is asked anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncssh
import pytest
from support import builders
from support.ssh_story import SshStory, TargetServer, ssh_story

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.sessions import Session
from gatekeep.gate.ports import Judgement

Begin = Callable[[Any, SshStory], Awaitable[Any]]


async def _tunnel(client: Any, story: SshStory) -> Any:
    return await client.open_connection("127.0.0.1", story.target_port)


async def _listener(client: Any, _story: SshStory) -> Any:
    listener = await client.forward_remote_port("localhost", 0, "127.0.0.1", 9)
    if listener is None:
        raise asyncssh.ChannelOpenError(1, "refused")
    return listener


def _withdrawn(story: SshStory) -> None:
    story.lapses["alice"] = "its key no longer works"


def _denied(story: SshStory) -> None:
    story.policy.opens = False


LOSSES = [_withdrawn, _denied]


@pytest.mark.parametrize("lose", LOSSES)
async def test_no_command_runs_after_a_loss(lose: Callable[[SshStory], None]) -> None:
    """The proof is withdrawn, or the policy changed: the next channel is refused in words."""
    async with ssh_story() as story, await story.client() as client:
        assert (await client.run("echo on")).stdout == "on"
        lose(story)
        done = await client.run("echo off")
        assert (done.exit_status, done.stdout) == (126, "")
        assert len(story.events("action.released")) == 1


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("begin", [_tunnel, _listener])
async def test_no_tunnel_opens_after_a_loss(
    begin: Begin, lose: Callable[[SshStory], None]
) -> None:
    """Neither towards the target nor from it; the record says that it was tried."""
    async with ssh_story() as story, await story.client() as client:
        await client.run("echo on")
        lose(story)
        with pytest.raises((asyncssh.Error, asyncssh.ChannelListenError)):
            await begin(client, story)
        assert len(story.events("action.released")) == 1
        assert len(story.events("action.refused")) == 1


async def test_nobody_comes_in_by_a_listener_after_a_loss() -> None:
    """A port that the target listens on already is no way in any more."""
    async with ssh_story() as story, await story.client() as client:
        listener = await client.forward_remote_port("localhost", 0, "127.0.0.1", story.target_port)
        story.lapses["alice"] = "its key no longer works"
        reader, writer = await asyncio.open_connection("localhost", listener.get_port())
        assert await reader.read() == b""
        writer.close()
        assert [one.payload["mode"] for one in story.events("action.released")] == ["listen"]


@pytest.mark.parametrize("lose", LOSSES)
async def test_no_jump_leads_on_after_a_loss(lose: Callable[[SshStory], None]) -> None:
    """A connection that was kept open for jumping opens nothing any more."""
    async with ssh_story() as story, await story.client("alice") as outer:
        async with await story.client("deploy", tunnel=outer, host="web-1") as inner:
            assert (await inner.run("echo on")).stdout == "on"
        lose(story)
        try:
            async with await story.client("deploy", tunnel=outer, host="web-1") as inner:
                assert (await inner.run("echo off")).stdout == ""
        except asyncssh.Error:
            pass
        assert len(story.events("session.opened")) == 1
        assert len(story.events("session.refused")) == 1


async def test_a_jump_that_leads_nowhere_is_in_the_record() -> None:
    """Whoever looks for targets leaves traces."""
    async with ssh_story() as story, await story.client("alice") as outer:
        with pytest.raises(asyncssh.ChannelOpenError):
            await outer.open_connection("db-7", 22)
        assert story.events("session.refused")[0].payload["target"] == "db-7"


async def test_no_session_begins_behind_a_jump_host_while_the_gateway_drains() -> None:
    """Else a connection that was kept open would hold up the end."""
    async with ssh_story() as story, await story.client("alice") as outer:
        story.sessions.drain()
        async with await story.client("deploy", tunnel=outer, host="web-1") as inner:
            done = await inner.run("echo off")
        assert done.stdout == ""
        assert "restarting" in done.stderr
        assert not story.events("session.opened")


async def test_a_command_whose_event_is_durable_after_the_end_does_not_run() -> None:
    """The journal is slow, the session is ended meanwhile: skipped, told before the session's end."""
    async with ssh_story() as story, await story.client() as client:
        await client.run("echo on")
        story.journal.synced.clear()
        running = asyncio.ensure_future(client.run("echo late"))
        await story.until(lambda: len(story.events("action.released")) == 2)
        for session in story.sessions.running():
            session.live.end("carol: enough")
        await asyncio.sleep(6)
        story.journal.synced.set()
        await story.until(lambda: bool(story.events("session.closed")))
        await asyncio.gather(running, return_exceptions=True)
        late = story.events("action.released")[1].n
        (outcome,) = [one for one in story.events("action.finished") if one.payload["of"] == late]
        assert outcome.payload["outcome"] == "skipped"
        assert story.journal.kinds()[-1] == "session.closed"


async def test_a_policy_that_fails_lets_nobody_in_and_says_so() -> None:
    """An exception while a session is opened is a refusal, not a client that waits for ever."""
    async with ssh_story() as story:
        story.policy.may_open = None  # type: ignore[assignment]  # calling it raises
        async with await story.client() as client:
            done = await asyncio.wait_for(client.run("echo x"), 5)
        assert done.stdout == ""
        assert done.exit_status == 126


async def test_an_arrival_that_the_client_refuses_has_an_outcome() -> None:
    """Somebody connects on the target, the client does not want it: released, then failed."""
    async with ssh_story() as story, await story.client() as client:

        def refuse(_host: str, _port: int) -> Any:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no")

        listener = await client.create_server(refuse, "localhost", 0)
        _reader, writer = await asyncio.open_connection("localhost", listener.get_port())
        await story.until(lambda: len(story.events("action.finished")) == 2)
        assert story.events("action.finished")[1].payload["outcome"] == "failed"
        writer.close()


async def test_a_target_that_does_not_listen_ends_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its refusal is the client's answer; the connection and its channels go on."""
    monkeypatch.setattr(TargetServer, "server_requested", lambda *_asked: False)
    async with ssh_story() as story, await story.client() as client:
        with pytest.raises(asyncssh.ChannelListenError):
            await client.forward_remote_port("localhost", 0, "127.0.0.1", 9)
        assert (await client.run("echo on")).stdout == "on"
        assert story.events("action.finished")[0].payload["outcome"] == "failed"


class GivenLeave:
    """People's leave for whoever it is, until it is taken back."""

    given = True

    def opened_by(self, session: Session) -> Judgement | None:
        """The judgement that lets it be open."""
        return builders.judgement(Verdict.ALLOW) if self.given else None


async def test_a_session_that_lives_by_leave_goes_on_as_long_as_it_has_it() -> None:
    """Policy alone would only ask: each channel looks whether the leave still stands."""
    async with ssh_story() as story, await story.client() as client:
        assert (await client.run("echo on")).stdout == "on"
        leave = GivenLeave()
        (session,) = story.sessions.running()
        session.rooms = replace(session.rooms, leave=leave)
        story.policy.verdict = Verdict.ASK
        assert (await client.run("echo on")).stdout == "on"
        leave.given = False
        assert (await client.run("echo off")).exit_status == 126

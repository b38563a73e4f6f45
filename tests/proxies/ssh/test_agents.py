"""Agent forwarding: refused unless a policy and a second factor speak for it, and recorded before."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from support import builders
from support.agent_story import AgentStory, agent_story, said
from support.agent_wire import FAILED, KEY, LIST, sign_request, signed_text
from support.ssh_story import AnyKey, ssh_story

from gatekeep.domain.decisions import Verdict
from gatekeep.errors import JournalUnavailable
from gatekeep.proxies.ssh import agents
from gatekeep.proxies.ssh.agent_seams import REQUEST, ask_for_agent

NO_AGENT = "None"


async def told(there: AgentStory, client: Any) -> tuple[str, str]:
    """Which agent a command on the target finds, and what the client hears on stderr."""
    done = await client.run("agent")
    return str(done.stdout), str(done.stderr)


async def test_a_permitted_agent_is_recorded_and_then_offered(tmp_path: Path) -> None:
    """An action of its own; the target's command has an agent."""
    async with agent_story(tmp_path) as there, await there.client() as client:
        found, heard = await told(there, client)
        assert found != NO_AGENT
        assert heard == ""
        asked = there.released()[0]
        shown = {name: asked.payload[name] for name in ("class", "mode", "text", "verb")}
        assert shown == {"class": "agent.forward", "mode": "agent", "text": REQUEST, "verb": "agent"}
        assert there.finished(asked.n) == ["done granted"]


async def test_nothing_is_offered_before_it_is_durable(tmp_path: Path) -> None:
    """As long as the disk has not got it, the target does not even hear of the command."""
    async with agent_story(tmp_path) as there, await there.client() as client:
        await client.run("echo")
        there.story.journal.synced.clear()
        before = len(there.released())
        running = asyncio.ensure_future(told(there, client))
        await there.story.until(lambda: len(there.released()) > before)
        assert there.released()[-1].payload["text"] == REQUEST
        for _ in range(20):
            await there.story.until(lambda: True)
        assert not there.finished(there.released()[-1].n)
        there.story.journal.synced.set()
        assert (await running)[0] != NO_AGENT


async def test_what_the_policy_denies_is_in_the_record_and_not_said(tmp_path: Path) -> None:
    """Clients that offer it everywhere are not told each time; what they run has none."""
    async with agent_story(tmp_path) as there, await there.client() as client:
        there.story.policy.denied.add(REQUEST)
        assert await told(there, client) == (NO_AGENT, "")
        assert there.refused() == [(REQUEST, "policy")]
        with pytest.raises(asyncssh.ChannelOpenError):
            await there.channel()


async def test_a_client_that_offers_nothing_has_nothing_asked(tmp_path: Path) -> None:
    """No event, no agent."""
    async with agent_story(tmp_path) as there, await there.story.client() as client:
        assert await told(there, client) == (NO_AGENT, "")
        assert [one.payload["mode"] for one in there.released()] == ["exec"]


async def test_without_terms_nobody_is_granted_anything() -> None:
    """A door that was given none forwards no agent, whatever the policy says."""
    async with ssh_story() as story, await story.client(agent_forwarding="/nowhere") as client:
        assert (await client.run("agent")).stdout == NO_AGENT
        assert story.events("action.refused")[0].payload["cause"] == "no second factor"


async def test_who_lacks_only_a_second_factor_is_told(tmp_path: Path) -> None:
    """The policy would permit it: then the way to get it is worth a line."""
    async with agent_story(tmp_path) as there, await there.client() as client:
        there.second_factor = False
        found, heard = await told(there, client)
        assert found == NO_AGENT
        assert heard == "gatekeep: your agent is not forwarded: that needs a second factor at sign-in\n"
        assert there.refused() == [(REQUEST, "no second factor")]


async def test_who_lacks_both_is_refused_by_the_policy(tmp_path: Path) -> None:
    """A second factor would not help, so none is spoken of."""
    async with agent_story(tmp_path) as there, await there.client() as client:
        there.second_factor = False
        there.story.policy.denied.add(REQUEST)
        assert await told(there, client) == (NO_AGENT, "")
        assert there.refused() == [(REQUEST, "policy")]


async def test_a_policy_that_changes_meanwhile_is_no_second_factor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Denied when it was asked whether a word is worth while, permitted when it counts: skipped."""
    async with agent_story(tmp_path) as there, await there.client() as client:
        there.second_factor = False
        verdicts = iter([Verdict.DENY])
        monkeypatch.setattr(
            there.story.policy, "judge_command",
            lambda *_asked: builders.judgement(next(verdicts, Verdict.ALLOW)),
        )  # fmt: skip
        assert await told(there, client) == (NO_AGENT, "")
        assert there.finished(there.released()[0].n) == ["skipped"]


async def test_a_certificate_may_leave_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`permit-agent-forwarding` is missing: no rule is asked."""
    monkeypatch.setattr(AnyKey, "forbidden", frozenset({"agent-forwarding"}))
    async with agent_story(tmp_path) as there, await there.client() as client:
        assert await told(there, client) == (NO_AGENT, "")
        assert there.refused() == [(REQUEST, "certificate")]


async def test_one_channel_is_asked_about_once(tmp_path: Path) -> None:
    """The same words again get the same answer, and no event."""
    async with agent_story(tmp_path) as there, await there.story.client() as client:

        class Insisting(asyncssh.SSHClientSession[str]):
            def connection_made(self, chan: Any) -> None:
                for _ in range(5):
                    ask_for_agent(chan)

        channel, _ = await client.create_session(Insisting, "stuck")
        await there.story.until(lambda: len(there.released()) == 2)
        assert [one.payload["mode"] for one in there.released()] == ["agent", "exec"]
        channel.close()


async def test_behind_the_command_it_comes_too_late(tmp_path: Path) -> None:
    """What runs was begun without one."""
    async with agent_story(tmp_path) as there, await there.story.client() as client:
        process = await client.create_process("stuck")
        await there.story.until(lambda: bool(there.story.targets))
        ask_for_agent(process.channel)
        await there.story.until(lambda: bool(there.refused()))
        assert there.refused() == [(REQUEST, "too late")]
        with pytest.raises(asyncssh.ChannelOpenError):
            await there.channel()
        process.close()


async def test_a_target_that_was_not_asked_opens_no_agent(tmp_path: Path) -> None:
    """Refused and recorded; the client hears of none of it."""
    async with agent_story(tmp_path) as there, await there.story.client() as client:
        async with client.create_process("stuck"):
            await there.story.until(lambda: len(there.released()) == 1)
            await there.story.until(lambda: bool(there.story.targets))
            with pytest.raises(asyncssh.ChannelOpenError) as refused:
                await there.channel()
            assert refused.value.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
        told = [event.payload["what"] for event in there.story.events("target.fault")]
        assert told == ["channel auth-agent@openssh.com"]


async def test_an_agent_is_lent_as_long_as_the_channel_that_offered_it(tmp_path: Path) -> None:
    """Then no other is opened, and one that is open gets no further signature."""
    async with agent_story(tmp_path) as there, await there.client() as client:
        process = await client.create_process("stuck")
        await there.lent()
        reader, writer = await there.channel()
        process.close()
        await process.wait_closed()
        (session,) = there.story.sessions.running()
        await there.story.until(lambda: session.agent is None)
        with pytest.raises(asyncssh.ChannelOpenError):
            await there.channel()
        writer.write(sign_request(KEY, signed_text()))
        assert await said(reader) == FAILED
        assert there.refused()[-1][1] == "taken back"
        writer.write(LIST)
        assert await said(reader) == FAILED
        assert not there.agent.heard


async def test_only_so_many_are_open_at_once(tmp_path: Path) -> None:
    """The next is refused and recorded, and opens again when one has closed."""
    async with agent_story(tmp_path) as there, there.lending():
        opened = [await there.channel() for _ in range(agents._MOST_OPEN)]
        with pytest.raises(asyncssh.ChannelOpenError):
            await there.channel()
        told = [event.payload for event in there.story.events("channel.closed")]
        assert told == [{"mode": "agent", "fault": "too many, or not admitted"}]
        opened[0][1].close()
        await there.story.until(lambda: len(there.story.events("channel.closed")) == 2)
        reader, writer = await there.channel()
        writer.write(LIST)
        assert await said(reader)


async def test_a_client_without_an_agent_is_told_apart(tmp_path: Path) -> None:
    """It offered one and has none: the target hears so, the record too, a bounded number of times."""
    async with agent_story(tmp_path) as there, there.lending():
        there.agent.path.unlink()
        for _ in range(agents._MOST_NOTES + 6):
            with pytest.raises(asyncssh.ChannelOpenError):
                await there.channel()
        assert len(there.story.events("channel.closed")) == agents._MOST_NOTES


async def test_who_is_no_longer_admitted_lends_nothing(tmp_path: Path) -> None:
    """The sign-in lapsed while the command runs: no channel to the agent is opened any more."""
    async with agent_story(tmp_path) as there, there.lending():
        there.story.lapses["alice"] = "its key no longer works"
        with pytest.raises(asyncssh.ChannelOpenError):
            await there.channel()


async def test_without_a_journal_nothing_is_granted(tmp_path: Path) -> None:
    """The event cannot be written, so the target is not asked."""
    async with agent_story(tmp_path) as there, await there.client() as client:
        await client.run("echo")
        there.story.journal.break_append_at = len(there.story.journal.events)
        before = len(there.released())
        process = await client.create_process("agent")
        await there.story.until(lambda: process.exit_status is not None)
        assert all(one.payload["mode"] != "agent" for one in there.released()[before:])
        assert str(await process.stdout.read()) in {NO_AGENT, ""}


async def test_a_sync_that_fails_grants_nothing(tmp_path: Path) -> None:
    """What was written and is not durable does not count."""
    async with agent_story(tmp_path) as there, await there.client() as client:
        await client.run("echo")
        there.story.journal.broken_sync = JournalUnavailable("the journal cannot write", cause="x")
        process = await client.create_process("agent")
        await there.story.until(lambda: process.exit_status is not None)
        assert process.exit_status == 126
        (session,) = there.story.sessions.running()
        assert session.agent is None


async def test_a_fault_of_ours_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong while it is decided is a no, and the command runs without."""

    async def broken(*_asked: object) -> bool:
        raise RuntimeError

    monkeypatch.setattr(agents.AgentGrant, "asked", broken)
    async with agent_story(tmp_path) as there, await there.client() as client:
        assert await told(there, client) == (NO_AGENT, "")

"""What a signed-in connection may open; what is never offered is refused and told."""

from __future__ import annotations

from dataclasses import replace

import asyncssh
import pytest
from support.ssh_story import ScriptedPolicy, ssh_story

from gatekeep.domain.decisions import NoticeRule
from gatekeep.domain.sessions import Session
from gatekeep.gate.notice_ports import Notice
from gatekeep.gate.ports import Judgement
from gatekeep.proxies.ssh.channel_door import ChannelDoor
from gatekeep.proxies.ssh.connection import SignedIn


async def test_a_subsystem_that_nobody_knows_is_opaque() -> None:
    """Judged and recorded as such; the target's refusal reaches the client."""
    async with ssh_story() as story, await story.client() as client:
        story.policy.denied.add("netconf")
        process = await client.create_process(subsystem="netconf", encoding=None)
        assert b"policy does not allow" in await process.stderr.read()
        assert story.events("action.refused")[0].payload["class"] == "ssh.opaque"


async def test_a_channel_of_another_kind_is_refused_and_told() -> None:
    """A tun device is nothing that is offered here."""
    async with ssh_story() as story, await story.client() as client:
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.create_tun(asyncssh.SSHTunTapSession, 0)
        await story.until(lambda: True)
        assert ChannelDoor.__doc__
        assert SignedIn.__doc__


async def test_a_session_is_told_once_its_opening_is_durable() -> None:
    """Where the rule that let it in wants that; the event of the notice is the opening."""
    opened: list[Notice] = []
    rule = NoticeRule("open", "open:0a1b2c3d4e5f")

    class Telling(ScriptedPolicy):
        def may_open(self, session: Session) -> Judgement:
            judged = super().may_open(session)
            return replace(judged, decision=replace(judged.decision, notify=(rule,)))

    async with ssh_story(policy=Telling()) as story:
        story.sessions.rooms.gate.noticing.listener = opened.append
        async with await story.client() as client:
            assert (await client.run("echo x")).stdout == "x"
        first = story.events("session.opened")[0]
        assert [(one.rule, one.came_to, one.target, one.n) for one in opened] == [
            (rule, "opened", "web-1", first.n)
        ]


async def test_nothing_opens_before_the_session_is_durable() -> None:
    """A command waits for the session's opening; the order in the log is opening, then release."""
    async with ssh_story() as story:
        story.journal.synced.clear()
        client = await story.client()
        process = await client.create_process("echo x")
        for _ in range(20):
            await story.until(lambda: True)
        assert [event.kind for event in story.journal.events] == ["session.opened"]
        story.journal.synced.set()
        assert (await process.wait()).stdout == "x"
        client.close()

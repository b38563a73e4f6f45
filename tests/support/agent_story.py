"""An SSH story in which a client lends its agent, and the target talks to it byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.stream import SSHUNIXStreamSession
from support.agent_wire import LIST, message, string
from support.fake_journal import KeptEvent
from support.ssh_story import SshStory, ssh_story

from gatekeep.proxies.ssh.agents import AgentTerms

KEYS = message(12, b"\x00\x00\x00\x00")
SIGNED = message(14, string(b"signature"))
OURS = "own host key"


@dataclass
class FakeAgent:
    """A client's agent on a socket: a list of no keys, a signature of nothing. Keeps what it hears."""

    path: Path
    heard: list[bytes] = field(default_factory=list)
    answer: Callable[[bytes], bytes] = lambda frame: KEYS if frame == LIST else SIGNED

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One peer, to its end."""
        try:
            while True:
                head = await reader.readexactly(4)
                frame = head + await reader.readexactly(int.from_bytes(head, "big"))
                self.heard.append(frame)
                writer.write(self.answer(frame))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@dataclass
class AgentStory:
    """The story, the client's agent, and a client whose agent is lent while `lending` is open.

    Nobody knows whose a host key is before `known`.
    """

    story: SshStory
    agent: FakeAgent
    second_factor: bool = True
    ours: set[bytes] = field(default_factory=set)
    known: asyncio.Event = field(default_factory=asyncio.Event)

    async def client(self, **more: Any) -> Any:
        """A client that forwards its agent."""
        return await self.story.client(agent_forwarding=str(self.agent.path), **more)

    @asynccontextmanager
    async def lending(self) -> AsyncIterator[Any]:
        """A client in whose name something runs that has its agent."""
        async with await self.client() as client, client.create_process("stuck"):
            await self.lent()
            yield client

    async def lent(self) -> None:
        """Wait until what runs on the target has the agent."""
        await self.story.until(lambda: any(one.agent for one in self.story.sessions.running()))

    async def channel(self, window: int = 2**21) -> tuple[Any, Any]:
        """What something on the target reads and writes. Raises asyncssh.ChannelOpenError."""
        channel = self.story.targets[-1].create_agent_channel(window)
        session: Any = await channel.open(SSHUNIXStreamSession)
        return asyncssh.SSHReader(session, channel), asyncssh.SSHWriter(session, channel)

    def released(self) -> list[KeptEvent]:
        """What was released so far."""
        return self.story.events("action.released")

    def refused(self) -> list[tuple[str, str]]:
        """What was refused so far: its text and cause."""
        return [
            (event.payload["text"], event.payload["cause"])
            for event in self.story.events("action.refused")
        ]

    def signatures(self) -> list[dict[str, Any]]:
        """The signatures that were released so far."""
        return [one.payload for one in self.released() if "signs" in one.payload]

    def finished(self, of: int) -> list[str]:
        """Outcome and tag of the action with this number."""
        return [
            f"{event.payload['outcome']} {event.payload.get('tag', '')}".strip()
            for event in self.story.events("action.finished")
            if event.counters["of"] == of
        ]


async def said(reader: Any) -> bytes:
    """The next whole message for the target."""
    async with asyncio.timeout(10):
        head = await reader.readexactly(4)
        return bytes(head + await reader.readexactly(int.from_bytes(head, "big")))


@asynccontextmanager
async def agent_story(folder: Path) -> AsyncIterator[AgentStory]:
    """Door, target and agent. A sign-in at a host key of `ours` is objected to."""
    agent = FakeAgent(folder / "agent")
    listening = await asyncio.start_unix_server(agent.serve, agent.path)
    told: list[AgentStory] = []

    async def objection(host_key: bytes) -> str:
        await told[0].known.wait()
        return OURS if host_key in told[0].ours else ""

    terms = AgentTerms(lambda _arrival: told[0].second_factor, objection)
    try:
        async with ssh_story(terms) as story:
            told.append(AgentStory(story, agent))
            told[0].known.set()
            yield told[0]
    finally:
        listening.close()

"""What is mended in how asyncssh forwards agents, and that it still is as it was: an upgrade tells."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from pathlib import Path

import asyncssh
import pytest
from asyncssh.channel import SSHServerChannel
from asyncssh.connection import SSHClientConnection, SSHServerConnection
from support.agent_story import agent_story
from support.ssh_story import KEY, ssh_story

from gatekeep.proxies.ssh.agent_seams import LIBRARYS, AgentOpens, NoAgentSocket


@pytest.mark.parametrize(
    ("ours", "librarys"),
    [
        (SSHServerChannel._finish_agent_req_request, LIBRARYS["_finish_agent_req_request"]),
        (NoAgentSocket.create_agent_listener, SSHServerConnection.create_agent_listener),
        (
            AgentOpens._process_auth_agent_at_openssh_dot_com_open,
            SSHClientConnection._process_auth_agent_at_openssh_dot_com_open,
        ),
    ],
)
def test_what_is_replaced_is_there_and_called_alike(ours: object, librarys: object) -> None:
    """Another name or another shape would be no replacement, and nothing would say so."""
    assert ours is not librarys
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(librarys).parameters)


async def test_the_library_alone_would_make_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a connection that is not ours; that is why ours make none, whatever answers."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "sockets"))
    (tmp_path / "sockets").mkdir()
    async with ssh_story() as story:
        straight = await asyncssh.connect(
            "127.0.0.1", story.target_port, username="x", agent_forwarding="/nowhere",
            client_keys=[KEY], known_hosts=None, config=None,
        )  # fmt: skip
        async with straight:
            assert (await straight.run("agent")).stdout != "None"
            assert list((tmp_path / "sockets").iterdir())


async def test_a_clients_connection_makes_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by our answer nor by asyncssh's own."""
    monkeypatch.setattr(
        SSHServerChannel, "_finish_agent_req_request", LIBRARYS["_finish_agent_req_request"]
    )
    async with agent_story(tmp_path) as there, await there.client() as client:
        assert (await client.run("agent")).stdout == "None"
        assert not there.refused()


async def test_a_client_may_leave_while_it_is_decided(tmp_path: Path) -> None:
    """There is nobody to answer then, and nothing fails."""
    async with agent_story(tmp_path) as there:
        client = await there.client()
        await client.run("echo")
        there.story.journal.synced.clear()
        before = len(there.released())
        asking = asyncio.ensure_future(client.run("agent"))
        await there.story.until(lambda: len(there.released()) > before)
        client.abort()
        there.story.journal.synced.set()
        await asyncio.gather(asking, return_exceptions=True)
        await there.story.until(lambda: not there.story.sessions.running())
        assert not there.story.faults

"""Tunnels: judged by destination, recorded, counted; remote listeners on the target's loopback only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest
from support.ssh_story import SshStory, TargetServer, ssh_story


@asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    """A port that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(echo, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def echoed(story: SshStory, reader: object, writer: object) -> None:
    """Send a megabyte there and back."""
    data = bytes(range(256)) * 4096

    async def send() -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    sending = asyncio.ensure_future(send())
    assert await reader.read(-1) == data
    await sending
    writer.close()


async def test_a_tunnel_carries_bytes_and_they_are_counted() -> None:
    """Released by destination before the target dials; then bytes both ways."""
    async with echoing() as port, ssh_story() as story, await story.client() as client:
        reader, writer = await client.open_connection("127.0.0.1", port)
        await echoed(story, reader, writer)
        await story.until(lambda: bool(story.events("action.finished")))
        (released,) = story.events("action.released")
        assert released.payload["commands"][0]["destination"] == "127.0.0.1"
        assert released.payload["class"] == "tunnel.open"
        finished = story.events("action.finished")[0].payload
        assert finished["bytes_in"] == finished["bytes_out"] == 1 << 20


async def test_a_denied_tunnel_is_prohibited_in_words() -> None:
    """Administratively prohibited, with the first line of the refusal; nothing is dialled."""
    async with ssh_story() as story, await story.client() as client:
        story.policy.denied.add("tunnel")
        with pytest.raises(asyncssh.ChannelOpenError) as refused:
            await client.open_connection("10.0.0.1", 80)
        assert refused.value.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
        assert "policy does not allow a tunnel to 10.0.0.1:80" in refused.value.reason
        assert story.sessions.opened == 1


async def test_a_tunnel_that_leads_nowhere_says_so() -> None:
    """The target's own refusal reaches the client, and the outcome is failed."""
    async with ssh_story() as story, await story.client() as client:
        with pytest.raises(asyncssh.ChannelOpenError) as refused:
            await client.open_connection("127.0.0.1", 1)
        assert refused.value.code == asyncssh.OPEN_CONNECT_FAILED
        assert story.events("action.finished")[0].payload["outcome"] == "failed"


async def test_a_remote_listener_stands_on_loopback_and_each_arrival_is_an_event() -> None:
    """Where policy permits; what comes in there is a tunnel of its own."""
    async with echoing() as port, ssh_story() as story, await story.client() as client:
        listener = await client.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
        await echoed(story, reader, writer)
        await story.until(lambda: len(story.events("action.finished")) == 2)
        modes = [event.payload["mode"] for event in story.events("action.released")]
        assert modes == ["listen", "tunnel"]


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::", "10.0.0.1"])  # noqa: S104 - refused
async def test_a_remote_listener_elsewhere_is_refused(address: str) -> None:
    """An open door on the target's network is none of ours to make; the record says who asked."""
    async with ssh_story() as story, await story.client() as client:
        with pytest.raises(asyncssh.ChannelListenError):
            await client.forward_remote_port(address, 0, "127.0.0.1", 1)
        assert story.events("action.refused")[0].payload["cause"] == "not loopback"


async def test_sockets_of_the_file_system_are_not_listened_on() -> None:
    """streamlocal-forward is never offered."""
    async with ssh_story() as story, await story.client() as client:
        with pytest.raises(asyncssh.ChannelListenError):
            await client.forward_remote_path("/x", "/y")
        assert story.events("action.refused")[0].payload["cause"] == "not_offered"


@pytest.mark.parametrize("listens", [True, False])
async def test_who_arrives_before_the_target_has_answered_waits_for_the_answer(
    monkeypatch: pytest.MonkeyPatch, *, listens: bool
) -> None:
    """A target listens before it says so; the client hears of an arrival only behind the answer."""
    towards: list[asyncssh.SSHServerConnection] = []
    early: list[asyncio.Task[Any]] = []

    async def answered(_self: TargetServer, host: str, port: int) -> Any:
        arrival = towards[0].open_connection(host, port or 4242, "10.9.9.9", 99, encoding=None)
        early.append(asyncio.ensure_future(arrival))
        await asyncio.sleep(0)
        return await towards[0].forward_local_port(host, port, host, port) if listens else False

    monkeypatch.setattr(
        TargetServer, "connection_made", lambda _self, conn: towards.append(conn), raising=False
    )
    monkeypatch.setattr(TargetServer, "server_requested", answered)
    async with echoing() as port, ssh_story() as story, await story.client() as client:
        if listens:
            await client.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port)
            reader, writer = await early[0]
            await echoed(story, reader, writer)
        else:
            with pytest.raises(asyncssh.ChannelListenError):
                await client.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port)
            with pytest.raises(asyncssh.ChannelOpenError):
                await early[0]
            assert (await client.run("echo on")).stdout == "on"

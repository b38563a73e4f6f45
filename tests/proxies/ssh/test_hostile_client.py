"""A signed-in client that means harm: floods, does not read, asks twice, changes what was judged."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_GLOBAL_REQUEST
from asyncssh.packet import Boolean, String, UInt32
from support.ssh_story import SshStory, ssh_story

from gatekeep.proxies.ssh import pressure_seams

WIDE = 2**31 - 1


def doors_of(story: SshStory) -> list[Any]:
    """The gateway's ends of the clients' connections."""
    return list(story.door._connections)


async def opened(client: Any, **more: Any) -> Any:
    """A session channel that has asked for nothing yet."""

    class Quiet(asyncssh.SSHClientSession[bytes]):
        said = b""

        def data_received(self, data: bytes, datatype: Any) -> None:
            type(self).said += data

    channel = asyncssh.SSHClientChannel(client, asyncio.get_running_loop(), "strict", None, "strict", 2**21, 32768)
    channel.said = Quiet  # type: ignore[attr-defined]  # looked at by the tests
    packet = await channel._open(b"session")
    packet.check_end()
    channel._session = Quiet()
    channel._session.connection_made(channel)
    channel._recv_paused = False
    for name, value in more.items():
        setattr(channel, name, value)
    return channel


async def test_a_client_that_grants_everything_and_reads_nothing_costs_no_memory() -> None:
    """A window of 2 GiB over a socket that nobody reads: the target is stopped, not buffered."""
    async with ssh_story() as story, await story.client() as client:
        process = await client.create_process("flood 400", encoding=None, window=WIDE)
        client._transport.pause_reading()
        held = 0
        for _ in range(100):
            await asyncio.sleep(0.02)
            (door,) = doors_of(story)
            if door._transport is not None:
                held = max(held, door._transport.get_write_buffer_size())
        assert held < 2 * 1024 * 1024
        client._transport.resume_reading()
        assert len(await process.stdout.read()) == 400 * 65536


async def test_a_client_that_never_ends_a_key_exchange_costs_no_memory() -> None:
    """What may not be sent while keys are exchanged waits on the target, not here."""
    async with ssh_story() as story, await story.client() as client:
        await client.create_process("flood 400", encoding=None, window=WIDE)
        (door,) = doors_of(story)
        client._send_kexinit()
        client._kexinit_sent = True
        client._transport.pause_reading()
        held = 0
        for _ in range(100):
            await asyncio.sleep(0.02)
            held = max(held, sum(len(args[-1]) for _kind, args in door._deferred_packets))
        assert held < 2 * 1024 * 1024
        client.abort()


async def test_a_client_that_asks_and_never_reads_the_answers_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Answers are not kept for ever."""
    monkeypatch.setattr(pressure_seams, "MAX_UNREAD", 256 * 1024)
    async with ssh_story() as story:
        client = await story.client()
        await client.run("echo")
        (door,) = doors_of(story)
        answers = door._transport.get_extra_info("socket")
        answers.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        client._transport.pause_reading()
        ask = (String("keepalive@openssh.com"), Boolean(value=True))
        for _ in range(2000):
            for _ in range(100):
                client.send_packet(MSG_GLOBAL_REQUEST, *ask)
            await asyncio.sleep(0)
            if door._transport is None:
                break
        await asyncio.wait_for(door.wait_closed(), 10)
        client.abort()


async def test_a_terminal_asked_for_behind_the_command_changes_nothing() -> None:
    """A command that was judged and recorded without a terminal never gets one."""
    async with ssh_story() as story, await story.client() as client:
        story.journal.synced.clear()
        story.journal.synced.set()
        channel = await opened(client)
        story.journal.synced.clear()
        assert await channel._make_request(b"exec", String("size"))
        await story.until(lambda: bool(story.events("action.released")))
        pty = (String("xterm"), UInt32(80), UInt32(24), UInt32(0), UInt32(0), String(b"\0"))
        assert not await channel._make_request(b"pty-req", *pty)
        story.journal.synced.set()
        await story.until(lambda: bool(story.events("action.finished")))
        await story.until(lambda: bool(channel.said.said))
        assert channel.said.said.startswith(b"(0, 0")
        assert story.events("action.released")[0].payload["pty"] == ""


async def test_a_second_command_on_one_channel_is_refused_and_told() -> None:
    """One channel, one command."""
    async with ssh_story() as story, await story.client() as client:
        channel = await opened(client)
        assert await channel._make_request(b"exec", String("stuck"))
        assert not await channel._make_request(b"exec", String("echo second"))
        await story.until(lambda: bool(story.events("action.refused")))
        assert story.events("action.refused")[0].payload["text"] == "exec"
        assert len(story.events("action.released")) == 1


@pytest.mark.parametrize(
    ("request_name", "raw"),
    [(b"exec", b"echo \xff\xfe"), (b"exec", b"echo a\0b"), (b"subsystem", b"sf\0tp"), (b"subsystem", b"SFTP")],
)
async def test_what_no_shell_can_be_given_is_refused_in_words_and_told(
    request_name: bytes, raw: bytes
) -> None:
    """Not UTF-8, or with a NUL: nothing runs, the client hears it, and there is an event."""
    async with ssh_story() as story, await story.client() as client:
        channel = await opened(client)
        assert await channel._make_request(request_name, String(raw))
        await story.until(lambda: bool(story.events("action.refused")))
        await story.until(lambda: b"nothing was run" in channel.said.said)
        assert not story.events("action.released")


@pytest.mark.parametrize("name", [b"x11-req", b"auth-agent-req@openssh.com"])
async def test_forwarding_of_screens_and_agents_is_told(name: bytes) -> None:
    """Refused, and in the record."""
    async with ssh_story() as story, await story.client() as client:
        channel = await opened(client)
        more = (Boolean(value=False), String("MIT-MAGIC-COOKIE-1"), String("00" * 16), UInt32(0))
        assert not await channel._make_request(name, *(more if name == b"x11-req" else ()))
        await story.until(lambda: bool(story.events("action.refused")))
        assert story.events("action.refused")[0].payload["text"] == name.decode()


async def test_variables_are_bounded() -> None:
    """Thousands of them are neither kept nor recorded."""
    async with ssh_story() as story, await story.client() as client:
        channel = await opened(client)
        (door,) = doors_of(story)
        for number in range(3_000):
            channel._send_request(b"env", String(f"LC_{number}"), String("x" * 2000))
            if number % 200 == 0:
                await asyncio.sleep(0)
        assert not await channel._make_request(b"env", String("LC_LAST"), String("x"))
        kept = [one for one in door._channels.values() if getattr(one, "_env", None)]
        assert sum(len(value) for one in kept for value in one._env.values()) < 512 * 1024
        assert await channel._make_request(b"exec", String("echo fine"))
        await story.until(lambda: bool(story.events("action.released")))
        payload = story.events("action.released")[0].payload
        assert sum(len(value) for value in payload["env"].values()) < 128 * 1024


async def test_a_thousand_channels_are_not_opened() -> None:
    """There is a limit, the rest is refused, and the connection goes on."""
    async with ssh_story() as story, await story.client() as client:
        done = await asyncio.gather(
            *(opened(client) for _ in range(1000)), return_exceptions=True
        )
        refused = [one for one in done if isinstance(one, asyncssh.ChannelOpenError)]
        assert 600 < len(refused) < 1000
        for channel in done:
            if not isinstance(channel, BaseException):
                channel.close()
        await story.until(lambda: len(doors_of(story)[0]._channels) == 0)
        assert (await client.run("echo on")).stdout == "on"

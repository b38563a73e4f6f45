"""What is mended in asyncssh's channels, and that it still needs mending: an upgrade tells here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest
from asyncssh.channel import SSHChannel
from support.ssh_door import SshWorld, Stub, StubDoor, new_key, public_line, ssh_door

from gatekeep.proxies.ssh import seams
from gatekeep.proxies.ssh.channel_seams import LIBRARYS, MAX_WAITING_REQUESTS

WINDOW = 128 * 1024
STREAM = 8 * 1024 * 1024


@asynccontextmanager
async def connected(
    folder: Path, session: Callable[[StubDoor], asyncssh.SSHServerSession[bytes]] = Stub
) -> AsyncIterator[tuple[SshWorld, asyncssh.SSHClientConnection]]:
    """Alice, signed in, with a client that can be made to misbehave."""
    key = new_key(folder, "id")
    async with ssh_door(folder, [{"name": "alice", "keys": [public_line(key)]}]) as world:
        world.session = session
        async with await world.connect(key) as connection:
            yield world, connection


def test_the_version_is_the_tested_one() -> None:
    """Whoever upgrades reads this file first."""
    assert asyncssh.__version__ == seams.TESTED_VERSION


class Sipping(asyncssh.SSHServerSession[bytes]):
    """Takes one piece at a time and pauses after each, as a slow client makes a gateway do."""

    peak = 0
    total = 0

    def __init__(self, door: StubDoor) -> None:
        self._door = door

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        """Whatever it is."""
        return True

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """One piece, then a pause of a millisecond."""
        Sipping.total += len(data)
        Sipping.peak = max(Sipping.peak, sum(len(piece) for piece, _ in self._channel._recv_buf))
        self._channel.pause_reading()
        asyncio.get_running_loop().call_later(0.001, self._channel.resume_reading)

    def eof_received(self) -> bool:
        """All of it is here."""
        self._channel.exit(0)
        return False


async def streamed(folder: Path) -> int:
    """The most bytes that waited on the reader's side while a stream went through."""
    Sipping.peak = Sipping.total = 0
    async with connected(folder, Sipping) as (world, connection):
        world.connections[0]._window = WINDOW
        async with connection.create_process("sink", encoding=None) as process:
            for _ in range(STREAM // 65536):
                process.stdin.write(bytes(65536))
                await process.stdin.drain()
            process.stdin.write_eof()
            done = await asyncio.wait_for(process.wait(), 60)
        assert done.exit_status == 0
        assert Sipping.total == STREAM
        return Sipping.peak


async def test_a_slow_reader_is_not_sent_more(tmp_path: Path) -> None:
    """What waits never exceeds the window, however long the stream."""
    assert await streamed(tmp_path) <= WINDOW


async def test_as_shipped_the_buffer_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason for the seam: without it most of the stream piles up. If this fails, drop both."""
    monkeypatch.setattr(SSHChannel, "_deliver_data", LIBRARYS["_deliver_data"])
    assert await streamed(tmp_path) > STREAM // 2


class Unread(asyncssh.SSHServerSession[bytes]):
    """Reads nothing: what it is for has still to be decided."""

    heard: list[str]

    def __init__(self, door: StubDoor) -> None:
        self._door = door
        Unread.heard = []

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        """Whatever it is."""
        return True

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """No more than one piece."""
        Unread.heard.append("data")
        self._channel.pause_reading()

    def peer_closed(self) -> None:
        """From the seam."""
        Unread.heard.append("closed")


async def closed_unread(folder: Path) -> list[str]:
    """What an end hears of a client that sends more than is read, and closes."""
    async with connected(folder, Unread) as (world, connection):
        process = await connection.create_process("sink", encoding=None)
        process.stdin.write(bytes(100_000))
        process.channel.abort()
        world.session = Stub
        await connection.run("behind it")
        return Unread.heard


async def test_a_close_is_told_though_what_came_before_is_not_read(tmp_path: Path) -> None:
    """Else a request for what a client gave up would go on waiting for people."""
    assert await closed_unread(tmp_path) == ["data", "closed"]


async def test_as_shipped_nothing_is_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason for the seam. If this fails, drop both."""
    monkeypatch.setattr(SSHChannel, "process_packet", LIBRARYS["process_packet"])
    assert await closed_unread(tmp_path) == ["data"]


async def test_unknown_requests_are_told_and_refused(tmp_path: Path) -> None:
    """Global requests, channel requests and channel opens that nobody knows, by their names."""
    async with connected(tmp_path, Sipping) as (world, connection):
        channel, _ = await connection.create_session(asyncssh.SSHClientSession, "sink", encoding=None)
        assert await channel._make_request(b"unheard-of@example") is False
        kind, _ = await connection._make_global_request(b"unheard@of")
        assert kind == 82  # REQUEST_FAILURE
        odd: SSHChannel[bytes] = SSHChannel(connection, asyncio.get_running_loop(), None, "strict", 9, 9)
        with pytest.raises(asyncssh.ChannelOpenError, match="Unknown channel type"):
            await odd._open(b"unheard-of")
        assert world.reports == [
            "channel unheard-of@example",
            "global unheard@of",
            "open unheard-of: Unknown channel type",
        ]


async def test_requests_cannot_pile_up(tmp_path: Path) -> None:
    """Who asks for more and more while one answer is outstanding loses the connection."""
    async with connected(tmp_path) as (_, connection):
        for _ in range(MAX_WAITING_REQUESTS + 2):
            connection._send_global_request(b"tcpip-forward", b"\0\0\0\0\0\0\0\0", want_reply=True)
        await asyncio.wait_for(connection.wait_closed(), 20)


class Faulty(Stub):
    """Raises in one of its callbacks, as told by the command."""

    def exec_requested(self, command: str) -> bool:
        """At once, or later."""
        if command == "exec":
            raise ValueError("in exec_requested")
        self._command = command
        return True

    def session_started(self) -> None:
        """Later, or not at all."""
        if self._command == "fine":
            super().session_started()
        if self._command == "start":
            raise ValueError("in session_started")

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """When there is input."""
        raise ValueError("in data_received")

    def eof_received(self) -> bool:
        """When there is no more."""
        raise ValueError("in eof_received")


@pytest.mark.parametrize(
    ("command", "place"),
    [("exec", "exec_requested"), ("start", "session_started"), ("data", "data_received"),
     ("eof", "eof_received")],
)  # fmt: skip
async def test_a_fault_of_ours_ends_its_channel_alone(
    tmp_path: Path, command: str, place: str
) -> None:
    """An exception in a session's callback closes that channel; the others of the connection go on."""
    async with connected(tmp_path, Faulty) as (world, connection):
        other = await connection.create_process("wait", encoding=None)
        try:
            process = await connection.create_process(command, encoding=None)
            if command == "data":
                process.stdin.write(b"x")
            if command == "eof":
                process.stdin.write_eof()
            await asyncio.wait_for(process.wait(), 20)
        except asyncssh.ChannelOpenError:
            assert command == "exec"
        assert world.reports == [f"fault in {place}"]
        fine = await connection.run("fine", encoding=None)
        assert fine.stdout == b"alice key @ [fine]\n"
        other.close()


@pytest.mark.parametrize("where", ["asked", "made"])
async def test_a_fault_while_opening_refuses_the_channel(tmp_path: Path, where: str) -> None:
    """Where a session cannot even be made, its open fails and nothing else does."""

    def made(door: StubDoor) -> asyncssh.SSHServerSession[bytes]:
        if where == "asked":
            raise ValueError("no session")

        class Unmade(Stub):
            def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
                raise ValueError("no session")

        return Unmade(door)

    async with connected(tmp_path, made) as (world, connection):
        with pytest.raises((asyncssh.ChannelOpenError, asyncssh.ProcessError)):
            await connection.run("any", check=True)
        assert "fault no session" in world.reports
        world.session = Stub
        assert (await connection.run("fine")).exit_status == 0

"""One end of a wire: order, ends, and back-pressure in both directions."""

from __future__ import annotations

import asyncio
import random
import select
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.certificates import Authority
from support.loops import on_both_loops

from gatekeep.proxies.postgres import pump
from gatekeep.proxies.postgres.pump import HIGH_WATER, WireEnd
from gatekeep.proxies.postgres.tls import load_door_tls

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def wire_and_peer() -> AsyncIterator[
    tuple[WireEnd, asyncio.StreamReader, asyncio.StreamWriter]
]:
    """A wire end that dialled, and the peer at the other end of a real socket."""
    met: asyncio.Queue[Peer] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await met.put((reader, writer))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    _, wire = await asyncio.get_running_loop().create_connection(WireEnd, "127.0.0.1", port)
    reader, writer = await met.get()
    try:
        yield wire, reader, writer
    finally:
        wire.abort()
        writer.transport.abort()
        listening.close()
        await listening.wait_closed()


async def agree(wire: WireEnd, writer: asyncio.StreamWriter, authority: Authority) -> None:
    """Both ends turn to TLS, in which the peer (it accepted) is the server."""
    leaf = authority.issue("door")
    trusting = Authority.client_context(authority.certificate)
    shaking = asyncio.ensure_future(
        wire.start_tls(trusting, server_side=False, name="127.0.0.1", limit_s=10)
    )
    await writer.start_tls(load_door_tls(leaf.certificate, leaf.key).context)
    await shaking


async def talk_for_ever(writer: asyncio.StreamWriter) -> None:
    """Send until that fails."""
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()


@on_both_loops
async def test_bytes_in_order_then_the_end() -> None:
    """Whatever arrived is read, in order; then nothing, again and again."""
    async with wire_and_peer() as (wire, _, writer):
        writer.write(b"one")
        assert await wire.read() == b"one"
        writer.write(b"two")
        writer.write_eof()
        assert await wire.read() == b"two"
        assert await wire.read() == b""
        assert await wire.read() == b""


@on_both_loops
async def test_a_peer_that_has_said_all_can_still_listen() -> None:
    """A client that shuts down its sending side gets its answers."""
    async with wire_and_peer() as (wire, reader, writer):
        writer.write_eof()
        assert await wire.read() == b""
        assert not wire.closed
        wire.write(b"answer")
        wire.close()
        assert await reader.read() == b"answer"
        assert wire.closed


@on_both_loops
async def test_exactly_so_many_bytes() -> None:
    """The rest stays for the next read; too few are an error that has them."""
    async with wire_and_peer() as (wire, _, writer):
        writer.write(b"abcdef")
        assert await wire.read_exactly(4) == b"abcd"
        assert await wire.read() == b"ef"
        writer.write(b"xy")
        writer.write_eof()
        with pytest.raises(asyncio.IncompleteReadError) as cut:
            await wire.read_exactly(3)
        assert cut.value.partial == b"xy"


@on_both_loops
async def test_a_fast_peer_is_not_read_faster_than_we_take() -> None:
    """Held bytes stop growing a read after 64 KiB, and all of them come in the end."""
    total = 32 << 20
    async with wire_and_peer() as (wire, _, writer):

        async def send() -> None:
            for _ in range(total >> 16):
                writer.write(bytes(1 << 16))
                await writer.drain()
            writer.write_eof()

        sending = asyncio.ensure_future(send())
        while wire.held <= HIGH_WATER:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not sending.done()
        assert HIGH_WATER < wire.held <= HIGH_WATER + (1 << 18)
        taken = 0
        while data := await wire.read():
            taken += len(data)
        await sending
        assert taken == total


@on_both_loops
async def test_a_slow_peer_makes_the_writer_wait() -> None:
    """Above 64 KiB unsent the wire is congested; drain returns once the peer has taken them."""
    async with wire_and_peer() as (wire, reader, _):
        written = 0
        while not wire.congested:
            wire.write(bytes(1 << 16))
            written += 1 << 16
            await asyncio.sleep(0)
        draining = asyncio.ensure_future(wire.drain())
        taken = len(await reader.readexactly(written))
        await draining
        assert (taken, wire.congested) == (written, False)


@on_both_loops
async def test_a_peer_that_vanishes_ends_every_wait() -> None:
    """Neither the reader nor the drainer hangs, and later writes are dropped."""
    async with wire_and_peer() as (wire, _, writer):
        while not wire.congested:
            wire.write(bytes(1 << 20))
            await asyncio.sleep(0)
        waiting = asyncio.gather(wire.read(), wire.drain())
        writer.transport.abort()
        assert (await waiting)[0] == b""
        wire.write(b"into the void")
        assert wire.closed


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@on_both_loops
async def test_the_last_words_reach_a_peer_that_is_still_talking(
    encrypted: bool, tmp_path: Path
) -> None:
    """It reads all of them and the end, though much that it sent was never read by anybody."""
    async with wire_and_peer() as (wire, reader, writer):
        if encrypted:
            await agree(wire, writer, Authority(tmp_path))
        for _ in range(20):
            writer.write(bytes(1 << 16))
        await writer.drain()
        while wire.held <= HIGH_WATER:
            await asyncio.sleep(0)
        wire.write(b"goodbye")
        leaving = asyncio.ensure_future(wire.finish())
        for _ in range(20):
            writer.write(bytes(1 << 16))
        assert await reader.read() == b"goodbye"
        assert wire.closed
        wire.write(b"never said")
        writer.close()
        await leaving


@on_both_loops
async def test_a_peer_that_never_stops_talking_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has sent more than it may."""
    monkeypatch.setattr(pump, "LINGER_BYTES", 1 << 20)
    async with wire_and_peer() as (wire, reader, writer):
        leaving = asyncio.ensure_future(wire.finish())
        assert await reader.read() == b""
        with pytest.raises(ConnectionError):
            await talk_for_ever(writer)
        await leaving


@on_both_loops
async def test_a_peer_that_never_leaves_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its time is over."""
    monkeypatch.setattr(pump, "LINGER_S", 0.01)
    async with wire_and_peer() as (wire, reader, writer):
        wire.write(b"goodbye")
        await wire.finish()
        assert await reader.readexactly(7) == b"goodbye"
        assert not writer.is_closing()


@on_both_loops
async def test_a_reader_learns_that_we_took_leave() -> None:
    """What is held is for nobody any more."""
    async with wire_and_peer() as (wire, _, writer):
        reading = asyncio.ensure_future(wire.read())
        await asyncio.sleep(0)
        wire.take_leave()
        assert await reading == b""
        writer.write(b"more")
        assert await wire.read() == b""
        with pytest.raises(asyncio.IncompleteReadError):
            await wire.read_exactly(1)


@on_both_loops
async def test_bytes_over_tls_both_ways(tmp_path: Path) -> None:
    """Many records in each direction, and the peer's half-close is an end of input."""
    sent = random.Random(7).randbytes(3 << 20)
    async with wire_and_peer() as (wire, reader, writer):
        await agree(wire, writer, Authority(tmp_path))
        assert wire.tls is not None
        assert wire.tls.alpn == "postgresql"

        async def echo() -> None:
            while data := await wire.read():
                wire.write(data)
                await wire.drain()

        echoing = asyncio.ensure_future(echo())
        sending = asyncio.ensure_future(writer.drain())
        writer.write(sent)
        assert await reader.readexactly(len(sent)) == sent
        await sending
        writer.close()
        await echoing


@on_both_loops
async def test_a_hand_shake_that_fails_says_why(tmp_path: Path) -> None:
    """By an alert to the peer; whoever waits for it gets the error, and the wire is closed."""
    async with wire_and_peer() as (wire, reader, writer):
        leaf = Authority(tmp_path).issue("door")
        context = load_door_tls(leaf.certificate, leaf.key).context
        writer.write(b"\x16\x03\x01\x00\x04\x00\x00\x00\x00")
        with pytest.raises(ssl.SSLError):
            await wire.start_tls(context, server_side=True, name=None, limit_s=10)
        assert (await reader.read())[:1] == b"\x15"
        assert wire.closed


@on_both_loops
async def test_a_hand_shake_has_its_time(tmp_path: Path) -> None:
    """A peer that says nothing, and one that leaves, end it."""
    leaf = Authority(tmp_path).issue("door")
    context = load_door_tls(leaf.certificate, leaf.key).context
    async with wire_and_peer() as (wire, _, _writer):
        with pytest.raises(ConnectionAbortedError):
            await wire.start_tls(context, server_side=True, name=None, limit_s=0.01)
    async with wire_and_peer() as (wire, _, writer):
        shaking = asyncio.ensure_future(
            wire.start_tls(context, server_side=True, name=None, limit_s=10)
        )
        writer.close()
        with pytest.raises(ConnectionResetError):
            await shaking


@on_both_loops
async def test_a_peer_that_sends_more_than_may_be_held() -> None:
    """Has overrun: nothing of it is kept, the reader sees the end, and words still go out."""
    async with wire_and_peer() as (wire, reader, _):
        wire.may_hold = 10
        wire.data_received(b"ten bytes.")
        assert not wire.overrun
        assert await wire.read_exactly(4) == b"ten "
        wire.data_received(b"five.")
        assert wire.overrun
        assert (wire.held, await wire.read()) == (0, b"")
        wire.data_received(b"more")
        assert (wire.held, await wire.read()) == (0, b"")
        wire.write(b"too much")
        wire.take_leave()
        assert await reader.read() == b"too much"


@on_both_loops
async def test_a_cancelled_reader_loses_nothing() -> None:
    """The next one finds what arrived meanwhile."""
    async with wire_and_peer() as (wire, _, writer):
        reading = asyncio.ensure_future(wire.read())
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        writer.write(b"still here")
        assert await wire.read() == b"still here"


@pytest.mark.parametrize("how", ["half-close", "close", "reset"])
@on_both_loops
async def test_a_peer_that_leaves_is_noticed_while_nobody_reads(how: str) -> None:
    """Whoever asked to be told is told, with what the peer said before still there to be read."""
    told: list[str] = []
    async with wire_and_peer() as (wire, _, writer):
        writer.write(b"last words")
        while not wire.held:
            await asyncio.sleep(0)
        wire.on_gone = lambda: told.append("gone")
        assert not wire.has_left()
        if how == "half-close":
            writer.write_eof()
        elif how == "close":
            writer.close()
        else:
            writer.transport.abort()
        while not told:
            await asyncio.sleep(0)
        assert wire.ended
        assert wire.has_left()
        assert await wire.read() == b"last words"


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="no POLLRDHUP: only Linux has it")
@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
@on_both_loops
async def test_a_peer_that_leaves_behind_much_that_is_not_read(reset: bool) -> None:
    """Its end is not seen behind bytes that we do not take; asked, the kernel says it."""
    async with wire_and_peer() as (wire, _, writer):
        while wire.held <= HIGH_WATER:
            writer.write(bytes(1 << 16))
            await asyncio.sleep(0)
        assert not wire.has_left()
        if reset:
            writer.transport.abort()
        else:
            writer.close()
        while not wire.has_left():
            await asyncio.sleep(0)
        assert not wire.ended


@on_both_loops
async def test_a_wire_that_is_closed_has_no_peer() -> None:
    """Asking does no harm once the connection is gone."""
    async with wire_and_peer() as (wire, _, _writer):
        wire.abort()
        while not wire.ended:
            await asyncio.sleep(0)
        assert wire.has_left()
    assert not WireEnd().has_left()

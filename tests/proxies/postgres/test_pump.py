"""One end of a wire: order, ends, and back-pressure in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.loops import on_both_loops

from gatekeep.proxies.postgres.pump import HIGH_WATER, WireEnd

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def wire_and_peer() -> AsyncIterator[tuple[WireEnd, asyncio.StreamReader, asyncio.StreamWriter]]:
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

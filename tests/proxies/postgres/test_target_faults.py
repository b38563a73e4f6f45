"""Targets that lie, fall silent or break the protocol: refused, and a client is shown none of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from support.loops import on_both_loops
from support.target_ways import PASSWORD, connector, enter, refused

from gatekeep.domain.targets import TargetTls
from gatekeep.errors import TargetFault
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.scram import ServerExchange, make_verifier
from gatekeep.proxies.postgres.target import Dial, TargetLink

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def stage(play: Play) -> AsyncIterator[Dial]:
    """A target that plays a part on each connection; nothing of it is left afterwards."""
    running: set[asyncio.Task[object] | None] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())
        try:
            with contextlib.suppress(asyncio.CancelledError):  # asyncio would call it a failure
                await play(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield Dial("orders", "127.0.0.1", port, TargetTls.DISABLE, limit_s=20)
    finally:
        listening.close()
        for task in filter(None, running):
            task.cancel()
        await asyncio.gather(*filter(None, running), return_exceptions=True)


@asynccontextmanager
async def liar(*script: bytes | None) -> AsyncIterator[Dial]:
    """A target that reads once before each of its lines, then falls silent or, at None, leaves."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in script:
            await reader.read(4096)
            if line is None:
                return
            writer.write(line)
        await reader.read()

    async with stage(play) as dial:
        yield dial


SASL = messages.authentication_sasl(["SCRAM-SHA-256"])
OK = messages.authentication_ok()
ERROR = messages.fields_frame(b"E", [(b"S", b"FATAL"), (b"C", b"3D000"), (b"M", b"hostile text")])


@pytest.mark.parametrize(
    "script",
    [
        (OK,),
        (SASL, OK),
        (SASL, messages.authentication(messages.AUTH_SASL_FINAL, b"v=AAAA")),
        (SASL, messages.authentication(messages.AUTH_CLEARTEXT)),
        (SASL, SASL),
        (messages.ready_for_query("I"),),
        (messages.parameter_status("a", "b"),),
        (messages.authentication(messages.AUTH_SASL, b""),),
        (messages.authentication(messages.AUTH_SASL, b"PLAIN\0\0"),),
        (messages.authentication(99),),
        (b"R\0\0\0\x05\0",),
        (b"R\xff\xff\xff\xff",),
        (b"E\0\0\0\x05\0",),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
        (ERROR,),
        (None,),
        (SASL, None),
    ],
)
@on_both_loops
async def test_a_target_that_has_not_proven_itself(script: tuple[bytes | None, ...]) -> None:
    """Is refused, whatever it says, and a client is shown none of it."""
    async with liar(*script) as dial:
        fault = await refused(dial, "app", auth="md5")
        assert fault.answer is not None
        assert fault.answer.sqlstate in {"08001", "08P01"}
        assert "hostile" not in f"{fault.answer}"
        assert "PASSWORD" not in fault.cause


@pytest.mark.parametrize("iterations", [100_001, 4_294_967_295, 10**9])
@on_both_loops
async def test_a_target_that_would_spend_our_time(iterations: int) -> None:
    """More than 100,000 iterations are not computed."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(SASL)
        nonce = (await reader.read(4096)).partition(b"r=")[2]
        challenge = b"r=%bmore,s=c2FsdA==,i=%d" % (nonce, iterations)
        writer.write(messages.authentication(messages.AUTH_SASL_CONTINUE, challenge))
        assert await reader.read(4096) == b""

    async with stage(play) as dial:
        fault = await refused(dial, "app")
        assert fault.cause == "asks for more than 100000 iterations"


@on_both_loops
async def test_what_comes_before_tls_is_not_believed() -> None:
    """Neither an error, nor bytes behind the `S`, nor an `N` where TLS is required."""
    for letter in (b"N", ERROR, b"Sextra", b"?"):
        async with liar(letter) as dial:
            wanted = Dial("orders", dial.host, dial.port, TargetTls.REQUIRE, limit_s=20)
            fault = await refused(wanted, "app")
            assert fault.answer is not None
            assert fault.answer.primary == "gatekeep: orders does not answer"
            assert "hostile" not in f"{fault.answer}"


@on_both_loops
async def test_a_silent_target_meets_the_limit() -> None:
    """It does not answer: that is what is said."""
    async with liar() as dial:
        fault = await refused(
            Dial("orders", dial.host, dial.port, TargetTls.DISABLE, limit_s=0.05), "app"
        )
        assert fault.cause == "no answer in 0.05 s"


@on_both_loops
async def test_nobody_listens() -> None:
    """The same words."""
    async with liar() as dial:
        pass
    fault = await refused(dial, "app")
    assert fault.answer is not None
    assert fault.answer.sqlstate == "08001"


async def proven(*rest: bytes) -> TargetFault | TargetLink:
    """Connect to a target that knows the password and then says the rest."""
    keys = make_verifier(PASSWORD, b"salt", 8)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = ServerExchange(salt=b"salt", iterations=8, verifiers=[keys], nonce=b"n" * 18)
        await reader.read(4096)
        writer.write(SASL)
        first = (await reader.read(4096))[5:].partition(b"\0")[2][4:]
        challenge = exchange.first("SCRAM-SHA-256", first)
        writer.write(messages.authentication(messages.AUTH_SASL_CONTINUE, challenge))
        _, last = exchange.final((await reader.read(4096))[5:])
        writer.write(messages.authentication(messages.AUTH_SASL_FINAL, last) + OK)
        for line in rest:
            writer.write(line)
        await reader.read()

    async with stage(play) as dial:
        try:
            return await enter(dial, "app")
        except TargetFault as fault:
            return fault


VERSION = messages.parameter_status("server_version", "18.4 (Debian)")
READY = messages.ready_for_query("I")


@pytest.mark.parametrize(
    "rest",
    [
        (VERSION, READY[:5] + b"T"),
        (VERSION, OK),
        (VERSION, messages.frame(b"D", b"")),
        (VERSION, messages.frame(b"G", b"\0\0\0")),
        (VERSION, b"S\0\0\0\x06a\0"),
        (VERSION, b"K\0\0\0\x06ab"),
        (VERSION, b"S\0\x10\0\0"),
        (VERSION, *[messages.parameter_status("a", "b")] * 1100),
        (READY,),
        (messages.parameter_status("server_version", "12.9"), READY),
        (messages.parameter_status("server_version", "Cockroach"), READY),
    ],
)
@on_both_loops
async def test_a_proven_target_that_breaks_the_protocol(rest: tuple[bytes, ...]) -> None:
    """Is closed; a server that is not PostgreSQL 13 or newer is refused."""
    fault = await proven(*rest)
    assert isinstance(fault, TargetFault)
    assert fault.answer is not None
    assert fault.answer.sqlstate in {"08P01", "0A000"}


@on_both_loops
async def test_notices_on_the_way_are_kept() -> None:
    """The last sixteen, for the session to pass on."""
    notice = messages.fields_frame(b"N", [(b"S", b"WARNING"), (b"M", b"collation")])
    link = await proven(*[notice] * 20, VERSION, READY)
    assert isinstance(link, TargetLink)
    assert link.notices == (notice[5:],) * 16
    assert (link.server_version, link.key) == (180004, None)
    async with connector() as made:
        await made.cancel(link)

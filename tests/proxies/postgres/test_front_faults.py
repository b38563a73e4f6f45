"""Bad input at the front: one clean answer, one folded event, and the door goes on."""

from __future__ import annotations

import asyncio
import ssl
import struct
from pathlib import Path

import psycopg
import pytest
from support.certificates import Authority, CertificateFiles
from support.door import open_door, values
from support.door_clients import (
    GSS_REQUEST,
    SSL_REQUEST,
    libpq,
    say,
    startup,
    state,
    with_tls,
)
from support.loops import on_both_loops

from gatekeep.proxies.postgres.listener import STRANGER_BYTES


@pytest.fixture
def leaf(tmp_path: Path) -> CertificateFiles:
    """A certificate for loopback, from a CA of this test in `ca.pem`."""
    return Authority(tmp_path).issue("door")


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "the first packet has an impossible length"),
        (b"\0\0\0\0\0\0\0\0", "the first packet has an impossible length"),
        (b"\xff\xff\xff\xff" + b"x" * 100, "the first packet has an impossible length"),
        (struct.pack("!I", 10_001), "the first packet has an impossible length"),
        (GSS_REQUEST + GSS_REQUEST, "bytes behind a request for encryption"),
        (SSL_REQUEST + startup("user", "alice"), "bytes behind a request for encryption"),
        (startup("user", "alice", "user", "bob"), "the start-up packet names a setting twice"),
        (startup("user", "alice") + b"Q\0\0\0\x05\0", "something else in place of a SASL message"),
        (
            startup("user", "alice") + b"p\xff\xff\xff\xff",
            "something else in place of a SASL message",
        ),
        (startup("user", "alice") + b"p\0\0\0\x08SCRA", "malformed SASLInitialResponse"),
        (startup("user", "alice") + b"p\0\0\0\x0dPLAIN\0\0\0\0", "malformed SASLInitialResponse"),
        (
            startup("user", "alice") + b"p\0\0\0\x0ePLAIN\0\0\0\0\0",
            "a SASL mechanism that was not offered",
        ),
    ],
)
@on_both_loops
async def test_violations(sent: bytes, cause: str) -> None:
    """Each is answered with 08P01, closed, and an event; the door goes on."""
    async with open_door() as opened:
        assert state(await say(opened, sent)) == "08P01"
        assert opened.events() == [("protocol.fault", cause, 1)]
        await opened.empty()
        await (await libpq(opened)).close()


@on_both_loops
async def test_a_second_request_for_encryption() -> None:
    """Each kind may be asked once."""
    async with open_door() as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        for request in (GSS_REQUEST, SSL_REQUEST):
            writer.write(request)
            assert await reader.readexactly(1) == b"N"
        writer.write(SSL_REQUEST)
        assert state(await reader.read()) == "08P01"
        writer.close()
        assert opened.events() == [("protocol.fault", "a second request for encryption", 1)]


@on_both_loops
async def test_bytes_behind_an_ssl_request_are_never_read_as_protected(
    leaf: CertificateFiles,
) -> None:
    """The CVE-2021-23222 class: what came in clear is refused, not handed on after the hand-shake."""
    async with open_door(with_tls(leaf)) as opened:
        assert state(await say(opened, SSL_REQUEST + startup("user", "alice"))) == "08P01"
        assert opened.events() == [("protocol.fault", "bytes behind a request for encryption", 1)]


@on_both_loops
async def test_garbage_in_place_of_a_hand_shake(leaf: CertificateFiles) -> None:
    """An event, and the connection is closed without an answer in clear."""
    async with open_door(with_tls(leaf)) as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        writer.write(SSL_REQUEST)
        assert await reader.readexactly(1) == b"S"
        writer.write(b"this is no ClientHello" * 10)
        await reader.read()
        writer.close()
        assert opened.events() == [("protocol.fault", "TLS hand-shake failed", 1)]
        assert await say(opened, b"\x16" + b"no ClientHello either" * 10) is not None
        assert ("protocol.fault", "TLS hand-shake failed", 1) in opened.events()[1:]


@on_both_loops
async def test_direct_tls_where_there_is_none(tmp_path: Path) -> None:
    """Is answered by TLS's own alert, so that the client can say what is wrong, and closed."""
    async with open_door() as opened:
        with pytest.raises(psycopg.OperationalError, match="handshake failure"):
            await libpq(opened, sslmode="require", sslnegotiation="direct")
        assert opened.events() == [("protocol.fault", "direct TLS where there is none", 1)]
        await (await libpq(opened, sslmode="disable")).close()


@on_both_loops
async def test_an_encryption_request_within_tls(leaf: CertificateFiles, tmp_path: Path) -> None:
    """Is a violation."""
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.set_alpn_protocols(["postgresql"])
    async with open_door(with_tls(leaf)) as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port, ssl=context)
        writer.write(SSL_REQUEST)
        assert state(await reader.read()) == "08P01"
        writer.close()


@on_both_loops
async def test_tls_1_1_is_not_spoken(leaf: CertificateFiles) -> None:
    """The oldest version is 1.2."""
    async with open_door(with_tls(leaf)) as opened:
        with pytest.raises(psycopg.OperationalError):
            await libpq(
                opened, sslmode="require", ssl_min_protocol_version="TLSv1",
                ssl_max_protocol_version="TLSv1.1",
            )  # fmt: skip
        assert opened.arrivals == []


@on_both_loops
async def test_a_message_cut_off_is_a_fault_and_a_probe_is_not() -> None:
    """Half a packet is an event; connecting and leaving (health checks do) is not."""
    async with open_door() as opened:
        await say(opened, end=True)
        assert opened.events() == []
        await say(opened, startup("user", "alice")[:-3], end=True)
        assert opened.events() == [("protocol.fault", "cut off within a message", 1)]


@on_both_loops
async def test_slow_bytes_meet_the_deadline() -> None:
    """Whoever has not signed in by then is closed without a word; it is an event."""
    async with open_door(values(handshake_s=0.05)) as opened:
        assert await say(opened, startup("user", "alice")[:5]) == b""
        assert await say(opened) == b""
        assert opened.events() == [("protocol.fault", "hand-shake too slow", 2)]
        await opened.empty()


@on_both_loops
async def test_a_flood_from_one_address_sheds_its_oldest() -> None:
    """The newest connection always finds room, and the oldest is told why it lost its own."""
    async with open_door(values(per_address=3)) as opened:
        held = [await asyncio.open_connection("127.0.0.1", opened.port) for _ in range(4)]
        assert state(await held[0][0].read()) == "53300"
        await (await libpq(opened)).close()
        assert state(await held[1][0].read()) == "53300"
        assert ("protocol.fault", "too many connections", 2) in opened.events()
        for _, writer in held:
            writer.close()


@on_both_loops
async def test_a_flood_in_the_middle_of_the_start_up() -> None:
    """Connections that wait for a SASL message are shed like the silent ones."""
    async with open_door(values(per_address=2)) as opened:
        first = await asyncio.open_connection("127.0.0.1", opened.port)
        first[1].write(startup("user", "alice"))
        await first[0].readexactly(5)
        others = [await asyncio.open_connection("127.0.0.1", opened.port) for _ in range(2)]
        assert state(await first[0].read()) == "53300"
        for _, writer in [first, *others]:
            writer.close()


@on_both_loops
async def test_too_much_before_sign_in() -> None:
    """What a stranger may make the gateway hold is bounded; who sends more is told, and shown out."""
    async with open_door() as opened:
        flood = bytes(STRANGER_BYTES + 1)
        assert state(await say(opened, startup("user", "alice")[:-1], flood)) == "08P01"
        sign_in_and_more = startup("user", "alice") + b"p\0\0\0\x0d" + flood
        assert state(await say(opened, sign_in_and_more)) == "08P01"
        await opened.empty()
        (arrived,) = {kind for kind, _, _ in opened.events()}
        assert arrived == "protocol.fault"

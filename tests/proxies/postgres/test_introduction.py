"""Doors behind proxies: whose connection it is, who is believed, and what it is worth."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest
from support.certificates import Authority
from support.door import OpenDoor, open_door, values
from support.door_clients import SSL_REQUEST, libpq, say, sign_in, startup, state, with_tls
from support.loops import on_both_loops

from gatekeep.errors import SettingsError, TargetFault
from gatekeep.protocols.proxy_header import SIGNATURE
from gatekeep.proxies.postgres.introduction import TrustedProxies

LOOPBACK = ("127.0.0.1/32",)
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 5432\r\n"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
NOT_TRUSTED = "a PROXY header from an address that is not trusted with it"


def binary(source: bytes, *, tlvs: bytes = b"") -> bytes:
    """A header of version 2 for an IPv4 address."""
    block = source + bytes(4) + struct.pack("!HH", 56324, 5432) + tlvs
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x11, len(block)) + block


async def come(opened: OpenDoor, header: bytes) -> str:
    """Sign in behind this header: the address under which one arrives."""
    reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
    try:
        writer.write(header)
        await sign_in(reader, writer, extra=b"X\0\0\0\x04")
        await reader.read()
    finally:
        writer.close()
    return opened.arrivals[-1].source


@on_both_loops
async def test_a_trusted_proxy_is_believed() -> None:
    """Both versions, with what else the proxy has to say; for itself it has its own address."""
    async with open_door(values(proxy_from=LOOPBACK)) as opened:
        assert await come(opened, LINE) == "192.0.2.7"
        assert await come(opened, b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n") == "2001:db8::7"
        tlvs = b"\x05\x00\x03abc\x03\x00\x04\0\0\0\0"
        assert await come(opened, binary(b"\xc0\x00\x02\x09", tlvs=tlvs)) == "192.0.2.9"
        assert await come(opened, LOCAL) == "127.0.0.1"
        assert await come(opened, b"PROXY UNKNOWN\r\n") == "127.0.0.1"
        assert opened.events() == []


@on_both_loops
async def test_tls_behind_a_header(tmp_path: Path) -> None:
    """Direct and asked for: no byte of it is taken for the header's."""
    leaf = Authority(tmp_path).issue("door")
    trusting = Authority.client_context(tmp_path / "ca.pem")
    async with open_door(with_tls(leaf, proxy_from=LOOPBACK)) as opened:
        for request in (b"", SSL_REQUEST):
            reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
            writer.write(LINE + request)
            if request:
                assert await reader.readexactly(1) == b"S"
            await writer.start_tls(trusting, server_hostname="127.0.0.1")
            writer.write(startup("user", "alice"))
            assert (await reader.readexactly(9))[5:] == struct.pack("!I", 10)
            writer.close()


@pytest.mark.parametrize(
    "sent", [startup("user", "alice"), b"\x16\x03\x01\x00\x05", b"PROXY TCP5 "]
)
@on_both_loops
async def test_from_a_proxy_a_header_is_required(sent: bytes) -> None:
    """Without one nothing is done; it is said, and an event."""
    async with open_door(values(proxy_from=LOOPBACK)) as opened:
        assert state(await say(opened, sent + b"\r\n")) == "08P01"
        ((kind, cause, _),) = opened.events()
        assert (kind, "PROXY header" in cause) == ("protocol.fault", True)
        await opened.empty()


@pytest.mark.parametrize("header", [LINE, binary(b"\xc0\x00\x02\x07"), LOCAL])
@on_both_loops
async def test_from_everybody_else_a_header_is_a_fault(header: bytes) -> None:
    """Nobody chooses the address that he is locked out, counted and recorded under."""
    async with open_door(values(proxy_from=("192.0.2.0/24",))) as opened:
        assert state(await say(opened, header + startup("user", "alice"))) == "08P01"
        assert opened.events() == [("protocol.fault", NOT_TRUSTED, 1)]
        assert opened.folded[0].source == "127.0.0.1"
        await (await libpq(opened)).close()


@on_both_loops
async def test_failures_count_for_the_address_that_was_named() -> None:
    """Lock-outs and events alike."""
    async with open_door(values(proxy_from=LOOPBACK)) as opened:
        said = await say(opened, LINE + startup("user", "MALLORY"))
        assert state(said) == "28P01"
        opened.folds.flush(everything=True)
        assert opened.folded[0].source == "192.0.2.7"
        opened.lock_outs.failures["alice", "192.0.2.7"] = 99
        with pytest.raises(TargetFault):  # a client that gets no proof of the other side
            await come(opened, LINE)
        assert await come(opened, binary(b"\xc0\x00\x02\x09")) == "192.0.2.9"


@on_both_loops
async def test_caps_count_for_the_address_that_was_named() -> None:
    """A flood through a proxy sheds its own; others behind the same proxy stay."""
    async with open_door(values(proxy_from=LOOPBACK, per_address=2)) as opened:
        held = []
        for last in (1, 2, 3, 4, 9, 9):
            reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
            writer.write(binary(bytes((192, 0, 2, last))) + startup("user", "alice"))
            assert (await reader.readexactly(1)) == b"R"
            held.append((reader, writer))
        assert opened.door.unauthenticated == 6
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        writer.write(binary(b"\xc0\x00\x02\x09") + startup("user", "alice"))
        assert state(await held[4][0].read()) == "53300"
        assert await come(opened, binary(b"\xc0\x00\x02\x01")) == "192.0.2.1"
        for _, one in [*held, (reader, writer)]:
            one.close()


@on_both_loops
async def test_half_a_header_meets_the_deadline() -> None:
    """A probe that connects and leaves is no event."""
    async with open_door(values(proxy_from=LOOPBACK, handshake_s=0.05)) as opened:
        assert await say(opened, LINE[:9]) == b""
        assert await say(opened, LOCAL, end=True) == b""
        assert await say(opened, end=True) == b""
        assert opened.events() == [("protocol.fault", "hand-shake too slow", 1)]
        await opened.empty()


def test_what_is_no_network() -> None:
    """Is a settings error; host bits that are set are a slip, not a wish."""
    for network in ("192.0.2.7/24", "proxy.example", ""):
        with pytest.raises(SettingsError, match="no network"):
            TrustedProxies([network])
    trusted = TrustedProxies(["192.0.2.0/24", "2001:db8::/32", "198.51.100.9"])
    for source in ("192.0.2.200", "2001:db8::1", "198.51.100.9"):
        assert source in trusted
    for source in ("198.51.100.8", "2001:db9::1", "", "socket"):
        assert source not in trusted

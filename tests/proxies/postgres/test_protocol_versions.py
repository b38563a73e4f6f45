"""Protocol 3.0, 3.2 and what is unknown: what is negotiated, and the cancel keys that belong to it."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.certificates import Authority, CertificateFiles
from support.door import OpenDoor, open_door
from support.door_clients import SSL_REQUEST, libpq, say, sign_in, with_tls
from support.loops import on_both_loops

from gatekeep.protocols.postgres.cancel import CancelKey, cancel_request

V3_2 = (3 << 16) | 2
V3_9999 = (3 << 16) | 9999
CANCEL = 80877102


@pytest.fixture
def leaf(tmp_path: Path) -> CertificateFiles:
    """A certificate for loopback, from a CA of this test in `ca.pem`."""
    return Authority(tmp_path).issue("door")


@contextlib.asynccontextmanager
async def signed_in(
    opened: OpenDoor, code: int, *pairs: str
) -> AsyncIterator[tuple[bytes, CancelKey]]:
    """A client by hand that asks for a version: what was negotiated, and its cancel key."""
    reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
    try:
        negotiated = await sign_in(reader, writer, code=code, pairs=pairs)
        while True:
            kind, length = struct.unpack("!cI", await reader.readexactly(5))
            body = await reader.readexactly(length - 4)
            if kind == b"K":
                yield negotiated, CancelKey(int.from_bytes(body[:4], "big"), body[4:])
                return
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("code", "options", "negotiated", "secret"),
    [
        (3 << 16, (), b"", 4),
        (V3_2, (), b"", 32),
        (V3_2, ("_pq_.novel", "1"), struct.pack("!II", V3_2, 1) + b"_pq_.novel\0", 32),
        (3 << 16, ("_pq_.novel", ""), struct.pack("!II", 3 << 16, 1) + b"_pq_.novel\0", 4),
        (V3_9999, (), struct.pack("!II", V3_2, 0), 32),
        (
            V3_9999, ("_pq_.a", "1", "_pq_.b", "2"),
            struct.pack("!II", V3_2, 2) + b"_pq_.a\0_pq_.b\0", 32,
        ),
    ],
)  # fmt: skip
@on_both_loops
async def test_what_is_negotiated(
    code: int, options: tuple[str, ...], negotiated: bytes, secret: int
) -> None:
    """NegotiateProtocolVersion only for what is unknown; the key's length fits the version."""
    async with open_door() as opened, signed_in(opened, code, *options) as (said, key):
        assert said == negotiated
        assert len(key.secret) == secret


@pytest.mark.parametrize("code", [3 << 16, V3_2])
@on_both_loops
async def test_each_length_of_key_cancels_its_session(code: int) -> None:
    """In clear; a prefix, a longer key and another number do not, and are answered alike."""
    async with open_door() as opened, signed_in(opened, code) as (_, key):
        for wrong in (
            CancelKey(key.pid, key.secret + b"\0"),
            CancelKey(key.pid, key.secret[:-1] + bytes([key.secret[-1] ^ 1])),
            CancelKey(key.pid ^ 1, key.secret),
        ):
            assert await say(opened, cancel_request(wrong)) == b""
        assert opened.cancelled == []
        assert await say(opened, cancel_request(key)) == b""
        assert opened.cancelled == ["127.0.0.1", "session"]


@pytest.mark.parametrize("code", [3 << 16, V3_2])
@on_both_loops
async def test_each_length_of_key_over_tls(
    code: int, leaf: CertificateFiles, tmp_path: Path
) -> None:
    """A cancel may come protected whether or not the session is."""
    async with open_door(with_tls(leaf, "prefer")) as opened, signed_in(opened, code) as (_, key):
        libpq_like = Authority.client_context(tmp_path / "ca.pem")
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        writer.write(SSL_REQUEST)
        assert await reader.readexactly(1) == b"S"
        await writer.start_tls(libpq_like, server_hostname="127.0.0.1")
        writer.write(cancel_request(key))
        assert await reader.read() == b""
        writer.close()
        assert opened.cancelled == ["127.0.0.1", "session"]


@pytest.mark.parametrize("secret", [b"", b"abc", b"x" * 257])
@on_both_loops
async def test_keys_that_cannot_be(secret: bytes) -> None:
    """Are answered like those that do not fit: by closing. The event says what came."""
    async with open_door() as opened:
        packet = struct.pack("!III", 12 + len(secret), CANCEL, 1) + secret
        assert await say(opened, packet) == b""
        assert opened.events() == [("protocol.fault", "a malformed CancelRequest", 1)]


@pytest.mark.parametrize("version", ["3.0", "3.2"])
@pytest.mark.parametrize("mode", ["disable", "require"])
@on_both_loops
async def test_libpq_18_cancels(version: str, mode: str, leaf: CertificateFiles) -> None:
    """With either version insisted on; the cancel is protected as the session is."""
    async with open_door(with_tls(leaf, "prefer")) as opened:
        connection = await libpq(
            opened, sslmode=mode, min_protocol_version=version, max_protocol_version=version
        )
        assert f"3.{opened.arrivals[0].request.minor}" == version
        await connection.cancel_safe()
        await connection.close()
        assert opened.cancelled == ["127.0.0.1", "session"]


@on_both_loops
async def test_libpq_asks_for_the_latest() -> None:
    """`max_protocol_version=latest` meets exactly what it wants."""
    async with open_door() as opened:
        await (await libpq(opened, max_protocol_version="latest")).close()
        assert opened.arrivals[0].request.minor == 2

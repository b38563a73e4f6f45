"""Clients that come to a door: libpq, psql, and bytes by hand."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Sequence

import psycopg
from support.certificates import CertificateFiles
from support.door import TOKEN, OpenDoor, values

from gatekeep.protocols.postgres.scram import ClientExchange, salted_password
from gatekeep.proxies.postgres.listener import DoorValues

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)


def with_tls(leaf: CertificateFiles, mode: str = "require", **changes: object) -> DoorValues:
    """A door that shows this certificate."""
    return values(tls=mode, certificate=leaf.certificate, key=leaf.key, **changes)


def startup(*pairs: str, code: int = 3 << 16) -> bytes:
    """A StartupMessage."""
    body = "".join(f"{word}\0" for word in pairs).encode() + b"\0"
    return struct.pack("!II", len(body) + 8, code) + body


def dsn(opened: OpenDoor, **more: str) -> str:
    """How libpq is told to come here."""
    keys = {"host": "127.0.0.1", "port": str(opened.port), "user": "alice", "dbname": "orders",
            "password": TOKEN, "connect_timeout": "10", **more}  # fmt: skip
    return " ".join(f"{key}='{value}'" for key, value in keys.items())


async def libpq(opened: OpenDoor, **more: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """A psycopg connection that sends nothing by itself."""
    return await psycopg.AsyncConnection.connect(dsn(opened, **more), autocommit=True)


async def psql(
    opened: OpenDoor, *, env: dict[str, str] | None = None, **more: str
) -> tuple[int, str, str]:
    """Run psql against the door: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        "psql", "-X", "-At", "-c", "select 1", dsn(opened, **more),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "HOME": "/nonexistent", **(env or {})},
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def say(opened: OpenDoor, *pieces: bytes, end: bool = False) -> bytes:
    """Send raw bytes and read until the door closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if end:
            writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


def state(answer: bytes) -> str:
    """SQLSTATE of an ErrorResponse, wherever in the bytes it stands."""
    at = answer.find(b"E", 0)
    while at >= 0 and b"\0C" not in answer[at : at + 40]:
        at = answer.find(b"E", at + 1)
    fields = answer[at + 5 :].split(b"\0") if at >= 0 else []
    return next((field[1:].decode() for field in fields if field[:1] == b"C"), "")


async def sign_in(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, user: str = "alice",
    token: str = TOKEN, extra: bytes = b"", code: int = 3 << 16, pairs: Sequence[str] = (),
    offered: Sequence[str] = ("SCRAM-SHA-256",), taken: Sequence[str] = (), binding: bytes = b"",
) -> bytes:  # fmt: skip
    """A client by hand, up to its proof; `extra` goes out in the same piece.

    `offered` must be what the door offers, `taken` is what the client believes to be offered (the
    same, if empty), `binding` what it takes for the hash of the door's certificate.

    Returns the body of NegotiateProtocolVersion, empty if none came.
    """
    negotiated = b""

    async def message() -> bytes:
        nonlocal negotiated
        kind, length = struct.unpack("!cI", await reader.readexactly(5))
        body = await reader.readexactly(length - 4)
        if kind == b"v":
            negotiated = body
            return await message()
        return body

    def response(data: bytes) -> bytes:
        return b"p" + struct.pack("!I", len(data) + 4) + data

    writer.write(startup("user", user, *pairs, code=code))
    assert (await message())[4:] == "".join(f"{one}\0" for one in (*offered, "")).encode()
    client = ClientExchange(taken or offered, nonce=b"c" * 18, binding=binding)
    first = client.first()
    writer.write(response(client.mechanism.encode() + b"\0" + struct.pack("!I", len(first)) + first))
    client.challenge((await message())[4:])
    salted = salted_password(token, client.salt, client.iterations)
    writer.write(response(client.proof(salted)) + extra)
    client.verify((await message())[4:])
    return negotiated

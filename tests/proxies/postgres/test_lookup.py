"""Catalogue look-ups sign in as strictly as sessions, with the session's own account."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import asyncpg
import pytest
from support import builders
from support.postgres_server import PostgresServer

from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Account, TargetTls
from gatekeep.proxies.postgres.lookup import LookUps
from gatekeep.proxies.postgres.target import TargetConnector
from gatekeep.runtime.clock import random_bytes
from gatekeep.runtime.offload import Offload

PASSWORD = "look-up-secret"  # noqa: S105 - a throw-away account on loopback


def session_on(port: int, account: str, database: str = "postgres") -> Session:
    """A session of that account on a target at this port."""
    accounts = {account: Account(account, "env:SECRET")}
    target = builders.target(port=port, tls=TargetTls.DISABLE, accounts=accounts)
    return builders.session(target=target, account=account, database=database)


@pytest.fixture
async def look_ups() -> AsyncIterator[LookUps]:
    """Look-ups whose every secret is the test's password."""
    offload = Offload()
    made = LookUps(TargetConnector(random_bytes, offload), lambda _reference: PASSWORD)
    yield made
    await made.close()
    offload.close()


async def test_a_look_up_is_the_account_itself_and_only_reads(
    postgres_server: PostgresServer, look_ups: LookUps
) -> None:
    """Asyncpg works through it as that very account, in a session that cannot write."""
    admin = await asyncpg.connect(postgres_server.dsn())
    await admin.execute(f"CREATE ROLE looker LOGIN PASSWORD '{PASSWORD}'")
    try:
        connection = await look_ups.connect(session_on(postgres_server.port, "looker"))
        assert await connection.fetchval("SELECT current_user") == "looker"
        assert await connection.fetchval("SHOW transaction_read_only") == "on"
        await connection.close()
    finally:
        await admin.execute("DROP ROLE looker")
        await admin.close()


async def test_a_target_that_asks_for_the_password_in_clear_never_gets_it(
    look_ups: LookUps,
) -> None:
    """Whatever a lying target asks for, the secret is not among what it hears."""
    heard = bytearray()

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4096))
        writer.write(b"R" + struct.pack("!II", 8, 3))  # AuthenticationCleartextPassword
        heard.extend(await reader.read(4096))
        writer.close()
        await writer.wait_closed()

    lying = await asyncio.start_server(lie, "127.0.0.1", 0)
    port = lying.sockets[0].getsockname()[1]
    try:
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await look_ups.connect(session_on(port, "looker"))
    finally:
        lying.close()
        await lying.wait_closed()
    assert b"looker" in heard
    assert PASSWORD.encode() not in heard

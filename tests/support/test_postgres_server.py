"""The server that tests run against."""

from __future__ import annotations

import asyncpg
import pytest
from support.postgres_server import PostgresServer


async def test_it_answers_over_loopback_with_a_scram_password(
    postgres_server: PostgresServer,
) -> None:
    """A client with the password gets PostgreSQL 18, one without is refused."""
    connection = await asyncpg.connect(postgres_server.dsn())
    try:
        assert await connection.fetchval("show server_version_num") >= "180000"
        assert await connection.fetchval("show password_encryption") == "scram-sha-256"
    finally:
        await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_server.dsn(password="wrong"))  # noqa: S106 - wrong on purpose

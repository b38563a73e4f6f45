"""What tests of the catalogue share: a laboratory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.lab import Lab
from support.postgres_server import PostgresServer


@pytest.fixture
async def lab(postgres_server: PostgresServer) -> AsyncIterator[Lab]:
    """An empty database, dropped afterwards."""
    made = Lab(postgres_server)
    await made.admin(f"CREATE ROLE {made.role} LOGIN PASSWORD 'x'")
    await made.admin(f"CREATE DATABASE {made.name} OWNER {made.role}")
    yield made
    await made.admin(f"DROP DATABASE {made.name} WITH (FORCE)")
    await made.admin(f"DROP ROLE {made.role}")

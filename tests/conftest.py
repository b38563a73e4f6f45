"""Fixtures that more than one room needs; each starts something real and ends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL 18 for each test worker. Make your own database in it."""
    server = PostgresServer()
    yield server
    server.stop()

"""Connections to the real server for this room's tests; closed when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.postgres_server import PostgresServer
from support.postgres_wire import Wire


@pytest.fixture
def connect(postgres_server: PostgresServer) -> Iterator[Callable[[], Wire]]:
    """Makes signed-in connections."""
    opened: list[Wire] = []
    server = postgres_server

    def one() -> Wire:
        opened.append(Wire(server.host, server.port, server.user, server.password, "postgres"))
        return opened[-1]

    yield one
    for wire in opened:
        wire.close()

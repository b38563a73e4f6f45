"""The index is derived: hurt or lost while nobody looked, it is made anew and evidence goes on."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
from support.gateway import Gateway
from support.http_door import is_ready
from support.postgres_server import PostgresServer
from support.running_gateway import own_database, running_gateway, until

from gatekeep.cli.client import GatewayClient
from gatekeep.cli.exits import Stop


@pytest.mark.parametrize("how", ["garbage", "flipped", "gone"])
def test_a_hurt_index_is_made_anew(postgres_server: PostgresServer, how: str) -> None:
    """The gateway starts, is ready, and finds what it found before.

    One that opens and is damaged inside takes `audit rebuild-index`, as the diagnostics say.
    """
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as gateway,
    ):
        with psycopg.connect(gateway.dsn(), autocommit=True) as client:
            for number in range(50):
                client.execute("SELECT %s::int, 'kingfisher'", (number,))
        until(lambda: _found(gateway) >= 50, "the index at first")
        assert gateway.stop() == 0
        index = gateway.state / "index.db"
        content = index.read_bytes()
        if how == "gone":
            index.unlink()
        elif how == "garbage":
            index.write_bytes(os.urandom(len(content)))
        else:
            middle = len(content) // 2
            index.write_bytes(
                content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            )
        gateway.start()
        until(lambda: is_ready(gateway), "ready")
        if how == "flipped":
            until(lambda: "rebuild-index" in gateway.log or _found(gateway) >= 50, "the advice")
            assert gateway.stop() == 0
            assert gateway.run("audit", "rebuild-index").returncode == 0
            gateway.start()
        until(lambda: _found(gateway) >= 50, "the index again")
        until(lambda: is_ready(gateway), "ready at last")
        done = gateway.verify()
        assert done.returncode == 0, done.stdout + done.stderr


def _found(gateway: Gateway) -> int:
    client = GatewayClient(Path(gateway.ready["socket"]))
    try:
        page = client.get("/v1/audit/events", q="kingfisher kind:action.released", limit=1000)
    except Stop:
        return 0
    return len(page["events"])

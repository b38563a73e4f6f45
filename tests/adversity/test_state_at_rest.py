"""A copy of the state directory without the keys: no statement, name, address or token in it."""

from __future__ import annotations

import signal

import psycopg
import pytest
from support.postgres_server import PostgresServer
from support.running_gateway import alive, own_database, running_gateway, until

WORDS = ("kingfisher", "halcyon", "invoices_of_may", "alice", "engineers", "127.0.0.1")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_copied_state_directory_reveals_nothing(
    postgres_server: PostgresServer, sign: signal.Signals
) -> None:
    """Neither text nor bind values nor who it was; diagnostics hold no statement and no token."""
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as gateway,
    ):
        with psycopg.connect(gateway.dsn(), autocommit=True) as client:
            client.execute("CREATE TABLE invoices_of_may (note text)")
            client.execute("INSERT INTO invoices_of_may VALUES (%s)", ("kingfisher",))
            client.execute("SELECT * FROM invoices_of_may WHERE note = 'halcyon'")
        found = gateway.run("audit", "search", "halcyon")
        assert "halcyon" in found.stdout or not found.returncode
        pids = gateway.processes()
        gateway.stop(sign)
        until(lambda: not any(alive(pid) for pid in pids), "their end")
        words = [*WORDS, *gateway.tokens.values(), postgres_server.password]
        assert gateway.state.stat().st_mode & 0o777 == 0o700
        for path in gateway.state.rglob("*"):
            if not path.is_file():
                continue
            content = path.read_bytes()
            for word in words:
                assert word.encode() not in content, f"{word} in {path.name}"
        for word in ("kingfisher", "halcyon", "invoices_of_may", *words[len(WORDS) :]):
            assert word not in gateway.log

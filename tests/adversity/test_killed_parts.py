"""The writer or the archivist is killed alone: the one ends the gateway, the other comes back."""

from __future__ import annotations

import fcntl
from pathlib import Path

import psycopg
import pytest
from support.event_count import Tally, events
from support.gateway import Gateway
from support.http_door import get, is_ready
from support.insert_load import CREATE, InsertLoad
from support.postgres_server import PostgresServer
from support.running_gateway import (
    ask,
    await_gone,
    child,
    kill,
    own_database,
    running_gateway,
    until,
)


def test_without_its_writer_the_gateway_ends_and_forwards_nothing(
    postgres_server: PostgresServer,
) -> None:
    """Exit 74; every client hears 58030 or that its outcome is unknown; no row without an event."""
    with own_database(postgres_server) as database:
        ask(postgres_server, database, CREATE)
        with running_gateway(postgres_server, database=database) as gateway:
            assert gateway.process is not None
            pids = gateway.processes()
            with (
                psycopg.connect(gateway.dsn(), autocommit=True) as idle,
                InsertLoad(gateway.dsn(), 4, "w") as load,
            ):
                load.await_answers(40)
                kill(child(gateway, "gatekeep.journal.writer"))
                load.await_end()
                with pytest.raises(psycopg.OperationalError, match="cannot be recorded right now"):
                    idle.execute("SELECT 1")
            assert gateway.process.wait(30) == 74
            gateway.process = None
            await_gone(pids)
            codes = {refused[:5] for refused in load.refused}
            assert codes <= {"58030", "08007"}, load.refused
            gateway.start()
            done = gateway.verify()
            assert done.returncode == 0, done.stdout + done.stderr
            rows = {row[0] for row in ask(postgres_server, database, "SELECT id FROM rows_written")}
            tally = Tally.of(events(gateway.state, gateway.keys))
            recorded = {
                event.payload["parameters"][0]
                for event in tally.released.values()
                if event.payload["verb"] == "INSERT"
            }
            assert load.answered <= rows <= recorded
            assert not tally.without_ending


def test_a_killed_archivist_comes_back(postgres_server: PostgresServer) -> None:
    """Statements go on, /readyz says what is missing and recovers, verify is 0."""
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as gateway,
        psycopg.connect(gateway.dsn(), autocommit=True) as client,
    ):
        until(lambda: is_ready(gateway), "ready at first")
        first = child(gateway, "gatekeep.archivist")
        kill(first)
        assert client.execute("SELECT 1").fetchone() == (1,)
        await_gone([first])
        until(lambda: len(_pids(gateway) - {first}) == 2, "another archivist")
        until(lambda: is_ready(gateway), "ready again")
        until((gateway.journal / "log" / "checkpoint").exists, "a checkpoint")
        assert client.execute("SELECT 2").fetchone() == (2,)
        done = gateway.verify()
        assert done.returncode == 0, done.stdout + done.stderr
        client.close()
        assert gateway.stop() == 0
        done = gateway.verify()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "not signed yet" not in done.stdout


def test_an_archivist_that_still_ends_is_waited_for(postgres_server: PostgresServer) -> None:
    """While one of an earlier run still holds the archive the new one waits, and then works."""
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as gateway,
    ):
        assert gateway.stop() == 0
        with (gateway.journal / "archive.lock").open("r+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            gateway.start()
            with psycopg.connect(gateway.dsn(), autocommit=True) as client:
                assert client.execute("SELECT 1").fetchone() == (1,)
            checkpoint = (gateway.journal / "log" / "checkpoint").read_bytes()
            until(lambda: _waits_for(gateway, "archive.lock"), "an archivist that waits")
            assert get(gateway, "/healthz")[0] == 200
        until(
            lambda: (gateway.journal / "log" / "checkpoint").read_bytes() != checkpoint,
            "a new checkpoint",
        )
        until(lambda: is_ready(gateway), "ready")


def _pids(gateway: Gateway) -> set[int]:
    return set(gateway.processes()[1:])


def _waits_for(gateway: Gateway, name: str) -> bool:
    try:
        handles = list(Path(f"/proc/{child(gateway, 'gatekeep.archivist')}/fd").iterdir())
        return any(handle.readlink().name == name for handle in handles)
    except (AssertionError, FileNotFoundError):
        return False

"""SIGTERM: what runs may end, what is idle is told, and nothing stays behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.event_count import Tally, events
from support.gateway import Gateway
from support.postgres_server import PostgresServer
from support.running_gateway import ask, await_gone, own_database, running_gateway, until

SLEEPS = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
)


@pytest.fixture
def gateway(postgres_server: PostgresServer) -> Iterator[Gateway]:
    """A gateway that gives running statements four seconds."""
    with (
        own_database(postgres_server) as database,
        running_gateway(
            postgres_server, database=database, extra_settings={"drain_s": 4.0}
        ) as made,
    ):
        yield made


class Sleeper:
    """A client that runs `SELECT pg_sleep(…)`; `result` is its row or its error."""

    def __init__(self, gateway: Gateway, server: PostgresServer, seconds: int) -> None:
        self.result: object = None
        self._dsn = gateway.dsn()
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        until(lambda: _sleeping(server, gateway), "a statement that runs")

    def join(self) -> object:
        """What became of it."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.result

    def _run(self) -> None:
        try:
            with psycopg.connect(self._dsn, autocommit=True) as client:
                query = f"SELECT pg_sleep({self._seconds})::text".encode()
                self.result = client.execute(query).fetchone()
        except psycopg.Error as error:
            self.result = error


def _sleeping(server: PostgresServer, gateway: Gateway) -> bool:
    query = f"{SLEEPS} AND datname = '{gateway.database}'"
    return bool(ask(server, "postgres", query)[0][0])


def test_what_runs_ends_and_what_is_idle_is_told(
    gateway: Gateway, postgres_server: PostgresServer
) -> None:
    """pg_sleep(1) finishes, an idle session gets FATAL 57P01, exit 0, no process stays."""
    pids = gateway.processes()
    with psycopg.connect(gateway.dsn(), autocommit=True) as idle:
        idle.execute("SELECT 1")
        sleeper = Sleeper(gateway, postgres_server, 1)
        assert gateway.stop(signal.SIGTERM) == 0
        assert sleeper.join() == ("",)
        with pytest.raises(psycopg.OperationalError, match="the gateway is restarting") as told:
            idle.execute("SELECT 2")
        assert told.value.diag.sqlstate == "57P01"
        assert told.value.diag.severity == "FATAL"
    await_gone(pids)
    assert not Path(gateway.ready["socket"]).exists()
    assert not Path(gateway.ready["socket"]).exists()
    done = gateway.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    tally = Tally.of(events(gateway.state, gateway.keys))
    assert not tally.without_ending
    assert tally.kinds["session.aborted"] == 0


def test_what_runs_too_long_is_cut(gateway: Gateway, postgres_server: PostgresServer) -> None:
    """After `drain_s` the statement is cut: its client hears that, the log says unknown, exit 0."""
    sleeper = Sleeper(gateway, postgres_server, 50)
    assert gateway.stop(signal.SIGTERM, limit_s=20) == 0
    error = sleeper.join()
    assert isinstance(error, psycopg.Error), error
    assert error.sqlstate == "08007"
    tally = Tally.of(events(gateway.state, gateway.keys))
    assert tally.kinds["action.unknown"] == 1
    assert not tally.without_ending
    done = gateway.verify()
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_gateway_on_the_same_state_is_refused(gateway: Gateway) -> None:
    """It says who owns the journal and exits; the first one goes on."""
    second = gateway.run("serve")
    assert second.returncode == 74, second.stdout + second.stderr
    assert "another gateway owns this journal" in second.stderr
    assert "Traceback" not in second.stderr
    with psycopg.connect(gateway.dsn(), autocommit=True) as client:
        assert client.execute("SELECT 1").fetchone() == (1,)
    assert Path(gateway.ready["socket"]).exists()

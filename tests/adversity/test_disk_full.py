"""The disk is full: nothing goes unrecorded, running sessions end politely, and space heals it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest
from support.event_count import Tally, events
from support.gateway import Gateway
from support.http_door import get, is_ready
from support.insert_load import CREATE, InsertLoad
from support.postgres_server import PostgresServer
from support.running_gateway import ask, own_database, running_gateway, until
from support.small_disk import SmallDisk, small_disk

DISK_MIB = 24


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with the table of the load."""
    with own_database(postgres_server) as name:
        ask(postgres_server, name, CREATE)
        yield name


@pytest.fixture
def place() -> Iterator[tuple[Path, SmallDisk]]:
    """A directory whose `state` is a small disk."""
    directory = Path(mkdtemp(prefix="gk-a-"))
    with small_disk(directory / "state", DISK_MIB) as disk:
        yield directory, disk


def test_a_full_disk_refuses_and_recovers(
    postgres_server: PostgresServer, database: str, place: tuple[Path, SmallDisk]
) -> None:
    """New sessions hear 58030, running ones end when the segment does, nothing goes unrecorded.

    /readyz is 503 meanwhile and 200 once there is room; then all is as before and verify is 0.
    """
    directory, disk = place
    with running_gateway(
        postgres_server, directory=directory, database=database,
        extra_settings={"journal": {"segment_mib": 1}},
    ) as gateway:  # fmt: skip
        until(lambda: is_ready(gateway), "ready")
        with InsertLoad(gateway.dsn(), 4, "f") as load:
            load.await_answers(20)
            disk.fill()
            until(lambda: _still_full(disk, gateway), "503")
            load.await_end()
        assert {one[:5] for one in load.refused} <= {"58030", "57P01"}, load.refused
        assert load.refused
        with pytest.raises(psycopg.OperationalError, match="cannot be recorded right now"):
            psycopg.connect(gateway.dsn(), connect_timeout=20)
        status, said = get(gateway, "/readyz")
        assert (status, "journal" in said) == (503, True), said
        assert get(gateway, "/healthz")[0] == 200
        assert gateway.process is not None
        assert gateway.process.poll() is None, "the gateway itself goes on"
        disk.free()
        seconds = until(lambda: is_ready(gateway), "ready again")
        assert seconds < 30
        with psycopg.connect(gateway.dsn(), autocommit=True) as client:
            client.execute("INSERT INTO rows_written VALUES ('after', 'room')")
        done = gateway.verify()
        assert done.returncode == 0, done.stdout + done.stderr
        assert gateway.stop() == 0
        done = gateway.verify()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "not signed yet" not in done.stdout
        _nothing_unrecorded(gateway, postgres_server, database)
        assert "Traceback" not in gateway.log


def _still_full(disk: SmallDisk, gateway: Gateway) -> bool:
    disk.fill()
    return not is_ready(gateway)


def _nothing_unrecorded(gateway: Gateway, server: PostgresServer, database: str) -> None:
    rows = {row[0] for row in ask(server, database, "SELECT id FROM rows_written")}
    tally = Tally.of(events(gateway.state, gateway.keys))
    recorded = {
        event.payload.get("parameters", ["after"])[0]
        for event in tally.released.values()
        if event.payload["verb"] == "INSERT"
    }
    assert rows <= recorded, sorted(rows - recorded)[:5]
    assert not tally.without_ending
    assert not tally.doubled

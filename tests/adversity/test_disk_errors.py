"""The disk fails: exit 74, clients hear 58030, nothing is forwarded that a later reader cannot see."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from tempfile import mkdtemp

import pytest
from support.event_count import Tally, events
from support.gateway import Gateway
from support.insert_load import CREATE, InsertLoad
from support.postgres_server import PostgresServer
from support.running_gateway import ask, await_gone, child, own_database, running_gateway
from support.small_disk import block_device, small_disk


def test_an_io_error_ends_the_gateway_and_loses_nothing(postgres_server: PostgresServer) -> None:
    """A file system that answers EIO from one moment on, and forgets what was not synced.

    Exit 74, 58030 (or: the outcome is unknown) for all; after a new mount every row has its event.
    """
    directory = Path(mkdtemp(prefix="gk-a-"))
    with (
        own_database(postgres_server) as database,
        block_device(directory / "state", mib=64) as device,
        running_gateway(
            postgres_server, directory=directory, database=database,
            extra_settings={"journal": {"segment_mib": 1}},
        ) as gateway,
    ):  # fmt: skip
        ask(postgres_server, database, CREATE)
        pids = gateway.processes()
        with InsertLoad(gateway.dsn(), 6, "e") as load:
            load.await_answers(100)
            device.fail()
            load.await_end()
        _ended_with_74(gateway, load, pids)
        device.mend()
        gateway.start()
        _all_recorded(gateway, load, postgres_server, database)
    shutil.rmtree(directory)


def test_a_write_error_ends_the_gateway(postgres_server: PostgresServer) -> None:
    """The writer may write no more (its limit of file sizes is lowered): the same end."""
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as gateway,
    ):
        ask(postgres_server, database, CREATE)
        pids = gateway.processes()
        with InsertLoad(gateway.dsn(), 4, "l") as load:
            load.await_answers(40)
            resource.prlimit(
                child(gateway, "gatekeep.journal.writer"), resource.RLIMIT_FSIZE, (0, 0)
            )
            load.await_end()
        _ended_with_74(gateway, load, pids)
        gateway.start()
        _all_recorded(gateway, load, postgres_server, database)


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_a_read_only_directory_is_said_at_start(
    postgres_server: PostgresServer, used: bool
) -> None:
    """Exit 74 or 78, one sentence with the directory's name in it, no traceback."""
    directory = Path(mkdtemp(prefix="gk-a-"))
    with small_disk(directory / "state", 24) as disk, running_gateway(
        postgres_server, directory=directory, start=False,
        extra_settings={"journal": {"segment_mib": 1}},
    ) as gateway:  # fmt: skip
        if used:
            gateway.start()
            assert gateway.stop() == 0
        disk.make_read_only()
        with pytest.raises(RuntimeError, match=r"ended with (74|78)"):
            gateway.start()
        gateway.process = None
        said = gateway.log
        assert "gatekeep: " in said
        assert str(gateway.state) in said
        assert "read-only" in said.lower()
        assert "Traceback" not in said
    shutil.rmtree(directory)


def _ended_with_74(gateway: Gateway, load: InsertLoad, pids: list[int]) -> None:
    assert gateway.process is not None
    assert gateway.process.wait(30) == 74
    gateway.process = None
    await_gone(pids)
    assert {one[:5] for one in load.refused} <= {"58030", "08007"}, load.refused
    assert any("cannot be recorded right now, so it was not run" in one for one in load.refused)
    assert "Traceback" not in gateway.log


def _all_recorded(
    gateway: Gateway, load: InsertLoad, server: PostgresServer, database: str
) -> None:
    done = gateway.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row[0] for row in ask(server, database, "SELECT id FROM rows_written")}
    tally = Tally.of(events(gateway.state, gateway.keys))
    recorded = {
        event.payload["parameters"][0]
        for event in tally.released.values()
        if event.payload["verb"] == "INSERT"
    }
    assert load.answered <= rows <= recorded, sorted(rows - recorded)[:5]
    assert not tally.without_ending
    assert not tally.doubled

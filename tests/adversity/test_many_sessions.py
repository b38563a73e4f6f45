"""Many open sessions that do nothing: what one costs, and that nobody is slower for them."""

from __future__ import annotations

import logging
import resource
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from support.gateway import Gateway
from support.postgres_server import PostgresServer
from support.postgres_wire import Wire
from support.running_gateway import own_database, running_gateway

from gatekeep.protocols.postgres import messages as m

_log = logging.getLogger(__name__)

SIZES = [pytest.param(40, id="small"), pytest.param(2_000, id="whole", marks=pytest.mark.soak)]
MOST_KIB = 100  # of the gateway's own memory, a session
ASKED = 100


@pytest.fixture
def roomy(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A target that takes so many connections, and more open files for this process."""
    wanted = request.getfixturevalue("sessions") + 50
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * wanted)), hard))
    server = PostgresServer(settings={"max_connections": str(wanted)})
    yield server
    server.stop()


@pytest.fixture(params=SIZES)
def sessions(request: pytest.FixtureRequest) -> int:
    """How many."""
    return int(request.param)


def test_an_idle_session_costs_little_and_slows_nobody(
    roomy: PostgresServer, sessions: int
) -> None:
    """Memory a session stays under its bound; another session's statements take as long as before."""
    with (
        own_database(roomy) as database,
        running_gateway(roomy, database=database) as gateway,
        psycopg.connect(gateway.dsn(), autocommit=True) as working,
    ):
        with _idle(gateway, 10):
            pass  # what is loaded once is loaded by now
        alone, before = _pace(working), _memory_kib(gateway)
        with _idle(gateway, sessions):
            beside, after = _pace(working), _memory_kib(gateway)
        alone = max(alone, _pace(working))
        each = (after - before) / sessions
        _log.info(
            "%d idle sessions: %.1f KiB each; a statement beside them %.2f ms, alone %.2f ms",
            sessions, each, beside * 1e3, alone * 1e3,
        )  # fmt: skip
        assert each <= MOST_KIB
        assert beside <= max(3 * alone, 0.005), "a loose bound, for a busy machine"
        assert working.execute("SELECT 1").fetchone() == (1,)


@contextmanager
def _idle(gateway: Gateway, count: int) -> Iterator[None]:
    """So many sessions that each ran one statement."""
    wires: list[Wire] = []

    def opened(_number: int) -> Wire:
        token = gateway.tokens["alice"]
        wire = Wire("127.0.0.1", gateway.port, "alice", token, "orders")
        wire.exchange(m.query("SELECT 1"))
        return wire

    with ExitStack() as stack:
        with ThreadPoolExecutor(8) as pool:
            for wire in pool.map(opened, range(count)):
                stack.callback(wire.close)
                wires.append(wire)
        yield


def _pace(connection: psycopg.Connection[tuple[int]]) -> float:
    """Median seconds of a statement."""
    took: list[float] = []
    for _ in range(ASKED):
        started = time.perf_counter()
        connection.execute("SELECT 1").fetchone()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def _memory_kib(gateway: Gateway) -> int:
    """What the gateway's processes hold for themselves alone."""
    total = 0
    for pid in gateway.processes():
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Dirty:", "Private_Clean:")):
                total += int(line.split()[1])
    return total

"""Two hundred statements that wait: other sessions do not feel it, and nothing of them is left.

Compared within one run, turn and turn about: with them and without.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import statistics
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg
import pytest
from support.asking_gateway import Asking, asking_gateway, until
from support.postgres_server import PostgresServer
from support.postgres_wire import Wire, frames
from support.running_gateway import ask, own_database

from gatekeep.domain.approvals import RequestState
from gatekeep.gate.approval_changes import Pending
from gatekeep.protocols.postgres import messages as m
from gatekeep.proxies.postgres.holding import PostgresHold

pytestmark = [
    pytest.mark.journey,
    # Looks at a target that run out of time leave their sockets to the collector of garbage.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_log = logging.getLogger(__name__)

SIZES = [pytest.param(20, 2, id="small"), pytest.param(200, 5, id="whole", marks=pytest.mark.soak)]
ASKED = 200
LOOKED_S = 3.0
MOST = 3.0
"""How many times as long as in the worst turn without them the slowest of a hundred may take."""
FLOOR_S = 0.02
LIMIT_S = 180.0
TEXT = "DELETE FROM customers AS c{} WHERE id = 1"
_NAMES = itertools.count()
_CLIENTS = ThreadPoolExecutor(1)
T = TypeVar("T")


@pytest.fixture(scope="module")
def roomy() -> Iterator[PostgresServer]:
    """A target that takes so many connections."""
    server = PostgresServer(settings={"max_connections": "260"})
    yield server
    server.stop()


async def pace(connection: psycopg.AsyncConnection[tuple[int]]) -> tuple[float, float]:
    """Median and p99 of a read, in seconds; over some seconds, as what waits stirs once in each."""
    took: list[float] = []
    until_s = time.perf_counter() + LOOKED_S
    while len(took) < ASKED or time.perf_counter() < until_s:
        begun = time.perf_counter()
        await (await connection.execute("SELECT 1")).fetchone()
        took.append(time.perf_counter() - begun)
    cuts = statistics.quantiles(took, n=100)
    return cuts[49], cuts[98]


async def in_thread(work: Callable[[], T]) -> T:
    """What this comes to, in the one thread in which this test's clients wait."""
    return await asyncio.get_running_loop().run_in_executor(_CLIENTS, work)


@contextlib.asynccontextmanager
async def held(asking: Asking, wires: list[Wire]) -> AsyncIterator[None]:
    """On each of these a statement waits; at the end each is decided from two places at once.

    Every one has a template of its own: a no reaches all that is the same.
    """
    for wire in wires:
        wire.send(m.query(TEXT.format(next(_NAMES))))
    desk = asking.approvals.desk
    await until(lambda: len(desk._open) == len(wires), "all wait", LIMIT_S)
    await until(lambda: not len(asking.approvals.owner), "all was looked at", LIMIT_S)
    requests = [one.request for one in desk._open.values()]
    yield
    ballots = [
        asking.vote(request, name, deny=no)
        for request in requests
        for name, no in (("bob", ""), ("carol", "no"))
    ]
    casts = await asyncio.gather(*ballots)
    assert sum(one.counted for one in casts) == len(requests)
    assert all("already" in one.words for one in casts if not one.counted)
    approved = sum(one.counted and one.request.state is RequestState.APPROVED for one in casts)
    answers = [await in_thread(wire.read_ready) for wire in wires]
    kinds = [{kind for kind, _body in frames(answer)} - {"N", "Z"} for answer in answers]
    assert kinds.count({"C"}) == approved
    assert kinds.count({"E"}) == len(requests) - approved


def opened(asking: Asking) -> Wire:
    """A session of alice's, whose client waits without a turn of this process."""
    port = asking.gateway.postgres_port
    return Wire("127.0.0.1", port, "alice", asking.secrets["alice"], "orders")


def left_in_memory() -> int:
    """Holds and requests that are still there."""
    gc.collect()
    return sum(isinstance(one, PostgresHold | Pending) for one in gc.get_objects())


@pytest.mark.parametrize(("count", "rounds"), SIZES)
async def test_nobody_is_slower_for_what_waits(
    roomy: PostgresServer, count: int, rounds: int
) -> None:
    """The p99 of another session's reads, with so many held beside it and with none."""
    settings = {"approvals": {"max_open": count}}
    alone: list[tuple[float, float]] = []
    beside: list[tuple[float, float]] = []
    with own_database(roomy) as database, contextlib.ExitStack() as closing:
        ask(roomy, database, "CREATE TABLE customers (id int)")
        async with asking_gateway(roomy, database=database, settings=settings) as asking:
            wires = [await in_thread(lambda: opened(asking)) for _ in range(count)]
            for wire in wires:
                closing.callback(wire.socket.close)
            working = await asking.connect("dave")
            async with held(asking, wires):
                await pace(working)  # what is made once is made by now
            threads, before = threading.active_count(), left_in_memory()
            for _ in range(rounds):
                alone.append(await pace(working))
                async with held(asking, wires):
                    beside.append(await pace(working))
            alone.append(await pace(working))
            desk = asking.approvals.desk
            await until(lambda: not len(asking.approvals.owner), "all is done", LIMIT_S)
            assert (desk._open, desk._asking) == ({}, {})
            assert left_in_memory() <= before
            assert threading.active_count() <= threads
            await working.close()
    slow, slow_beside = (statistics.median(p99 for _, p99 in one) for one in (alone, beside))
    _log.info(
        "%d held beside: p50 %.2f ms, p99 %.2f ms; none: p50 %.2f ms, p99 %.2f ms; ratio of p99 %.2f",
        count, *(1e3 * statistics.median(cut[at] for cut in beside) for at in (0, 1)),
        *(1e3 * statistics.median(cut[at] for cut in alone) for at in (0, 1)), slow_beside / slow,
    )  # fmt: skip
    assert slow_beside <= max(MOST * max(p99 for _, p99 in alone), FLOOR_S)

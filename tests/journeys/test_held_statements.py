"""Statements held in place on a live connection: approved, denied, expired, cancelled, given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from support.asking_gateway import Asking, asking_gateway, until
from support.postgres_server import PostgresServer
from support.running_gateway import own_database

from gatekeep.domain.approvals import RequestState

pytestmark = pytest.mark.journey


@pytest.fixture
def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with three customers."""
    with own_database(postgres_server) as name:
        with psycopg.connect(postgres_server.dsn(database=name), autocommit=True) as direct:
            direct.execute("CREATE TABLE customers (id int PRIMARY KEY, name text)")
            direct.execute("INSERT INTO customers VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        yield name


@pytest.fixture
async def asking(postgres_server: PostgresServer, database: str) -> AsyncIterator[Asking]:
    """The gateway before it."""
    async with asking_gateway(postgres_server, database=database) as made:
        yield made


def left(server: PostgresServer, database: str) -> int:
    """How many customers there are, asked without the gateway."""
    with psycopg.connect(server.dsn(database=database), autocommit=True) as direct:
        row = direct.execute("SELECT count(*) FROM customers").fetchone()
        assert row is not None
        return int(row[0])


async def test_an_approved_statement_runs_in_place(
    asking: Asking, postgres_server: PostgresServer, database: str
) -> None:
    """It waits, a NOTICE says for whom; a yes lets exactly it run, and the client gets its answer."""
    notices: list[str] = []
    connection = await asking.connect()
    connection.add_notice_handler(lambda note: notices.append(note.message_primary or ""))
    running = asyncio.ensure_future(connection.execute("DELETE FROM customers WHERE id = 1"))
    (request,) = await asking.asked()
    await until(lambda: notices, "the client is told")
    assert notices == [f"gatekeep: waiting for approval by dba (bob or carol), request {request.id}"]
    assert left(postgres_server, database) == 3
    cast = await asking.vote(request)
    assert cast.counted
    done = await running
    assert done.rowcount == 1
    assert notices[-1] == f"gatekeep: bob approved request {request.id}, running it now"
    assert left(postgres_server, database) == 2
    assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
    await connection.close()
    kinds = [one["kind"] for one in await asking.told(request.id)]
    assert kinds == [
        "approval.requested", "action.requested", "approval.voted", "approval.decided",
        "action.released",
    ]  # fmt: skip


async def test_a_denied_statement_never_ran(
    asking: Asking, postgres_server: PostgresServer, database: str
) -> None:
    """The client reads who said no and why; its session goes on."""
    connection = await asking.connect()
    running = asyncio.ensure_future(connection.execute("DELETE FROM customers"))
    (request,) = await asking.asked()
    await asking.vote(request, deny="run it on the replica first")
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as told:
        await running
    assert told.value.diag.message_primary == f"gatekeep: bob denied request {request.id}"
    assert told.value.diag.message_detail == "Reason: run it on the replica first."
    assert told.value.diag.context is not None
    assert told.value.diag.context.startswith(f"request {request.id}, rule writes-need-dba, policy ")
    assert left(postgres_server, database) == 3
    assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
    await connection.close()


async def test_a_cancelled_statement_is_withdrawn(
    asking: Asking, postgres_server: PostgresServer, database: str
) -> None:
    """Ctrl-C takes the request back: PostgreSQL's own words, and nobody can approve it any more."""
    connection = await asking.connect()
    running = asyncio.ensure_future(connection.execute("DELETE FROM customers"))
    (request,) = await asking.asked()
    await connection.cancel_safe()
    with pytest.raises(psycopg.errors.QueryCanceled) as told:
        await running
    assert told.value.diag.message_primary == "canceling statement due to user request"
    assert (await asking.vote(request)).refusal == "late"
    assert left(postgres_server, database) == 3
    assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
    await connection.close()


async def test_a_client_that_leaves_withdraws(asking: Asking) -> None:
    """Nobody approves what nobody waits for."""
    connection = await asking.connect()
    running = asyncio.ensure_future(connection.execute("DELETE FROM customers"))
    (request,) = await asking.asked()
    await until(lambda: asking.approvals.desk._open[request.id].request.sight is not None, "told")
    connection.pgconn.finish()
    running.cancel()

    async def withdrawn() -> bool:
        found = await asking.approvals.front.request(request.id)
        return found.state is RequestState.WITHDRAWN

    await until(withdrawn, "it is withdrawn")

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
from gatekeep.messages import sight as words

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


async def test_the_asker_and_the_approver_read_what_it_would_touch(
    asking: Asking, postgres_server: PostgresServer, database: str
) -> None:
    """Rows of how many, the lock it takes and the one that is held; nobody's code ran for it."""
    with psycopg.connect(postgres_server.dsn(database=database), autocommit=True) as direct:
        direct.execute("CREATE TABLE stock AS SELECT g AS id FROM generate_series(1, 5000) g")
        direct.execute("ANALYZE stock")
    details: list[str] = []
    connection = await asking.connect()
    connection.add_notice_handler(lambda note: details.append(note.message_detail or ""))
    await connection.execute("BEGIN")
    running = asyncio.ensure_future(connection.execute("DELETE FROM stock"))
    (request,) = await asking.asked()

    async def seen() -> bool:
        found = await asking.approvals.front.request(request.id)
        return bool(found.sight)

    await until(seen, "it is looked at")
    await until(lambda: details, "the client is told")
    sight = (await asking.approvals.front.request(request.id)).sight
    assert words.phrases(sight) == (
        "about 5,000 rows of 5,000, no index",
        "takes ROW EXCLUSIVE on public.stock",
    )
    assert sight["locks_held"] == {"count": 0, "tables": []}
    await asking.vote(request)
    assert (await running).rowcount == 5000
    await connection.execute("ROLLBACK")
    await connection.close()


async def test_what_would_run_the_askers_code_is_named_and_not_run(
    asking: Asking, postgres_server: PostgresServer, database: str
) -> None:
    """C3: a STABLE function that tells by NOTIFY what it finds is not run before anybody said yes."""
    heard: list[str] = []
    marker = f"spied in {database}"
    with psycopg.connect(postgres_server.dsn(database=database), autocommit=True) as direct:
        direct.execute(
            "CREATE FUNCTION spy() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN"
            " RAISE LOG 'spied in %', pg_catalog.current_database();"
            " PERFORM pg_catalog.pg_notify('spied', 'x'); RETURN 1; END $$"
        )
        direct.add_notify_handler(lambda note: heard.append(note.payload))
        direct.execute("LISTEN spied")
        connection = await asking.connect()
        text = "DELETE FROM customers WHERE id = spy() AND id < spy()"
        running = asyncio.ensure_future(connection.execute(text))
        (request,) = await asking.asked()

        async def seen() -> bool:
            found = await asking.approvals.front.request(request.id)
            return bool(found.sight)

        await until(seen, "it is looked at")
        sight = (await asking.approvals.front.request(request.id)).sight
        assert sight["no_estimate"] == "runs public.spy"
        await asking.vote(request, deny="no")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await running
        await connection.close()
        direct.execute("SELECT 1")
    assert heard == []
    assert marker not in postgres_server.log()

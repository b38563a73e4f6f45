"""A refused statement leaves client and target of one mind, whatever transaction it came in."""

# ruff: noqa: S608 - statements are the tests' own words
from __future__ import annotations

from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg.pq import TransactionStatus
from support.journal_evidence import of_kind
from support.journey import Place

pytestmark = pytest.mark.journey

_STATES = {
    TransactionStatus.IDLE: "idle",
    TransactionStatus.INTRANS: "idle in transaction",
    TransactionStatus.INERROR: "idle in transaction (aborted)",
}


@pytest.fixture(scope="module", autouse=True)
def tables(guarded_place: Place) -> None:
    """Two tables: one that may be dropped by nobody, one for rows."""
    guarded_place.make("CREATE TABLE kept (n int); CREATE TABLE rows (who text)")


def _agree(place: Place, connection: psycopg.Connection[Any]) -> None:
    process = place.value(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name LIKE 'gatekeep/S-%' AND pid <> pg_backend_pid()"
    )
    told = _STATES[connection.info.transaction_status]
    assert place.session_state(process) == told


def _refused(error: psycopg.Error, what: str = "DROP TABLE") -> None:
    assert error.sqlstate == "42501"
    diagnosis = error.diag
    assert diagnosis.message_primary == f"gatekeep: policy does not allow {what} on orders"
    assert "Rule no-drop: tables are dropped by migrations." in (diagnosis.message_detail or "")
    assert (diagnosis.message_hint or "").startswith("The statement was not sent;")
    assert (diagnosis.context or "").startswith("rule no-drop, policy ")


def _run(connection: psycopg.Connection[Any], text: str, *, extended: bool) -> None:
    """One statement, by Query or by Parse, Bind, Execute, Sync."""
    if extended:
        connection.execute(text, binary=True)
        return
    result = connection.pgconn.exec_(text.encode())
    if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
        raise psycopg.errors.error_from_result(result)


def _pipelined(connection: psycopg.Connection[Any], *texts: str) -> psycopg.Error:
    """The error that a pipeline of these ends with."""
    try:
        with connection.pipeline():
            for text in texts:
                connection.execute(text)
    except psycopg.Error as error:
        return error
    raise AssertionError("nothing was refused")


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("autocommit", [False, True], ids=["transactions", "autocommit"])
@pytest.mark.parametrize("where", ["outside", "inside", "failed"])
def test_psycopg_and_the_target_agree_after_a_refusal(
    guarded_place: Place, where: str, autocommit: bool, extended: bool
) -> None:
    """Outside, inside and in a failed transaction: same state on both sides, nothing committed."""
    who = f"{where}-{autocommit}-{extended}"
    with guarded_place.connect("app_rw", autocommit=autocommit) as connection:
        if where != "outside":
            _run(connection, "BEGIN", extended=False)
            _run(connection, f"INSERT INTO rows VALUES ('{who}')", extended=extended)
        if where == "failed":
            with pytest.raises(psycopg.errors.DivisionByZero):
                _run(connection, "SELECT 1/0", extended=extended)
        with pytest.raises(psycopg.Error) as caught:
            _run(connection, "DROP TABLE kept", extended=extended)
        if where == "failed":
            assert caught.value.sqlstate in {"25P02", "42501"}
        else:
            _refused(caught.value)
        _agree(guarded_place, connection)
        assert guarded_place.value(f"SELECT count(*) FROM rows WHERE who = '{who}'") == 0
        connection.rollback()
        _agree(guarded_place, connection)
        assert connection.execute("SELECT 7").fetchone() == (7,)
        connection.rollback()
    assert guarded_place.value(f"SELECT count(*) FROM rows WHERE who = '{who}'") == 0
    assert guarded_place.value("SELECT to_regclass('kept') IS NOT NULL")


def test_psycopgs_own_transaction_is_as_it_would_be_after_any_error(guarded_place: Place) -> None:
    """Psycopg's implicit BEGIN, a write, a refusal: failed on both sides; a savepoint helps."""
    with guarded_place.connect("app_rw") as connection:
        connection.execute("INSERT INTO rows VALUES ('implicit')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("DROP TABLE kept")
        assert connection.info.transaction_status == TransactionStatus.INTRANS
        _agree(guarded_place, connection)
        connection.commit()
    assert guarded_place.value("SELECT count(*) FROM rows WHERE who = 'implicit'") == 1


@pytest.mark.parametrize("order", ["first", "last"])
def test_several_statements_in_one_query_run_all_or_none(guarded_place: Place, order: str) -> None:
    """Nothing of a Query that holds a refused statement runs, and DETAIL says which one it was."""
    texts = [f"INSERT INTO rows VALUES ('several-{order}')", "DROP TABLE kept"]
    if order == "first":
        texts.reverse()
    with guarded_place.connect("app_rw", autocommit=True) as connection:
        with pytest.raises(psycopg.Error) as caught:
            _run(connection, "; ".join(texts), extended=False)
        _refused(caught.value)
        position = 1 if order == "first" else 2
        assert f"Statement {position} of 2; none of the 2 was run." in str(
            caught.value.diag.message_detail
        )
        _agree(guarded_place, connection)
    count = f"SELECT count(*) FROM rows WHERE who = 'several-{order}'"
    assert guarded_place.value(count) == 0


@pytest.mark.parametrize("autocommit", [False, True], ids=["transactions", "autocommit"])
def test_a_pipeline_with_a_refused_statement_commits_nothing(
    guarded_place: Place, autocommit: bool
) -> None:
    """An INSERT before the refused statement shares its implicit transaction: it is rolled back."""
    who = f"pipeline-{autocommit}"
    with guarded_place.connect("app_rw", autocommit=autocommit) as connection:
        insert = f"INSERT INTO rows VALUES ('{who}')"
        _refused(_pipelined(connection, insert, "DROP TABLE kept", insert))
        _agree(guarded_place, connection)
        connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert guarded_place.value(f"SELECT count(*) FROM rows WHERE who = '{who}'") == 0


def test_a_pipeline_goes_on_after_its_sync(guarded_place: Place) -> None:
    """What follows a Sync in the same pipeline is judged and run as if nothing had happened."""
    with guarded_place.connect("app_rw", autocommit=True) as connection:
        with connection.pipeline() as pipeline:
            refused = connection.cursor()
            refused.execute("DROP TABLE kept")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                pipeline.sync()
            assert connection.execute("SELECT 5").fetchone() == (5,)
        _agree(guarded_place, connection)


def test_the_log_holds_each_refusal_and_its_cause(guarded_place: Place) -> None:
    """One action.refused with the rule; what was skipped behind it says so; nothing stays open."""
    mark = guarded_place.evidence.mark()
    with guarded_place.connect("app_rw", autocommit=True) as connection:
        caught = _pipelined(connection, "SELECT 1", "DROP TABLE kept", "SELECT 2")
        _refused(caught)
    events = guarded_place.evidence.closed(mark)
    refused = of_kind(events, "action.refused")
    assert [(one["text"], one["cause"]) for one in refused] == [
        ("DROP TABLE kept", "policy"), ("SELECT 2", "skipped"),
    ]  # fmt: skip
    released = [one["text"] for one in of_kind(events, "action.released")]
    assert released == ["SELECT 1"]
    assert len(of_kind(events, "action.finished")) == 1
    assert not of_kind(events, "action.unknown")


@pytest.mark.parametrize("where", ["outside", "inside", "failed"])
@pytest.mark.parametrize("way", ["execute", "fetch"])
async def test_asyncpg_and_the_target_agree_after_a_refusal(
    guarded_place: Place, where: str, way: str
) -> None:
    """The same matrix by asyncpg, whose execute is a Query and whose fetch is extended."""
    who = f"asyncpg-{where}-{way}"
    connection = await asyncpg.connect(**guarded_place.asyncpg("app_rw"))
    try:
        process = await connection.fetchval("SELECT pg_backend_pid()")
        transaction = connection.transaction()
        if where != "outside":
            await transaction.start()
            await connection.execute(f"INSERT INTO rows VALUES ('{who}')")
        if where == "failed":
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.execute("SELECT 1/0")
        with pytest.raises(asyncpg.PostgresError) as caught:
            await getattr(connection, way)("DROP TABLE kept")
        allowed = {"42501", "25P02"} if where == "failed" else {"42501"}
        assert caught.value.sqlstate in allowed
        expected = "idle" if where == "outside" else "idle in transaction (aborted)"
        assert guarded_place.session_state(process) == expected
        assert connection.is_in_transaction() == (where != "outside")
        if where != "outside":
            await transaction.rollback()
        assert guarded_place.session_state(process) == "idle"
        assert await connection.fetchval("SELECT 8") == 8
    finally:
        await connection.close()
    assert guarded_place.value(f"SELECT count(*) FROM rows WHERE who = '{who}'") == 0


async def test_asyncpg_prepared_statements_survive_a_refusal(guarded_place: Place) -> None:
    """A prepared statement still answers after something else was refused."""
    connection = await asyncpg.connect(**guarded_place.asyncpg("app_rw"))
    try:
        prepared = await connection.prepare("SELECT $1::int + 1")
        assert await prepared.fetchval(1) == 2
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("DELETE FROM kept WHERE n = $1", 1)
        assert await prepared.fetchval(2) == 3
    finally:
        await connection.close()


def test_nothing_of_all_this_harmed_the_gateway(guarded_place: Place) -> None:
    """No traceback, no failed session, and it serves."""
    guarded_place.unharmed()

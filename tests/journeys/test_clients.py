"""What drivers do all day works as if nobody stood between: pools, cursors, batches, LISTEN."""

from __future__ import annotations

import asyncio

import asyncpg
import psycopg
import pytest
from psycopg import sql
from support.journal_evidence import of_kind
from support.journey import Place

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module", autouse=True)
def tables(open_place: Place) -> None:
    """A table to fill."""
    open_place.make("CREATE TABLE batches (n int, what text)")


async def test_an_asyncpg_pool(open_place: Place) -> None:
    """Forty queries over four connections that are reset (with DISCARD-like statements) between."""
    async with asyncpg.create_pool(min_size=1, max_size=4, **open_place.asyncpg()) as pool:
        answers = await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in range(40)))
    assert answers == list(range(40))


async def test_asyncpg_cursors_batches_and_transactions(open_place: Place) -> None:
    """Executemany, a cursor in portions, and savepoints."""
    connection = await asyncpg.connect(**open_place.asyncpg())
    try:
        rows = [(n, f"row {n}") for n in range(250)]
        await connection.executemany("INSERT INTO batches VALUES ($1, $2)", rows)
        async with connection.transaction():
            cursor = connection.cursor("SELECT n FROM batches WHERE n < 250 ORDER BY n", prefetch=20)
            assert [row["n"] async for row in cursor] == list(range(250))
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with connection.transaction():
                    await connection.execute("SELECT 1/0")
            assert await connection.fetchval("SELECT 1") == 1
        await connection.execute("TRUNCATE batches")
    finally:
        await connection.close()


async def test_asyncpg_reads_types_it_does_not_know(open_place: Place) -> None:
    """Its introspection of an enum, a composite and an array of them passes."""
    connection = await asyncpg.connect(**open_place.asyncpg())
    try:
        await connection.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')")
        await connection.execute("CREATE TYPE felt AS (m mood, n int)")
        assert await connection.fetchval("SELECT ARRAY['sad', 'glad']::mood[]") == ["sad", "glad"]
        row = await connection.fetchval("SELECT ROW('glad', 3)::felt")
        assert tuple(row) == ("glad", 3)
    finally:
        await connection.close()


def test_psycopg_server_side_cursors(open_place: Place) -> None:
    """A named cursor is read in portions, scrolled, and each FETCH is an event."""
    mark = open_place.evidence.mark()
    with open_place.connect() as connection:
        with connection.cursor("portions") as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT generate_series(1, 450)")
            assert [row[0] for row in cursor] == list(range(1, 451))
        with connection.cursor("scrolled", scrollable=True) as cursor:
            cursor.execute("SELECT generate_series(1, 5)")
            cursor.scroll(3)
            assert cursor.fetchone() == (4,)
    released = of_kind(open_place.evidence.closed(mark), "action.released")
    assert sum(1 for one in released if str(one["text"]).startswith("FETCH FORWARD 100")) >= 5


def test_psycopg_prepared_statements_and_batches(open_place: Place) -> None:
    """Prepared after five uses, executemany, and RETURNING."""
    with open_place.connect() as connection:
        for n in range(12):
            assert connection.execute("SELECT %s::int", [n]).fetchone() == (n,)
        cursor = connection.cursor()
        cursor.executemany("INSERT INTO batches VALUES (%s, %s)", [(n, "x") for n in range(300)])
        cursor.executemany(
            "INSERT INTO batches VALUES (%s, 'y') RETURNING n", [(1,), (2,)], returning=True
        )
        assert cursor.fetchone() == (1,)
        connection.rollback()


def test_settings_inside_a_psycopg_pipeline(open_place: Place) -> None:
    """SET, SET LOCAL and a role in a pipeline work, and what follows is told under them."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        with connection.pipeline():
            connection.execute("SET search_path = pg_catalog")
            shown = connection.execute("SHOW search_path")
            connection.execute("INSERT INTO public.batches VALUES (5, 'five')")
            with connection.transaction():
                connection.execute("SET LOCAL search_path = public")
                here = connection.execute("SELECT n FROM batches WHERE what = %s", ["five"])
            last = connection.execute("SELECT current_setting('search_path')")
        assert [one.fetchone() for one in (shown, here, last)] == [
            ("pg_catalog",), (5,), ("pg_catalog",),
        ]  # fmt: skip
        connection.execute("TRUNCATE public.batches")
    events = open_place.evidence.closed(mark)
    assert not of_kind(events, "action.refused")
    (read,) = [
        one for one in of_kind(events, "action.released") if "FROM batches" in str(one["text"])
    ]
    assert read["tables_read"] == ["batches", "public.batches"]


def test_many_rows_for_a_table_with_a_trigger(open_place: Place) -> None:
    """Psycopg's executemany is one pipeline, and its rows run code one by one: all of them go in.

    An error in the last row takes all of them back, as without a gateway.
    """
    open_place.make(
        "CREATE TABLE counted (n int PRIMARY KEY);"
        "CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;"
        "CREATE TRIGGER t BEFORE INSERT ON counted FOR EACH ROW EXECUTE FUNCTION count_it()"
    )
    with open_place.connect() as connection:
        rows = [(n,) for n in range(200)]
        connection.cursor().executemany("INSERT INTO counted VALUES (%s)", rows)
        connection.commit()
        assert connection.execute("SELECT count(*) FROM counted").fetchone() == (200,)
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.cursor().executemany("INSERT INTO counted VALUES (%s)", [(900,), (1,)])
        connection.rollback()
        assert connection.execute("SELECT count(*) FROM counted").fetchone() == (200,)


async def test_many_rows_of_asyncpg_for_a_table_with_a_trigger(open_place: Place) -> None:
    """Its executemany is atomic: one Sync behind all rows, and a bad one takes back the rest."""
    connection = await asyncpg.connect(**open_place.asyncpg())
    try:
        await connection.execute("TRUNCATE counted")
        await connection.execute("SET search_path = public, pg_catalog")
        rows = [(n,) for n in range(200)]
        await connection.executemany("INSERT INTO counted VALUES ($1)", rows)
        assert await connection.fetchval("SELECT count(*) FROM counted") == 200
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.executemany("INSERT INTO counted VALUES ($1)", [(900,), (1,)])
        assert await connection.fetchval("SELECT count(*) FROM counted") == 200
        calls = "SELECT set_config('search_path', $1, false)"
        await connection.executemany(calls, [("a",), ("b",), ("public",)])
        assert await connection.fetchval("SHOW search_path") == "public"
    finally:
        await connection.close()


def test_listen_and_notify(open_place: Place) -> None:
    """A notification reaches its listener, and its passing is an event without its payload."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as listener, open_place.connect(
        autocommit=True
    ) as speaker:
        listener.execute("LISTEN news")
        speaker.execute(sql.SQL("NOTIFY news, {}").format(sql.Literal("payload-of-news")))
        (told,) = listener.notifies(timeout=20, stop_after=1)
        assert (told.channel, told.payload) == ("news", "payload-of-news")
    (noted,) = of_kind(open_place.evidence.closed(mark, 2), "notification.received")
    assert noted["channel"] == "news"
    assert noted["length"] == len("payload-of-news")


def test_discard_all_makes_the_session_new(open_place: Place) -> None:
    """Settings, prepared statements and temp tables are gone, and the session goes on."""
    with open_place.connect(autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SET search_path = pg_catalog")
        connection.execute("PREPARE p AS SELECT 1")
        connection.execute("CREATE TEMP TABLE brief (n int)")
        connection.execute("DISCARD ALL")
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public',)
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            connection.execute("EXECUTE p")
        assert connection.execute("SELECT to_regclass('brief')").fetchone() == (None,)


def test_two_sessions_of_one_principal(open_place: Place) -> None:
    """Each has its own transaction, and its own chain of events."""
    mark = open_place.evidence.mark()
    with open_place.connect() as one, open_place.connect() as other:
        one.execute("INSERT INTO batches VALUES (77, 'mine')")
        count = "SELECT count(*) FROM batches WHERE n = 77"
        assert one.execute(count).fetchone() == (1,)
        assert other.execute(count).fetchone() == (0,)
        one.rollback()
    events = open_place.evidence.closed(mark, 2)
    assert len({e.envelope["s"] for e in events}) == 2


def test_a_slow_reader_slows_its_target(open_place: Place) -> None:
    """A client that does not read does not disturb others, and gets all its rows in the end."""
    with open_place.connect(autocommit=True) as slow, open_place.connect(autocommit=True) as quick:
        slow.pgconn.send_query(b"SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
        for n in range(50):
            assert quick.execute("SELECT %s::int", [n]).fetchone() == (n,)
        result = slow.pgconn.get_result()
        assert result is not None
        assert result.ntuples == 20_000
        assert slow.pgconn.get_result() is None


def test_nothing_of_all_this_harmed_the_gateway(open_place: Place) -> None:
    """No traceback, no failed session, and it serves."""
    open_place.unharmed()
